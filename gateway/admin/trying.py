"""A request made from here, by the process that answers: it goes through the gateway's own app, as if it had come in at its port."""

from __future__ import annotations

import asyncio
from collections.abc import MutableMapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import unquote

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from gateway.admin.asking import Asked, asked_of, faults_of
from gateway.admin.breaking import FAULTS, BreakingState, are_allowed, breakable
from gateway.admin.reading import read_json
from gateway.admin.running import running
from gateway.app import Gateway
from gateway.guard import Receive

LARGEST_ANSWER = 256 * 1024
"""Bytes that are shown."""

PATIENCE = 60.0
"""Seconds after which an answer is shown as far as it has come: some have no end."""


def routes(gateway: Gateway) -> Sequence[Route]:
    """What there is of trying on the admin side."""
    breaking = BreakingState()

    async def attempt(request: Request) -> Response:
        """Calls an endpoint with a method, path, headers and body, and shows what it answers; in the demo with faults."""
        order = await read_json(request)
        asked, faults = asked_of(order), faults_of(order, FAULTS, allowed=are_allowed())
        async with breaking.broken(running(gateway), faults):
            answer = await answer_to(gateway, asked, request.receive)
        return JSONResponse(answer)

    async def faults(_: Request) -> Response:
        """Says which faults may be tried, and what with; in the demo alone."""
        if not are_allowed():
            return JSONResponse({"faults": {}, "upstreams": {}})
        return JSONResponse({"faults": FAULTS, "upstreams": await breakable(running(gateway))})

    return [Route("/api/try", attempt, methods=["POST"]), Route("/api/try/faults", faults)]


@dataclass(slots=True)
class AnswerState:
    """An answer, as it comes."""

    status: int | None = None
    headers: list[tuple[str, str]] = field(default_factory=list)
    body: bytearray = field(default_factory=bytearray)
    size: int = 0
    has_ended: bool = False

    async def take(self, message: MutableMapping[str, Any]) -> None:
        """One message of the app's."""
        if message["type"] == "http.response.start":
            self.status = message["status"]
            self.headers = [(name.decode("latin-1"), value.decode("latin-1")) for name, value in message["headers"]]
        elif message["type"] == "http.response.body":
            part = message.get("body", b"")
            self.size += len(part)
            self.body += part[: LARGEST_ANSWER - len(self.body)]
            self.has_ended = not message.get("more_body", False)


async def answer_to(gateway: Gateway, asked: Asked, gone: Receive) -> dict[str, Any]:
    """What an endpoint answers, for who is there until `gone` says otherwise: whoever leaves has no more done for him."""
    loop, answer = asyncio.get_running_loop(), AnswerState()
    began = loop.time()
    with suppress(TimeoutError):
        async with asyncio.timeout(PATIENCE):
            await gateway.app(_scope(asked), _Client(asked.body, gone).receive, answer.take)
    found = dict(answer.headers)
    complete = {"true": True, "false": False}.get(found.get("gateway-complete", ""))
    return {
        "status": answer.status,
        "complete": complete,
        "headers": answer.headers,
        "body": answer.body.decode(errors="replace"),
        "size": answer.size,
        "is_cut": answer.size > len(answer.body) or not answer.has_ended,
        "duration_ms": round((loop.time() - began) * 1000, 3),
        "trace": found["traceparent"].split("-")[1] if "traceparent" in found else None,
    }


@dataclass(slots=True)
class _Client:
    """Sends the body, and stays for as long as who ordered it does."""

    body: bytes
    gone: Receive
    has_sent: bool = False

    async def receive(self) -> MutableMapping[str, Any]:
        if self.has_sent:
            return await self.gone()
        self.has_sent = True
        return {"type": "http.request", "body": self.body, "more_body": False}


def _scope(asked: Asked) -> dict[str, Any]:
    raw, _, query = asked.target.partition(b"?")
    length = [(b"content-length", b"%d" % len(asked.body))] if asked.body else []
    return {
        "type": "http",
        "asgi": {"version": "3.0", "spec_version": "2.3"},
        "http_version": "1.1",
        "method": asked.method,
        "scheme": "http",
        "path": unquote(raw.decode()),
        "raw_path": raw,
        "query_string": query,
        "root_path": "",
        "headers": [*asked.headers, *length],
        "client": ("127.0.0.1", 0),
        "server": ("127.0.0.1", None),
        "state": {},
    }

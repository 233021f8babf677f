"""`gateway call`: one request through the whole gateway, in this process, and what it left behind."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Iterable, Sequence
from functools import partial
from pathlib import Path

import httpx
from rich.console import Console
from rich.highlighter import JSONHighlighter
from rich.text import Text
from starlette.types import ASGIApp

from gateway.app import Gateway
from gateway.cli.classes import find_classes
from gateway.cli.layout import lay_out, make_console
from gateway.cli.stream import ask_for_parts, ends_in_problem, is_in_lines, overheard, show_event
from gateway.cli.waterfall import waterfall
from gateway.errors import StartError
from gateway.plan import Plan
from gateway.plan.needs import needs_of
from gateway.story import NOBODY
from gateway.telemetry import Trace

_TOLD = ("gateway-complete", "proxy-status", "retry-after", "allow")
"""Response headers worth a line."""

_HEADER = re.compile(r"\s*([!#$%&'*+.^_`|~0-9A-Za-z-]+)\s*:[ \t]*([^\x00-\x08\x0a-\x1f\x7f]*)")
"""`Name: value`, as RFC 9110 (section 5.1) lets them be."""


def show_call(
    config: Path, classes: Sequence[str], request: httpx.Request, *, in_parts: bool = False, inject: bool = False
) -> int:
    """Make the request and print answer and waterfall, an answer in parts while it comes; the exit status is 1 when the request failed."""
    traces: list[Trace] = []
    gateway = Gateway.load(config, endpoints=find_classes(classes), sinks=[traces.append], inject=inject)
    console = make_console()
    app: ASGIApp = gateway.app
    if in_parts:
        app, request = overheard(app, partial(show_event, console)), ask_for_parts(request)
    response = asyncio.run(_answer(gateway, app, request))
    has_been_shown = in_parts and is_in_lines(response)
    if not has_been_shown:
        show_response(console, response)
    for trace in traces:
        show_trace(console, trace, gateway.plans)
    return 1 if response.is_error or (has_been_shown and ends_in_problem(response)) else 0


def make_request(method: str | None, path: str, headers: Sequence[str], data: str | None) -> httpx.Request:
    """The request as it is asked for on the command line; as with curl, data makes it a POST. Raises `StartError`."""
    fields = [_header(written) for written in headers]
    if data is not None and b"content-type" not in {name.lower() for name, _ in fields}:
        fields.append((b"content-type", b"application/json"))
    method = method or ("GET" if data is None else "POST")
    try:
        # A URL copied from a browser will do, its host ignored.
        target = httpx.URL(path if "://" in path else f"/{path.lstrip('/')}").raw_path
    except httpx.InvalidURL as error:
        raise StartError(f"not a path: {path!r}; write it as in /v1/home/42?limit=5") from error
    url = httpx.URL("http://gateway").copy_with(raw_path=target)
    return httpx.Request(method.upper(), url, headers=fields, content=None if data is None else data.encode())


def show_response(console: Console, response: httpx.Response) -> None:
    """Print status, telling headers and the body. Long lines are the terminal's to wrap, so that they can be copied."""
    style = "bold green" if response.is_success else "bold red" if response.is_error else "bold"
    console.print(Text(f"{response.status_code} {response.reason_phrase}", style=style))
    for name in _TOLD:
        if name in response.headers:
            console.print(Text(f"{name}: {response.headers[name]}", style="dim"), soft_wrap=True)
    console.print()
    try:
        text = Text(lay_out(response.json(), console.width))
        JSONHighlighter().highlight(text)
    except (ValueError, RecursionError):
        text = Text(response.text)
    console.print(text, soft_wrap=True)
    console.print()


def show_trace(console: Console, trace: Trace, plans: Iterable[Plan]) -> None:
    """Print the waterfall; one of the plans is that of the request."""
    needs = needs_of(plans).get(trace.root.name, NOBODY)
    console.print(waterfall(trace, console.width, needs), soft_wrap=True)


async def _answer(gateway: Gateway, app: ASGIApp, request: httpx.Request) -> httpx.Response:
    transport = httpx.ASGITransport(app, raise_app_exceptions=False)
    async with (
        gateway.app.router.lifespan_context(gateway.app),
        httpx.AsyncClient(transport=transport, trust_env=False) as client,
    ):
        return await client.send(request)


def _header(written: str) -> tuple[bytes, bytes]:
    match = _HEADER.fullmatch(written)
    if not match:
        raise StartError(f"not a header: {written!r}; write it as in 'Accept-Language: en'")
    return match[1].encode(), match[2].strip().encode()

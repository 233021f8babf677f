"""Request → the values that a plan reads: `path query headers body`, typed and checked before anything is called."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Mapping
from typing import Any
from urllib.parse import parse_qsl

from starlette.types import Receive, Scope

from gateway.decode import Undecodable, decode_json
from gateway.inputs import read_inputs
from gateway.plan import Plan
from gateway.problem import Problem, of_inputs, of_status

LARGEST_BODY = 1024**2
"""Bytes of a request's body."""

MOST_PARAMETERS = 1_000


class Refused(Exception):
    """The request is not one that can be answered; `problem` says why."""

    def __init__(self, problem: Problem) -> None:
        super().__init__(problem.title)
        self.problem = problem


class ClientGone(Exception):
    """The client has left; there is nobody to answer."""


async def read_request(plan: Plan, scope: Scope, receive: Receive, deadline: float) -> dict[str, Any]:
    """The values of a request. Raises `Refused`, `ClientGone`."""
    headers = _grouped((name.decode("latin-1"), _text(value)) for name, value in scope["headers"])
    values, misfits = read_inputs(plan.inputs, scope["path_params"], _query(scope["query_string"]), headers)
    if misfits:
        raise Refused(of_inputs(misfits))
    body = await _read_body(headers, receive, deadline) if plan.reads_body else None
    return {**values, "body": body}


def _query(raw: bytes) -> Mapping[str, list[str]]:
    try:
        pairs = parse_qsl(
            raw.decode("ascii"), keep_blank_values=True, encoding="utf-8", errors="strict", max_num_fields=MOST_PARAMETERS
        )
    except ValueError as error:
        raise Refused(of_status(400, "Bad Request", "the query string is not UTF-8, or has too many parameters")) from error
    return _grouped(pairs)


def _text(value: bytes) -> str:
    """A header's value: UTF-8 as everybody sends it, else the Latin-1 that HTTP began with, which any bytes are."""
    try:
        return value.decode()
    except UnicodeDecodeError:
        return value.decode("latin-1")


def _grouped(pairs: Iterable[tuple[str, str]]) -> Mapping[str, list[str]]:
    grouped: dict[str, list[str]] = {}
    for name, value in pairs:
        grouped.setdefault(name, []).append(value)
    return grouped


async def _read_body(headers: Mapping[str, list[str]], receive: Receive, deadline: float) -> Any:
    kind = headers.get("content-type", [""])[0].partition(";")[0].strip().lower()
    if kind != "application/json" and not (kind.startswith("application/") and kind.endswith("+json")):
        raise Refused(of_status(415, "Unsupported Media Type", "send application/json"))
    if headers.get("content-encoding", ["identity"]) != ["identity"]:
        raise Refused(of_status(415, "Unsupported Media Type", "send the body without a content encoding"))
    try:
        async with asyncio.timeout_at(deadline):
            body = await _receive_all(receive)
    except TimeoutError as error:
        raise Refused(of_status(408, "Request Timeout")) from error
    try:
        return decode_json(body)
    except Undecodable as error:
        raise Refused(of_status(400, "Bad Request", "the body is not JSON")) from error


async def _receive_all(receive: Receive) -> bytes:
    parts, size = [], 0
    while True:
        message = await receive()
        if message["type"] == "http.disconnect":
            raise ClientGone
        parts.append(message.get("body", b""))
        size += len(parts[-1])
        if size > LARGEST_BODY:
            raise Refused(of_status(413, "Content Too Large", f"a body may have {LARGEST_BODY} bytes"))
        if not message.get("more_body"):
            return b"".join(parts)

"""Request → the values that a plan reads: `path query headers body`, typed and checked before anything is called."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, TypeAlias
from urllib.parse import parse_qsl

from starlette.types import Receive, Scope

from gateway.deadline import BadTimeout, read_timeout
from gateway.errors import CallTimeout
from gateway.expressions.reference import SENT
from gateway.formats.decode import Undecodable, decode_json
from gateway.inbound.visit import ClientGone
from gateway.inputs import read_inputs
from gateway.limit import Limit, LimitsState
from gateway.plan import Plan
from gateway.problem import Problem, of_bad_timeout, of_error, of_inputs, of_status

LARGEST_BODY = 1024**2
"""Bytes of a request's body."""

MOST_PARAMETERS = 1_000

Picked: TypeAlias = dict[bytes, list[bytes]]
"""Header fields by name, each with all its values; only those that somebody reads."""


class Refused(Exception):
    """The request is not one that can be answered; `problem` says why."""

    def __init__(self, problem: Problem) -> None:
        super().__init__(problem.title)
        self.problem = problem


def pick_headers(headers: Iterable[tuple[bytes, bytes]], wanted: frozenset[bytes]) -> Picked:
    """The fields that are wanted. A browser sends ten or more, and nearly no endpoint reads one."""
    picked: dict[bytes, list[bytes]] = {}
    for name, value in headers:
        if name in wanted:
            picked.setdefault(name, []).append(value)
    return picked


def read_patience(headers: Picked) -> float:
    """Seconds that the client waits, infinite where it does not say. Raises `Refused`, also when there is no time at all."""
    try:
        seconds = read_timeout(headers)
    except BadTimeout as error:
        raise Refused(of_bad_timeout(str(error))) from error
    if seconds <= 0:
        raise Refused(of_error(CallTimeout("the client does not wait")))
    return seconds


def read_request(plan: Plan, scope: Scope, headers: Picked) -> dict[str, Any]:
    """The values of a request, with no body so far. Raises `Refused`."""
    query = read_query(scope["query_string"]) if scope["query_string"] else {}
    fields = {name: [_text(value) for value in headers[key]] for name in plan.headers if (key := name.encode()) in headers}
    values, misfits = read_inputs(plan.inputs, scope["path_params"], query, fields)
    if misfits:
        raise Refused(of_inputs(misfits))
    return {**values, "body": None}


async def read_body(plan: Plan, headers: Picked, receive: Receive, limits: LimitsState, deadline: float) -> dict[str, Any]:
    """A request's body as it came and, where somebody looks into it, its value. Raises `Refused`, `ClientGone`."""
    if plan.reads_body:
        _check_kind(headers)
    try:
        with Limit(limits, deadline):
            body = await _receive_all(receive)
    except TimeoutError as error:
        raise Refused(of_status(408, "Request Timeout")) from error
    try:
        return {SENT: body, "body": decode_json(body) if plan.reads_body else None}
    except Undecodable as error:
        raise Refused(of_status(400, "Bad Request", "the body is not JSON")) from error


def _check_kind(headers: Picked) -> None:
    kind = headers.get(b"content-type", [b""])[0].partition(b";")[0].strip().lower()
    if kind != b"application/json" and not (kind.startswith(b"application/") and kind.endswith(b"+json")):
        raise Refused(of_status(415, "Unsupported Media Type", "send application/json"))
    if headers.get(b"content-encoding", [b"identity"]) != [b"identity"]:
        raise Refused(of_status(415, "Unsupported Media Type", "send the body without a content encoding"))


def read_query(raw: bytes) -> Mapping[str, list[str]]:
    """Its parameters, each with all its values, in order. Raises `Refused`."""
    try:
        pairs = parse_qsl(
            raw.decode("ascii"), keep_blank_values=True, encoding="utf-8", errors="strict", max_num_fields=MOST_PARAMETERS
        )
    except ValueError as error:
        raise Refused(of_status(400, "Bad Request", "the query string is not UTF-8, or has too many parameters")) from error
    grouped: dict[str, list[str]] = {}
    for name, value in pairs:
        grouped.setdefault(name, []).append(value)
    return grouped


def _text(value: bytes) -> str:
    """A header's value: UTF-8 as everybody sends it, else the Latin-1 that HTTP began with, which any bytes are."""
    try:
        return value.decode()
    except UnicodeDecodeError:
        return value.decode("latin-1")


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

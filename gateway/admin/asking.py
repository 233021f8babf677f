"""What is to be asked of an endpoint, as it is ordered → the request. Pure."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from typing import Any

from gateway.guard import METHODS
from gateway.inbound.request import Refused
from gateway.problem import of_status

MADE_HERE = (b"host", b"content-length", b"transfer-encoding", b"connection", b"expect", b"upgrade")
"""Header fields that belong to a connection, of which there is none."""

_TARGET = re.compile(r"/[!-~]*")
_NAME = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
_VALUE = re.compile(r"[ \t!-~\xa0-\xff]*")

_MEMBERS = {"method", "path", "headers", "body", "faults"}


@dataclass(frozen=True, slots=True)
class Asked:
    """A request to an endpoint."""

    method: str
    target: bytes
    headers: tuple[tuple[bytes, bytes], ...]
    body: bytes


def asked_of(order: Any) -> Asked:
    """The request of `{"method": "GET", "path": "/v1/home/42", "headers": [["accept", "text/html"]], "body": null}`. Raises `Refused`."""
    if not isinstance(order, dict) or order.keys() - _MEMBERS:
        raise _bad(f"send an object with {', '.join(sorted(_MEMBERS))}")
    method, target, body = order.get("method", "GET"), order.get("path"), order.get("body")
    if method not in METHODS.split(", "):
        raise _bad(f"method is one of {METHODS}")
    if not isinstance(target, str) or not _TARGET.fullmatch(target):
        raise _bad("path begins with a slash, and what is not ASCII is percent-encoded")
    if not isinstance(body, str | None):
        raise _bad("body is a text, or null")
    headers = tuple(_fields(order.get("headers", [])))
    has_kind = any(name == b"content-type" for name, _ in headers)
    kind = ((b"content-type", b"application/json"),) if body and not has_kind else ()
    return Asked(method, target.encode(), ((b"host", b"localhost"), *headers, *kind), (body or "").encode())


def faults_of(order: Any, known: Collection[str], *, allowed: bool) -> dict[str, str]:
    """By upstream the fault that an order has for it, one of those known: `{"orders": "hang"}`. Raises `Refused`."""
    faults = order.get("faults") or {}
    if not isinstance(faults, dict) or not all(isinstance(fault, str) and fault in known for fault in faults.values()):
        raise _bad(f"faults say of an upstream one of {', '.join(known)}")
    if faults and not allowed:
        raise _bad("faults are for the demo alone; GATEWAY_TRY_FAULTS=1 allows them")
    return faults


def _fields(given: Any) -> Iterator[tuple[bytes, bytes]]:
    if not isinstance(given, list):
        raise _bad("headers is a list of pairs")
    for pair in given:
        if not isinstance(pair, list) or len(pair) != 2 or not all(isinstance(one, str) for one in pair):
            raise _bad("a header is a name and a value")
        name, value = pair
        if not _NAME.fullmatch(name) or not _VALUE.fullmatch(value):
            raise _bad("a header has a name or a value that none can have")
        if (field := name.lower().encode()) in MADE_HERE:
            raise _bad(f"{name} is made here")
        yield field, value.encode("latin-1")


def _bad(said: str) -> Refused:
    return Refused(of_status(400, "Bad Request", said))

"""An `httpx.Request` → the bytes to write, or a refusal before anything is written.

Whoever controls a part of a request must not be able to end it early: what an upstream takes for a second request would be answered to
the next caller. So a request has one way to say where it ends, and what is sent ends there.
"""

from __future__ import annotations

import re
from collections.abc import AsyncIterable, AsyncIterator
from dataclasses import dataclass, field
from typing import cast

import httpx

from gateway.verdict import IDEMPOTENT

_TOKEN = r"[!#$%&'*+.^_`|~0-9A-Za-z-]+"
_METHOD = re.compile(_TOKEN)
_TARGET = re.compile(rb"[!-~]+")
_FIELDS = re.compile(rb"(?:%b: [^\x00-\x08\x0a-\x1f\x7f]*\r\n)+" % _TOKEN.encode())


@dataclass(slots=True)
class Outgoing:
    """A request, ready to write."""

    method: str
    head: bytes = field(repr=False)
    """Request line, headers, and the body when it is known."""

    body: AsyncIterator[bytes] | None = field(default=None, repr=False)
    """The body, framed, when it comes piece by piece."""

    limit: int = 0
    """Bytes of a reply that is collected whole."""

    can_repeat: bool = False
    """All of it is at hand, and sending it twice does what sending it once does."""


def outgoing(request: httpx.Request) -> Outgoing:
    """The bytes of a request. Raises `httpx.LocalProtocolError` when an upstream could read something else in them."""
    method, target = request.method, request.url.raw_path
    if not _METHOD.fullmatch(method) or method == "CONNECT":
        raise httpx.LocalProtocolError("not a method, or one that asks for a tunnel")
    if not _TARGET.fullmatch(target):
        raise httpx.LocalProtocolError("a target has a blank or a control character")
    fields = _fields(request.headers.raw)
    head = b"%b %b HTTP/1.1\r\n%b\r\n" % (method.encode(), target, fields)
    return _with_body(request, head, b"\r\n" + fields.lower())


def _fields(headers: list[tuple[bytes, bytes]]) -> bytes:
    fields = b"".join([b"%b: %b\r\n" % field for field in headers])
    # One look at all of them: a line break within a field makes one field too many.
    if not _FIELDS.fullmatch(fields) or fields.count(b"\n") != len(headers):
        raise httpx.LocalProtocolError("a header has a name or a character that no header can have")
    return fields


def _with_body(request: httpx.Request, head: bytes, lowered: bytes) -> Outgoing:
    if lowered.count(b"\r\nhost: ") != 1:
        raise httpx.LocalProtocolError("a request has one Host")
    lengths, codings = lowered.count(b"\r\ncontent-length: "), lowered.count(b"\r\ntransfer-encoding: ")
    try:
        content, stream = request.content, None
    except httpx.RequestNotRead:
        content, stream = b"", cast("httpx.AsyncByteStream", request.stream)
    if lengths + codings == 0 and stream is None and not content:
        return Outgoing(request.method, head, can_repeat=request.method in IDEMPOTENT)
    if lengths + codings != 1 or (codings and b"\r\ntransfer-encoding: chunked\r\n" not in lowered):
        raise httpx.LocalProtocolError("a body has one Content-Length, or comes in chunks")
    if codings:
        return Outgoing(request.method, head, _chunks(stream or httpx.ByteStream(content)))
    length = _length(request.headers["content-length"])
    if stream is not None:
        return Outgoing(request.method, head, _measured(stream, length))
    if len(content) != length:
        raise httpx.LocalProtocolError("a body is not as long as its Content-Length")
    return Outgoing(request.method, head + content, can_repeat=request.method in IDEMPOTENT)


def framed(body: AsyncIterable[bytes], length: int | None) -> AsyncIterator[bytes]:
    """A body that comes piece by piece, as it is written: exactly as long as was announced, or in chunks."""
    return _chunks(body) if length is None else _measured(body, length)


def _length(text: str) -> int:
    if not (text.isascii() and text.isdecimal() and len(text) < 20):
        raise httpx.LocalProtocolError("not a Content-Length")
    return int(text)


async def _chunks(stream: AsyncIterable[bytes]) -> AsyncIterator[bytes]:
    """A body of unknown length in chunks (RFC 9112, section 7.1)."""
    async for part in stream:
        if part:
            yield b"%x\r\n%b\r\n" % (len(part), part)
    yield b"0\r\n\r\n"


async def _measured(stream: AsyncIterable[bytes], length: int) -> AsyncIterator[bytes]:
    """A body exactly as long as was announced."""
    left = length
    async for part in stream:
        left -= len(part)
        if left < 0:
            break
        yield part
    if left:
        raise httpx.LocalProtocolError("a body is not as long as its Content-Length")

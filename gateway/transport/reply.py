"""A reply as it comes in, read by llhttp (through httptools), which is strict about where messages and lines end.

What it leaves to us: that a reply to HEAD has no body, how large a head may be, and how far an upstream may run ahead of its reader.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

import httptools
import httpx

if TYPE_CHECKING:
    from gateway.transport.connection import Connection

BODILESS = frozenset({204, 304})
"""Statuses that have no body, whatever their head says (RFC 9110, section 6.4.1)."""

HIGH_WATER = 256 * 1024
"""Bytes of a body that may wait for its reader; then the upstream has to."""

PART = 64
"""Bytes that a part of a body takes besides its own: an upstream may send a million of one byte each."""


@dataclass(frozen=True, slots=True)
class HeadLimits:
    """What the head of a reply may be."""

    size: int = 64 * 1024
    """Bytes of a head, and of trailers or whatever else stands between two parts of a body."""

    interim: int = 10
    """1xx replies before the real one."""


class Broken(Exception):
    """The exchange came to nothing."""

    def __init__(self, reason: str, *, unread: bool = False, is_protocol: bool = False) -> None:
        super().__init__(reason)
        self.unread = unread
        """The connection ended before the first byte of a reply."""
        self.is_protocol = is_protocol
        """What came was not HTTP, rather than that nothing came."""


class Incoming(httpx.AsyncByteStream):
    """A reply as it comes: first its head, then its body, read as a stream."""

    def __init__(self, connection: Connection, method: str, limits: HeadLimits) -> None:
        self._connection = connection
        self._method = method
        self._limits = limits
        self._parser = httptools.HttpResponseParser(self)
        self._parts: list[bytes] = []
        self._waiting = 0
        self._bare = 0  # bytes since the last of a body
        self._interim = 0
        self._waiter: asyncio.Future[None] | None = None
        self._error: Broken | None = None
        self._has_head = False
        self._until_close = False
        self._keeps_alive = False
        self._is_complete = False
        self._has_more = False
        self.status = 0
        self.headers: list[tuple[bytes, bytes]] = []

    async def head(self) -> None:
        """Wait for status and headers. Raises `Broken`."""
        while not self._has_head:
            if self._error is not None:
                raise self._error
            await self._progress()

    async def __aiter__(self) -> AsyncIterator[bytes]:
        """The body's parts. Raises `httpx.ReadError`, `httpx.RemoteProtocolError`."""
        while True:
            if self._parts:
                # All at once: a part costs its reader more than its bytes do.
                part = b"".join(self._parts)
                self._take_all()
                yield part
            elif self._error is not None:
                raise as_httpx(self._error) from self._error
            elif self._is_complete:
                return
            else:
                await self._progress()

    async def aclose(self) -> None:
        """No more of it is wanted."""
        self.drop()

    def drop(self) -> None:
        """A reply that has not ended closes its connection. Of one that has, the connection is somebody else's by now."""
        if not self._is_complete:
            self._connection.close()
        self._parts.clear()

    # -- what the connection tells ----------------------------------------------------------------------------------

    def feed(self, data: bytes) -> None:
        """Bytes of the reply, cut anywhere."""
        self._bare += len(data)
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserError as error:
            # After the end of the reply it is not the reply that is wrong.
            if not self._is_complete:
                refused = error.__context__
                self._fail(str(refused) if isinstance(refused, _Refused) else f"not HTTP: {error}")
        if self._is_complete:
            self._connection.finished(is_clean=self._keeps_alive and not self._has_more)
        elif self._bare > self._limits.size:
            self._fail("too much that is no body")
        self._wake()

    def end(self) -> None:
        """The upstream has said all it had to say."""
        # Without a length, the end of the connection is the end of the body.
        self._is_complete = self._until_close

    def cut(self) -> None:
        """The connection has ended."""
        if not self._is_complete and self._error is None:
            self._error = Broken("the connection ended", unread=not self._has_head and self._bare == 0)
        self._wake()

    # -- what the parser tells --------------------------------------------------------------------------------------

    def on_message_begin(self) -> None:
        """The parser's: something begins; after the end of the reply it is nothing of ours."""
        self._has_more = self._is_complete

    def on_header(self, name: bytes, value: bytes) -> None:
        """The parser's: a field, of the head or a trailer."""
        if not self._has_head:
            self.headers.append((name, value.rstrip()))

    def on_headers_complete(self) -> None:
        """The parser's: the head is there, of the reply or of an interim one."""
        if self._is_complete:
            return
        status = self._parser.get_status_code()
        if status < 200:
            self._pass_interim(status)
            return
        framing = _framing(self.headers)
        self._check_head(framing)
        self.status = status
        self._has_head = True
        self._until_close = status not in BODILESS and not framing
        # What is announced where no body may be could yet come, and be taken for the next reply.
        self._keeps_alive = self._parser.should_keep_alive() and not (status in BODILESS and framing)
        if self._method == "HEAD":
            # Its head is that of a GET, and no body follows; the parser does not know what was asked.
            self._until_close = self._keeps_alive = False
            self._is_complete = True

    def on_body(self, part: bytes) -> None:
        """The parser's: bytes of the body."""
        if self._is_complete:
            return
        self._bare = 0
        self._parts.append(part)
        self._waiting += len(part) + PART
        if self._waiting > HIGH_WATER:
            self._connection.throttle(paused=True)

    def on_message_complete(self) -> None:
        """The parser's: a message has ended; an interim one ends nothing."""
        self._is_complete = self._has_head

    # -- within -----------------------------------------------------------------------------------------------------

    def _pass_interim(self, status: int) -> None:
        self._interim += 1
        if status == 101:
            raise _Refused("another protocol than the one that was spoken")
        if self._interim > self._limits.interim:
            raise _Refused("too many interim replies")
        self.headers.clear()

    def _check_head(self, framing: dict[bytes, bytes]) -> None:
        size = self._limits.size
        if self._bare > size and sum(len(name) + len(value) for name, value in self.headers) > size:
            raise _Refused("a head that is too large")
        version = self._parser.get_http_version()
        if version not in ("1.1", "1.0"):
            raise _Refused("a version of HTTP that was not asked for")
        coding = framing.get(b"transfer-encoding", b"chunked")
        if coding.lower() != b"chunked" or (version == "1.0" and b"transfer-encoding" in framing):
            raise _Refused("a transfer coding that was not asked for")

    def _take_all(self) -> None:
        self._parts.clear()
        self._waiting = 0
        if not self._is_complete:
            self._connection.throttle(paused=False)

    def _fail(self, reason: str) -> None:
        self._error = Broken(reason, is_protocol=True)
        self._connection.close()

    async def _progress(self) -> None:
        self._waiter = asyncio.get_running_loop().create_future()
        try:
            await self._waiter
        finally:
            self._waiter = None

    def _wake(self) -> None:
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)


class _Refused(Exception):
    """Raised inside the parser's callbacks to stop it."""


def _framing(headers: list[tuple[bytes, bytes]]) -> dict[bytes, bytes]:
    """The fields that say how long a body is."""
    framing = {}
    for name, value in headers:
        if len(name) in (14, 17) and (lowered := name.lower()) in (b"content-length", b"transfer-encoding"):
            framing[lowered] = value
    return framing


def as_httpx(error: Broken) -> httpx.TransportError:
    """The error as httpx has it."""
    return httpx.RemoteProtocolError(str(error)) if error.is_protocol else httpx.ReadError(str(error))

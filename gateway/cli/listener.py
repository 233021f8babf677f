"""uvicorn's protocol for the gateway's port: an answer leaves in one write, and no client keeps the server waiting.

uvicorn writes head and body one after the other, and each write is a system call that carries a packet through the kernel: 5 µs of the 25 that
an answer costs the server. It has no limit for a head that comes bit by bit, nor for an answer that nobody takes.
"""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Callable
from functools import lru_cache
from http.client import responses
from typing import Any, cast

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol, RequestResponseCycle

from gateway.admin.sides import Sides
from gateway.cli.conduct import ConductState
from gateway.inbound.admission import LET_IN, Door
from gateway.problem import OVERLOADED, Problem, RawHeaders, of_status

HELD = 64 * 1024
"""Bytes that may wait for what follows them. A long stream goes out as it comes, so that a slow reader is noticed."""

LONGEST_HEAD = 64 * 1024
"""Bytes of a head that is not complete. One that is has been in memory for a moment only, and the guard judges it."""

CLOSE = (b"connection", b"close")

_FORGETS_TO_PAUSE = (3, 12) <= sys.version_info < (3, 12, 9) or (3, 13) <= sys.version_info < (3, 13, 2)
"""asyncio's own transports tell nobody that a client does not take the lines they have written, and keep all that comes (CVE-2024-12254). uvloop's
do tell; but what Python this is says nothing of the loop.
"""

ROUND = 1.0
"""Seconds between two looks at a connection: what a request costs does not grow by them."""


class Listener(HttpToolsProtocol):
    """A connection of a client."""

    _begun = 0
    """Bytes of a head that is not complete."""

    _door: Door | None = None
    """What turns requests away before anything is made of them."""

    _leave: Callable[[], None] | None = None
    """Ends the answers that have no end of their own."""

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]  # uvicorn has it so
        """Asyncio's: the connection stands."""
        self._joining = Joining(transport, self.loop)
        super().connection_made(cast(asyncio.Transport, self._joining))
        if isinstance(self.app, Sides):
            self._leave, self.app = self.app.leave, self.app.at(self.server)
        self._door = getattr(getattr(self.app, "state", None), "door", None)
        now = self.loop.time()
        self._conduct = ConductState(now, now)
        self._next_look = self.loop.call_later(ROUND, self._look)

    def connection_lost(self, exc: Exception | None) -> None:
        """Asyncio's: the connection is no more."""
        self._next_look.cancel()
        super().connection_lost(exc)

    def shutdown(self) -> None:
        """uvicorn's: the server is about to stop, and waits for answers that are on their way."""
        if self._leave:
            self._leave()
        super().shutdown()

    def data_received(self, data: bytes) -> None:
        """Asyncio's: something has come."""
        super().data_received(data)
        if self._is_in_a_head():
            self._begun += len(data)
            if self._begun > LONGEST_HEAD:
                self._refuse(of_status(431, "Request Header Fields Too Large"))
        elif self._begun:
            self._begun = 0

    def on_headers_complete(self) -> None:
        """The parser's: a head is complete."""
        if self._door and self._is_idle():
            if self._door(self.parser.get_method().decode("ascii"), self.url):
                self._turn_away()
                return
            cast("dict[str, Any]", self.scope)[LET_IN] = True
        super().on_headers_complete()

    def _is_idle(self) -> bool:
        """No answer is to come before the one to this head."""
        return self._last is None or self._last.response_complete

    def _turn_away(self) -> None:
        """Answer the head at once. The body, if there is one, is read and dropped, as that of every request that has its answer."""
        self.cycle = cast("RequestResponseCycle", TurnedAway(self.scope))
        self.server_state.total_requests += 1
        stays = self.parser.get_http_version() != "1.0" and self.parser.should_keep_alive()
        self._joining.write(_overloaded(*self.server_state.default_headers, *(() if stays else (CLOSE,))))
        if not stays:
            self._joining.close()

    @property
    def _last(self) -> RequestResponseCycle | None:
        """The last request that had a whole head."""
        return cast("RequestResponseCycle | None", self.cycle)

    def _is_in_a_head(self) -> bool:
        scope = cast("dict[str, Any] | None", self.scope)
        return scope is not None and (self._last is None or self._last.scope is not scope)

    def _look(self) -> None:
        waiting = self._joining.get_write_buffer_size()
        fault = self._conduct.look(
            self.loop.time(),
            self._last,
            in_progress=self._last is not None and not self._last.response_complete,
            taken=self._joining.written - waiting,
            waiting=waiting,
        )
        if fault == "stalled":
            # What it does not take now it would not take before closing either.
            self._joining.abort()
        elif fault and not self._joining.is_closing():
            if self._is_in_a_head():
                self._refuse(of_status(408, "Request Timeout"))
            self._joining.close()
        self._next_look = self.loop.call_later(ROUND, self._look)

    def _refuse(self, problem: Problem) -> None:
        """Answer a head that is not complete, and hear no more of it."""
        self._joining.write(_as_bytes(problem, [CLOSE]))
        self._joining.close()


class TurnedAway:
    """In the place of a request's cycle: one that has had its answer."""

    response_complete = True
    disconnected = False

    def __init__(self, scope: Any) -> None:
        self.scope = scope
        self.message_event = self

    def set(self) -> None:
        """Nobody waits for its body."""


def _as_bytes(problem: Problem, more: RawHeaders) -> bytes:
    headers, body = problem.as_http()
    lines = b"".join(b"%s: %s\r\n" % field for field in [*more, *headers])
    return b"HTTP/1.1 %d %s\r\n%s\r\n%s" % (problem.status, responses[problem.status].encode(), lines, body)


@lru_cache(maxsize=4)
def _overloaded(*more: tuple[bytes, bytes]) -> bytes:
    """The same for a second, which is as long as a date is."""
    return _as_bytes(OVERLOADED, [*more])


class Joining:
    """A transport that writes at the end of the loop's round what was written during it; in all else the transport itself."""

    def __init__(self, transport: asyncio.Transport, loop: asyncio.AbstractEventLoop) -> None:
        self.written = 0
        """Bytes handed to the transport so far."""

        self._transport = transport
        self._loop = loop
        self._parts: list[bytes] = []
        self._size = 0

    def write(self, part: bytes) -> None:
        """Write these bytes, soon."""
        if not self._parts:
            self._loop.call_soon(self._flush)
        self._parts.append(part)
        self._size += len(part)
        if self._size > HELD:
            self._flush()

    def close(self) -> None:
        """Close when all is written."""
        self._flush()
        self._transport.close()

    def __getattr__(self, name: str) -> Any:
        return getattr(self._transport, name)

    def _flush(self) -> None:
        if self._parts:
            self.written += self._size
            parts, self._parts, self._size = self._parts, [], 0
            if _FORGETS_TO_PAUSE:
                self._transport.write(b"".join(parts))
            else:
                self._transport.writelines(parts)

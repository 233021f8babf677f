"""A reply on its way: collected whole for who wants all of it at once, or handed on as it comes.

Whoever waits is woken once for what was asked for, not for every piece that the network cut.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from typing import TYPE_CHECKING, ClassVar

from gateway.transport.body import Body

if TYPE_CHECKING:
    from gateway.transport.connection import Connection
    from gateway.transport.request import Outgoing

HIGH_WATER = 256 * 1024
"""Bytes of a body that may wait for its reader; then the upstream has to."""

PART = 64
"""Bytes that a part of a body takes besides its own: an upstream may send a million of one byte each."""


class Incoming:
    """Status and headers, and a body that each kind collects in its own way."""

    is_stream: ClassVar[bool]
    """It is handed over with its head, and whoever reads it is woken as more comes."""

    # Values to begin with stand on the class: most replies change four of them.
    status = 0
    """0 until its head is there."""

    is_complete = False
    is_there = False
    """As much of it has come as was asked for, or it never will."""

    is_unread = False
    """The connection ended before the first byte of it."""

    keeps_alive = False
    """The connection goes on behind it."""

    is_until_close = False
    """It does not say how long it is: the end of the connection is the end of its body."""

    has_more = False
    """Something came behind it."""

    bare = 0
    """Bytes that have come since the last of its body."""

    interim = 0
    """1xx replies before it."""

    headers: Sequence[tuple[bytes, bytes]] = ()
    """As they were sent, with the blanks behind a value; trailers are none."""

    error: Exception | None = None
    """Why it has come to nothing: a `CallError`, or what was raised where the request's body comes from."""

    sending: asyncio.Task[None] | None = None
    """Sends the request's body, which goes on while the reply comes: an upstream may answer with what it is being sent."""

    _waiter: asyncio.Future[None] | None = None

    def __init__(self, connection: Connection, ready: Outgoing) -> None:
        self.ready = ready
        self._connection = connection

    def decode(self, coding: str) -> None:
        """The body is encoded so. Raises `BadReply`."""
        raise NotImplementedError

    def take(self, part: bytes) -> None:
        """Bytes of the body. Raises `BadReply`."""
        raise NotImplementedError

    def progress(self) -> asyncio.Future[None]:
        """Done with the next that whoever reads should know of."""
        self._waiter = waiter = self._connection.loop.create_future()
        return waiter

    def wake(self) -> None:
        """It is there, or more of it."""
        self.is_there = True
        # Who was cancelled in this very round has not run since.
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)

    def fail(self, error: Exception) -> None:
        """It has come to nothing, unless it was complete."""
        if not self.is_complete and self.error is None:
            # Where it was raised nobody looks; but those frames hold this very reply, which would then be nobody's and not be freed.
            self.error = error.with_traceback(None)
            error.__context__ = None

    def drop(self) -> None:
        """No more of it is wanted: one that has not ended closes its connection. Of one that has, it is somebody else's by now."""
        if not self.is_complete:
            self._connection.close()

    async def close(self) -> None:
        """The same, and the request's body is let go of too when this returns."""
        self.drop()
        if self.sending is not None:
            await asyncio.wait((self.sending,))


class Whole(Incoming):
    """A reply that is there when all of it is, and that has a bound."""

    is_stream = False

    def __init__(self, connection: Connection, ready: Outgoing) -> None:
        self.ready = ready
        self._connection = connection
        self.body = Body(ready.limit)

    def decode(self, coding: str) -> None:
        """What comes is to be decoded."""
        self.body.decode(coding)

    def take(self, part: bytes) -> None:
        """Bytes of the body. Raises `TooLarge`, `BadReply`."""
        self.body.take(part)


class Streamed(Incoming):
    """A reply that is there with its head; its body is read as it comes, and its upstream waits for the reader."""

    is_stream = True
    _size = 0

    def __init__(self, connection: Connection, ready: Outgoing) -> None:
        super().__init__(connection, ready)
        self._parts: list[bytes] = []

    def decode(self, coding: str) -> None:
        """It is handed on as it comes: whoever reads it decodes it."""

    def take(self, part: bytes) -> None:
        """Bytes of the body."""
        self._parts.append(part)
        self._size += len(part) + PART
        if self._size > HIGH_WATER:
            self._connection.throttle(paused=True)

    async def __aiter__(self) -> AsyncIterator[bytes]:
        """The body's parts. Raises its `error`."""
        while True:
            if self._parts:
                # All at once: a part costs its reader more than its bytes do.
                part = b"".join(self._parts)
                self._take_all()
                yield part
            elif self.error is not None:
                raise self.error
            elif self.is_complete:
                return
            else:
                await self.progress()

    def drop(self) -> None:
        """No more of it is wanted, nor what is here."""
        super().drop()
        self._parts.clear()

    def _take_all(self) -> None:
        self._parts.clear()
        self._size = 0
        if not self.is_complete:
            self._connection.throttle(paused=False)

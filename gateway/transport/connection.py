"""One HTTP/1.1 connection: bytes out, a reply in.

A connection carries one exchange at a time. It is clean again when the reply was read to its last byte, the request was written to its
last, both sides keep it open, and nothing more came. Any byte that belongs to no exchange closes it: it would be the next caller's.
"""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import AsyncIterator, Callable
from typing import cast

from gateway.transport.reply import HeadLimits, Incoming
from gateway.transport.request import Outgoing


class Connection(asyncio.Protocol):
    """A connection to one origin; `on_free` is told when it can be used again, `on_closed` when it never can."""

    _transport: asyncio.Transport

    def __init__(
        self, on_free: Callable[[Connection], None], on_closed: Callable[[Connection], None], limits: HeadLimits
    ) -> None:
        self._on_free = on_free
        self._on_closed = on_closed
        self._limits = limits
        self._reply: Incoming | None = None
        self._writable: asyncio.Future[None] | None = None
        self._is_sending = False
        self._is_paused = False
        self.is_closed = False
        self.uses = 0
        """Exchanges begun, the current one included."""

    def begin(self, ready: Outgoing) -> Incoming:
        """Send a request as far as it is at hand; gives the reply to wait for."""
        self.uses += 1
        self._is_sending = ready.body is not None
        self._reply = Incoming(self, ready.method, self._limits)
        self._transport.write(ready.head)
        return self._reply

    async def send(self, body: AsyncIterator[bytes]) -> None:
        """Send the rest of a request as it comes, no faster than the upstream takes it. To be cancelled when the connection ends."""
        async for part in body:
            self._transport.write(part)
            if self._writable is not None:
                await self._writable
        self._is_sending = False

    def close(self) -> None:
        """Close at once, whatever is under way."""
        if not self.is_closed:
            self._transport.abort()
            self._end()

    # -- what asyncio tells -----------------------------------------------------------------------------------------

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Asyncio's: the connection stands."""
        self._transport = cast(asyncio.Transport, transport)

    def data_received(self, data: bytes) -> None:
        """Asyncio's: bytes came."""
        if self._reply is not None:
            self._reply.feed(data)
        else:
            # Nobody asked for them.
            self.close()

    def eof_received(self) -> None:
        """Asyncio's: the upstream will send no more."""
        if self._reply is not None and not self._is_cut_off():
            self._reply.end()
        # At once: asyncio itself would first wait for what is still to be written.
        self.close()

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002 - the signature is asyncio's
        """Asyncio's: the connection has ended."""
        self._end()

    def pause_writing(self) -> None:
        """Asyncio's: the upstream does not take more for now."""
        self._writable = asyncio.get_running_loop().create_future()

    def resume_writing(self) -> None:
        """Asyncio's: it does again."""
        writable, self._writable = self._writable, None
        if writable is not None and not writable.done():
            writable.set_result(None)

    # -- what the reply tells ---------------------------------------------------------------------------------------

    def finished(self, *, is_clean: bool) -> None:
        """The reply has been received to its end."""
        self._reply = None
        self.throttle(paused=False)
        # An upstream may answer before it has all of a request; whether it will take the rest is not known.
        if is_clean and not self._is_sending and not self._transport.get_write_buffer_size():
            self._on_free(self)
        else:
            self.close()

    def throttle(self, *, paused: bool) -> None:
        """Let the upstream wait for the reader, or no longer."""
        if paused != self._is_paused and not self.is_closed:
            self._is_paused = paused
            (self._transport.pause_reading if paused else self._transport.resume_reading)()

    # -- within -----------------------------------------------------------------------------------------------------

    def _end(self) -> None:
        if self.is_closed:
            return
        self.is_closed = True
        reply, self._reply = self._reply, None
        if reply is not None:
            reply.cut()
        self._on_closed(self)

    def _is_cut_off(self) -> bool:
        """TLS announces an orderly end; any other can be the work of somebody on the way (RFC 9112, section 9.8)."""
        tls: ssl.SSLObject | None = self._transport.get_extra_info("ssl_object")
        if tls is None:
            return False
        try:
            return tls.read(1) != b""
        except ssl.SSLError:
            return True

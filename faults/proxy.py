"""A TCP proxy that breaks the connections through it, in front of anything: an upstream, a store, a collector."""

from __future__ import annotations

import asyncio
import enum
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field

from faults.server import LINGER_FOR_NOTHING

PART = 65_536


class Mode(enum.Enum):
    """What becomes of connections, those that are open and those to come."""

    PASS = "goes through"
    REFUSE = "nobody listens, and what is open is reset"
    HANG = "is accepted, and nothing goes through any more"
    SLOW = "each part of a reply waits for so many seconds"
    FLAP = "goes through and is refused by turns of so many seconds"
    CUT = "ends in order after so many bytes of a reply"
    RESET = "is reset as soon as something is sent"


@dataclass(eq=False)
class FaultProxy:
    """Carries connections to `target` as its mode says. The mode can change at any time; the port stays the same."""

    target: tuple[str, int]
    port: int = 0
    mode: Mode = Mode.PASS
    measure: float = 0.0
    """Seconds or bytes, as the mode has it."""

    accepted: int = 0
    _server: asyncio.Server | None = None
    _tasks: set[asyncio.Task[None]] = field(default_factory=set)
    _flapping: asyncio.Task[None] | None = None
    _resumed: asyncio.Event = field(default_factory=asyncio.Event)

    @property
    def url(self) -> str:
        """Where it is."""
        return f"http://127.0.0.1:{self.port}"

    async def become(self, mode: Mode, measure: float = 0.0) -> None:
        """From now on break connections so."""
        if self._flapping:
            self._flapping.cancel()
            self._flapping = None
        self.mode, self.measure = mode, measure
        await self._listen(mode is not Mode.REFUSE)
        self._resumed.set() if mode is not Mode.HANG else self._resumed.clear()
        if mode is Mode.FLAP:
            self._flapping = asyncio.create_task(self._flap())

    async def end(self) -> None:
        """Carry nothing any more."""
        await self.become(Mode.REFUSE)
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _listen(self, listens: bool) -> None:
        if listens and self._server is None:
            self._server = await asyncio.start_server(self._accept, "127.0.0.1", self.port)
            self.port = self._server.sockets[0].getsockname()[1]
        elif not listens and self._server is not None:
            self._server.close()
            self._server = None
            for task in self._tasks:
                task.cancel()

    async def _flap(self) -> None:
        while True:
            await asyncio.sleep(self.measure)
            await self._listen(self._server is None)

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        self.accepted += 1
        try:
            with suppress(OSError, asyncio.CancelledError):
                await self._carry(reader, writer)
        finally:
            self._tasks.discard(task)
            writer.transport.abort()

    async def _carry(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        there, back = await asyncio.open_connection(*self.target)
        ways = [asyncio.create_task(self._up(reader, back, writer)), asyncio.create_task(self._down(there, writer))]
        try:
            # Whichever side ends, the other has nothing to say to it any more.
            await asyncio.wait(ways, return_when=asyncio.FIRST_COMPLETED)
        except asyncio.CancelledError:
            _reset_on_close(writer)
            raise
        finally:
            for way in ways:
                way.cancel()
            await asyncio.gather(*ways, return_exceptions=True)
            back.transport.abort()

    async def _up(self, reader: asyncio.StreamReader, back: asyncio.StreamWriter, writer: asyncio.StreamWriter) -> None:
        while part := await reader.read(PART):
            if self.mode is Mode.RESET:
                _reset_on_close(writer)
                return
            await self._resumed.wait()
            back.write(part)
            await back.drain()

    async def _down(self, there: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        gone = 0
        while part := await there.read(PART):
            if self.mode is Mode.SLOW:
                await asyncio.sleep(self.measure)
            await self._resumed.wait()
            if self.mode is Mode.CUT:
                part = part[: int(self.measure) - gone]
            writer.write(part)
            await writer.drain()
            gone += len(part)
            if self.mode is Mode.CUT and gone >= self.measure:
                break
        writer.close()


def _reset_on_close(writer: asyncio.StreamWriter) -> None:
    writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, LINGER_FOR_NOTHING)


@asynccontextmanager
async def proxied(port: int, host: str = "127.0.0.1") -> AsyncIterator[FaultProxy]:
    """A proxy to this port while the block runs, on any free port of loopback."""
    proxy = FaultProxy((host, port))
    await proxy.become(Mode.PASS)
    try:
        yield proxy
    finally:
        await proxy.end()

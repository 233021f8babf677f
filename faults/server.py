"""A server that plays its part byte by byte on a real socket: every reply there is, and what no server should ever do."""

from __future__ import annotations

import asyncio
import enum
import inspect
import socket
import ssl
import struct
from collections import deque
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from typing import Any

SECONDS = 5.0
"""Nothing that is waited for here takes longer, or it has failed."""

LINGER_FOR_NOTHING = struct.pack("ii", 1, 0)
"""As SO_LINGER: closing then sends RST instead of FIN."""


class Then(enum.Enum):
    """What a server does besides writing."""

    FIN = "closes in order"
    RST = "resets the connection"
    CUT = "ends the connection; over TLS without a word"
    HANG = "waits until the other side closes, whatever it says"
    STALL = "waits and reads nothing"
    EARLY = "has answered without reading the body"


@dataclass(frozen=True)
class Asked:
    """A request as it came in."""

    head: bytes
    body: bytes = b""

    @property
    def method(self) -> str:
        """`GET`."""
        return self.head.split(b" ", 1)[0].decode()

    @property
    def target(self) -> str:
        """Path and query, as they were sent."""
        return self.head.split(b" ", 2)[1].decode()


@dataclass(eq=False)
class FaultServer:
    """Answers as scripted, to the byte.

    An answer is bytes; or several of bytes, seconds to pause and `Then`s, one after the other; or a function of the request that gives one.
    """

    then = Then

    url: str = ""
    port: int = 0
    script: deque[Any] = field(default_factory=deque)
    standing: Any = None
    asked: list[Asked] = field(default_factory=list)
    opened: int = 0
    """Connections accepted."""

    in_flight: int = 0
    """Requests that have come in and are not answered."""

    abandoned: int = 0
    """Requests that the other side gave up."""

    writers: list[asyncio.StreamWriter] = field(default_factory=list)
    """Open connections, the oldest first."""

    _tasks: set[asyncio.Task[Any]] = field(default_factory=set)
    _changed: asyncio.Event = field(default_factory=asyncio.Event)

    @property
    def hits(self) -> int:
        """How often it was asked."""
        return len(self.asked)

    def replies(self, *answers: Any) -> None:
        """Answer the next requests so, whatever connection they come on."""
        self.script.extend(answers)

    def always(self, answer: Any) -> None:
        """Answer every request beyond the script so."""
        self.standing = answer

    @staticmethod
    def reply(body: bytes = b"", status: str = "200 OK", *fields: str) -> bytes:
        """A plain good reply."""
        lines = [f"HTTP/1.1 {status}", *fields, f"Content-Length: {len(body)}", "", ""]
        return "\r\n".join(lines).encode() + body

    async def until(self, claim: Callable[[], bool]) -> None:
        """Wait until the server has seen this."""
        async with asyncio.timeout(SECONDS):
            while not claim():
                self._changed.clear()
                await self._changed.wait()

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """A connection, from its first request to its end."""
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        self.writers.append(writer)
        self.opened += 1
        try:
            with suppress(OSError, EOFError, asyncio.CancelledError):
                while not writer.is_closing():
                    await self._exchange(reader, writer)
        finally:
            self._tasks.discard(task)
            self.writers.remove(writer)
            if not writer.is_closing():
                writer.transport.abort()
            self._changed.set()

    async def end(self) -> None:
        """End all connections."""
        for task in list(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _exchange(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = await reader.readuntil(b"\r\n\r\n")
        answer = self.script.popleft() if self.script else self.standing
        assert answer is not None, "asked more often than scripted"
        is_early = isinstance(answer, tuple) and Then.EARLY in answer
        asked = Asked(head, b"" if is_early else await _body(head, reader))
        self.asked.append(asked)
        self.in_flight += 1
        self._changed.set()
        try:
            if callable(answer):
                answer = answer(asked)
                if inspect.isawaitable(answer):
                    answer = await answer
            for act in (answer,) if isinstance(answer, bytes) else answer:
                await self._act(act, reader, writer)
        except OSError:
            self.abandoned += 1
            raise
        finally:
            self.in_flight -= 1
            self._changed.set()

    async def _act(self, act: bytes | float | Then, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if isinstance(act, bytes):
            writer.write(act)
            await writer.drain()
        elif isinstance(act, float):
            await asyncio.sleep(act)
            if reader.at_eof():
                raise ConnectionAbortedError
        elif act is Then.FIN:
            writer.close()
        elif act is Then.RST:
            writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, LINGER_FOR_NOTHING)
            writer.transport.abort()
        elif act is Then.CUT:
            writer.transport.abort()
        elif act is Then.HANG:
            while await reader.read(65_536):
                pass
            raise ConnectionAbortedError
        elif act is Then.STALL:
            await asyncio.Event().wait()


async def _body(head: bytes, reader: asyncio.StreamReader) -> bytes:
    fields = head.lower()
    if b"\r\ntransfer-encoding: chunked" in fields:
        body = b""
        while size := int(await reader.readuntil(b"\n"), 16):
            body += await reader.readexactly(size)
            await reader.readuntil(b"\n")
        await reader.readuntil(b"\n")
        return body
    if b"\r\ncontent-length: " in fields:
        return await reader.readexactly(int(fields.split(b"\r\ncontent-length: ")[1].split(b"\r\n")[0]))
    return b""


@asynccontextmanager
async def served(
    *, host: str = "127.0.0.1", port: int = 0, path: str | None = None, tls: ssl.SSLContext | None = None
) -> AsyncIterator[FaultServer]:
    """A fault server while the block runs: on any free port of loopback, unless more is said. Raises `OSError`."""
    server = FaultServer()
    if path is not None:
        listening = await asyncio.start_unix_server(server.serve, path, ssl=tls)
        server.url = "http://socket"
    else:
        listening = await asyncio.start_server(server.serve, host, port, ssl=tls)
        server.port = listening.sockets[0].getsockname()[1]
        name = f"[{host}]" if ":" in host else host
        server.url = f"{'https' if tls else 'http'}://{name}:{server.port}"
    try:
        yield server
    finally:
        listening.close()
        await server.end()

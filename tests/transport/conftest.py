"""A server that plays its part byte by byte on a real socket, and the transports that have to stand it: ours, and httpx's own."""

from __future__ import annotations

import asyncio
import enum
import socket
import ssl
import struct
from collections import deque
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from typing import Any

import httpx
import pytest

try:
    import uvloop
except ImportError:  # Windows has none
    uvloop = None

from gateway.policy import TlsPolicy
from gateway.transport import NamesState, Transport, WirePolicy, make_context

SECONDS = 5.0  # nothing here takes longer, or it has failed


def pytest_asyncio_loop_factories(item: pytest.Item) -> dict[str, Callable[[], asyncio.AbstractEventLoop]]:
    """Real sockets are tried on both loops, since uvloop's are another implementation; time is virtual on asyncio's alone."""
    loops: dict[str, Callable[[], asyncio.AbstractEventLoop]] = {"asyncio": asyncio.new_event_loop}
    if uvloop is not None and item.get_closest_marker("slow"):
        loops["uvloop"] = uvloop.new_event_loop
    return loops


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
        return self.head.split(b" ", 1)[0].decode()

    @property
    def target(self) -> str:
        return self.head.split(b" ", 2)[1].decode()


@dataclass(eq=False)
class FaultServer:
    """Answers as scripted, to the byte. An answer is bytes and `Then`s in a tuple, or a function of the request that gives one."""

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
                if not isinstance(answer, bytes | tuple):
                    answer = await answer
            for act in (answer,) if isinstance(answer, bytes) else answer:
                await self._act(act, reader, writer)
        except OSError:
            self.abandoned += 1
            raise
        finally:
            self.in_flight -= 1
            self._changed.set()

    async def _act(self, act: bytes | Then, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if isinstance(act, bytes):
            writer.write(act)
            await writer.drain()
        elif act is Then.FIN:
            writer.close()
        elif act is Then.RST:
            writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
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


@pytest.fixture
async def serving() -> AsyncIterator[Callable[..., Any]]:
    """Starts fault servers: on loopback unless a path or a TLS context says more."""
    servers: list[tuple[FaultServer, asyncio.Server]] = []

    async def start(*, host: str = "127.0.0.1", path: str | None = None, tls: ssl.SSLContext | None = None) -> FaultServer:
        server = FaultServer()
        if path is not None:
            listening = await asyncio.start_unix_server(server.serve, path, ssl=tls)
            server.url = "http://socket"
        else:
            listening = await asyncio.start_server(server.serve, host, 0, ssl=tls)
            server.port = listening.sockets[0].getsockname()[1]
            name = f"[{host}]" if ":" in host else host
            server.url = f"{'https' if tls else 'http'}://{name}:{server.port}"
        servers.append((server, listening))
        return server

    yield start
    for server, listening in servers:
        listening.close()
        await server.end()


@pytest.fixture
async def server(serving: Any) -> FaultServer:
    """A fault server."""
    return await serving()


@dataclass(eq=False)
class Wire:
    """A transport and a client on it."""

    kind: str
    transport: httpx.AsyncBaseTransport
    client: httpx.AsyncClient
    request: pytest.FixtureRequest

    def stock_cannot(self, why: str) -> None:
        """The rest of the test is beyond httpx's own transport, and it is noticed when it no longer is."""
        if self.kind == "stock" and why:
            self.request.applymarker(pytest.mark.xfail(strict=True, reason=why))

    async def send(self, method: str, url: str, **parts: Any) -> httpx.Response:
        """Send a request and read its reply, within bounds."""
        async with asyncio.timeout(SECONDS):
            return await self.client.request(method, url, **parts)

    async def get(self, url: str) -> httpx.Response:
        """Get something."""
        return await self.send("GET", url)

    @property
    def open(self) -> int:
        """Places taken in all pools (ours)."""
        assert isinstance(self.transport, Transport)
        return sum(pool.open for pool in self.transport.pools.values())

    @property
    def idle(self) -> int:
        """Idle connections in all pools (ours)."""
        assert isinstance(self.transport, Transport)
        return sum(len(pool.idle) for pool in self.transport.pools.values())

    async def until_idle(self, connections: int) -> None:
        """Wait, round by round of the loop, until so many are idle (ours)."""
        async with asyncio.timeout(SECONDS):
            while self.idle != connections:  # noqa: ASYNC110 - to be there in the very round in which it becomes true
                await asyncio.sleep(0)


@pytest.fixture
def wiring(request: pytest.FixtureRequest) -> Callable[..., Any]:
    """Makes clients on a transport of either kind, as a context."""

    @asynccontextmanager
    async def make(kind: str = "ours", names: NamesState | None = None, **policy: Any) -> AsyncIterator[Wire]:
        if kind == "ours":
            transport: httpx.AsyncBaseTransport = Transport(WirePolicy(**policy), names=names)
        else:
            tls: TlsPolicy = policy.get("tls", TlsPolicy())
            # Its pool is told to keep 4 s, as ours does; the time limits are those a careful user would set.
            transport = httpx.AsyncHTTPTransport(
                verify=make_context(tls), uds=policy.get("uds"), limits=httpx.Limits(keepalive_expiry=4.0)
            )
        timeout = httpx.Timeout(1.5, connect=policy.get("connect", 1.5))
        async with httpx.AsyncClient(transport=transport, trust_env=False, timeout=timeout) as client:
            yield Wire(kind, transport, client, request)

    return make


@pytest.fixture(params=["ours", "stock"])
def kind(request: pytest.FixtureRequest) -> str:
    """Which transport."""
    return str(request.param)


@pytest.fixture
async def wire(kind: str, wiring: Any) -> AsyncIterator[Wire]:
    """A client on each of the transports."""
    async with wiring(kind) as wire:
        yield wire


@pytest.fixture
async def ours(wiring: Any) -> AsyncIterator[Wire]:
    """A client on our transport."""
    async with wiring() as wire:
        yield wire

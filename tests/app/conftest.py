"""The gateway's app in this process, its upstreams played by respx, or byte by byte on a real socket."""

from __future__ import annotations

import asyncio
import itertools
import logging
import os
import socket
import struct
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from typing import Any, TypeAlias

import httpx
import pytest
import respx

from gateway import Gateway
from gateway.call import Call, Caller
from gateway.plan.recipe import Upstream
from gateway.telemetry import SpanType, Trace
from gateway.upstream import make_client, make_sender

Serve: TypeAlias = Callable[..., Awaitable[httpx.AsyncClient]]


@pytest.fixture(autouse=True)
def _no_telemetry_from_outside(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """No `OTEL_…` variable of whoever runs the tests has a say, and loggers keep the level they had."""
    for name in [name for name in os.environ if name.startswith("OTEL_")]:
        monkeypatch.delenv(name)
    loggers = [logging.getLogger(name) for name in ("httpx", "httpcore")]
    before = [logger.level for logger in loggers]
    yield
    for logger, level in zip(loggers, before, strict=True):
        logger.setLevel(level)


@pytest.fixture
def upstreams() -> respx.Router:
    """Plays every upstream: script the replies, then read what was asked. It patches nothing."""
    return respx.Router(assert_all_called=False)


@pytest.fixture
def traces() -> list[Trace]:
    """The records of the requests that `serve` has answered."""
    return []


@pytest.fixture
async def serve(upstreams: respx.Router, traces: list[Trace]) -> AsyncIterator[Serve]:
    """Start the gateway of a config, over `upstreams` unless told otherwise, and give a client of it."""
    async with AsyncExitStack() as stack:

        async def start(config: str, **options: Any) -> httpx.AsyncClient:
            options = {"transport": httpx.MockTransport(upstreams.async_handler), "sinks": [traces.append], **options}
            app = Gateway.from_text(config, **options).app
            await stack.enter_async_context(app.router.lifespan_context(app))
            wire = httpx.ASGITransport(app, raise_app_exceptions=False)
            return await stack.enter_async_context(httpx.AsyncClient(transport=wire, base_url="http://gateway.test"))

        yield start


@dataclass
class Wire:
    """An upstream on a real socket. Each connection plays the next script; the last one is played again and again."""

    port: int
    scripts: list[Any] = field(default_factory=list)
    heads: list[bytes] = field(default_factory=list)
    """What was asked, byte by byte."""

    connections: int = 0
    left: asyncio.Event = field(default_factory=asyncio.Event)
    """Set when the gateway has closed a connection that was still open."""

    tasks: set[asyncio.Task[None]] = field(default_factory=set)
    """One for each connection; done when it is closed."""

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def plays(self, *scripts: Any) -> None:
        """A script is an act, or a list of them, and then the connection is closed.

        Bytes answer a request; (bytes, seconds) is sent again and again; `read` takes a request, `hang` waits for the gateway to leave,
        `reset` sends a TCP RST; an event is set when its turn comes.
        """
        self.scripts = list(scripts)

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Play one connection."""
        script = self.scripts[min(self.connections, len(self.scripts) - 1)]
        self.connections += 1
        try:
            for act in script if isinstance(script, list) else [script]:
                await self._act(act, reader, writer)
        except (ConnectionError, asyncio.IncompleteReadError):
            self.left.set()
        finally:
            writer.close()

    async def _act(self, act: Any, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if isinstance(act, bytes):
            self.heads.append(await reader.readuntil(b"\r\n\r\n"))
            writer.write(act)
            await writer.drain()
        elif isinstance(act, asyncio.Event):
            act.set()
        elif act == "read":
            self.heads.append(await reader.readuntil(b"\r\n\r\n"))
        elif act == "reset":
            writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            writer.transport.abort()
        elif act == "hang":
            await reader.readexactly(1)
        elif isinstance(act, tuple):
            part, pause = act
            while True:
                writer.write(part)
                await writer.drain()
                await asyncio.sleep(pause)


@pytest.fixture
async def wire() -> AsyncIterator[Wire]:
    """An upstream that says exactly what it is told to, on loopback."""
    made = Wire(0)

    def accept(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        made.tasks.add(asyncio.ensure_future(made.serve(reader, writer)))

    server = await asyncio.start_server(accept, "127.0.0.1", 0)
    made.port = server.sockets[0].getsockname()[1]
    yield made
    server.close()
    for task in made.tasks:
        task.cancel()
    await asyncio.gather(*made.tasks, return_exceptions=True)
    await server.wait_closed()


Sending: TypeAlias = Callable[..., Call]


@pytest.fixture
def make_call() -> Sending:
    """Make a call to `wire` that need not hurry."""
    numbers = itertools.count(1)

    def make(method: str = "GET", target: str = "/", **parts: Any) -> Call:
        trace = Trace(id=1, sampled=True, next_id=lambda: next(numbers))
        deadline = asyncio.get_running_loop().time() + 5
        return Call(
            "users", method, target, **{"deadline": deadline, "span": trace.span(SpanType("call", "client"), None), **parts}
        )

    return make


@pytest.fixture
async def send(wire: Wire) -> AsyncIterator[Caller]:
    """The innermost caller, over the real transport, to `wire`; it takes replies of up to 1,000 bytes."""
    async with make_client() as client:
        yield make_sender(Upstream("users", wire.url, "", 1000, {}), client)

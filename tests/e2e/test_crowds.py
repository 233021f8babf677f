"""Crowds on real sockets: what many want at the same time is asked for once."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeAlias

import pytest

from bench.processes import Children
from faults import replies
from faults.gateway import running
from faults.server import FaultServer, served

pytestmark = pytest.mark.slow

CONFIG: dict[str, Any] = {
    "version": 1,
    "shed": False,
    "upstreams": {"users": {"cache": {"ttl": "1m"}}},
    "endpoints": [{"path": "/users/{id}", "timeout": "10s", "steps": {"user": {"get": "users /{path.id}"}}}],
}


@dataclass
class Client:
    """One connection that is kept, and what came over it."""

    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter
    statuses: list[int] = field(default_factory=list)

    async def ask(self, path: str) -> None:
        """Ask for it, and read all of the answer."""
        self.writer.write(f"GET {path} HTTP/1.1\r\nHost: gateway\r\n\r\n".encode())
        head = await self.reader.readuntil(b"\r\n\r\n")
        length = int(head.lower().split(b"content-length: ")[1].split(b"\r\n")[0])
        await self.reader.readexactly(length)
        self.statuses.append(int(head[9:12]))


Connect: TypeAlias = Callable[[int], Awaitable[list[Client]]]


@pytest.fixture
async def upstream() -> AsyncIterator[FaultServer]:
    """An upstream that counts what it is asked."""
    async with served() as server:
        yield server


@pytest.fixture
async def connect(upstream: FaultServer, tmp_path: Path) -> AsyncIterator[Connect]:
    """Opens so many connections to a gateway in front of it."""
    file = tmp_path / "gateway.yaml"
    CONFIG["upstreams"]["users"]["url"] = upstream.url
    file.write_text(json.dumps(CONFIG))
    async with AsyncExitStack() as stack:
        gateway = await stack.enter_async_context(running(file, stack.enter_context(Children()), {}))
        host, _, port = gateway.url.removeprefix("http://").partition(":")

        async def open_all(count: int) -> list[Client]:
            clients = []
            for _ in range(count):
                reader, writer = await asyncio.open_connection(host, int(port))
                stack.callback(writer.close)
                clients.append(Client(reader, writer))
            return clients

        yield open_all


async def test_a_thousand_misses_of_one_key_are_one_call(connect: Connect, upstream: FaultServer) -> None:
    """Whether they come while it is in flight, or when it has just been."""
    upstream.always((0.5, replies.KEPT))
    clients = await connect(1000)

    await asyncio.gather(*(client.ask("/users/7") for client in clients))

    assert upstream.hits == 1
    assert [client.statuses for client in clients] == [[200]] * 1000


async def test_a_thousand_misses_of_a_call_that_fails_are_two_at_most(connect: Connect, upstream: FaultServer) -> None:
    """Those who come when it has failed ask again, all of them together."""
    upstream.always((1.0, replies.status("503 Service Unavailable")))
    clients = await connect(1000)

    await asyncio.gather(*(client.ask("/users/7") for client in clients))

    assert upstream.hits <= 2
    assert [client.statuses for client in clients] == [[502]] * 1000

"""Crowds on real sockets: what many want at the same time, and what all want all the time, is asked for once."""

from __future__ import annotations

import asyncio
import json
import re
import socket
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from bench.processes import Children
from faults import replies
from faults.gateway import running
from faults.server import FaultServer, served

pytestmark = pytest.mark.slow

TTL = 1.0
CONFIG: dict[str, Any] = {
    "version": 1,
    "shed": False,
    "upstreams": {"users": {"cache": {"ttl": "1m"}}},
    "endpoints": [
        {"path": "/users/{id}", "timeout": "10s", "steps": {"user": {"get": "users /{path.id}"}}},
        {"path": "/hot", "steps": {"user": {"get": "users /", "cache": {"ttl": "1s", "stale_while_revalidate": "1m"}}}},
    ],
}

_CACHE = re.compile(rb'user;dur=[0-9.]+;desc="200 ([a-z]+)"')


@dataclass
class Client:
    """One connection that is kept, and what came over it."""

    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter
    statuses: list[int] = field(default_factory=list)
    words: list[str] = field(default_factory=list)
    """How the cache took part."""

    async def ask(self, path: str) -> None:
        """Ask for it, and read all of the answer."""
        self.writer.write(_request(path))
        await self.read()

    async def read(self) -> None:
        """Read all of the answer."""
        head = await self.reader.readuntil(b"\r\n\r\n")
        length = int(head.lower().split(b"content-length: ")[1].split(b"\r\n")[0])
        await self.reader.readexactly(length)
        self.statuses.append(int(head[9:12]))
        self.words += [found[1].decode() for found in _CACHE.finditer(head)]


def _request(path: str) -> bytes:
    return f"GET {path} HTTP/1.1\r\nHost: gateway\r\n\r\n".encode()


@pytest.fixture
async def upstream() -> AsyncIterator[FaultServer]:
    """An upstream that counts what it is asked."""
    async with served() as server:
        yield server


@pytest.fixture
async def address(upstream: FaultServer, tmp_path: Path) -> AsyncIterator[tuple[str, int]]:
    """Where a gateway listens that is in front of it."""
    file = tmp_path / "gateway.yaml"
    CONFIG["upstreams"]["users"]["url"] = upstream.url
    file.write_text(json.dumps(CONFIG))
    async with AsyncExitStack() as stack:
        gateway = await stack.enter_async_context(running(file, stack.enter_context(Children()), {}))
        host, _, port = gateway.url.removeprefix("http://").partition(":")
        yield host, int(port)


async def test_a_thousand_misses_of_one_key_are_one_call(address: tuple[str, int], upstream: FaultServer) -> None:
    """Whether they come while it is in flight, or when it has been."""

    async def answered(connection: socket.socket) -> list[int]:
        client = Client(*await asyncio.open_connection(sock=connection))
        await client.read()
        client.writer.close()
        return client.statuses

    upstream.always((0.5, replies.KEPT))
    connections = [socket.create_connection(address) for _ in range(1000)]
    for connection in connections:
        connection.sendall(_request("/users/7"))

    statuses = await asyncio.gather(*map(answered, connections))

    assert upstream.hits == 1
    assert statuses == [[200]] * 1000


async def test_a_hot_key_that_expires_is_fetched_once_and_nobody_waits(address: tuple[str, int], upstream: FaultServer) -> None:
    """A thousand requests a second, an upstream that takes 200 ms, a ttl of a second: one call for each."""
    upstream.always((0.2, replies.KEPT))
    clients, every, rounds = [Client(*await asyncio.open_connection(*address)) for _ in range(50)], 0.05, 100
    await clients[0].ask("/hot")
    loop = asyncio.get_running_loop()
    began, hits = loop.time(), upstream.hits

    async def keep_asking(client: Client, number: int) -> None:
        for turn in range(rounds):
            await asyncio.sleep(max(0.0, began + turn * every + number * every / len(clients) - loop.time()))
            await client.ask("/hot")

    await asyncio.gather(*(keep_asking(client, number) for number, client in enumerate(clients)))

    for client in clients:
        client.writer.close()
    took = loop.time() - began
    assert upstream.hits - hits <= took / TTL + 1
    assert {word for client in clients for word in client.words[1:]} <= {"hit", "stale"}

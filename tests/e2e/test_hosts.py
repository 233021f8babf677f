"""Hosts on real sockets that die and come back, and a name that leads elsewhere."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from typing import Any

import httpx
import pytest

from gateway import Gateway

pytestmark = pytest.mark.slow

ENDPOINT = "endpoints: [{path: /who, steps: {who: {get: users /who}}}]"


@dataclass(eq=False)
class Host:
    """A host on loopback that says who it is, and how it is."""

    address: str
    port: int
    status: str = "200 OK"
    heads: list[str] = field(default_factory=list)
    """What it was asked, line by line."""

    open: int = 0
    """Connections to it."""

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """A connection."""
        self.open += 1
        try:
            while True:
                head = (await reader.readuntil(b"\r\n\r\n")).decode()
                self.heads.append(head)
                status = self.status if head.startswith("GET /livez ") else "200 OK"
                body = f'"{self.address}"'.encode()
                writer.write(f"HTTP/1.1 {status}\r\nContent-Length: {len(body)}\r\n\r\n".encode() + body)
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        finally:
            writer.close()
            self.open -= 1


async def until(claim: Callable[[], Any]) -> None:
    """Wait until this is so; fail after ten seconds."""
    async with asyncio.timeout(10):
        while not (await said if asyncio.iscoroutine(said := claim()) else said):  # noqa: ASYNC110 - nobody tells
            await asyncio.sleep(0.02)


@pytest.fixture
async def hosts() -> AsyncIterator[list[Host]]:
    """Two hosts with the same port, on addresses of their own."""
    listener = socket.create_server(("127.0.0.1", 0))
    made = [Host(address, listener.getsockname()[1]) for address in ("127.0.0.1", "127.0.0.2")]
    first, second = made
    servers = [
        await asyncio.start_server(first.serve, sock=listener),
        await asyncio.start_server(second.serve, second.address, second.port),
    ]
    yield made
    for server in servers:
        server.close()
    await until(lambda: not first.open and not second.open)


@pytest.fixture
async def serve(hosts: list[Host]) -> AsyncIterator[Callable[[str], Any]]:
    """Starts a gateway, which ends before the hosts do, and gives what asks it who answers."""
    async with AsyncExitStack() as stack:

        async def start(upstream: str) -> Callable[[], Any]:
            app = Gateway.from_text(f"version: 1\nupstreams: {{users: {upstream}}}\n{ENDPOINT}").app
            await stack.enter_async_context(app.router.lifespan_context(app))
            client = httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://gateway.test")
            await stack.enter_async_context(client)

            async def who() -> str:
                answer = await client.get("/who")
                return str(answer.json().get("who", answer.status_code))

            return who

        yield start


async def those_asked(who: Callable[[], Any]) -> set[str]:
    """The hosts that twenty requests come to."""
    return {await who() for _ in range(20)}


async def test_a_host_that_is_not_well_is_left_alone_until_it_is(serve: Any, hosts: list[Host]) -> None:
    """Its checks fail, and calls go to the other one; they succeed, and it is asked again."""
    urls = [f"http://{host.address}:{host.port}" for host in hosts]
    who = await serve(f"{{urls: {urls}, health: {{path: /livez, every: 100ms}}}}")
    first, second = hosts

    async def only_second() -> bool:
        return await those_asked(who) == {second.address}

    async def both() -> bool:
        return await those_asked(who) == {first.address, second.address}

    await until(both)
    first.status = "503 Service Unavailable"
    await until(only_second)
    first.status = "204 No Content"
    await until(both)


async def test_a_name_is_followed(serve: Any, hosts: list[Host], monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever has its address is asked, by its name; whoever has lost it has no connection left."""
    first, second = hosts
    address = first.address

    def resolve(name: str, *_: Any, **__: Any) -> Any:
        assert name == "users.internal"
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (address, 0))]

    monkeypatch.setattr("gateway.transport.names.socket.getaddrinfo", resolve)
    who = await serve(f"{{discover: {{a: users.internal, port: {first.port}, every: 1s}}}}")

    before = await those_asked(who)
    address = second.address

    async def moved() -> bool:
        return await who() == second.address

    await until(moved)
    await until(lambda: not first.open)
    assert (before, await those_asked(who)) == ({first.address}, {second.address})
    assert f"Host: users.internal:{first.port}\r\n" in second.heads[-1]

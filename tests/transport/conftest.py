"""Servers that play their part byte by byte on real sockets, and the transports that have to stand them: ours, and httpx's own."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from typing import Any

import httpx
import pytest

try:
    import uvloop
except ImportError:  # Windows has none
    uvloop = None

from faults.server import SECONDS, FaultServer, served
from gateway.policy import TlsPolicy
from gateway.transport import NamesState, Transport, WirePolicy, make_context


def pytest_asyncio_loop_factories(item: pytest.Item) -> dict[str, Callable[[], asyncio.AbstractEventLoop]]:
    """Real sockets are tried on both loops, since uvloop's are another implementation; time is virtual on asyncio's alone."""
    loops: dict[str, Callable[[], asyncio.AbstractEventLoop]] = {"asyncio": asyncio.new_event_loop}
    if uvloop is not None and item.get_closest_marker("slow"):
        loops["uvloop"] = uvloop.new_event_loop
    return loops


@pytest.fixture
async def serving() -> AsyncIterator[Callable[..., Any]]:
    """Starts fault servers: on loopback unless a path or a TLS context says more."""
    async with AsyncExitStack() as stack:

        async def start(**where: Any) -> FaultServer:
            return await stack.enter_async_context(served(**where))

        yield start


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

"""The fault proxy: what becomes of a connection in each of its modes, and that it carries again when it is told to."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import pytest

from faults.proxy import FaultProxy, Mode, proxied
from faults.server import SECONDS, FaultServer, served

pytestmark = pytest.mark.slow

ASKED = b"GET / HTTP/1.1\r\n\r\n"
REPLY = FaultServer.reply(b"hello")


@pytest.fixture
async def server() -> AsyncIterator[FaultServer]:
    """An upstream that is well, and says goodbye."""
    async with served() as server:
        server.always((REPLY, server.then.FIN))
        yield server


@pytest.fixture
async def proxy(server: FaultServer) -> AsyncIterator[FaultProxy]:
    """A proxy to it."""
    async with proxied(server.port) as proxy:
        yield proxy


async def ask(proxy: FaultProxy) -> bytes:
    """What comes back until the connection ends in order."""
    async with asyncio.timeout(SECONDS):
        reader, writer = await asyncio.open_connection("127.0.0.1", proxy.port)
        try:
            writer.write(ASKED)
            return await reader.read()
        finally:
            writer.transport.abort()


async def test_it_carries_what_it_is_given(proxy: FaultProxy, server: FaultServer) -> None:
    """Every byte, both ways."""
    assert await ask(proxy) == REPLY
    assert (server.asked[0].head, proxy.accepted) == (ASKED, 1)


async def test_refuse_is_a_refused_connection(proxy: FaultProxy) -> None:
    """Nobody listens; told to carry again, it does so at the same port."""
    port = proxy.port

    await proxy.become(Mode.REFUSE)
    with pytest.raises(ConnectionRefusedError):
        await ask(proxy)
    await proxy.become(Mode.PASS)

    assert (await ask(proxy), proxy.port) == (REPLY, port)


async def test_refuse_resets_what_is_open(proxy: FaultProxy, server: FaultServer) -> None:
    """A connection that hangs in the server ends when the proxy goes."""
    server.always((server.then.HANG,))
    asking = asyncio.create_task(ask(proxy))
    await server.until(lambda: server.in_flight == 1)

    await proxy.become(Mode.REFUSE)

    with pytest.raises(ConnectionResetError):
        await asking


async def test_hang_accepts_and_carries_nothing(proxy: FaultProxy, server: FaultServer) -> None:
    """Neither the request nor a reply goes through, until it is told to carry again."""
    await proxy.become(Mode.HANG)
    asking = asyncio.create_task(ask(proxy))
    done, _ = await asyncio.wait([asking], timeout=0.1)
    assert (done, server.hits) == (set(), 0)

    await proxy.become(Mode.PASS)

    assert await asking == REPLY


async def test_slow_keeps_each_part_waiting(proxy: FaultProxy) -> None:
    """The reply comes whole, and late."""
    await proxy.become(Mode.SLOW, 0.1)
    began = asyncio.get_running_loop().time()

    assert await ask(proxy) == REPLY
    assert asyncio.get_running_loop().time() - began >= 0.1


async def test_flap_carries_and_refuses_by_turns(proxy: FaultProxy) -> None:
    """Whoever asks again and again sees both."""
    await proxy.become(Mode.FLAP, 0.02)
    seen: set[str] = set()

    async with asyncio.timeout(SECONDS):
        while seen != {"refused", "carried"}:
            try:
                seen.add("carried" if await ask(proxy) == REPLY else "torn")
            except ConnectionError:
                seen.add("refused")
            seen.discard("torn")  # it was carried when the turn ended


async def test_cut_ends_a_reply_in_order_after_so_many_bytes(proxy: FaultProxy) -> None:
    """Not one byte more, and no reset."""
    await proxy.become(Mode.CUT, 10)

    assert await ask(proxy) == REPLY[:10]


async def test_reset_ends_a_connection_that_says_something(proxy: FaultProxy, server: FaultServer) -> None:
    """The request does not arrive."""
    await proxy.become(Mode.RESET)

    with pytest.raises(ConnectionResetError):
        await ask(proxy)
    assert server.hits == 0

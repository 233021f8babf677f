"""Hosts that were found: connected to where they are, known by the name that they were found by, and given up when they have gone."""

from __future__ import annotations

import asyncio
import ssl
from typing import Any

import httpx
import pytest
import trustme

from gateway.errors import Unreachable
from gateway.policy import TlsPolicy
from gateway.transport import NamesState, Outgoing, Transport, Whole, exchange
from gateway.transport.names import KEEP_DOUBTED

pytestmark = pytest.mark.slow

NAME = httpx.URL("http://users.internal")
ASK = Outgoing("GET", b"GET / HTTP/1.1\r\nHost: users.internal\r\n\r\n", None, 1000, can_repeat=True)


async def test_a_place_is_connected_to_in_place_of_the_name(server: Any) -> None:
    """The name itself is not even looked up."""
    server.always(server.reply(b"here"))
    transport = Transport(names=NamesState(lambda _: pytest.fail("looked up")))

    pool = transport.keep(NAME, at=("127.0.0.1", server.port))
    reply = await exchange(pool, ASK, Whole)

    assert reply.body.whole() == b"here"
    await transport.aclose()


async def test_a_place_may_be_a_name_of_its_own(server: Any) -> None:
    """As records of services have it."""
    server.always(server.reply(b"here"))
    names = NamesState({"one.internal": ("127.0.0.1",)}.__getitem__)
    transport = Transport(names=names)

    reply = await exchange(transport.keep(NAME, at=("one.internal", server.port)), ASK, Whole)

    assert reply.body.whole() == b"here"
    await transport.aclose()


async def test_where_nobody_is_found_its_own_name_is_doubted() -> None:
    """It is looked up again soon."""
    names = NamesState({"one.internal": ("127.0.0.1",)}.__getitem__)
    transport = Transport(names=names)

    with pytest.raises(Unreachable):
        await exchange(transport.keep(NAME, at=("one.internal", 1)), ASK, Whole)

    assert names.known["one.internal"][1] == KEEP_DOUBTED


@pytest.mark.parametrize(("certified", "is_trusted"), [("users.internal", True), ("127.0.0.1", False)])
async def test_whom_a_host_must_prove_to_be_is_the_name(serving: Any, tmp_path: Any, certified: str, is_trusted: bool) -> None:
    """Where it is anybody may be, and whoever can change a record says."""
    authority, context = trustme.CA(), ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    authority.issue_cert(certified).configure_cert(context)
    authority.cert_pem.write_to_path(tmp_path / "ca.pem")
    server = await serving(tls=context)
    server.always(server.reply(b"here"))
    transport = Transport()

    pool = transport.keep(httpx.URL("https://users.internal"), TlsPolicy(ca=tmp_path / "ca.pem"), at=("127.0.0.1", server.port))
    if is_trusted:
        assert (await exchange(pool, ASK, Whole)).body.whole() == b"here"
    else:
        with pytest.raises(Unreachable):
            await exchange(pool, ASK, Whole)
    await transport.aclose()


async def test_what_nobody_keeps_is_closed_when_it_is_done(server: Any) -> None:
    """An exchange in flight comes to its end; idle connections close at once."""
    go = asyncio.Event()

    async def late(_: Any) -> bytes:
        await go.wait()
        return server.reply(b"late")

    server.replies(late, server.reply(b"soon"))
    transport = Transport()
    pool = transport.keep(NAME, at=("127.0.0.1", server.port))
    slow = asyncio.create_task(exchange(pool, ASK, Whole))
    await server.until(lambda: server.hits == 1)
    await exchange(pool, ASK, Whole)

    transport.release(pool)
    left = len(pool.connections)
    go.set()

    assert (await slow).body.whole() == b"late"
    await server.until(lambda: not server.writers)
    assert (server.opened, left, transport.pools) == (2, 1, {})
    await transport.aclose()


async def test_what_another_one_keeps_stays(server: Any) -> None:
    """Two upstreams with the same hosts share their connections, also when one of them leaves."""
    server.always(server.reply(b"here"))
    transport = Transport()
    pool, same = (transport.keep(NAME, at=("127.0.0.1", server.port)) for _ in range(2))
    await exchange(pool, ASK, Whole)

    transport.release(pool)
    await exchange(same, ASK, Whole)

    assert same is pool
    assert (server.opened, list(transport.pools.values())) == (1, [pool])
    await transport.aclose()

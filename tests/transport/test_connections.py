"""How connections come, are kept and go: refused, raced, given up at every stage, and never slower than their reader."""

from __future__ import annotations

import asyncio
import os
import socket
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from gateway.transport import NamesState, PoolLimits

pytestmark = pytest.mark.slow

EVIL = b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nEVIL!"


def unused_port() -> int:
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return int(one.getsockname()[1])


def descriptors() -> int:
    """Open in this process; 0 where nothing says how many."""
    folder = Path("/proc/self/fd")
    return len(os.listdir(folder)) if folder.is_dir() else 0


async def cancelled(task: asyncio.Task[Any]) -> None:
    """Cancel it, and see that the cancellation is what comes out."""
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task


async def test_a_refused_connection_says_that_nothing_was_sent(wire: Any) -> None:
    with pytest.raises(httpx.ConnectError):
        await wire.get(f"http://127.0.0.1:{unused_port()}")


async def test_bytes_that_come_while_nobody_asks_reach_nobody(wire: Any, server: Any) -> None:
    """An idle connection that says something is closed."""
    server.replies(server.reply(b"one"), server.reply(b"two"))

    await wire.get(server.url)
    server.writers[0].write(EVIL)
    await server.writers[0].drain()
    await asyncio.sleep(0.05)  # the bytes are under way between two sockets of one loop, and nothing says when they are here
    following = await wire.get(server.url)

    assert following.content == b"two"
    assert server.opened == 2


async def test_a_get_on_a_connection_that_is_just_being_closed_is_asked_again(wire: Any, server: Any) -> None:
    """The upstream's idle time ran out as the call was written: nothing came back, so asking again is safe."""
    wire.stock_cannot("gives the error to the caller")
    server.replies(server.reply(b"one"), (server.then.RST,), server.reply(b"two"))

    await wire.get(server.url)
    following = await wire.get(server.url)

    assert following.content == b"two"
    assert server.opened == 2


async def test_it_is_asked_again_on_a_connection_that_nobody_has_used(ours: Any, server: Any) -> None:
    """Another idle one may be just as old."""
    both = asyncio.Event()

    async def together(asked: Any) -> bytes:
        both.set() if server.in_flight == 2 else await both.wait()
        return bytes(server.reply(b"one"))

    server.replies(together, together, (server.then.RST,), server.reply(b"two"))
    await asyncio.gather(*(ours.get(server.url) for _ in range(2)))
    await ours.until_idle(2)

    following = await ours.get(server.url)

    assert following.content == b"two"
    assert server.opened == 3


async def test_a_post_is_never_sent_twice(wire: Any, server: Any) -> None:
    """The upstream may have acted on it before it closed."""
    server.replies(server.reply(b"one"), (server.then.FIN,), server.reply(b"two"))

    await wire.get(server.url)
    with pytest.raises((httpx.ReadError, httpx.RemoteProtocolError)):
        await wire.send("POST", server.url, content=b"pay")

    assert [asked.method for asked in server.asked] == ["GET", "POST"]


@pytest.mark.parametrize("parting", [b"", b"late"], ids=["its-end", "bytes"])
async def test_a_post_is_not_sent_to_an_upstream_that_has_just_left(ours: Any, server: Any, parting: bytes) -> None:
    """What the system knows already and the loop has not told: that can be asked, and a POST has only one chance."""
    server.always(server.reply(b"ok"))
    await ours.get(server.url)
    leaving = socket.socket(fileno=os.dup(server.writers[0].get_extra_info("socket").fileno()))

    with leaving:
        leaving.send(parting) if parting else leaving.shutdown(socket.SHUT_RDWR)
        reply = await ours.send("POST", server.url, content=b"pay")

    assert reply.content == b"ok"
    assert [asked.method for asked in server.asked] == ["GET", "POST"]
    assert server.opened == 2


async def test_a_pool_that_nobody_uses_does_not_stay(ours: Any, server: Any) -> None:
    """Of a thousand origins asked once, none is remembered; but the one that a sender holds on to is."""
    server.replies(server.reply(b"one", "200 OK", "Connection: close"), server.reply(b"two", "200 OK", "Connection: close"))

    await ours.get(server.url)
    after_one = list(ours.transport.pools)
    kept = ours.transport.keep(httpx.URL(server.url))
    await ours.get(server.url)

    assert after_one == []
    assert list(ours.transport.pools.values()) == [kept]


async def test_a_call_asked_again_in_a_pool_that_is_gone_leaves_nothing_open(wiring: Any, server: Any) -> None:
    """Its only connection ended, and with it the pool; the next one is closed behind the call."""
    server.replies(server.reply(b"one"), (server.then.RST,), server.reply(b"two"))

    async with wiring(pool=PoolLimits(idle_for=60)) as ours:
        await ours.get(server.url)
        following = await ours.get(server.url)
        await server.until(lambda: not server.writers)

        assert following.content == b"two"
        assert not ours.transport.pools


@pytest.mark.parametrize("failing", [1, 2], ids=["a-fresh-one", "a-used-one-and-then-a-fresh-one"])
async def test_a_fresh_connection_that_fails_is_the_end_of_it(ours: Any, server: Any, failing: int) -> None:
    """Asking again is for the race with an idle time, once; whatever else fails is for others to retry."""
    server.replies(*[server.reply(b"one")] * (failing - 1), *[(server.then.FIN,)] * failing)

    if failing == 2:
        await ours.get(server.url)
    with pytest.raises(httpx.ReadError):
        await ours.get(server.url)

    assert server.hits == 2 * failing - 1
    assert ours.open == 0


async def test_a_reply_that_has_begun_is_not_asked_for_again(ours: Any, server: Any) -> None:
    """After its first byte the upstream has acted."""
    server.replies(server.reply(b"one"), (b"HTTP", server.then.FIN), server.reply(b"two"))

    await ours.get(server.url)
    with pytest.raises(httpx.ReadError):
        await ours.get(server.url)

    assert server.hits == 2


async def test_a_call_given_up_while_the_upstream_thinks_is_given_up_there_too(wire: Any, server: Any) -> None:
    """The upstream sees the connection close, and the next call has one of its own."""
    server.replies((server.then.HANG,), server.reply(b"next"))
    waiting = asyncio.create_task(wire.get(server.url))
    await server.until(lambda: server.in_flight == 1)

    await cancelled(waiting)
    await server.until(lambda: server.abandoned == 1)
    following = await wire.get(server.url)

    assert following.content == b"next"
    assert server.in_flight == 0


async def test_a_call_given_up_within_the_body_closes_its_connection(wire: Any, server: Any) -> None:
    """Half a reply is no use to anybody."""
    server.replies((b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nhi", server.then.HANG), server.reply(b"next"))

    async with asyncio.timeout(5), wire.client.stream("GET", server.url) as reply:
        first = await anext(reply.aiter_raw())
    await server.until(lambda: server.abandoned == 1)
    following = await wire.get(server.url)

    assert first == b"hi"
    assert following.content == b"next"


async def test_a_call_given_up_while_it_uploads_closes_its_connection(ours: Any, server: Any) -> None:
    """Its body is ended, and the upstream sees no end of it."""
    ended = asyncio.Event()

    async def endless() -> AsyncIterator[bytes]:
        try:
            while True:
                yield b"x" * 100_000
                await asyncio.sleep(0)
        finally:
            ended.set()

    server.replies((server.then.EARLY, server.then.HANG))
    server.standing = server.reply(b"next")
    uploading = asyncio.create_task(ours.send("POST", server.url, content=endless()))
    await server.until(lambda: server.in_flight == 1)

    await cancelled(uploading)
    following = await ours.get(server.url)

    assert ended.is_set()
    assert following.content == b"next"
    assert ours.open == ours.idle == 1


async def test_a_cancellation_that_comes_with_the_reply_takes_nobody_elses_connection(ours: Any, server: Any) -> None:
    """The reply is there and its connection is another call's by then; giving the first call up must leave it alone."""
    server.replies(server.reply(b"one"))
    first = asyncio.create_task(ours.get(server.url))
    await server.until(lambda: server.in_flight == 0 and server.hits == 1)
    await ours.until_idle(1)
    server.replies(server.reply(b"two"))

    first.cancel()  # its reply has come in this round of the loop, and it has not run since
    second = asyncio.create_task(ours.get(server.url))

    assert (await second).content == b"two"
    with pytest.raises(asyncio.CancelledError):
        await first
    assert server.opened == 1


async def test_a_place_given_up_while_waiting_for_it_is_not_lost(wiring: Any, server: Any) -> None:
    """One place: it goes to those who still wait."""
    server.replies((server.then.HANG,), server.reply(b"next"))
    async with wiring(pool=PoolLimits(connections=1)) as ours:
        holder, quitter, heir = (asyncio.create_task(ours.get(server.url)) for _ in range(3))
        await server.until(lambda: server.in_flight == 1)

        await cancelled(quitter)
        await cancelled(holder)

        assert (await heir).content == b"next"
        assert ours.open == ours.idle == 1


async def test_calls_wait_for_a_place_in_their_order(wiring: Any, server: Any) -> None:
    """Never more connections than places, and first come, first served."""
    server.always(lambda asked: server.reply(asked.target.encode()))
    async with wiring(pool=PoolLimits(connections=1)) as ours:
        replies = await asyncio.gather(*(ours.get(f"{server.url}/{number}") for number in range(20)))

    assert [reply.text for reply in replies] == [f"/{number}" for number in range(20)]
    assert [asked.target for asked in server.asked] == [f"/{number}" for number in range(20)]
    assert server.opened == 1


async def test_an_idle_connection_is_closed_in_time(wiring: Any, server: Any) -> None:
    """Also when nobody calls any more."""
    server.always(server.reply(b"ok"))
    async with wiring(pool=PoolLimits(idle_for=0.05)) as ours:
        await ours.get(server.url)

        await server.until(lambda: not server.writers)

        assert ours.open == 0


async def test_closing_the_transport_closes_what_is_idle_and_lets_the_rest_finish(wiring: Any, server: Any) -> None:
    """A call under way gets its reply, and its connection is closed after it."""
    answer = asyncio.Event()

    async def late(asked: Any) -> bytes:
        await answer.wait()
        return bytes(server.reply(b"late"))

    server.replies(server.reply(b"one"), late)
    async with wiring(pool=PoolLimits(idle_for=60)) as ours:
        waiting = {asyncio.create_task(ours.get(server.url)) for _ in range(2)}
        _, waiting = await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED)
        await server.until(lambda: server.hits == 2)

        await ours.transport.aclose()
        await server.until(lambda: len(server.writers) == 1)
        answer.set()

        assert (await waiting.pop()).content == b"late"
        await server.until(lambda: not server.writers)


async def test_an_upstream_waits_for_a_slow_reader(wire: Any, server: Any) -> None:
    """Of fifty megabytes no more is taken in than sockets and a quarter of a megabyte hold, and all of it comes."""
    size, sent = 50_000_000, 0

    async def large(asked: Any) -> tuple[bytes, ...]:
        nonlocal sent
        writer = server.writers[-1]
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % size)
        while sent < size:
            writer.write(b"x" * 100_000)
            await writer.drain()
            sent += 100_000
        return ()

    server.replies(large, server.reply(b"next"))
    async with wire.client.stream("GET", server.url) as reply:
        quiet = -1
        while quiet != sent:  # until the server cannot write any more
            quiet = sent
            await asyncio.sleep(0.2)
        taken = sum([len(part) async for part in reply.aiter_raw()])
    following = await wire.get(server.url)

    assert quiet < size / 2
    assert taken == size
    assert following.content == b"next"


async def test_a_reply_that_has_come_but_is_not_read_leaves_a_connection_that_reads(ours: Any, server: Any) -> None:
    """Its bytes stopped the reading; who asks next on that connection must not wait for a reader that is gone."""
    large = server.reply(b"x" * 260_000)
    server.replies(large, server.reply(b"next"))

    async with ours.client.stream("GET", server.url):
        await server.until(lambda: server.in_flight == 0)
        await ours.until_idle(1)
    following = await ours.get(server.url)

    assert following.content == b"next"


async def test_a_unix_socket(wiring: Any, serving: Any, kind: str, tmp_path: Path) -> None:
    """All calls go to it, whatever the URL's host."""
    server = await serving(path=str(tmp_path / "s"))
    server.always(server.reply(b"ok"))

    async with wiring(kind, uds=str(tmp_path / "s")) as wire:
        replies = [await wire.get("http://anything/") for _ in range(2)]

    assert [reply.content for reply in replies] == [b"ok", b"ok"]
    assert server.opened == 1


async def test_a_unix_socket_that_is_not_there(wiring: Any, kind: str, tmp_path: Path) -> None:
    async with wiring(kind, uds=str(tmp_path / "none")) as wire:
        with pytest.raises(httpx.ConnectError):
            await wire.get("http://anything/")


async def test_ipv6(wire: Any, serving: Any) -> None:
    """An address in brackets is an address."""
    try:
        server = await serving(host="::1")
    except OSError:
        pytest.skip("no IPv6 here")
    server.always(server.reply(b"ok"))

    reply = await wire.get(server.url)

    assert reply.content == b"ok"
    assert f"Host: [::1]:{server.port}".encode() in server.asked[0].head


async def test_an_address_that_does_not_answer_leaves_time_for_the_next(wiring: Any, serving: Any) -> None:
    """Of two addresses of a name, the one that lives is used."""
    server = await serving()
    server.always(server.reply(b"ok"))
    with socket.socket() as full:
        # A port whose queue is full: a connection to it neither stands nor fails.
        full.bind(("127.0.0.2", server.port))
        full.listen(0)
        with socket.create_connection(full.getsockname()):
            async with wiring(names=NamesState(lambda host: ("127.0.0.2", "127.0.0.1")), connect=0.4) as ours:
                await ours.get(f"http://two.test:{server.port}")

    assert server.hits == 1


async def test_a_connection_that_does_not_come_is_a_timeout(wiring: Any) -> None:
    """Nothing was sent, and it says so."""
    with socket.socket() as full:
        full.bind(("127.0.0.1", 0))
        full.listen(0)
        with socket.create_connection(full.getsockname()):
            async with wiring(connect=0.1) as ours:
                with pytest.raises(httpx.ConnectTimeout):
                    await ours.get(f"http://127.0.0.1:{full.getsockname()[1]}")
                connecting = asyncio.create_task(ours.get(f"http://127.0.0.1:{full.getsockname()[1]}"))
                await asyncio.sleep(0)
                await cancelled(connecting)

                assert ours.open == 0


async def test_a_server_that_speaks_first_is_no_upstream(ours: Any) -> None:
    """What comes before anything was asked belongs to nobody; and nothing was sent."""

    async def greet(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"220 mail.test ESMTP\r\n")
        await reader.read()
        writer.close()

    async with await asyncio.start_server(greet, "127.0.0.1", 0) as mail:
        url = f"http://127.0.0.1:{mail.sockets[0].getsockname()[1]}"
        with pytest.raises((httpx.ConnectError, httpx.RemoteProtocolError, httpx.ReadError)):
            await ours.get(url)

    assert ours.open == 0


async def test_a_connection_that_ends_before_it_is_used_is_none(ours: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """A busy loop may see its beginning and its end at once; nothing was sent, and it takes no place."""
    loop = asyncio.get_running_loop()
    create_connection = loop.create_connection

    async def late(*arguments: Any, **options: Any) -> Any:
        transport, connection = await create_connection(*arguments, **options)
        while not connection.is_closed:  # noqa: ASYNC110 - nothing tells
            await asyncio.sleep(0)
        return transport, connection

    monkeypatch.setattr(loop, "create_connection", late)
    async with await asyncio.start_server(lambda _, writer: writer.close(), "127.0.0.1", 0) as closing:
        with pytest.raises(httpx.ConnectError):
            await ours.get(f"http://127.0.0.1:{closing.sockets[0].getsockname()[1]}")

    assert ours.open == 0


async def test_descriptors_are_given_back(wiring: Any, server: Any) -> None:
    """A transport that is closed holds none."""
    server.always(server.reply(b"ok"))
    before = descriptors()

    async with wiring() as ours:
        await asyncio.gather(*(ours.get(server.url) for _ in range(20)))
    await server.until(lambda: not server.writers)
    await asyncio.sleep(0)

    assert descriptors() <= before

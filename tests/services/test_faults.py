"""Each fault as a bare socket sees it, and callers who leave."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

pytestmark = pytest.mark.slow

ANSWERED = {"received": 1, "in_flight": 0, "abandoned": 0}
ABANDONED = {"received": 1, "in_flight": 0, "abandoned": 1}


async def test_hang_sends_nothing_until_the_caller_leaves(users: Any) -> None:
    """A hung call is in flight without a byte of an answer; it is abandoned when its caller has left."""
    await users.chaos(mode="hang")
    reader, writer = await users.connect("/users/1")

    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.3):
            await reader.read(1)

    assert await users.stats() == {"received": 1, "in_flight": 1, "abandoned": 0}
    writer.close()
    assert await users.stats_become(**ABANDONED) == ABANDONED


async def test_reset_ends_the_connection_without_a_byte(users: Any) -> None:
    """The caller gets a TCP RST and nothing before it; it did not leave, so nothing is abandoned."""
    await users.chaos(mode="reset")
    reader, writer = await users.connect("/users/1")

    with pytest.raises(ConnectionResetError):
        async with asyncio.timeout(2):
            await reader.read(1)

    writer.close()
    assert await users.stats_become(**ANSWERED) == ANSWERED


async def test_garbage_is_not_http(users: Any) -> None:
    """Bytes come that no HTTP parser takes, then the end of the connection."""
    await users.chaos(mode="garbage")
    reader, writer = await users.connect("/users/1")

    async with asyncio.timeout(2):
        sent = await reader.read()

    writer.close()
    assert sent
    assert not sent.startswith(b"HTTP/")
    assert await users.stats_become(**ANSWERED) == ANSWERED


async def test_html_is_a_page_with_a_good_status(users: Any) -> None:
    """200 and a page, as from a broken proxy in between; a well-formed answer that is no JSON."""
    await users.chaos(mode="html")
    reader, writer = await users.connect("/users/1")

    async with asyncio.timeout(2):
        head, _, body = (await reader.read()).partition(b"\r\n\r\n")

    writer.close()
    assert head.startswith(b"HTTP/1.1 200 ")
    assert b"content-type: text/html" in head
    assert body.startswith(b"<!DOCTYPE html>")
    assert await users.stats_become(**ANSWERED) == ANSWERED


async def test_trickle_sends_true_headers_and_a_byte_at_a_time(users: Any) -> None:
    """The headers are those of the whole answer; its bytes come five in a second, until the caller leaves."""
    whole = await users.get("/users/1")
    await users.client.delete("/_stats")
    await users.chaos(mode="trickle")
    reader, writer = await users.connect("/users/1")

    async with asyncio.timeout(3):
        head = await reader.readuntil(b"\r\n\r\n")
        begin = asyncio.get_running_loop().time()
        body = await reader.readexactly(4)
        took = asyncio.get_running_loop().time() - begin

    assert head.startswith(b"HTTP/1.1 200 ")
    assert f"content-length: {len(whole.content)}\r\n".encode() in head
    assert body == whole.content[:4]
    assert took > 0.55
    writer.close()
    assert await users.stats_become(**ABANDONED) == ABANDONED


async def test_trickle_ends_with_the_whole_answer(catalog: Any) -> None:
    """Who waits long enough gets it all."""
    await catalog.chaos(mode="trickle")

    reply = await catalog.get("/products?sku=")

    assert reply.content == b"[]"
    assert await catalog.stats_become(**ANSWERED) == ANSWERED


async def test_error_rate_answers_with_the_status(users: Any) -> None:
    """A failing request gets the status, with a small JSON body."""
    await users.chaos(error_rate=1, status=429)

    reply = await users.get("/users/1")

    assert reply.status_code == 429
    assert reply.json() == {"detail": "this service was told to fail with 429"}


async def test_a_mode_with_a_rate_spares_some(users: Any) -> None:
    """The rate decides who fails; the others get their answer."""
    await users.chaos(error_rate=0.5, mode="html", latency_ms=0)

    kinds = [(await users.get("/users/1")).headers["content-type"] for _ in range(20)]

    assert {kind.partition(";")[0] for kind in kinds} == {"text/html", "application/json"}


async def test_leaving_during_the_usual_latency_is_noticed_at_once(users: Any) -> None:
    """A caller who leaves while the service only waits is counted long before the wait is over."""
    await users.chaos(latency_ms=60_000)
    _, writer = await users.connect("/users/1")
    await users.stats_become(received=1, in_flight=1, abandoned=0)

    begin = asyncio.get_running_loop().time()
    writer.close()

    assert await users.stats_become(**ABANDONED) == ABANDONED
    assert asyncio.get_running_loop().time() - begin < 1


async def test_leaving_in_the_middle_of_a_body_is_noticed(orders: Any) -> None:
    """A caller who promises more body than it sends, and leaves, has abandoned its call."""
    _, writer = await asyncio.open_connection("127.0.0.1", orders.port)
    writer.write(b"POST /orders HTTP/1.1\r\nHost: mock\r\nContent-Length: 100\r\n\r\n{")
    await orders.stats_become(received=1, in_flight=1, abandoned=0)

    writer.close()

    assert await orders.stats_become(**ABANDONED) == ABANDONED


async def test_a_connection_is_kept_for_the_next_request(users: Any) -> None:
    """Answers, also failing ones, leave the connection usable; leaving between requests abandons nothing."""
    reader, writer = await asyncio.open_connection("127.0.0.1", users.port)
    await users.chaos(error_rate=1, times=1)

    async with asyncio.timeout(3):
        for status in (b"503", b"200"):
            writer.write(b"GET /users/1 HTTP/1.1\r\nHost: mock\r\n\r\n")
            head = await reader.readuntil(b"\r\n\r\n")
            length = int(head.lower().partition(b"content-length: ")[2].partition(b"\r\n")[0])
            await reader.readexactly(length)
            assert head.split(b" ", 2)[1] == status

    writer.close()
    finished = {"received": 2, "in_flight": 0, "abandoned": 0}
    assert await users.stats_become(**finished) == finished

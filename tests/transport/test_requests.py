"""What is written: bodies of known and unknown length, early answers, and nothing at all where an upstream could read two requests."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest

pytestmark = pytest.mark.slow


async def parts(*bodies: bytes) -> AsyncIterator[bytes]:
    for body in bodies:
        yield body
        await asyncio.sleep(0)


async def test_a_body_of_unknown_length_goes_in_chunks(wire: Any, server: Any) -> None:
    """An empty part is none: it would end the body."""
    server.replies(server.reply(b"ok"), server.reply(b"next"))

    await wire.send("POST", server.url, content=parts(b"one", b"", b"two" * 5_000_000, b"three"))
    await wire.get(server.url)

    assert server.asked[0].body == b"one" + b"two" * 5_000_000 + b"three"
    assert b"transfer-encoding: chunked\r\n" in server.asked[0].head.lower()
    assert server.opened == 1


async def test_a_streamed_body_of_known_length_goes_as_it_is(wire: Any, server: Any) -> None:
    """Its length is announced and kept."""
    server.replies(server.reply(b"ok"), server.reply(b"next"))

    await wire.send("PUT", server.url, content=parts(b"one", b"two"), headers={"content-length": "6"})
    await wire.get(server.url)

    assert server.asked[0].body == b"onetwo"
    assert server.opened == 1


@pytest.mark.parametrize("size", [0, 10, 3_000_000])
async def test_a_body_at_hand_is_sent_whole(wire: Any, server: Any, size: int) -> None:
    """Whatever its size, and the connection is used again."""
    server.replies(server.reply(b"ok"), server.reply(b"next"))

    await wire.send("POST", server.url, content=b"x" * size)
    await wire.get(server.url)

    assert len(server.asked[0].body) == size
    assert server.opened == 1


@pytest.mark.parametrize("length", ["2", "4"])
async def test_a_streamed_body_that_is_not_as_long_as_announced_is_cut_off(wire: Any, server: Any, length: str) -> None:
    """The rest would be the upstream's next request, or the next request the rest."""
    wire.stock_cannot("raises its parser's own error")
    server.always(server.reply(b"ok"))

    with pytest.raises(httpx.LocalProtocolError):
        await wire.send("POST", server.url, content=parts(b"one"), headers={"content-length": length})
    following = await wire.get(server.url)

    assert following.content == b"ok"
    assert server.hits == 1


async def test_an_error_of_the_body_is_raised_as_it_is(wire: Any, server: Any) -> None:
    """The caller's own error, and the upstream gets no end of the body that it could take for a whole one."""

    async def broken() -> AsyncIterator[bytes]:
        yield b"one"
        raise KeyError("mine")

    server.always(server.reply(b"ok"))

    with pytest.raises(KeyError, match="mine"):
        await wire.send("POST", server.url, content=broken())

    assert server.hits == 0


@pytest.mark.parametrize("framed", [{}, {"content-length": "100000000"}], ids=["chunked", "content-length"])
async def test_an_early_answer_ends_the_upload(wire: Any, server: Any, framed: dict[str, str]) -> None:
    """A 413 is given at once, although the upstream reads no more of the body; the connection is not used again."""
    wire.stock_cannot("writes all of the body first")
    server.replies(
        (server.then.EARLY, server.reply(b"too large", "413 Content Too Large"), server.then.HANG), server.reply(b"next")
    )

    reply = await wire.send("POST", server.url, content=parts(*[b"x" * 100_000] * 1000), headers=framed)
    following = await wire.get(server.url)

    assert (reply.status_code, reply.content) == (413, b"too large")
    assert following.content == b"next"
    assert server.opened == 2


async def test_an_early_answer_to_a_large_body_at_hand_is_given(wire: Any, server: Any) -> None:
    """What is still to be written is not written into the next call."""
    wire.stock_cannot("writes all of the body first")
    server.replies(
        (server.then.EARLY, server.reply(b"too large", "413 Content Too Large"), server.then.HANG), server.reply(b"next")
    )

    reply = await wire.send("POST", server.url, content=b"x" * 20_000_000)
    following = await wire.get(server.url)

    assert (reply.status_code, reply.content) == (413, b"too large")
    assert following.content == b"next"
    assert server.opened == 2


async def test_an_upload_waits_for_a_slow_upstream(ours: Any, server: Any) -> None:
    """No more of a body is asked for than sockets hold."""
    asked = 0

    async def endless() -> AsyncIterator[bytes]:
        nonlocal asked
        while True:
            asked += 1
            yield b"x" * 100_000
            await asyncio.sleep(0)

    server.replies((server.then.EARLY, server.then.STALL))
    uploading = asyncio.create_task(ours.client.post(server.url, content=endless()))
    quiet = -1
    while quiet != asked or not server.hits:  # until the socket takes no more
        quiet = asked
        await asyncio.sleep(0.1)
    uploading.cancel()
    with pytest.raises(asyncio.CancelledError):
        await uploading

    assert 0 < quiet < 500


async def test_an_upload_whose_connection_ends_is_over(ours: Any, server: Any) -> None:
    """Also while it waits for the upstream to take more."""
    server.replies((server.then.EARLY, server.then.RST))

    with pytest.raises(httpx.ReadError):
        await ours.send("POST", server.url, content=parts(*[b"x" * 100_000] * 1000))

    assert ours.open == 0


async def test_an_early_answer_ends_the_wait_for_the_next_part(ours: Any, server: Any) -> None:
    """The caller's own slowness does not hold an answer up, and its body is ended."""
    ended = asyncio.Event()

    async def slow() -> AsyncIterator[bytes]:
        try:
            yield b"one"
            await asyncio.Event().wait()
        finally:
            ended.set()

    server.replies((server.then.EARLY, server.reply(b"no", "403 Forbidden"), server.then.HANG))

    reply = await ours.send("POST", server.url, content=slow())

    assert reply.status_code == 403
    assert ended.is_set()


async def test_an_upstream_may_answer_with_what_it_is_being_sent(ours: Any) -> None:
    """A body goes on while the reply comes: here each part waits for the one before to come back."""
    echoed, left = asyncio.Semaphore(1), asyncio.Event()

    async def body() -> AsyncIterator[bytes]:
        for letter in b"abc":
            await echoed.acquire()
            yield bytes([letter])

    async def echo(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\n")
        for _ in range(3):
            writer.write(await reader.readexactly(1))
        writer.close()
        await writer.wait_closed()
        left.set()

    came = b""
    async with await asyncio.start_server(echo, "127.0.0.1", 0) as server, asyncio.timeout(5):
        url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/"
        async with ours.client.stream("POST", url, content=body(), headers={"content-length": "3"}) as reply:
            async for part in reply.aiter_raw():
                came += part
                echoed.release()
        await left.wait()

    assert came == b"abc"


async def test_an_error_of_the_body_ends_a_reply_that_has_begun(ours: Any, server: Any) -> None:
    """The caller's own error, raised to whoever reads the reply, and the connection is closed."""
    has_begun = asyncio.Event()

    async def broken() -> AsyncIterator[bytes]:
        await has_begun.wait()
        raise KeyError("mine")
        yield b""

    server.replies((server.then.EARLY, b"HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\n", server.then.HANG))

    async with asyncio.timeout(5), ours.client.stream("POST", server.url, content=broken()) as reply:
        has_begun.set()
        with pytest.raises(KeyError, match="mine"):
            await reply.aread()

    assert ours.open == 0


REFUSED = {
    "line-break-in-a-value": ("GET", [("X", "a\r\nEvil: b")], b""),
    "bare-line-feed-in-a-value": ("GET", [("X", "a\nEvil: b")], b""),
    "nul-in-a-value": ("GET", [("X", "a\0b")], b""),
    "line-break-in-a-name": ("GET", [("X: a\r\nEvil", "b")], b""),
    "blank-in-a-name": ("GET", [("Content-Length ", "5")], b""),
    "no-name": ("GET", [("", "b")], b""),
    "second-host": ("GET", [("Host", "a"), ("Host", "b")], b""),
    "method-with-a-target": ("GET /evil HTTP/1.1\r\nHost: a\r\n\r\nGET", [], b""),
    "no-method": ("", [], b""),
    "length-that-is-too-small": ("POST", [("Content-Length", "1")], b"body"),
    "length-that-is-too-large": ("POST", [("Content-Length", "9")], b"body"),
    "length-that-is-none": ("POST", [("Content-Length", "+4")], b"body"),
    "two-lengths": ("POST", [("Content-Length", "4"), ("Content-Length", "4")], b"body"),
    "length-without-a-body": ("GET", [("Content-Length", "4")], b""),
    "length-and-chunks": ("POST", [("Content-Length", "4"), ("Transfer-Encoding", "chunked")], b"body"),
    "another-coding": ("POST", [("Transfer-Encoding", "gzip, chunked")], b"body"),
    "tunnel": ("CONNECT", [], b""),
}

STOCK_SENDS = {
    "length-without-a-body": "sends the head before it finds out",
    "length-that-is-too-small": "sends the head before it finds out",
    "length-that-is-too-large": "sends the head before it finds out",
    "length-and-chunks": "sends both",
    "two-lengths": "takes two that are the same for one",
    "tunnel": "asks for a tunnel",
}


@pytest.mark.parametrize("name", REFUSED)
async def test_nothing_is_sent_of_what_could_be_read_as_two(wire: Any, server: Any, name: str) -> None:
    """A request that says in two ways where it ends, or lets a value end it, is refused before a byte is written."""
    wire.stock_cannot(STOCK_SENDS.get(name, ""))
    method, headers, content = REFUSED[name]
    server.always(server.reply(b"ok"))
    request = httpx.Request(method, server.url, headers=headers, content=content)

    with pytest.raises(httpx.LocalProtocolError):
        await wire.client.send(request)
    following = await wire.get(server.url)

    assert following.content == b"ok"
    assert [asked.method for asked in server.asked] == ["GET"]
    assert wire.kind == "stock" or server.opened == 1


async def test_a_target_with_a_blank_is_refused(ours: Any, server: Any) -> None:
    """Nothing of ours makes one, since httpx quotes it; but it would be a request line of four words."""
    request = httpx.Request("GET", server.url)
    request.url._uri_reference = request.url._uri_reference._replace(path="/a HTTP/1.1\r\nX: y")

    with pytest.raises(httpx.LocalProtocolError):
        await ours.client.send(request)

    assert server.opened == 0


@pytest.mark.parametrize("url", ["ftp://127.0.0.1/", "ws://127.0.0.1/", "/path", "http:///path"])
async def test_other_schemes_are_refused(wire: Any, url: str) -> None:
    """Neither plain HTTP to the port of something else, nor a guess."""
    wire.stock_cannot("dials it" if url.startswith("ws") else "")
    with pytest.raises(httpx.UnsupportedProtocol):
        await wire.get(url)

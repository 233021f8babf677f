"""Every reply there is, good and bad, over both transports: what it gives, and that the next call gets its own."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import httpx
import pytest

pytestmark = pytest.mark.slow

OK = b"HTTP/1.1 200 OK\r\n"
HINT = b"HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n"
EVIL = b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nEVIL!"
CHUNKED = OK + b"Transfer-Encoding: chunked\r\n\r\n"


@dataclass(frozen=True)
class Good:
    """A reply, what it gives, and whether the connection may be used again (None: each as it likes)."""

    id: str
    sent: bytes
    body: bytes = b""
    status: int = 200
    method: str = "GET"
    kept: bool | None = True
    fin: bool = False
    stock: str = ""
    """Why httpx's own transport fails here."""


GOOD = [
    Good("content-length", OK + b"Content-Length: 2\r\n\r\nhi", b"hi"),
    Good("no-body", OK + b"Content-Length: 0\r\n\r\n"),
    Good("chunked", CHUNKED + b"2\r\nhi\r\n1\r\n!\r\n0\r\n\r\n", b"hi!"),
    Good("chunked-with-extensions-and-trailers", CHUNKED + b"2;a=b\r\nhi\r\n0\r\nSum: 1\r\nX: y\r\n\r\n", b"hi"),
    Good("until-the-connection-closes", OK + b"\r\nhi", b"hi", kept=False, fin=True),
    Good("until-the-connection-closes-and-empty", OK + b"\r\n", kept=False, fin=True),
    Good("connection-close", OK + b"Connection: close\r\nContent-Length: 2\r\n\r\nhi", b"hi", kept=False),
    Good("head", OK + b"Content-Length: 5\r\n\r\n", method="HEAD", kept=False, stock="would read a late body as a reply"),
    Good("head-of-chunks", CHUNKED, method="HEAD", kept=False, stock="would read a late body as a reply"),
    Good("204", b"HTTP/1.1 204 No Content\r\n\r\n", status=204),
    Good("304", b"HTTP/1.1 304 Not Modified\r\nETag: x\r\n\r\n", status=304),
    Good(
        "304-that-announces-a-body",
        b"HTTP/1.1 304 Not Modified\r\nContent-Length: 5\r\n\r\n",
        status=304,
        kept=False,
        stock="would read a late body as a reply",
    ),
    Good("100-first", b"HTTP/1.1 100 Continue\r\n\r\n" + OK + b"Content-Length: 2\r\n\r\nhi", b"hi"),
    Good("ten-hints-first", HINT * 10 + OK + b"Content-Length: 2\r\n\r\nhi", b"hi"),
    Good("1.0", b"HTTP/1.0 200 OK\r\nContent-Length: 2\r\n\r\nhi", b"hi", kept=False),
    Good("1.0-keep-alive", b"HTTP/1.0 200 OK\r\nConnection: keep-alive\r\nContent-Length: 2\r\n\r\nhi", b"hi", kept=None),
    Good("nobodys-coding", OK + b"Transfer-Encoding: mine\r\n\r\nhi", b"hi", fin=True, kept=False, stock="takes chunks alone"),
    Good("bytes-after-the-length", OK + b"Content-Length: 2\r\n\r\nhi" + EVIL, b"hi", kept=False, stock="keeps what follows"),
    Good("bytes-after-the-last-chunk", CHUNKED + b"0\r\n\r\n" + EVIL, kept=False, stock="keeps what follows"),
    Good("body-on-204", b"HTTP/1.1 204 No Content\r\n\r\n" + EVIL, status=204, kept=False, stock="keeps what follows"),
    Good("body-on-304", b"HTTP/1.1 304 Not Modified\r\n\r\n" + EVIL, status=304, kept=False, stock="keeps what follows"),
    Good("body-on-head", OK + b"Content-Length: 5\r\n\r\n" + EVIL, method="HEAD", kept=False, stock="keeps what follows"),
]


@pytest.mark.parametrize("case", GOOD, ids=lambda case: case.id)
async def test_a_reply_is_read_to_its_end_and_no_further(wire: Any, server: Any, case: Good) -> None:
    """What belongs to a reply is given, what does not closes the connection, and the next call gets its own reply."""
    wire.stock_cannot(case.stock)
    server.replies((case.sent, server.then.FIN) if case.fin else case.sent, server.reply(b"next"))

    reply = await wire.send(case.method, server.url)
    following = await wire.get(server.url)

    assert (reply.status_code, reply.content) == (case.status, case.body)
    assert following.content == b"next"
    assert case.kept is None or server.opened == (1 if case.kept else 2)


@dataclass(frozen=True)
class Bad:
    """What is no reply, and the error it is."""

    id: str
    sent: bytes
    then: str = ""
    error: type[httpx.TransportError] | tuple[type[httpx.TransportError], ...] = httpx.RemoteProtocolError
    stock: str = ""


CUT = (httpx.ReadError, httpx.RemoteProtocolError)
"""httpx's own transport calls an end in order a protocol error, ours says what it is: the connection ended."""

BAD = [
    Bad("closed-without-a-byte", b"", "FIN", CUT),
    Bad("reset-without-a-byte", b"", "RST", CUT),
    Bad("closed-in-the-head", OK + b"Content-Le", "FIN", CUT),
    Bad("reset-in-the-head", OK + b"Content-Le", "RST", CUT),
    Bad("closed-after-a-hint", HINT, "FIN", CUT),
    Bad("closed-before-the-length", OK + b"Content-Length: 5\r\n\r\nhi", "FIN", CUT),
    Bad("reset-before-the-length", OK + b"Content-Length: 5\r\n\r\nhi", "RST", CUT),
    Bad("closed-in-a-chunk", CHUNKED + b"5\r\nhi", "FIN", CUT),
    Bad("closed-before-the-last-chunk", CHUNKED + b"2\r\nhi\r\n", "FIN", CUT),
    Bad("closed-in-the-trailers", CHUNKED + b"0\r\nSum: 1", "FIN", CUT),
    Bad("reset-where-only-closing-ends-it", OK + b"\r\nhi", "RST", CUT),
    Bad("not-http", b"SSH-2.0-OpenSSH_9.6\r\n", stock="waits for the end of the head"),
    Bad("http-0.9", b"<html>hi</html>", "FIN"),
    Bad("http-2.0", b"HTTP/2.0 200 OK\r\nContent-Length: 0\r\n\r\n", stock="takes any version"),
    Bad("no-status", b"HTTP/1.1 OK\r\n\r\n"),
    Bad("status-of-four-digits", b"HTTP/1.1 2000 OK\r\n\r\n"),
    Bad("two-lengths", OK + b"Content-Length: 2\r\nContent-Length: 3\r\n\r\nhi!"),
    Bad("length-below-zero", OK + b"Content-Length: -2\r\n\r\nhi"),
    Bad("length-and-chunks", OK + b"Content-Length: 2\r\n" + CHUNKED[len(OK) :] + b"0\r\n\r\n", stock="goes by the chunks"),
    Bad("reset-in-nobodys-coding", OK + b"Transfer-Encoding: mine\r\n\r\nhi", "RST", CUT),
    Bad("zipped-chunks", OK + b"Transfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n"),
    Bad("a-coding-among-others", OK + b"Transfer-Encoding: mine, chunked\r\n\r\n0\r\n\r\n"),
    Bad("a-coding-in-1.0", b"HTTP/1.0 200 OK\r\nTransfer-Encoding: mine\r\n\r\nhi", "FIN"),
    Bad("a-length-and-a-coding", OK + b"Content-Length: 2\r\nTransfer-Encoding: mine\r\n\r\nhi", "FIN"),
    Bad("zipped-until-closed", OK + b"Transfer-Encoding: gzip\r\n\r\nhi", "FIN"),
    Bad("chunks-in-1.0", b"HTTP/1.0" + CHUNKED[8:] + b"0\r\n\r\n", stock="goes by the chunks"),
    Bad("bad-chunk-size", CHUNKED + b"zz\r\nhi\r\n0\r\n\r\n"),
    Bad("chunk-that-is-longer", CHUNKED + b"1\r\nhi\r\n0\r\n\r\n"),
    Bad("bare-line-feeds", b"HTTP/1.1 200 OK\nContent-Length: 2\n\nhi", stock="takes them for line ends"),
    Bad("folded-header", OK + b"A: b\r\n c\r\nContent-Length: 0\r\n\r\n", stock="unfolds it"),
    Bad("blank-before-the-colon", OK + b"Content-Length : 2\r\n\r\nhi"),
    Bad("two-megabytes-of-headers", OK + b"A: b\r\n" * 350_000),
    Bad("a-header-of-two-megabytes", OK + b"A: " + b"b" * 2_000_000),
    Bad("trailers-without-end", CHUNKED + b"0\r\nA: " + b"b" * 2_000_000),
    Bad("extension-without-end", CHUNKED + b"1;" + b"b" * 2_000_000),
    Bad("eleven-hints", HINT * 11 + OK + b"Content-Length: 0\r\n\r\n", stock="takes any number"),
    Bad("101", b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\nConnection: upgrade\r\n\r\n"),
]


@pytest.mark.parametrize("case", BAD, ids=lambda case: case.id)
async def test_what_is_no_reply_is_an_error(wire: Any, server: Any, case: Bad) -> None:
    """Never a short body, never a guess; the connection is not used again, and the next call gets its own reply."""
    wire.stock_cannot(case.stock)
    server.replies((case.sent, server.then[case.then]) if case.then else (case.sent, server.then.HANG), server.reply(b"next"))

    with pytest.raises(case.error):
        await wire.get(server.url)
    following = await wire.get(server.url)

    assert following.content == b"next"
    assert server.opened == server.hits == 2
    await server.until(lambda: server.in_flight == 0)


async def test_headers_come_as_they_were_sent(wire: Any, server: Any) -> None:
    """In order, repeated names apart, blanks around a value gone; a trailer is no header."""
    head = b"Set-Cookie: a\r\nX: \r\nset-cookie:b \t\r\nTransfer-Encoding: chunked\r\n\r\n0\r\nX: trailer\r\n\r\n"
    server.replies(OK + head)

    reply = await wire.get(server.url)

    assert reply.headers.multi_items() == [
        ("set-cookie", "a"),
        ("x", ""),
        ("set-cookie", "b"),
        ("transfer-encoding", "chunked"),
    ]


async def test_a_head_of_just_over_the_limit_is_refused(ours: Any, server: Any) -> None:
    """Also when it comes in one piece, and its body with it."""
    value = "b" * 60_000
    server.replies(server.reply(b"hi", "200 OK", f"A: {value}"), server.reply(b"hi", "200 OK", f"A: {value}", f"B: {value}"))

    large = await ours.get(server.url)

    assert large.headers["a"] == value
    with pytest.raises(httpx.RemoteProtocolError, match="too"):
        await ours.get(server.url)

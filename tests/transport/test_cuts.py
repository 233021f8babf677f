"""A reply is what its bytes say, however the network cuts them."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from gateway.errors import CallError
from gateway.transport.connection import Connection
from gateway.transport.reading import HeadLimits
from gateway.transport.reply import Incoming, Streamed, Whole
from gateway.transport.request import Outgoing


class Socket(asyncio.Transport):
    """What asyncio would put below a connection."""

    def __init__(self) -> None:
        super().__init__()
        self.is_paused = False

    def write(self, data: bytes | bytearray | memoryview) -> None: ...
    def abort(self) -> None: ...

    def get_write_buffer_size(self) -> int:
        return 0

    def pause_reading(self) -> None:
        self.is_paused = True

    def resume_reading(self) -> None:
        self.is_paused = False


@dataclass(frozen=True)
class Result:
    """What a caller gets, and what becomes of the connection."""

    status: int = 0
    headers: tuple[tuple[bytes, bytes], ...] = ()
    body: bytes = b""
    is_error: bool = False
    is_kept: bool = False


def at_once(coroutine: Coroutine[Any, Any, Any]) -> Any:
    """The result of what has nothing to wait for."""
    try:
        coroutine.send(None)
    except StopIteration as done:
        return done.value
    raise AssertionError("it waits for something")


def received(method: str, pieces: list[bytes], *, eof: bool, kind: Any = Streamed) -> Result:
    """Feed the pieces to a connection that has asked, and read the reply."""
    freed: list[Connection] = []
    connection = Connection(freed.append, lambda _: None, HeadLimits())
    connection.connection_made(Socket())
    return asked(connection, method, pieces, freed, eof=eof, kind=kind)


def asked(connection: Connection, method: str, pieces: list[bytes], freed: list[Connection], *, eof: bool, kind: Any) -> Result:
    """Ask on a connection, feed it the pieces, and read the reply."""
    incoming = connection.begin(Outgoing(method, b"", limit=10_000), kind)
    for piece in pieces:
        # asyncio says no more to a connection that is closed.
        if not connection.is_closed:
            connection.data_received(piece)
    is_kept = bool(freed) and not connection.is_closed
    if eof and not connection.is_closed:
        connection.eof_received()
    if not incoming.status:
        return Result(is_error=True)
    body, is_error = read(incoming)
    headers = tuple((name, value.rstrip()) for name, value in incoming.headers)
    return Result(incoming.status, headers, body, is_error, is_kept)


def read(incoming: Incoming) -> tuple[bytes, bool]:
    """The body as far as it came, and whether it ended in an error."""
    if isinstance(incoming, Whole):
        return incoming.body.whole(), incoming.error is not None

    async def parts(stream: Streamed) -> tuple[bytes, bool]:
        body = b""
        try:
            async for part in stream:
                body += part
        except CallError:
            return body, True
        return body, False

    assert isinstance(incoming, Streamed)
    return at_once(parts(incoming))


def cut(data: bytes, places: list[int]) -> list[bytes]:
    """The bytes in pieces, none of them empty."""
    marks = sorted({0, len(data), *(place % (len(data) + 1) for place in places)})
    return [data[start:end] for start, end in pairwise(marks)]


tokens = st.text("abcXYZ-09_!", min_size=1, max_size=8).map(str.encode)
values = st.text('ab ,;="/\t0\x80', max_size=12).map(lambda text: text.strip().encode("latin-1"))
fields = st.lists(st.tuples(tokens.map(b"x-".__add__), values), max_size=4)
bodies = st.binary(max_size=60)
cuts = st.lists(st.integers(0, 10_000), max_size=12)


@dataclass(frozen=True)
class Written:
    """A good reply as an upstream writes it."""

    data: bytes
    result: Result
    needs_eof: bool


@st.composite
def written(draw: st.DrawFn) -> Written:
    """Any status, headers, body and framing."""
    status = draw(st.sampled_from([200, 201, 204, 304, 404, 500, 599]))
    headers, body = draw(fields), draw(bodies)
    has_body = status not in (204, 304)
    framing = draw(st.sampled_from(["length", "chunks", "end"])) if has_body else "none"
    closes = draw(st.booleans())
    framed = list(headers)
    if framing == "length":
        framed.append((b"Content-Length", b"%d" % len(body)))
    elif framing == "chunks":
        framed.append((b"transfer-encoding", b"Chunked"))
    if closes:
        framed.append((b"Connection", b"close"))
    interim = b"HTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\n" * draw(st.integers(0, 3))
    head = interim + b"HTTP/1.1 %d Any Reason\r\n" % status + b"".join(b"%b: %b\r\n" % field for field in framed) + b"\r\n"
    data = head + (_in_chunks(draw, body) if framing == "chunks" else body if has_body else b"")
    kept = framing != "end" and not closes
    return Written(data, Result(status, tuple(framed), body if has_body else b"", False, kept), framing == "end")


def _in_chunks(draw: st.DrawFn, body: bytes) -> bytes:
    pieces = cut(body, draw(cuts))
    extension = draw(st.sampled_from([b"", b";a", b';a="b"']))
    trailers = b"".join(b"%b: %b\r\n" % field for field in draw(fields))
    chunks = b"".join(b"%x%b\r\n%b\r\n" % (len(piece), extension, piece) for piece in pieces if piece)
    return chunks + b"0\r\n" + trailers + b"\r\n"


@given(written(), cuts)
def test_a_good_reply_is_read_as_it_was_written(reply: Written, places: list[int]) -> None:
    """However it is cut, byte for byte too."""
    for pieces in (cut(reply.data, places), [bytes([byte]) for byte in reply.data]):
        for kind in (Streamed, Whole):
            assert received("GET", pieces, eof=reply.needs_eof, kind=kind) == reply.result


@given(written(), st.sampled_from(["GET", "HEAD"]), st.deferred(lambda: mangled), cuts)
def test_what_a_connection_has_read_before_changes_nothing(
    before: Written, method: str, mangling: Any, places: list[int]
) -> None:
    """Replies on one connection, one after the other, are read as on connections of their own: no trailer, no state goes over."""
    freed: list[Connection] = []
    connection = Connection(freed.append, lambda _: None, HeadLimits())
    connection.connection_made(Socket())
    if not asked(connection, "GET", cut(before.data, places), freed, eof=False, kind=Whole).is_kept:
        return
    freed.clear()
    data = mangle(mangling)

    following = asked(connection, method, cut(data, places), freed, eof=True, kind=Whole)

    assert following == received(method, cut(data, places), eof=True, kind=Whole)


@given(written(), st.integers(0, 10_000), cuts)
def test_a_reply_that_ends_early_is_an_error(reply: Written, place: int, places: list[int]) -> None:
    """Never a short body; only where the end of the connection is the end of the body nobody could tell."""
    start = place % len(reply.data)

    result = received("GET", cut(reply.data[:start], places), eof=True)

    assert result.is_error or (reply.needs_eof and reply.result.body.startswith(result.body))


@given(written(), st.binary(min_size=1, max_size=60), cuts)
def test_what_follows_a_reply_changes_nothing_of_it_and_closes_the_connection(
    reply: Written, more: bytes, places: list[int]
) -> None:
    """Whatever it is, and however it is cut; blank lines in the same breath mean nothing and are dropped."""
    if reply.needs_eof:
        return

    result = received("GET", cut(reply.data + more, places), eof=False)

    assert (result.status, result.headers, result.body, result.is_error) == (
        reply.result.status,
        reply.result.headers,
        reply.result.body,
        False,
    )
    assert not result.is_kept or not more.strip(b"\r\n")


mangled = st.tuples(written(), st.integers(0, 10_000), st.binary(min_size=0, max_size=3), st.integers(0, 3))


def mangle(mangling: Any) -> bytes:
    """A reply's bytes with a few put in and taken out somewhere."""
    reply, place, inserted, removed = mangling
    start = place % len(reply.data)
    return bytes(reply.data[:start] + inserted + reply.data[start + removed :])


@given(st.sampled_from(["GET", "HEAD", "POST"]), mangled, cuts, st.booleans())
def test_a_mangled_reply_is_the_same_however_it_is_cut(method: str, mangling: Any, places: list[int], eof: bool) -> None:
    """A few bytes put in and taken out somewhere: an error or a reply, but not one by one network and the other by another."""
    data = mangle(mangling)

    results = [received(method, pieces, eof=True) for pieces in ([data], cut(data, places), [bytes([byte]) for byte in data])]

    assert len({(r.status, r.headers, r.body, r.is_error) for r in results}) == 1


def test_a_reader_that_is_behind_stops_the_reading_and_one_that_catches_up_resumes_it() -> None:
    """A million parts of one byte take memory of their own, so fewer bytes of them are enough."""
    for part, most in ((b"x" * 10_000, 300_000), (b"x", 5_000)):
        socket, connection = Socket(), Connection(lambda _: None, lambda _: None, HeadLimits())
        connection.connection_made(socket)
        incoming = connection.begin(Outgoing("GET", b""), Streamed)
        connection.data_received(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")

        taken = 0
        while not socket.is_paused:
            connection.data_received(b"%x\r\n%b\r\n" % (len(part), part))
            taken += len(part)
        body = at_once(anext(aiter(incoming)))

        assert taken <= most
        assert len(body) == taken
        assert not socket.is_paused


def test_a_head_that_is_too_large_is_refused_in_one_piece_too() -> None:
    """Its own size counts, not that of what came with it."""
    large = b"HTTP/1.1 200 OK\r\nA: %b\r\nContent-Length: 100000\r\n\r\n" + b"x" * 100_000

    assert received("GET", [large % (b"a" * 60_000)], eof=False).is_kept
    assert received("GET", [large % (b"a" * 70_000)], eof=False).is_error


def test_a_late_reader_of_one_reply_leaves_the_reading_of_the_next_alone() -> None:
    """They share a connection, one after the other."""
    socket, connection = Socket(), Connection(lambda _: None, lambda _: None, HeadLimits())
    connection.connection_made(socket)
    head = b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n"
    first = connection.begin(Outgoing("GET", b""), Streamed)
    connection.data_received(head % 300_000 + b"x" * 300_000)
    connection.begin(Outgoing("GET", b""), Streamed)
    was_paused_between = socket.is_paused
    connection.data_received(head % 900_000 + b"x" * 300_000)

    at_once(anext(aiter(first)))

    assert not was_paused_between
    assert socket.is_paused

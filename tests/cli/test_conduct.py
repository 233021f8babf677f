"""Clients that keep the server waiting: a head that does not come, an answer that nobody takes. In virtual time, on a transport of the test's."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
import uvicorn
from uvicorn.server import ServerState

from gateway.cli.conduct import HEAD, STALL
from gateway.cli.listener import LONGEST_HEAD, ROUND, Listener

pytestmark = pytest.mark.looptime

GET = b"GET / HTTP/1.1\r\nHost: a\r\n\r\n"


class Line(asyncio.Transport):
    """The connection as the server has it; the client takes nothing while `takes` is off."""

    def __init__(self) -> None:
        super().__init__()
        self.sent = b""
        self.waiting = 0
        self.takes = True
        self.ended: str | None = None
        self.ended_at: float | None = None

    def writelines(self, parts: Any) -> None:
        self.write(b"".join(parts))

    def write(self, data: bytes) -> None:
        self.sent += data
        if not self.takes:
            self.waiting += len(data)

    def get_write_buffer_size(self) -> int:
        return self.waiting

    def get_extra_info(self, name: str, default: Any = None) -> Any:
        return default

    def is_closing(self) -> bool:
        return self.ended is not None

    def close(self) -> None:
        self._end("closed")

    def abort(self) -> None:
        self._end("aborted")

    def pause_reading(self) -> None: ...

    def resume_reading(self) -> None: ...

    def _end(self, how: str) -> None:
        if self.ended != "aborted":
            self.ended, self.ended_at = how, asyncio.get_running_loop().time()


@pytest.fixture
def line() -> Line:
    return Line()


def listening(line: Line, seconds: float = 0, body: bytes = b"{}") -> Listener:
    """The protocol on its line, in front of an app that answers after so many seconds."""

    async def app(_scope: Any, _receive: Any, send: Any) -> None:
        await asyncio.sleep(seconds)
        headers = [(b"content-length", b"%d" % len(body))]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        await send({"type": "http.response.body", "body": body})

    config = uvicorn.Config(app, lifespan="off", log_config=None, log_level="error")
    listener = Listener(config, ServerState(), {})
    listener.connection_made(line)
    return listener


async def said_slowly(listener: Listener, line: Line, head: bytes, pause: float) -> None:
    """A head, byte by byte, until the server has enough of it."""
    for place in range(len(head)):
        if line.ended:
            return
        listener.data_received(head[place : place + 1])
        await asyncio.sleep(pause)


async def test_a_client_that_says_nothing_is_let_go(line: Line) -> None:
    """There is nothing to answer."""
    listening(line)

    await asyncio.sleep(HEAD + ROUND)

    assert (line.ended, line.sent) == ("closed", b"")
    assert line.ended_at is not None
    assert HEAD <= line.ended_at <= HEAD + ROUND


@pytest.mark.parametrize("answered", [0, 1], ids=["first", "after another"])
async def test_a_head_that_comes_bit_by_bit_is_not_waited_for(line: Line, answered: int) -> None:
    """However often something comes: the head as a whole has its time."""
    listener = listening(line)
    for _ in range(answered):
        listener.data_received(GET)
        await asyncio.sleep(0.1)
    before = line.sent

    await said_slowly(listener, line, GET, 1)

    assert line.ended_at is not None
    assert HEAD <= line.ended_at <= HEAD + 2 * ROUND
    assert line.sent[len(before) :].startswith(b"HTTP/1.1 408 Request Timeout\r\n")
    assert b"\r\nconnection: close\r\n" in line.sent
    assert b"urn:problem:fanin:request-timeout" in line.sent


async def test_a_head_in_several_parts_is_answered(line: Line) -> None:
    """In time."""
    listener = listening(line)

    await said_slowly(listener, line, GET, 0.1)

    assert line.sent.startswith(b"HTTP/1.1 200 OK")
    assert line.ended is None


async def test_a_client_that_asks_again_and_again_stays(line: Line) -> None:
    """Between two looks it may have been answered, and be waiting to be asked again."""
    listener = listening(line)

    for _ in range(20):
        listener.data_received(GET)
        await asyncio.sleep(2.3 * ROUND)

    assert line.sent.count(b"HTTP/1.1 200 OK") == 20
    assert line.ended is None


async def test_an_answer_may_take_its_time(line: Line) -> None:
    """The client has said what it wants; how long that takes is its deadline's to say."""
    listener = listening(line, seconds=100)

    listener.data_received(GET)
    await asyncio.sleep(101)

    assert line.sent.startswith(b"HTTP/1.1 200 OK")
    assert line.ended is None


async def test_a_body_that_nobody_waits_for_is_not_waited_for(line: Line) -> None:
    """The answer has been given; what is still to come of the request can come for as long as a head could."""
    listener = listening(line)

    listener.data_received(b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 99\r\n\r\n")
    await said_slowly(listener, line, b"x" * 98, 1)

    assert line.sent.startswith(b"HTTP/1.1 200 OK")
    assert line.sent.count(b"HTTP/1.1") == 1
    assert line.ended == "closed"


async def test_an_answer_that_nobody_takes_is_dropped(line: Line) -> None:
    """With the connection, which has no other use."""
    listener = listening(line)
    line.takes = False

    listener.data_received(GET)
    await asyncio.sleep(STALL - ROUND)
    assert line.ended != "aborted"
    await asyncio.sleep(3 * ROUND)

    assert line.ended == "aborted"


async def test_who_takes_something_is_only_slow(line: Line) -> None:
    """A byte every 20 s is slow; when it has everything, the connection is as any other."""
    listener = listening(line, body=b"x" * 1000)
    line.takes = False
    listener.data_received(GET)
    await asyncio.sleep(0.1)

    while line.waiting > line.waiting % 100:
        await asyncio.sleep(20)
        line.waiting -= 100

    assert line.ended != "aborted"


async def test_a_head_without_end_is_refused(line: Line) -> None:
    """As soon as it is too long, and not when all of it is in memory."""
    listener = listening(line)
    listener.data_received(GET.removesuffix(b"\r\n"))

    taken = 0
    while not line.ended and taken < 10 * LONGEST_HEAD:
        listener.data_received(b"X-A: %s\r\n" % (b"a" * 1000))
        taken += 1000
        await asyncio.sleep(0)

    assert taken < 1.1 * LONGEST_HEAD
    assert line.sent.startswith(b"HTTP/1.1 431 Request Header Fields Too Large\r\n")


async def test_what_follows_a_long_head_has_its_own_length(line: Line) -> None:
    """Bytes of one request are not counted for the next."""
    listener = listening(line)
    half = LONGEST_HEAD // 2 + 1

    for _ in range(4):
        listener.data_received(b"GET / HTTP/1.1\r\nHost: a\r\nX: %s" % (b"a" * half))
        listener.data_received(b"\r\n\r\n")
        await asyncio.sleep(0.1)

    assert line.sent.count(b"HTTP/1.1 200 OK") == line.sent.count(b"HTTP/1.1") == 4


async def test_a_connection_that_is_lost_is_not_looked_at(line: Line) -> None:
    """Its timer goes with it."""
    listener = listening(line)

    listener.connection_lost(None)

    assert listener._next_look.cancelled()

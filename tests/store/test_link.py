"""The connection to Redis: who waits for it, how long, and when it is tried again. Time is virtual; Redis is played by the test."""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from collections.abc import Sequence
from typing import Any

import pytest
from redis.exceptions import AuthenticationError, ReadOnlyError, ResponseError
from redis.exceptions import ConnectionError as Lost

from gateway.store.link import Command, Link, Trip, reason_of

pytestmark = pytest.mark.looptime

TIMEOUT = 0.015
SECRET = "correct-horse"


class Wire:
    """Plays redis-py's connection: each command is answered with itself, after a delay, unless an error is scripted."""

    def __init__(self) -> None:
        self.delay = 0.0
        self.refuses: Exception | None = None
        self.connected: list[float] = []
        self.ended = 0
        self.trips: list[list[str]] = []
        self._replies: deque[Any] = deque()

    async def connect(self) -> None:
        self.connected.append(asyncio.get_running_loop().time())
        if self.refuses:
            raise self.refuses

    async def disconnect(self, nowait: bool) -> None:
        self.ended += 1
        self._replies.clear()

    def pack_commands(self, commands: Sequence[Command]) -> list[Any]:
        return [" ".join(map(str, command)).encode() for command in commands]

    async def send_packed_command(self, packed: list[bytes], check_health: bool) -> None:
        self.trips.append([command.decode() for command in packed])
        self._replies.extend(packed)
        await asyncio.sleep(self.delay)

    async def read_response(self) -> Any:
        if self.refuses:
            raise self.refuses
        reply = self._replies.popleft()
        if reply == b"REFUSED":
            raise ResponseError("ERR of some kind")
        return reply


class NoNews:
    """Plays the board."""

    async def catch_up(self, trip: Trip) -> None:
        await trip([("CATCH-UP",)])

    def commands(self) -> Sequence[Command]:
        return [("NEWS",)]

    def hear(self, replies: Sequence[Any]) -> None:
        assert replies == [b"NEWS"]


@pytest.fixture
def wire() -> Wire:
    return Wire()


@pytest.fixture
def link(wire: Wire) -> Link:
    """One that has not begun: a fixture's time is not the test's. The loop's end is its own."""
    link = Link(f"redis://:{SECRET}@127.0.0.1:1", TIMEOUT, chance=lambda: 0.5)
    link._connection = wire  # type: ignore[assignment]
    return link


async def rise(link: Link) -> None:
    link.start(NoNews())
    await asyncio.sleep(0.001)
    assert link.is_up


async def test_what_is_asked_at_one_time_goes_in_one_trip(link: Link, wire: Wire) -> None:
    """Each gets the replies to what he asked, and the news go first."""
    await rise(link)
    wire.trips.clear()

    got = await asyncio.gather(link.ask(("GET", "a"), ("PTTL", "a")), link.ask(("GET", "b")))

    assert got == [[b"GET a", b"PTTL a"], [b"GET b"]]
    assert wire.trips[0] == ["NEWS", "GET a", "PTTL a", "GET b"]


async def test_many_go_in_several(link: Link, wire: Wire) -> None:
    """In the order asked, and nobody's commands are taken apart."""
    await rise(link)
    wire.trips.clear()

    got = await asyncio.gather(*(link.ask(("GET", number)) for number in range(300)))

    assert [reply for replies in got for reply in replies or ()] == [b"GET %d" % number for number in range(300)]
    assert [len(trip) for trip in wire.trips] == [129, 129, 45]


async def test_what_redis_refuses_is_a_reply(link: Link, wire: Wire) -> None:
    """The others' are not touched, nor is the connection."""
    await rise(link)
    refused, other = await asyncio.gather(link.ask(("REFUSED",)), link.ask(("GET", "a")))

    assert refused
    assert isinstance(refused[0], ResponseError)
    assert other == [b"GET a"]
    assert link.is_up


async def test_nobody_waits_longer_than_the_timeout(link: Link, wire: Wire) -> None:
    """A reply that is late is nobody's; whoever asks meanwhile has nothing at once, and so it stays until it has come."""
    await rise(link)
    wire.delay = 0.030
    began = asyncio.get_running_loop().time()

    got = await asyncio.gather(link.ask(("GET", "a")), link.ask(("GET", "b")))
    waited = asyncio.get_running_loop().time() - began
    meanwhile = await link.ask(("GET", "c"))

    assert (got, meanwhile) == ([None, None], None)
    assert waited == pytest.approx(TIMEOUT, abs=1e-5)
    await asyncio.sleep(0.016)
    assert link.is_up
    assert wire.ended == 0


async def test_what_is_late_twice_is_down(link: Link, wire: Wire) -> None:
    """Somebody who is always a little late would cost every request a little."""
    await rise(link)
    wire.delay = 0.030

    await link.ask(("GET", "a"))
    await asyncio.sleep(0.016)
    await link.ask(("GET", "b"))

    await asyncio.sleep(0.001)
    assert (link.is_up, wire.ended) == (False, 1)


async def test_silence_ends_the_connection(link: Link, wire: Wire) -> None:
    """After 50 ms; and a late reply cannot become that of the next who asks, for it went with the connection."""
    await rise(link)
    wire.delay = 3600.0
    asked = asyncio.create_task(link.ask(("GET", "a")))

    await asyncio.sleep(0.049)
    before = wire.ended
    await asyncio.sleep(0.002)
    wire.delay = 0.0
    await asyncio.sleep(0.2)

    assert (before, wire.ended) == (0, 1)
    assert (await asked, await link.ask(("GET", "b"))) == (None, [b"GET b"])


async def test_who_stops_waiting_disturbs_nobody(link: Link, wire: Wire) -> None:
    """A call that is cancelled while it asks: the others have their replies, over the same connection."""
    await rise(link)
    wire.delay = 0.010
    leaving, staying = (asyncio.create_task(link.ask(("GET", name))) for name in "ab")
    await asyncio.sleep(0.005)

    leaving.cancel()

    assert await staying == [b"GET b"]
    assert wire.ended == 0


async def test_nobody_waits_while_it_is_down(link: Link, wire: Wire) -> None:
    """Who is in a trip when the connection breaks has nothing at once, and so has everybody until it is back."""
    await rise(link)
    wire.refuses = Lost()
    began = asyncio.get_running_loop().time()

    got = [await link.ask(("GET", "a")) for _ in range(100)]
    link.tell(("SET", "a"))

    assert got == [None] * 100
    assert asyncio.get_running_loop().time() == pytest.approx(began)


async def test_it_is_tried_again_by_itself(link: Link, wire: Wire) -> None:
    """After 100 ms, then twice as long each time, up to 2 s."""
    await rise(link)
    wire.refuses = Lost()
    wire.connected.clear()
    began = asyncio.get_running_loop().time()
    await link.ask(("GET", "a"))

    await asyncio.sleep(10)

    tried = [round(at - began, 3) for at in wire.connected]
    assert tried[:7] == pytest.approx([0.1, 0.3, 0.7, 1.5, 3.1, 5.1, 7.1], abs=0.01)


async def test_a_loss_after_a_long_time_is_the_first(link: Link, wire: Wire) -> None:
    """It is tried again soon; one that was only just back waits for longer."""
    await rise(link)
    wire.connected.clear()
    began = asyncio.get_running_loop().time()
    for steady in (11.0, 11.0, 0.0):
        await asyncio.sleep(steady)
        wire.refuses = Lost()
        await link.ask(("GET", "a"))
        wire.refuses = None
        await asyncio.sleep(0.5)

    tried = [round(at - began, 2) for at in wire.connected]
    assert tried == pytest.approx([11.1, 22.6, 23.2], abs=0.02)


async def test_it_is_looked_after_while_nobody_asks(link: Link, wire: Wire) -> None:
    """Five times a second: what others purge is heard of, and a loss is no request's to find."""
    await rise(link)
    wire.trips.clear()

    await asyncio.sleep(0.99)

    assert wire.trips == [["NEWS"]] * 4


async def test_says_when_it_goes_and_when_it_is_back(link: Link, wire: Wire, caplog: pytest.LogCaptureFixture) -> None:
    """Once each, however often it is tried; and nothing of the URL, which has a password."""
    await rise(link)
    wire.refuses = Lost(f"Error connecting to {SECRET}")
    await link.ask(("GET", "a"))
    await asyncio.sleep(1)
    wire.refuses = None
    await asyncio.sleep(2)

    gone, back = (record.getMessage() for record in caplog.records if record.levelno >= logging.WARNING)
    assert gone.startswith("redis is gone (ConnectionError): ")
    assert back == "redis is back after 1.5 s"
    assert SECRET not in repr(link)


async def test_the_last_trip_takes_along_what_was_told(link: Link, wire: Wire) -> None:
    """Leases are given back when the gateway stops."""
    await rise(link)

    link.tell(("DEL", "a"))
    await link.stop()

    assert ["NEWS", "DEL a"] in wire.trips
    assert wire.ended == 1


async def test_stopping_waits_for_nobody(link: Link, wire: Wire) -> None:
    """A Redis that hangs delays no end by more than its timeout, and who still waits has nothing."""
    await rise(link)
    wire.delay = 3600.0
    asked = asyncio.create_task(link.ask(("GET", "a")))
    await asyncio.sleep(0.001)
    began = asyncio.get_running_loop().time()

    await link.stop()

    assert asyncio.get_running_loop().time() - began <= TIMEOUT + 0.001
    assert await asked is None


def _caused(error: Exception, cause: BaseException) -> Exception:
    error.__cause__ = cause
    return error


@pytest.mark.looptime(False)
@pytest.mark.parametrize(
    ("error", "said"),
    [
        (TimeoutError(), "no reply in time"),
        (_caused(Lost(f"Error 111 connecting to {SECRET}:1"), ConnectionRefusedError(111, "x")), "connection refused"),
        (Lost(f"Error -2 connecting to {SECRET}:1"), "ConnectionError"),
        (ReadOnlyError("You can't write against a read only replica."), "ReadOnlyError"),
        (ResponseError(f"unknown {SECRET}"), "ResponseError"),
        (AuthenticationError(SECRET), "AuthenticationError"),
        (RuntimeError(f"<TCPTransport to {SECRET} closed=True>"), "connection closed"),
        (ValueError(SECRET), "ValueError"),
    ],
)
def test_reasons_have_nothing_of_the_url(error: Exception, said: str) -> None:
    """Whoever writes a password where the host belongs does not read it in a log."""
    assert reason_of(error) == said

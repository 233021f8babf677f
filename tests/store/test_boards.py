"""Purges told in a stream: who hears of them, and what is distrusted by those who cannot know."""

from __future__ import annotations

from typing import Any

import pytest

from gateway.caching import Entry
from gateway.caching.clock import now
from gateway.caching.purging import EVERYTHING, PurgesState
from gateway.store.boards import UNTOLD, LocalBoard, StreamBoard

NEWEST = 1000.0


class FakeLink:
    """Plays the connection, which a board only wakes."""

    woken = 0

    def wake(self) -> None:
        self.woken += 1


def message(number: int, scope: str, at: float) -> tuple[bytes, list[bytes]]:
    return b"%d-0" % number, [b"scope", scope.encode(), b"at", str(at).encode()]


class Stream:
    """Plays Redis to a board that catches up."""

    def __init__(self, *messages: Any) -> None:
        self.messages = list(messages)

    async def trip(self, commands: Any) -> list[Any]:
        return [self._reply(*command) for command in commands]

    def _reply(self, word: str, *arguments: Any) -> Any:
        if word == "XRANGE":
            return self.messages[:1]
        if word == "XADD":
            scope, at = arguments[6], float(arguments[8])
            self.messages.append(message(len(self.messages) + 1, scope, at))
        if word == "XREAD":
            number = int(arguments[-1].partition(b"-")[0])
            return [[b"purges", [one for one in self.messages if int(one[0].partition(b"-")[0]) > number]]]
        return b"OK"


@pytest.fixture
def purges() -> PurgesState:
    return PurgesState()


@pytest.fixture
def board(purges: PurgesState) -> StreamBoard:
    return StreamBoard(FakeLink(), "purges", purges, clock=lambda: NEWEST)  # type: ignore[arg-type]


def is_void(purges: PurgesState, at: float, *scopes: str) -> bool:
    return purges.voids(Entry(200, (), b"", at, 60.0, scopes=scopes))


async def is_gone(store: Any) -> bool:
    return await store.get("a") is None


async def test_one_process_has_nobody_to_tell(purges: PurgesState) -> None:
    """What is told is purged."""
    board = LocalBoard(purges)

    board.tell("tag:a", 10.0)

    assert is_void(purges, 10.0, "tag:a")
    assert await board.told()


async def test_who_begins_hears_what_was_purged_before(board: StreamBoard, purges: PurgesState) -> None:
    """And distrusts what is older than the stream, of which nobody knows."""
    await board.catch_up(Stream(message(1, "", 100.0), message(2, "tag:a", 200.0)).trip)

    assert is_void(purges, 200.0, "tag:a")
    assert not is_void(purges, 201.0, "tag:a")
    assert (is_void(purges, 100.0), is_void(purges, 101.0)) == (True, False)


async def test_who_finds_no_stream_begins_it(board: StreamBoard, purges: PurgesState) -> None:
    """What is in Redis from before may have been purged: it is distrusted."""
    stream = Stream()

    await board.catch_up(stream.trip)

    assert [fields[1] for _, fields in stream.messages] == [b""]
    assert is_void(purges, NEWEST)


async def test_who_knew_a_stream_that_is_lost_goes_on(board: StreamBoard, purges: PurgesState) -> None:
    """A Redis that was started anew voids nothing of what is in memory: everybody would ask all over again."""
    await board.catch_up(Stream(message(1, "", 100.0), message(5, "tag:a", 200.0)).trip)

    await board.catch_up(Stream(message(9, "", 300.0), message(10, "tag:b", 310.0)).trip)

    assert not is_void(purges, 250.0, "tag:else")
    assert is_void(purges, 310.0, "tag:b")


async def test_whom_a_stream_was_trimmed_past_distrusts_what_he_keeps(board: StreamBoard, purges: PurgesState) -> None:
    """Of the messages that are gone one may have been of it."""
    await board.catch_up(Stream(message(1, "", 100.0), message(5, "tag:a", 200.0)).trip)

    await board.catch_up(Stream(message(9, "tag:b", 300.0)).trip)

    assert (is_void(purges, 300.0), is_void(purges, 301.0)) == (True, False)


@pytest.mark.parametrize(
    "fields", [[], [b"a"], [b"scope", b"\xff", b"at", b"1"], [b"scope", b"x", b"at", b"nan"], [b"scope", b"*", b"at", b"inf"]]
)
async def test_what_is_no_message_purges_nothing(board: StreamBoard, purges: PurgesState, fields: list[bytes]) -> None:
    """Somebody else's words in the stream, or numbers that are none."""
    await board.catch_up(Stream(message(1, "", 100.0), (b"2-0", fields), message(3, "tag:a", 200.0)).trip)

    assert is_void(purges, 200.0, "tag:a")
    assert not is_void(purges, 500.0, "x")


async def test_nothing_is_purged_for_the_time_to_come(board: StreamBoard, purges: PurgesState) -> None:
    """A process whose clock is wrong by a day does not turn the others' caches off for one."""
    await board.catch_up(Stream(message(1, "", 100.0), message(2, EVERYTHING, NEWEST + 86_400)).trip)

    assert (is_void(purges, NEWEST), is_void(purges, NEWEST + 1)) == (True, False)


async def test_what_is_told_waits_until_it_is_taken(board: StreamBoard, purges: PurgesState) -> None:
    """It holds here at once; what Redis refuses is told again, not at once."""
    board.tell("tag:a", 10.0)
    (add, _) = board.commands()
    board.hear([RuntimeError("refused"), None])
    (again,) = board.commands()

    assert is_void(purges, 10.0, "tag:a")
    assert (add[0], add[-3], again[0]) == ("XADD", "tag:a", "XREAD")
    assert repr(board) == "StreamBoard(1 untold)"


async def test_too_much_to_tell_is_one_purge_of_everything(board: StreamBoard) -> None:
    """While Redis is away nobody remembers more than so much."""
    for number in range(UNTOLD + 1):
        board.tell(f"tag:{number}", float(number))

    (add, _) = board.commands()
    board.hear([b"1-0", None])

    assert (add[-3], add[-1]) == (EVERYTHING, repr(float(UNTOLD)))
    assert await board.told()


@pytest.mark.slow
async def test_a_purge_reaches_the_memory_of_others(opened: Any, make_entry: Any, up: Any, eventually: Any) -> None:
    """Both tiers, in every process that has the prefix, without anybody asking for it."""
    async with opened() as (one, board), opened() as (other, _):
        await up(one, other)
        await one.set("a", entry := make_entry(scopes=("tag:a",)), ttl=60.0)
        assert await other.get("a") == entry

        board.tell("tag:a", now())

        assert await one.get("a") is None
        assert await board.told()
        await eventually(lambda: is_gone(other))
        assert other.memory.used == 0


@pytest.mark.slow
async def test_nothing_purged_is_had_from_redis_ever_after(opened: Any, make_entry: Any, up: Any) -> None:
    """Neither by who begins after the purge, nor by who was told of it while Redis was away from him."""
    async with opened() as (one, board):
        await up(one)
        await one.set("a", make_entry(scopes=("tag:a",)), ttl=60.0)
        await one.set("b", other := make_entry(scopes=("tag:b",)), ttl=60.0)
        board.tell("tag:a", now())
        assert await board.told()

        async with opened(size=0) as (newcomer, _):
            await up(newcomer)
            assert await newcomer.multi_get(["a", "b"]) == [None, other]


@pytest.mark.slow
async def test_a_purge_while_redis_is_away_is_told_when_it_is_back(
    opened: Any, own_server: Any, make_entry: Any, up: Any, eventually: Any
) -> None:
    """It was started anew, and has nothing: what others have in memory is purged all the same, and the rest of it is not."""
    async with opened(own_server.url) as (one, board), opened(own_server.url) as (other, _):
        await up(one, other)
        await other.set("a", make_entry(scopes=("tag:a",)), ttl=60.0)
        await other.set("b", kept := make_entry(scopes=("tag:b",)), ttl=60.0)
        own_server.stop()
        await eventually(lambda: not one.counts()[-1].is_well)

        board.tell("tag:a", now())
        assert await board.told() is False
        own_server.start()
        await up(one, other)

        await eventually(board.told)
        await eventually(lambda: is_gone(other))
        assert await other.multi_get(["a", "b"]) == [None, kept]


@pytest.mark.slow
async def test_what_is_in_the_streams_place_makes_room(
    opened: Any, shared_server: Any, prefix: str, make_entry: Any, up: Any, eventually: Any
) -> None:
    """Somebody has put something else there, before it began or while it ran: the store comes back by itself."""
    shared_server.client.set(f"{prefix}purges", "junk")
    async with opened(size=0) as (store, board):
        await up(store)
        shared_server.client.set(f"{prefix}purges", "more junk")
        await eventually(lambda: shared_server.client.type(f"{prefix}purges") == b"stream")
        await up(store)

        await store.set("a", make_entry(scopes=("tag:a",)), ttl=60.0)
        board.tell("tag:a", now())

        await eventually(board.told)
        assert await store.get("a") is None

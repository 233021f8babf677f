"""A pool against a model of it: whatever comes in whatever order, no place is lost, none is taken twice, nobody is forgotten."""

from __future__ import annotations

import asyncio
from itertools import count
from typing import Any

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from gateway.errors import Unreachable
from gateway.transport.connection import Connection
from gateway.transport.pool import PoolLimits, PoolState
from gateway.transport.reading import HeadLimits

PLACES = 2


class Socket(asyncio.Transport):
    """What asyncio would put below a connection."""

    def abort(self) -> None: ...


class Pooling(RuleBasedStateMachine):
    """Callers take, give back and give up; connections come, fail and end. The loop runs only when a rule says so."""

    def __init__(self) -> None:
        super().__init__()
        self.loop = asyncio.new_event_loop()
        self.dialling: list[asyncio.Future[Connection]] = []
        self.taking: dict[asyncio.Task[Connection], bool] = {}
        self.held: list[Connection] = []
        self.known: list[Connection] = []
        self.pool = PoolState(PoolLimits(connections=PLACES, idle_for=3600), connect=self.dial)

    async def dial(self) -> Connection:
        self.dialling.append(asyncio.get_running_loop().create_future())
        return await self.dialling[-1]

    def in_loop(self, function: Any, *arguments: Any) -> None:
        async def call() -> None:
            function(*arguments)

        self.loop.run_until_complete(call())

    def collect(self) -> None:
        """Those who were served hold what they got."""
        self.dialling = [one for one in self.dialling if not one.done()]
        for task, fresh in list(self.taking.items()):
            if not task.done():
                continue
            del self.taking[task]
            if task.cancelled() or isinstance(task.exception(), OSError):
                continue
            connection = task.result()
            assert connection not in self.held, "one connection, two callers"
            assert not fresh or connection.uses == 0, "used before"
            connection.uses += 1
            self.held.append(connection)

    @rule(fresh=st.booleans())
    def take(self, fresh: bool) -> None:
        self.taking[self.loop.create_task(self.pool.take(fresh=fresh))] = fresh

    @rule()
    def settle(self) -> None:
        for _ in range(8):
            self.in_loop(lambda: None)
        self.collect()
        if not self.pool.is_closed:
            waiting = [one for one in self.pool.waiting if not one.done()]
            assert not waiting or (self.pool.open == PLACES and not self.pool.idle), "a place is free and somebody waits"
        assert self.pool.making == len(self.dialling)
        # Nobody waits for what will not come; what is made for those who have been served, or have left, is left over.
        assert len(self.taking) <= len(self.dialling) + len(self.pool.waiting)
        alive = {one for one in self.known if not one.is_closed}
        assert set(self.pool.connections) == alive
        assert alive == set(self.pool.idle) | {one for one in self.held if not one.is_closed}

    @precondition(lambda self: any(not one.done() for one in self.dialling))
    @rule(data=st.data(), good=st.booleans())
    def answer(self, data: st.DataObject, good: bool) -> None:
        dial = data.draw(st.sampled_from([one for one in self.dialling if not one.done()]))
        if not good:
            dial.set_exception(ConnectionRefusedError())
            return
        connection = Connection(self.pool.put_back, self.pool.closed, HeadLimits())
        connection.connection_made(Socket())
        self.known.append(connection)
        dial.set_result(connection)

    @precondition(lambda self: self.taking)
    @rule(data=st.data())
    def give_up(self, data: st.DataObject) -> None:
        # Where a dial has just succeeded, asyncio itself closes what it made; here nobody does.
        task = data.draw(st.sampled_from(list(self.taking)))
        self.settle()
        task.cancel()
        self.settle()

    @precondition(lambda self: self.held and self.pool.waiting)
    @rule(data=st.data(), is_good=st.booleans(), ends=st.booleans())
    def serve_somebody_who_gives_up_or_finds_it_ended(self, data: st.DataObject, is_good: bool, ends: bool) -> None:
        """The hardest moment: a waiter has been given something, and has not run since."""
        connection = self.held.pop(data.draw(st.integers(0, len(self.held) - 1)))
        leaving = data.draw(st.lists(st.sampled_from(list(self.taking)), max_size=2, unique=True)) if self.taking else []

        def serve() -> None:
            self.pool.put_back(connection) if is_good else connection.close()
            if ends:
                connection.close()
            for task in leaving:
                task.cancel()

        self.in_loop(serve)

    @precondition(lambda self: self.held)
    @rule(data=st.data())
    def put_back(self, data: st.DataObject) -> None:
        connection = self.held.pop(data.draw(st.integers(0, len(self.held) - 1)))
        self.in_loop(self.pool.put_back, connection)

    @precondition(lambda self: any(not one.is_closed for one in self.known))
    @rule(data=st.data(), lost=st.booleans())
    def end(self, data: st.DataObject, lost: bool) -> None:
        connection = data.draw(st.sampled_from([one for one in self.known if not one.is_closed]))
        self.settle()
        self.in_loop(connection.connection_lost, None) if lost else self.in_loop(connection.close)

    @invariant()
    def never_more_than_there_are_places(self) -> None:
        assert self.pool.making >= 0
        assert self.pool.open <= PLACES

    def teardown(self) -> None:
        self.settle()
        while self.taking or self.dialling:
            for task in list(self.taking):
                task.cancel()
            self.settle()
            for dial in self.dialling:
                dial.set_exception(ConnectionRefusedError())
            self.settle()
        for connection in self.held:
            self.in_loop(self.pool.put_back, connection)
        self.held.clear()
        self.settle()
        assert self.pool.open == len(self.pool.idle)
        self.pool.close()
        assert self.pool.open == 0
        self.loop.close()


TestPooling = Pooling.TestCase
TestPooling.settings = settings(max_examples=150, stateful_step_count=40, deadline=None)


async def test_what_was_used_last_is_used_next() -> None:
    """So that the others grow old."""
    pool = PoolState(PoolLimits(idle_for=60), connect=lambda: new(pool))
    first, second = await pool.take(), await pool.take()

    pool.put_back(first)
    pool.put_back(second)

    assert await pool.take() is second
    assert await pool.take() is first


@pytest.mark.looptime
async def test_what_is_idle_for_too_long_is_closed() -> None:
    """Each by its own age, and what is in use is left alone."""
    pool = PoolState(PoolLimits(idle_for=4.0), connect=lambda: new(pool))
    old, young, used = await pool.take(), await pool.take(), await pool.take()
    pool.put_back(old)
    await asyncio.sleep(3)
    pool.put_back(young)

    await asyncio.sleep(1.5)
    after_first = (old.is_closed, young.is_closed)
    await asyncio.sleep(7)

    assert after_first == (True, False)
    assert young.is_closed
    assert not used.is_closed
    assert pool.open == 1


@pytest.mark.looptime
async def test_what_is_too_old_is_not_used_again() -> None:
    """A busy connection never sees a name's new address; those opened together do not all go in the same second."""
    chances = iter([0.0, 1.0, 0.5])
    pool = PoolState(PoolLimits(max_age=60), connect=lambda: new(pool), chance=lambda: next(chances))
    oldest, younger = await pool.take(), await pool.take()

    await asyncio.sleep(50)
    pool.put_back(oldest)
    pool.put_back(younger)

    assert not oldest.is_closed
    assert younger.is_closed
    assert await pool.take() is oldest
    await asyncio.sleep(10)
    pool.put_back(oldest)
    assert oldest.is_closed


@pytest.mark.looptime
async def test_the_place_of_what_is_too_old_goes_to_who_waits() -> None:
    """With a connection of its own."""
    pool = PoolState(PoolLimits(connections=1, max_age=60), connect=lambda: new(pool))
    old = await pool.take()
    waiting = asyncio.create_task(pool.take())
    await asyncio.sleep(60)

    pool.put_back(old)

    assert await waiting is not old
    assert pool.open == 1


async def test_a_fresh_connection_takes_the_place_of_an_idle_one() -> None:
    """When all places are taken, the one that is idle for longest goes."""
    pool = PoolState(PoolLimits(connections=2, idle_for=60), connect=lambda: new(pool))
    older, newer = await pool.take(), await pool.take()
    pool.put_back(older)
    pool.put_back(newer)

    fresh = await pool.take(fresh=True)

    assert fresh not in (older, newer)
    assert older.is_closed
    assert list(pool.idle) == [newer]


async def test_one_who_waited_gets_a_live_connection_or_makes_one() -> None:
    """What was handed over may end before its new owner has run."""
    pool = PoolState(PoolLimits(connections=1), connect=lambda: new(pool))
    only = await pool.take()
    waiting = asyncio.create_task(pool.take())
    await asyncio.sleep(0)

    pool.put_back(only)
    only.connection_lost(None)
    given = await waiting

    assert given is not only
    assert not given.is_closed
    assert pool.open == 1


async def served_while_dialling(dial: asyncio.Future[Connection]) -> tuple[PoolState, asyncio.Task[Connection]]:
    """A pool in which one has been served by a connection that came free before the one that is made for it."""
    dials = iter([lambda: new(pool), lambda: dial])
    pool = PoolState(PoolLimits(), connect=lambda: next(dials)())
    first = await pool.take()
    waiting = asyncio.create_task(pool.take())
    await asyncio.sleep(0)

    pool.put_back(first)
    return pool, waiting


async def test_who_waits_for_a_new_connection_takes_one_that_comes_free() -> None:
    """A host that lets one wait among many costs nobody anything; what was made in vain is there for the next."""
    dial = asyncio.get_running_loop().create_future()
    pool, waiting = await served_while_dialling(dial)
    served = await waiting

    late = await new(pool)
    dial.set_result(late)
    await asyncio.sleep(0)

    assert served is not late
    assert list(pool.idle) == [late]


@pytest.mark.looptime
async def test_a_host_that_cannot_take_a_crowd_at_once_keeps_none_of_it_waiting(looptime: Any) -> None:
    """What does not find room before its door is tried again by the system after a second; the connections that did carry all the calls."""
    numbers = count()

    async def connect() -> Connection:
        await asyncio.sleep(0 if next(numbers) < 100 else 1)
        return await new(pool)

    async def call() -> None:
        connection = await pool.take()
        connection.uses += 1
        await asyncio.sleep(0.01)
        pool.put_back(connection)

    pool = PoolState(PoolLimits(), connect=connect)
    await asyncio.gather(*(call() for _ in range(400)))

    assert looptime == pytest.approx(0.04, abs=0.001)


async def test_a_connection_that_nobody_waits_for_may_fail() -> None:
    """Who was served in another way never hears of it, and its place is free."""
    dial = asyncio.get_running_loop().create_future()
    pool, waiting = await served_while_dialling(dial)
    await waiting

    dial.set_exception(ConnectionRefusedError())
    await asyncio.sleep(0)
    await asyncio.sleep(0)

    assert (pool.open, pool.making) == (1, 0)


async def test_who_leaves_takes_what_is_being_made_along() -> None:
    """Its place goes to who stands in line."""
    begun: list[asyncio.Future[Connection]] = []

    async def connect() -> Connection:
        begun.append(asyncio.get_running_loop().create_future())
        return await begun[-1]

    pool = PoolState(PoolLimits(connections=1), connect=connect)
    leaver, heir = (asyncio.create_task(pool.take()) for _ in range(2))
    await asyncio.sleep(0)

    leaver.cancel()
    await asyncio.wait([leaver])
    for _ in range(3):
        await asyncio.sleep(0)
    begun[1].set_result(await new(pool))

    assert begun[0].cancelled()
    assert await heir is begun[1].result()
    assert (pool.open, pool.making) == (1, 0)


async def test_what_ends_before_it_is_used_is_no_connection() -> None:
    """And is not made again and again for the same call."""
    made: list[Connection] = []

    async def connect() -> Connection:
        made.append(await new(pool))
        asyncio.get_running_loop().call_soon(made[-1].close)
        return made[-1]

    pool = PoolState(PoolLimits(), connect=connect)

    with pytest.raises(Unreachable):
        await pool.take()
    assert (len(made), pool.open) == (1, 0)


@pytest.mark.parametrize("handed", ["a-connection", "a-place"])
async def test_what_is_handed_to_one_who_gives_up_goes_to_the_next(handed: str) -> None:
    """In the very moment, too."""
    pool = PoolState(PoolLimits(connections=1), connect=lambda: new(pool))
    only = await pool.take()
    quitter, heir = (asyncio.create_task(pool.take()) for _ in range(2))
    await asyncio.sleep(0)

    pool.put_back(only) if handed == "a-connection" else only.close()
    quitter.cancel()
    given = await heir

    assert (given is only) == (handed == "a-connection")
    assert quitter.cancelled()
    assert pool.open == 1


async def test_one_who_waited_for_a_fresh_connection_makes_it_in_the_place_of_a_used_one() -> None:
    """Nobody else comes in between."""
    pool = PoolState(PoolLimits(connections=1), connect=lambda: new(pool))
    only = await pool.take()
    fresh, other = asyncio.create_task(pool.take(fresh=True)), asyncio.create_task(pool.take())
    await asyncio.sleep(0)

    pool.put_back(only)
    given = await fresh

    assert given is not only
    assert only.is_closed
    assert not other.done()
    pool.put_back(given)
    assert await other is given


async def new(pool: PoolState) -> Connection:
    connection = Connection(pool.put_back, pool.closed, HeadLimits())
    connection.connection_made(Socket())
    return connection

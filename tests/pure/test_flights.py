"""Flights: whoever comes, leaves or runs out of time, and whatever the work comes to, each is told once, and nothing stays behind."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from itertools import count
from typing import Any

import looptime
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, invariant, rule

from gateway.caching.flights import Flight, FlightsState, Rider
from gateway.errors import CallError, CallTimeout, Disconnected
from gateway.telemetry import Span, SpanType, Trace

KEYS = st.sampled_from(["a", "b"])


@dataclass(eq=False)
class Work:
    """One that has been begun."""

    key: str
    deadline: float
    end: asyncio.Future[str]


@dataclass(eq=False)
class Asked:
    """One who has asked."""

    key: str
    deadline: float
    span: Span
    task: asyncio.Task[Any]


class Flights(RuleBasedStateMachine):
    """Requests that come, leave and run out of time, while works end well, badly or late."""

    asked = Bundle("asked")

    def __init__(self) -> None:
        super().__init__()
        self.loop = looptime.new_event_loop()
        self.flights: FlightsState[str] = FlightsState()
        self.works: list[Work] = []
        self.waiting: list[Asked] = []
        self.everybody: list[Asked] = []
        self.new_span: Callable[[], Span] = _spans()

    def teardown(self) -> None:
        for one in self.waiting:
            one.task.cancel()
        self.pass_time(0.001)
        assert len(self.flights) == 0
        assert not self.works
        assert asyncio.all_tasks(self.loop) == set()
        self.loop.close()

    def pass_time(self, seconds: float) -> None:
        """Let it pass, with all that happens in it."""

        async def sleep() -> None:
            await asyncio.sleep(seconds)

        self.loop.run_until_complete(sleep())
        self.waiting = [one for one in self.waiting if not one.task.done()]

    async def work(self, key: str, deadline: float) -> str:
        work = Work(key, deadline, self.loop.create_future())
        # Never two for the same.
        assert all(other.key != key for other in self.works)
        self.works.append(work)
        try:
            async with asyncio.timeout_at(deadline):
                return await work.end
        except TimeoutError:
            raise CallTimeout("late") from None
        finally:
            self.works.remove(work)

    @rule(target=asked, key=KEYS, seconds=st.integers(1, 9))
    def ask(self, key: str, seconds: int) -> Asked:
        deadline = self.loop.time() + seconds + 0.5

        span = self.new_span()

        async def join() -> object:
            try:
                return (await self.flights.join(key, lambda: self.work(key, deadline), deadline, span))[0]
            except CallError as error:
                return type(error)

        one = Asked(key, deadline, span, self.loop.create_task(join()))
        self.waiting.append(one)
        self.everybody.append(one)
        self.pass_time(0.001)
        return one

    @rule(one=asked)
    def leave(self, one: Asked) -> None:
        was_waiting = one in self.waiting
        one.task.cancel()
        self.pass_time(0.001)
        assert one.task.cancelled() or not was_waiting

    @rule(seconds=st.integers(1, 3))
    def wait(self, seconds: int) -> None:
        self.pass_time(seconds)

    @rule(key=KEYS, good=st.booleans())
    def end(self, key: str, good: bool) -> None:
        works = [work for work in self.works if work.key == key]
        served = [one for one in self.waiting if one.key == key]
        for work in works:
            work.end.set_result("value") if good else work.end.set_exception(Disconnected("broke"))
        self.pass_time(0.001)
        if works:
            assert served
            assert all(one.task.done() for one in served)
            assert {one.task.result() for one in served} == {"value" if good else Disconnected}

    @invariant()
    def a_flight_for_each_that_somebody_waits_for(self) -> None:
        assert {work.key for work in self.works} == {one.key for one in self.waiting}
        assert len(self.flights) == len(self.works)

    @invariant()
    def nobody_waits_beyond_his_time(self) -> None:
        assert all(one.deadline > self.loop.time() - 0.01 for one in self.waiting)

    @invariant()
    def nobody_has_more_than_two_leaders(self) -> None:
        assert all(len(one.span.links) <= 2 for one in self.everybody)


def _spans() -> Callable[[], Span]:
    number = count(1).__next__
    return lambda: Trace(number(), sampled=True, next_id=number).span(SpanType("step"), None)


TestFlights = Flights.TestCase
TestFlights.settings = settings(max_examples=60, stateful_step_count=30, deadline=None)


def test_a_leader_whose_time_was_up_a_tick_early_goes_on_with_nobody() -> None:
    """A loop's timers may fire before their time by its clock's resolution; he has no other one, and would wait beyond his deadline."""
    loop, new_span = asyncio.new_event_loop(), _spans()
    leader, other = (Rider(_nothing, deadline, new_span(), loop.create_future()) for deadline in (1.0, 2.0))
    flight = Flight(leader, {leader: None, other: None})
    late = CallTimeout("late")

    goes_on = flight.change(0.999999, late)

    assert (goes_on, list(flight.riders), flight.leader) == (True, [other], other)
    assert leader.landed.result() is late
    loop.close()


async def _nothing() -> str:
    raise AssertionError("nobody asked for it")

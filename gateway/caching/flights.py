"""Flights: what several ask for at the same time is done once for all of them.

1  who asks first begins a flight and leads it; who asks for the same meanwhile joins it, and his span links to the leader's
2  it is a task of its own: whoever leaves, it goes on, within the leader's deadline
3  nobody waits longer than his own deadline
4  what it comes to is everybody's: the value, or the failure, as an exception of his own for each
5  when it was the leader's time that was up, the others go on with one of them for a leader: once more at most, for each
6  when the last one has left it is cancelled
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Hashable
from dataclasses import dataclass, field
from typing import Generic, TypeAlias, TypeVar

from gateway import telemetry
from gateway.errors import CallTimeout
from gateway.telemetry import Span

Value = TypeVar("Value")
Start: TypeAlias = Callable[[], Awaitable[Value]]


@dataclass(slots=True, eq=False)
class Rider(Generic[Value]):
    """One who waits for what a flight comes to, and may come to lead it."""

    start: Start[Value] = field(repr=False)
    """Does the work as his own."""

    deadline: float
    """Loop time after which he waits no more."""

    span: Span = field(repr=False)
    landed: asyncio.Future[Value | Exception] = field(repr=False)
    has_changed: bool = False
    """He has seen a leader's time run out."""

    timer: asyncio.TimerHandle | None = field(default=None, repr=False)
    """For his deadline; a leader's work ends by itself then."""

    def change(self, leader: Rider[Value]) -> None:
        """Go on with another leader, who may be himself."""
        self.has_changed = True
        if leader is not self:
            self.span.link(leader.span)
        elif self.timer:
            self.timer.cancel()

    def settle(self, outcome: Value | Exception) -> None:
        """This is what he has been waiting for, unless he has left a moment ago."""
        if not self.landed.done():
            self.landed.set_result(outcome)


@dataclass(slots=True, eq=False)
class Flight(Generic[Value]):
    """Work that is being done, and those who wait for it."""

    leader: Rider[Value]
    """Whose work it is; he may have left."""

    riders: dict[Rider[Value], None]
    task: asyncio.Task[None] = field(init=False, repr=False)

    def leave(self, rider: Rider[Value]) -> bool:
        """He waits no more; true when nobody else does."""
        if rider not in self.riders:
            return False
        del self.riders[rider]
        return not self.riders

    def change(self, now: float, outcome: CallTimeout) -> bool:
        """The leader's time is up. Those who have some, and have not changed before, go on with who has most of it; false when there are
        none. For the others this is the outcome.
        """
        # The leader's timer may be a tick early, and he has no other one.
        others = (rider for rider in self.riders if rider is not self.leader)
        stay = dict.fromkeys(rider for rider in others if rider.deadline > now and not rider.has_changed)
        if not stay:
            return False
        for rider in self.riders:
            if rider not in stay:
                rider.settle(outcome)
        self.riders, self.leader = stay, max(stay, key=lambda rider: rider.deadline)
        for rider in stay:
            rider.change(self.leader)
        return True


class FlightsState(Generic[Value]):
    """The flights there are, each by what tells its work from other work."""

    def __init__(self) -> None:
        self._flights: dict[Hashable, Flight[Value]] = {}

    def __len__(self) -> int:
        return len(self._flights)

    async def join(self, key: Hashable, start: Start[Value], deadline: float, span: Span) -> tuple[Value, bool]:
        """What the work under this key comes to, and whether it was led by who asks: what others led is shared, and to be read only.

        Work that runs into its leader's deadline raises `CallTimeout`, and so does waiting beyond one's own; whatever else it raises,
        all raise.
        """
        loop = asyncio.get_running_loop()
        rider = Rider(start, deadline, span, loop.create_future())
        flight = self._flights.get(key)
        if flight is None:
            flight = self._flights[key] = Flight(rider, {rider: None})  # 1
            flight.task = loop.create_task(self._fly(key, flight))  # 2
        else:
            flight.riders[rider] = None
            span.own[telemetry.CACHE_STATUS] = "collapsed"
            span.link(flight.leader.span)
            rider.timer = loop.call_at(deadline, rider.settle, CallTimeout("the deadline has passed while another asked"))  # 3
        try:
            outcome = await rider.landed
        finally:
            if rider.timer:
                rider.timer.cancel()
            if flight.leave(rider):
                await self._end(key, flight)
        if isinstance(outcome, Exception):
            raise _again(outcome) from outcome
        return outcome, flight.leader is rider

    async def _fly(self, key: Hashable, flight: Flight[Value]) -> None:
        try:
            outcome = await _come_to(flight.leader.start)
            while isinstance(outcome, CallTimeout) and flight.change(asyncio.get_running_loop().time(), outcome):  # 5
                outcome = await _come_to(flight.leader.start)
        except asyncio.CancelledError:
            for rider in flight.riders:
                rider.landed.cancel()
            raise
        finally:
            self._forget(key, flight)
        for rider in flight.riders:  # 4
            rider.settle(outcome)

    async def _end(self, key: Hashable, flight: Flight[Value]) -> None:
        """Nobody waits for it any more."""
        self._forget(key, flight)
        if not flight.task.done():
            flight.task.cancel()  # 6
            await asyncio.wait((flight.task,))

    def _forget(self, key: Hashable, flight: Flight[Value]) -> None:
        # Who came after the last one had left has begun another.
        if self._flights.get(key) is flight:
            del self._flights[key]


async def _come_to(start: Start[Value]) -> Value | Exception:
    try:
        return await start()
    except Exception as error:
        return error


def _again(error: Exception) -> Exception:
    """The same exception once more: one that several raise is changed by each of them, and its traceback grows with each."""
    made = type(error).__new__(type(error), *error.args)
    made.__dict__.update(error.__dict__)
    return made

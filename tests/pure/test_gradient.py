"""The gradient: as many calls as an upstream can take, found out by how long they take."""

from __future__ import annotations

import heapq
from collections import deque
from dataclasses import dataclass, field
from random import Random
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.states.gradient import FEWEST, PATIENCE, PROBE, GradientState
from gateway.states.permits import PermitsState


@dataclass
class Overload:
    """An upstream that does so many calls at a time and lets the others wait, behind permits, and ten times as many calls as it can do."""

    capacity: int
    service: float
    spread: float
    seconds: float
    gradient: GradientState = field(default_factory=lambda: GradientState(4, 100, 1.5))
    random: Random = field(default_factory=lambda: Random(1))
    events: list[Any] = field(default_factory=list)
    inside: deque[Any] = field(default_factory=deque)
    busy: int = 0
    done: list[tuple[float, float]] = field(default_factory=list)
    """When each call was done, and how long it took in all."""

    def run(self) -> Overload:
        """Let them come."""
        permits: PermitsState[float] = PermitsState(4, 50)
        rate = 10 * self.capacity / self.service
        self.push(0.0, "come", 0.0)
        while self.events and self.events[0][0] <= self.seconds:
            now, _, what, came = heapq.heappop(self.events)
            if what == "come":
                self.push(now + self.random.expovariate(rate), "come", 0.0)
                if permits.take():
                    self.begin(now, (now, now))
                elif permits.queue(now):
                    patience = (self.gradient.baseline or self.service) * PATIENCE
                    self.push(now + patience, "leave", now)
            elif what == "leave":
                permits.leave(came)
            else:
                self.end(now, came, permits)
        return self

    def push(self, when: float, what: str, of: Any) -> None:
        heapq.heappush(self.events, (when, self.random.random(), what, of))

    def begin(self, now: float, call: tuple[float, float]) -> None:
        if self.busy >= self.capacity:
            self.inside.append(call)
            return
        self.busy += 1
        took = self.service * self.random.uniform(1 - self.spread, 1 + self.spread)
        self.push(now + took, "end", call)

    def end(self, now: float, call: tuple[float, float], permits: PermitsState[float]) -> None:
        came, sent = call
        self.busy -= 1
        self.done.append((now, now - came))
        if self.inside:
            self.begin(now, self.inside.popleft())
        self.gradient.observe(now - sent, permits.held)
        permits.limit = int(self.gradient.limit)
        permits.give_back()
        while (waited := permits.next()) is not None:
            self.begin(now, (waited, now))

    def goodput(self, since: float) -> float:
        """Calls done, as a share of what the upstream can do."""
        return sum(when >= since for when, _ in self.done) / ((self.seconds - since) * self.capacity / self.service)

    def latency(self, since: float) -> float:
        """How long a call takes on average, waits and all, as a multiple of what it takes at rest."""
        times = [took for when, took in self.done if when >= since]
        return sum(times) / len(times) / self.service


@pytest.mark.parametrize("spread", [0.0, 0.3], ids=["alike", "different"])
@pytest.mark.parametrize(("capacity", "service"), [(5, 0.05), (20, 0.05), (50, 0.05), (10, 0.02)])
def test_an_upstream_at_ten_times_its_load_does_all_it_can(capacity: int, service: float, spread: float) -> None:
    """It is as busy as it can be, and a call takes at most twice as long as when it has nothing else to do."""
    overload = Overload(capacity, service, spread, seconds=4.0 + 60 * service).run()

    assert overload.goodput(since=4.0) >= 0.95
    assert overload.latency(since=4.0) <= 2.0


def filled(state: GradientState, seconds: float, in_flight: int, steps: int = 1) -> None:
    """So many steps of replies that all took as long."""
    for _ in range(steps):
        for _ in range(max(FEWEST, int(state.limit) + 1)):
            state.observe(seconds, in_flight)


def test_the_limit_goes_up_while_replies_take_as_long_as_ever() -> None:
    """From the least to the most."""
    state = GradientState(4, 100, 1.5)

    filled(state, 0.01, 100, steps=30)

    assert state.limit == 100


def test_the_limit_goes_down_when_replies_take_longer() -> None:
    """By half at a time, and never below the least."""
    state = GradientState(4, 100, 1.5)
    filled(state, 0.01, 100, steps=30)

    limits = []
    for _ in range(8):
        filled(state, 0.1, 100)
        limits.append(state.limit)

    assert limits[:2] == [pytest.approx(55), pytest.approx(55 / 2 + 55**0.5 / 2)]
    assert limits == sorted(limits, reverse=True)
    assert limits[-1] >= 4


def test_the_limit_stays_while_there_is_little_to_do() -> None:
    """Who does not need it learns nothing of how far it goes, but how long a reply takes."""
    state = GradientState(10, 100, 1.5)

    filled(state, 0.01, 2, steps=20)
    filled(state, 0.02, 2, steps=20)

    assert state.limit == 10
    assert state.baseline == pytest.approx(0.02, rel=0.01)


def test_an_upstream_is_looked_at_at_rest_now_and_then() -> None:
    """The limit comes down for that, and what was sent before says nothing."""
    state = GradientState(4, 40, 1.5)
    filled(state, 0.01, 40, steps=PROBE)
    assert state.limit == 40

    while state.limit > 4:
        filled(state, 0.01, 40)
    for _ in range(state.skipped):
        state.observe(9.0, 40)
    filled(state, 0.012, 4)

    assert state.baseline == pytest.approx(0.0106, rel=0.01)


@given(
    st.integers(1, 10),
    st.integers(10, 100),
    st.lists(st.tuples(st.floats(0, 1e6), st.integers(0, 200)), min_size=FEWEST, max_size=400),
)
def test_a_limit_is_always_between_the_two(least: int, most: int, replies: list[tuple[float, int]]) -> None:
    """Whatever is seen, replies that took no time included."""
    state = GradientState(least, most, 1.5)

    for seconds, in_flight in replies:
        state.observe(seconds, in_flight)

        assert least <= state.limit <= most

"""When a breaker opens, whom it lets through, and when it closes again."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from gateway.policy import BreakerPolicy
from gateway.states.breaking import Admission, BreakerState
from gateway.states.window import TENTHS


def breaker(chance: float = 0.5, **written: Any) -> BreakerState:
    """A breaker whose open time is just what is written."""
    return BreakerState(BreakerPolicy(**written), lambda: chance)


def end(state: BreakerState, now: float, *outcomes: bool, seconds: float = 0.0) -> None:
    """Calls that are let in and end, one after the other; True is a failure."""
    for failed in outcomes:
        admission = state.admit(now)
        assert admission
        state.record(admission, seconds, now, failed=failed)


def opened(**written: Any) -> BreakerState:
    """A breaker that opened at 0 s."""
    state = breaker(**written)
    end(state, 0.0, *[True] * state.policy.consecutive)
    return state


def test_failures_in_a_row_open_it():
    """However few calls there are; one that goes well begins a new row."""
    state = breaker(consecutive=3)

    end(state, 0.0, True, True, False, True, True)
    before = state.condition
    end(state, 0.0, True)

    assert (before, state.condition) == ("closed", "open")


def test_a_share_of_failures_opens_it():
    """From so many calls on, and not one earlier."""
    state = breaker(least=4)

    end(state, 0.0, True, False, True)
    before = state.condition
    end(state, 0.0, False)

    assert (before, state.condition) == ("closed", "open")


def test_fewer_failures_than_the_share_do_not():
    """Nor do failures that are too long ago."""
    state = breaker(least=4)

    end(state, 0.0, True, False, True)
    end(state, 10.0, False, True, False)
    end(state, 10.0, False)

    assert state.condition == "closed"


def test_a_share_of_slow_calls_opens_it():
    """Where it is written what is slow; such calls may have gone well."""
    state, careless = breaker(least=4, slow="1s"), breaker(least=4)

    for one in (state, careless):
        end(one, 0.0, False, False, seconds=0.9)
        end(one, 0.0, False, False, seconds=1.0)

    assert (state.condition, careless.condition) == ("open", "closed")


@pytest.mark.parametrize(("chance", "seconds"), [(0.0, 0.5), (0.5, 1.0), (0.99, 1.49)])
def test_it_is_open_for_its_time_give_or_take_half(chance, seconds):
    """And says how long it still is."""
    state = opened(chance=chance)

    assert state.wait(0.0) == pytest.approx(seconds)
    assert state.wait(0.25) == pytest.approx(seconds - 0.25)
    assert [state.is_open(now) for now in (seconds - 0.01, seconds)] == [True, False]


def test_one_call_is_the_probe():
    """All others are turned away until it has ended."""
    state = opened()

    admissions = [state.admit(1.0) for _ in range(100)]

    assert sum(admission is not None for admission in admissions) == 1
    assert admissions[0].is_probe
    assert (state.condition, state.is_open(1.0), state.wait(1.0)) == ("probing", True, 0.0)


def test_a_probe_that_goes_well_closes_it():
    """And everything before it is forgotten: the next opening is the first."""
    state = opened(consecutive=3)

    end(state, 1.0, False)
    end(state, 1.0, True, True)
    before = state.condition
    end(state, 1.0, True)

    assert (before, state.condition, state.wait(1.0)) == ("closed", "open", 1.0)


def test_what_was_before_it_closed_is_no_part_of_a_share():
    """The window begins anew, too."""
    state = opened(least=3, consecutive=2)

    end(state, 1.0, False)
    end(state, 1.0, False, False, True)

    assert (state.condition, list(state.window.read(1.0))) == ("closed", [3, 1, 0])


def test_each_probe_that_fails_doubles_the_time_it_is_open():
    """Up to the longest."""
    state, now, waits = opened(longest="10s"), 0.0, []

    for _ in range(6):
        waits.append(state.wait(now))
        now += waits[-1]
        end(state, now, True)

    assert waits == [1, 2, 4, 8, 10, 10]


def test_however_often_probes_fail_there_is_a_time_to_wait():
    """A thousand doublings are no number any more."""
    state = opened(longest="10s")
    state.times = 5_000

    end(state, 1.0, True)

    assert state.wait(1.0) == 10.0


def test_a_slow_probe_is_a_failed_one():
    """A host that is still slow would open it again."""
    state = opened(slow="1s")

    end(state, 1.0, False, seconds=1.0)

    assert (state.condition, state.wait(1.0)) == ("open", 2.0)


def test_a_probe_that_tells_nothing_gives_its_place_back():
    """The next call is the probe, at once, and the time it is open has not grown."""
    state = opened()
    first = state.admit(1.0)

    state.withdraw(first, 1.2)
    second = state.admit(1.2)

    assert second
    assert second.is_probe
    assert (state.times, state.admit(1.2)) == (1, None)


def test_a_probe_that_never_ends_is_not_the_last():
    """After the longest time another one may go, and it is that one that counts."""
    state = opened()
    first = state.admit(1.0)

    assert (state.admit(30.9), state.is_open(30.9)) == (None, True)
    second = state.admit(31.0)
    state.record(first, 30.0, 31.1, failed=False)

    assert second
    assert second.is_probe
    assert state.condition == "probing"


@pytest.mark.parametrize("failed", [True, False])
def test_a_call_from_before_says_nothing(failed):
    """What was sent before it opened neither closes it, nor takes the probe's place, nor opens it once more."""
    state = breaker(consecutive=2)
    early = [state.admit(0.0) for _ in range(3)]
    end(state, 0.0, True, True)

    state.record(early[0], 0.5, 0.5, failed=failed)
    probe = state.admit(1.0)
    state.record(early[1], 1.0, 1.0, failed=failed)
    state.withdraw(early[2], 1.0)
    before = (state.condition, state.times)
    state.record(probe, 0.0, 1.0, failed=False)

    assert (before, state.condition) == (("probing", 1), "closed")


def test_a_call_counts_once():
    """Whoever is told of it twice counts it once."""
    state = breaker(consecutive=2)
    admission = state.admit(0.0)

    for _ in range(3):
        state.record(admission, 0.0, 0.0, failed=True)

    assert (state.condition, state.row) == ("closed", 1)


def test_it_prints_itself():
    """What it is, until when, and why."""
    assert repr(opened(consecutive=2)).endswith("condition='open', until=1.0, times=1, row=2)")


class Breakers(RuleBasedStateMachine):
    """A breaker among calls that begin and end in any order, held to a model that keeps every call and counts anew each time."""

    policy = BreakerPolicy(least=4, consecutive=3, window="5s", open="1s", longest="4s", slow="2s")

    def __init__(self) -> None:
        super().__init__()
        self.now = 0.0
        self.chance = 0.5
        self.state = BreakerState(self.policy, lambda: self.chance)
        self.calls: list[Admission] = []
        self.since: list[tuple[int, bool, bool]] = []
        """Of the calls that count since it was closed: their tenth of the window, whether they failed, whether they were slow."""

        self.valid: set[int] = set()
        """Calls that were let in since it last changed, by identity."""

        self.model = "closed"
        self.until = 0.0
        self.times = 0

    @rule(seconds=st.sampled_from([0.1, 0.4, 0.5, 1.0, 2.5, 6.0]))
    def wait(self, seconds: float) -> None:
        """Time passes."""
        self.now += seconds

    @rule(chance=st.sampled_from([0.0, 0.5, 0.875]))
    def draw(self, chance: float) -> None:
        """Chance is what it is."""
        self.chance = chance

    @rule()
    def begin(self) -> None:
        """A call begins, and is let in when it should be."""
        admission = self.state.admit(self.now)

        assert (admission is not None) == (self.model == "closed" or self.now >= self.until)
        if admission is None:
            return
        assert admission.is_probe == (self.model != "closed")
        if admission.is_probe:
            self.model, self.until = "probing", self.now + self.policy.longest
            self.valid.clear()
        self.calls.append(admission)
        self.valid.add(id(admission))

    @precondition(lambda self: self.calls)
    @rule(data=st.data(), failed=st.booleans(), seconds=st.sampled_from([0.1, 2.0]))
    def end(self, data: st.DataObject, failed: bool, seconds: float) -> None:
        """One of the calls ends."""
        admission = self._one(data)
        counts = id(admission) in self.valid

        self.state.record(admission, seconds, self.now, failed=failed)

        if counts:
            self._expect(failed, seconds >= 2.0)
        self.valid.discard(id(admission))

    @precondition(lambda self: self.calls)
    @rule(data=st.data())
    def leave(self, data: st.DataObject) -> None:
        """One of them is cancelled."""
        admission = self._one(data)
        gives_way = id(admission) in self.valid and self.model == "probing"

        self.state.withdraw(admission, self.now)

        if gives_way:
            self.model, self.until = "open", self.now
        self.valid.discard(id(admission))

    def _one(self, data: st.DataObject) -> Admission:
        return self.calls[data.draw(st.integers(0, len(self.calls) - 1))]

    def _expect(self, failed: bool, slow: bool) -> None:
        if self.model == "probing":
            if failed or slow:
                self._opens()
            else:
                self.model, self.times = "closed", 0
                self.since.clear()
                self.valid.clear()
            return
        width = self.policy.window / TENTHS
        self.since.append((int(self.now / width), failed, slow))
        recent = [one for one in self.since if one[0] > int(self.now / width) - TENTHS]
        row = len(self.since) >= 3 and all(one[1] for one in self.since[-3:])
        enough = len(recent) >= 4
        if row or (enough and any(sum(one[kind] for one in recent) * 2 >= len(recent) for kind in (1, 2))):
            self._opens()

    def _opens(self) -> None:
        self.times += 1
        self.model = "open"
        self.until = self.now + min(4.0, 2.0 ** (self.times - 1)) * (0.5 + self.chance)
        self.valid.clear()

    @invariant()
    def is_as_the_model(self) -> None:
        """In every respect that anybody can see."""
        assert (self.state.condition, self.state.times) == (self.model, self.times)
        assert self.state.is_open(self.now) == (self.model != "closed" and self.now < self.until)
        assert self.state.wait(self.now) == pytest.approx(max(0.0, self.until - self.now) if self.model == "open" else 0.0)


TestBreakers = Breakers.TestCase


@given(st.floats(0, 1, exclude_max=True), st.integers(0, 40))
def test_it_is_never_open_for_longer_than_its_longest_time_and_a_half(chance, failures):
    """Nor for less than half of its shortest."""
    state, now = opened(chance=chance), 0.0

    for _ in range(failures):
        now += state.wait(now)
        end(state, now, True)

    assert 0.49 <= state.wait(now) <= 45.0

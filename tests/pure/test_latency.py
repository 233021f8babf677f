"""The usual latency: what so many percent of the replies take at most."""

from __future__ import annotations

from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.states.latency import FEWEST, LatencyState


def observed(state: LatencyState, seconds: list[float]) -> LatencyState:
    for one in seconds:
        state.observe(one)
    return state


def test_nothing_is_said_before_there_is_enough() -> None:
    """A guess would send copies that nobody needs."""
    state = observed(LatencyState(0.95), [0.01] * (FEWEST - 1))
    before = state.usual

    state.observe(0.01)

    assert before is None
    assert state.usual == pytest.approx(0.01, rel=0.1)


@pytest.mark.parametrize("share", [0.5, 0.9, 0.95, 0.99])
def test_the_usual_is_a_percentile(share: float) -> None:
    """Up to a tenth too long, and never too short."""
    random = Random(1)
    seconds = [random.expovariate(20) for _ in range(FEWEST * 3)]

    state = observed(LatencyState(share), seconds)

    rank = sorted(seconds)[int(len(seconds) * share) - 1]
    assert rank * 0.8 <= state.usual <= rank * 1.3


def test_a_few_slow_ones_are_not_usual() -> None:
    """One of a hundred takes a second, and the others ten milliseconds."""
    state = observed(LatencyState(0.95), ([0.01] * 99 + [1.0]) * 5)

    assert 0.01 <= state.usual <= 0.011


def test_what_was_is_forgotten() -> None:
    """An upstream that became slower is what it is now."""
    state = observed(LatencyState(0.95), [0.01] * FEWEST * 20)

    observed(state, [0.1] * FEWEST)

    assert state.usual == pytest.approx(0.1, rel=0.1)


@given(st.lists(st.floats(0, 1e9), min_size=FEWEST, max_size=FEWEST * 2))
def test_whatever_is_seen_there_is_a_usual(seconds: list[float]) -> None:
    """From nothing at all to longer than anybody waits."""
    state = observed(LatencyState(0.95), seconds)

    assert 0.001 <= state.usual < 300

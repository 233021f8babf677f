"""Which requests are turned away: by how many are in flight, and by a share that grows under strain."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.policy import ShedPolicy
from gateway.states.shedding import LATE_FOR, LESS, MORE, SheddingState

BEAT = 0.25


def shedding(has_critical: bool = False, **policy: Any) -> SheddingState:
    return SheddingState(ShedPolicy(**policy), has_critical)


def looked(state: SheddingState, *beats: tuple[float, float]) -> list[float]:
    """The share that is turned away after each beat of (lateness, memory)."""
    shares = []
    for number, (late, memory) in enumerate(beats):
        state.look(late, memory, 100 + number * BEAT)
        shares.append(round(state.share, 9))
    return shares


@pytest.mark.parametrize(
    ("in_flight", "has_critical", "places"),
    [
        (1000, False, {"low": 800, "normal": 1000, "critical": 1000}),
        (1000, True, {"low": 800, "normal": 900, "critical": 1000}),
        (9, True, {"low": 7, "normal": 9, "critical": 9}),
        (1, True, {"low": 1, "normal": 1, "critical": 1}),
    ],
)
def test_places_go_by_priority(in_flight: int, has_critical: bool, places: dict[Any, int]) -> None:
    """Low has four fifths, the last tenth is for critical ones where there are any, and nobody has none at all."""
    state = shedding(has_critical, in_flight=in_flight)

    assert {priority: state.places(priority) for priority in places} == places


def test_a_burst_turns_nobody_away() -> None:
    """The loop has to be late for three seconds on end."""
    state = shedding(lag="50ms")

    shares = looked(state, *[(0.2, 0)] * 11, (0.05, 0), *[(0.2, 0)] * 12)

    assert set(shares) == {0}


def test_a_loop_that_stays_late_turns_more_and_more_away_and_then_less_again() -> None:
    """Until it is in time; from then on bit by bit, so that the crowd does not come back at once. Late again, it need not wait."""
    state = shedding(lag="50ms")
    before = [(0.2, 0.0)] * round(LATE_FOR / BEAT)

    shares = looked(state, *before, (0.2, 0), (0.2, 0), (0.01, 0), (0.01, 0), (0.2, 0), *[(0.01, 0)] * 5)

    assert shares[-10:] == pytest.approx([MORE, 2 * MORE, 0.15, 0.1, 0.2, 0.15, 0.1, 0.05, 0.0, 0.0])
    assert MORE == 2 * LESS == 0.1


def test_short_memory_turns_away_at_once() -> None:
    """It does not get better by waiting."""
    state = shedding(memory="80%")

    assert looked(state, (9, 0.8), (9, 0.81), (0, 0.9), (0, 0.5)) == [0, 0.1, 0.2, 0.15]


def test_what_is_not_written_is_not_looked_at() -> None:
    """However late the loop is, and however full the memory."""
    state = shedding()

    assert not state.has_looks
    assert set(looked(state, *[(9, 1)] * 20)) == {0}


@pytest.mark.parametrize(("policy", "has_looks"), [({"lag": "50ms"}, True), ({"memory": "80%"}, True), ({"in_flight": 5}, False)])
def test_who_needs_no_looks_says_so(policy: dict[str, Any], has_looks: bool) -> None:
    """A timer is not started for nothing."""
    assert shedding(**policy).has_looks is has_looks


@given(st.floats(0, 1), st.integers(1, 400))
def test_of_normal_requests_the_share_is_turned_away(share: float, count: int) -> None:
    """Spread evenly, of any number of them; all low ones, and no critical one."""
    state = shedding()
    state.share = share

    assert abs(sum(state.relieves("normal") for _ in range(count)) - share * count) <= 1
    assert all(state.relieves("low") for _ in range(count))
    assert not any(state.relieves("critical") for _ in range(count))


@given(st.lists(st.tuples(st.floats(0, 5), st.floats(0, 1)), max_size=60))
def test_the_share_stays_one(beats: list[tuple[float, float]]) -> None:
    """From none to all, and after ten quiet seconds none, whatever was before."""
    state = shedding(lag="50ms", memory="80%")

    shares = looked(state, *beats, *[(0.0, 0.0)] * 40)

    assert all(0 <= share <= 1 for share in shares)
    assert shares[-1] == 0


def test_the_log_hears_of_it_now_and_then() -> None:
    """At once, then at most every ten seconds, with all that have been turned away since."""
    state = shedding()

    assert [state.refuse(now) for now in (0.0, 1.0, 9.9, 10.0, 10.1)] == [1, 0, 0, 3, 0]
    assert state.refused == 5

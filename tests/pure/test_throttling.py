"""How many calls are turned away from an upstream that turns calls away itself."""

from __future__ import annotations

from collections.abc import Callable
from random import Random
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.policy import ThrottlePolicy
from gateway.states.throttling import ThrottleState


def throttle(taken: int, refused: int, chance: float = 0.5, **written: Any) -> ThrottleState:
    """A throttle that has seen so many calls."""
    state = ThrottleState(ThrottlePolicy(**written), lambda: chance)
    for index in range(taken + refused):
        state.record(0.0, taken=index < taken)
    return state


@pytest.mark.parametrize(
    ("taken", "refused", "written", "share"),
    [
        pytest.param(100, 0, {}, 0.0, id="all is well"),
        pytest.param(50, 50, {}, 0.0, id="half is taken"),
        pytest.param(25, 75, {}, 50 / 101, id="a quarter is taken"),
        pytest.param(1, 99, {}, 0.9, id="hardly any, and the cap"),
        pytest.param(0, 100, {"most": "99%"}, 0.99, id="none, and a higher cap"),
        pytest.param(50, 50, {"factor": 1.1}, 45 / 101, id="a smaller factor"),
        pytest.param(0, 19, {}, 0.0, id="too few to tell"),
        pytest.param(0, 20, {}, 0.9, id="just enough"),
    ],
)
def test_the_share_is_what_the_upstream_takes_too_little(taken, refused, written, share):
    """Twice as much as it takes is asked, as long as there is something to tell from."""
    assert throttle(taken, refused, **written).share(0.0) == pytest.approx(share)


def test_what_is_too_long_ago_does_not_count():
    """After its window an upstream is asked as if nothing had been."""
    state = throttle(0, 100)

    assert [state.share(now) for now in (2.9, 3.0)] == [0.9, 0.0]


@pytest.mark.parametrize(("chance", "turned_away"), [(0.49, True), (0.5, False)])
def test_a_call_is_drawn(chance, turned_away):
    """With the share for its probability."""
    assert throttle(0, 0, chance).draw(0.5, 0.0) is turned_away


def test_a_call_that_is_turned_away_counts_as_one():
    """Or a crowd that does not let up would be let through by and by."""
    state = throttle(10, 30, chance=0.0)
    before = state.share(0.0)

    state.draw(before, 0.0)

    assert state.share(0.0) > before


def test_nothing_is_drawn_where_nothing_is_to_be_turned_away():
    """A chance of 0 is below no share of 0."""
    state = throttle(20, 0, chance=0.0)

    assert not state.draw(state.share(0.0), 0.0)


@given(st.integers(0, 200), st.integers(0, 200), st.floats(1, 10))
def test_the_share_stays_within_its_bounds(taken, refused, factor):
    """And one more call that is taken never makes it more."""
    state = throttle(taken, refused, factor=factor)
    before = state.share(0.0)

    state.record(0.0, taken=True)

    assert 0.0 <= before <= 0.9
    assert state.share(0.0) <= before or taken + refused < 20


def asked(state: ThrottleState, begins: float, seconds: float, takes: Callable[[], bool]) -> list[bool]:
    """Fifty calls a second, and whether each was let through."""
    through = []
    for now in (begins + number / 50 for number in range(round(seconds * 50))):
        through.append(not state.draw(state.share(now), now))
        if through[-1]:
            state.record(now, taken=takes())
    return through


@pytest.mark.parametrize("seed", range(20))
def test_all_calls_get_through_ten_seconds_after_an_outage(seed):
    """A minute in which the upstream took nothing is no reason to leave it alone for another one."""
    state = ThrottleState(ThrottlePolicy(), Random(seed).random)
    asked(state, 0.0, 60.0, lambda: False)

    through = asked(state, 60.0, 20.0, lambda: True)

    assert 0 < sum(through[:50]) < 25
    assert all(through[500:])


def test_an_upstream_sees_twice_what_it_takes():
    """Asked for five times as much, second after second: what was within the last three is enough to go by."""
    state = ThrottleState(ThrottlePolicy(), Random(1).random)

    def second(begins: float) -> list[bool]:
        places = [True] * 10
        return asked(state, begins, 1.0, lambda: bool(places) and places.pop())

    seen = [sum(second(float(begins))) for begins in range(100)]

    assert sum(seen[10:]) / 90 == pytest.approx(20, abs=1)

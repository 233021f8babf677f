"""A host is well until a row of checks says otherwise, and the other way round."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.policy import HealthPolicy
from gateway.states.health import HealthState


def heard(checks: str, **policy: int) -> str:
    """What becomes of a host, check by check: each good (`+`) or bad (`-`), the host then up (`U`) or down (`D`)."""
    state = HealthState(HealthPolicy(path="/livez", **policy))
    said = []
    for check in checks:
        state.hear(good=check == "+")
        said.append("U" if state.is_healthy else "D")
    return "".join(said)


@pytest.mark.parametrize(
    ("checks", "becomes"),
    [
        ("---", "UUD"),
        ("--+--+", "UUUUUU"),
        ("---+-+", "UUDDDD"),
        ("---++", "UUDDU"),
        ("---++--", "UUDDUUU"),
        ("---++---", "UUDDUUUD"),
    ],
)
def test_it_takes_a_row_that_agrees(checks: str, becomes: str) -> None:
    """Three bad ones in a row, then two good ones; whatever interrupts the row begins it anew."""
    assert heard(checks) == becomes


def test_the_rows_are_as_long_as_the_policy_says() -> None:
    """One of each may do."""
    assert heard("-+-+", unhealthy=1, healthy=1) == "DUDU"
    assert heard("----++", unhealthy=4, healthy=1) == "UUUDUU"


@given(st.lists(st.booleans(), max_size=40), st.integers(1, 5), st.integers(1, 5))
def test_a_change_is_told_exactly_when_there_is_one(checks: list[bool], unhealthy: int, healthy: int) -> None:
    """And every change agrees with the row of checks before it, which is as long as it must be."""
    policy = HealthPolicy(path="/livez", unhealthy=unhealthy, healthy=healthy)
    state = HealthState(policy)

    for index, good in enumerate(checks):
        before = state.is_healthy
        changed = state.hear(good=good)

        assert changed == (state.is_healthy != before)
        length = unhealthy if before else healthy
        row = checks[max(0, index + 1 - length) : index + 1]
        assert not changed or row == [state.is_healthy] * length

"""Which traces are kept: all while there are few, then a share of all and those that tell something."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.journal.keeping import BucketState, KeepingState, KeepPolicy, tells


@pytest.mark.parametrize(
    ("told", "expected"),
    [
        ({}, False),
        ({"ms": 999.0}, False),
        ({"ms": 1000.0}, True),
        ({"error": True}, True),
        ({"complete": False}, True),
    ],
    ids=str,
)
def test_what_is_slow_failed_or_partial_tells_something(told: dict[str, Any], expected: bool, finished: Any) -> None:
    """A second is slow."""
    assert tells(finished(**told), KeepPolicy().slow) is expected


def test_all_are_kept_while_there_are_few(finished: Any) -> None:
    """Fifty a second, also when they come at once; each stands for itself."""
    keeping = KeepingState()

    kept = [keeping.keep(finished(at=second)) for second in (1, 2, 3) for _ in range(50)]

    assert kept == [1] * 150


def test_of_many_a_share_is_kept_evenly_spread(finished: Any) -> None:
    """A thousand a second: one in twenty, which says that it stands for twenty."""
    keeping = KeepingState()

    kept = [keeping.keep(finished(at=10 + number / 1000)) for number in range(2000)]

    # A second's places are there at the beginning.
    assert 45 <= sum(1 for one in kept[1000:] if one) <= 55
    assert all(one in (0, 19, 20, 21) for one in kept[1000:])


def test_what_tells_something_has_places_of_its_own(finished: Any) -> None:
    """As many a second again, and no more: when everything fails, that is seen in a hundred of them as well."""
    keeping = KeepingState(KeepPolicy(any=2, telling=3))

    plain = [keeping.keep(finished(at=1)) for _ in range(4)]
    failed = [keeping.keep(finished(at=1, error=True)) for _ in range(4)]

    assert plain == [1, 1, 0, 0]
    assert failed == [1, 1, 1, 0]


def test_a_clock_that_is_set_back_does_not_end_the_keeping(finished: Any) -> None:
    """Only the clock that nobody sets counts: the wall's is in the trace's epoch."""
    keeping = KeepingState(KeepPolicy(any=1))
    trace, later = finished(at=5), finished(at=7)
    for span in later.spans:
        span.start, span.end = span.start - 3600 * 10**9, (span.end or 0) - 3600 * 10**9
    later.epoch = -3600 * 10**9

    assert [keeping.keep(trace), keeping.keep(later)] == [1, 1]


@given(st.lists(st.floats(0, 0.5), max_size=200), st.integers(1, 20))
def test_a_bucket_gives_no_more_than_its_rate(pauses: list[float], rate: int) -> None:
    """Within any time, so many a second and those of one second more."""
    bucket, now, taken = BucketState(rate), 0.0, 0

    for pause in pauses:
        now += pause
        taken += bucket.take(now)

    assert taken <= rate * (now + 1)


@given(st.lists(st.tuples(st.floats(0, 0.1), st.booleans()), max_size=300))
def test_every_trace_is_stood_for_once(finished: Any, drawn: list[tuple[float, bool]]) -> None:
    """What is kept and what is passed over come to all that there were; nothing is counted twice."""
    keeping, now, stood_for = KeepingState(KeepPolicy(any=3, telling=2)), 0.0, 0

    for number, (pause, error) in enumerate(drawn, 1):
        now += pause
        stood_for += keeping.keep(finished(at=now, error=error))
        assert stood_for <= number

    stood_for += keeping.keep(finished(at=now + 10))

    assert stood_for == len(drawn) + 1

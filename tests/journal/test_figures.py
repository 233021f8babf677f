"""Figures of a second: each trace counts for those that it stands for."""

from __future__ import annotations

from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from gateway.journal.figures import figures, percentile
from gateway.journal.record import Summary


def summary(**told: Any) -> Summary:
    """A request."""
    usual: dict[str, Any] = {
        "trace": "0" * 32,
        "span": "0" * 16,
        "at": 0.0,
        "name": "GET /a",
        "method": "GET",
        "path": "/a",
        "target": "/a",
        "status": 200,
        "complete": True,
        "duration": 10.0,
        "steps": " ",
        "process": 1,
    }
    return Summary(**{**usual, **told})


def test_each_counts_for_those_that_it_stands_for() -> None:
    """Per second, of all and of each endpoint; failed is a 5xx, and what nobody waited for is no request."""
    found = [
        summary(stands_for=7, duration=20.0),
        summary(status=503, complete=None, duration=5.0),
        summary(name="GET /b", complete=False, stands_for=2, duration=900.0),
        summary(name="refresh users", method=None, status=None, complete=None),
    ]

    told = figures(found, 2.0)

    assert (told["rate"], told["errors"], told["partial"]) == (5.0, 0.5, 1.0)
    assert (told["p50_ms"], told["p99_ms"]) == (20.0, 900.0)
    assert {name: one["rate"] for name, one in told["endpoints"].items()} == {"GET /a": 4.0, "GET /b": 1.0}


def test_of_nothing_there_are_no_percentiles() -> None:
    """And no rate."""
    told = figures([], 1.0)

    assert (told["rate"], told["p50_ms"], told["p99_ms"], told["endpoints"]) == (0, None, None, {})


@given(st.lists(st.tuples(st.floats(0, 1000), st.integers(1, 9)), min_size=1), st.sampled_from([0.5, 0.9, 0.99, 1.0]))
def test_a_percentile_is_that_of_all_for_which_they_stand(drawn: list[tuple[float, int]], share: float) -> None:
    """As if each were there as often."""
    all_of_them = sorted(duration for duration, times in drawn for _ in range(times))

    found = percentile([summary(duration=duration, stands_for=times) for duration, times in drawn], share)

    assert found is not None
    assert sum(one <= found for one in all_of_them) >= share * len(all_of_them) - 1e-9
    assert sum(one < found for one in all_of_them) <= share * len(all_of_them) + 1e-9

"""Figures: what is added is exact, and goes from one process to the next unchanged."""

from __future__ import annotations

import json
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from gateway.metrics.figures import BOUNDS, Distribution, Snapshot

EXEMPLARS = st.tuples(st.integers(0, 2**62), st.integers(0, 2**40), st.integers(1, 2**128 - 1), st.integers(1, 2**64 - 1))
DISTRIBUTIONS = st.builds(
    Distribution,
    st.lists(st.integers(0, 2**50), min_size=len(BOUNDS) + 1, max_size=len(BOUNDS) + 1),
    st.integers(0, 2**62),
    st.dictionaries(st.integers(0, len(BOUNDS)), EXEMPLARS, max_size=3),
)
LABELS = st.fixed_dictionaries(
    {}, optional={"http.route": st.sampled_from(["/a", "/b"]), "http.response.status_code": st.sampled_from([200, 503])}
)
TOLD = st.one_of(
    st.tuples(st.just("gateway.step.duration"), LABELS, DISTRIBUTIONS),
    st.tuples(st.sampled_from(["gateway.shed.requests", "gateway.cache.size"]), LABELS, st.integers(0, 2**60)),
)


@given(st.lists(TOLD, max_size=12), st.integers(0, 12))
def test_the_sum_of_parts_is_the_whole(told: list[Any], cut: int) -> None:
    """However figures are spread over processes, together they are what one process would have counted."""
    parts = Snapshot.of(told[:cut]), Snapshot.of(told[cut:])

    assert parts[0] + parts[1] == Snapshot.of(told)
    assert parts[1] + parts[0] == Snapshot.of(told)
    assert parts[0] + Snapshot() == parts[0]


@given(st.lists(TOLD, max_size=8))
def test_what_is_told_is_heard(told: list[Any]) -> None:
    """A snapshot is the same after its way as JSON."""
    snapshot = Snapshot.of(told)

    assert Snapshot.heard(json.loads(json.dumps([*snapshot.told()]))) == snapshot


def test_the_latest_exemplar_stays() -> None:
    """Of the same bucket; it is looked up while it is still kept somewhere."""
    old, new = ((at, 7, 0xABC, 0xDEF) for at in (1, 2))

    one, two = Distribution(exemplars={3: old}), Distribution(exemplars={3: new, 4: old})

    assert (one + two).exemplars == (two + one).exemplars == {3: new, 4: old}

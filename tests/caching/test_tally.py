"""Tallies: what was there and what was not, summed up for whoever looks."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.caching.tally import Tallied, TalliesState

WORDS = st.sampled_from(Tallied._fields)
NAMES = st.sampled_from(["a", "b"])


@pytest.mark.parametrize(
    ("sums", "rate"),
    [(Tallied(), None), (Tallied(3), 1.0), (Tallied(0, 3), 1.0), (Tallied(0, 0, 3), 0.0), (Tallied(1, 1, 4), 0.3333)],
)
def test_the_rate_is_the_share_of_what_was_there(sums: Tallied, rate: float | None) -> None:
    """Stale is there too; where nothing was asked for it is neither all nor nothing."""
    assert sums.rate == rate


@given(st.lists(st.tuples(NAMES, NAMES | st.none(), WORDS)))
def test_every_lookup_is_counted_once_in_each_sum(asked: list[tuple[str, str | None, str]]) -> None:
    """A call for its upstream and for its endpoint, an answer for its endpoint alone."""
    tallies = TalliesState()

    for endpoint, upstream, word in asked:
        tally = tallies.of(endpoint, upstream)
        setattr(tally, word, getattr(tally, word) + 1)

    calls = [one for one in asked if one[1] is not None]
    for name in ("a", "b"):
        words = {
            "upstreams": [word for _, upstream, word in calls if upstream == name],
            "calls": [word for endpoint, _, word in calls if endpoint == name],
            "answers": [word for endpoint, upstream, word in asked if upstream is None and endpoint == name],
        }
        for kind, expected in words.items():
            found = getattr(tallies, kind)().get(name, Tallied())
            assert found._asdict() == {word: expected.count(word) for word in Tallied._fields}

"""Merging: how long an answer is good that is made of several replies."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.caching.directives import parse, seconds
from gateway.caching.merging import Part, merge


def part(text: str, age: float = 0.0, left: float | None = None, *, private: bool = False) -> Part:
    """A reply with this `Cache-Control`."""
    return Part((("cache-control", text),) if text else (), age, left, private)


@pytest.mark.parametrize(
    ("parts", "said"),
    [
        pytest.param([], None, id="no part"),
        pytest.param([part("max-age=60", 0, 60)], "max-age=60", id="one"),
        pytest.param([part("max-age=60", 0.05, 59.95)], "max-age=60", id="one that took a moment"),
        pytest.param([part("max-age=60", 20, 40), part("max-age=30", 0, 30)], "max-age=50", id="the shortest, from the oldest"),
        pytest.param([part("max-age=60", 0, 60), part("")], None, id="one says nothing"),
        pytest.param([part("", 0, 30), part("max-age=60", 0, 60)], "max-age=30", id="one is kept by the config"),
        pytest.param([part("no-store"), part("max-age=60", 0, 60)], "no-store", id="no-store"),
        pytest.param([part("private"), part("")], "private", id="private and nothing"),
        pytest.param([part("max-age=60", 0, 60, private=True)], "private, max-age=60", id="with credentials"),
        pytest.param(
            [part("no-cache"), part("max-age=60, must-revalidate", 0, 60)], "no-cache, must-revalidate", id="to be asked"
        ),
        pytest.param([part("max-age=0, s-maxage=60", 0, 60)], "max-age=0", id="not for browsers"),
        pytest.param([part("max-age=60", 70, -10)], "max-age=70", id="stale"),
    ],
)
def test_the_strictest_counts(parts: list[Part], said: str | None) -> None:
    """For the whole, as for its part."""
    assert merge(parts).cache_control == said


PARTS = st.builds(
    Part,
    st.sampled_from(["", "max-age=60", "private", "no-store", "public, max-age=5"]).map(lambda text: (("cache-control", text),)),
    st.floats(0, 100),
    st.none() | st.floats(-10, 100),
    st.booleans(),
)


@given(st.lists(PARTS, max_size=4), PARTS)
def test_a_further_part_never_makes_it_good_for_longer(parts: list[Part], further: Part) -> None:
    """Nor for more; and the order of parts says nothing."""
    before, after = merge(parts), merge([*parts, further])

    if parts and after.left is not None and before.left is not None:
        assert after.left <= before.left
    assert not {"private", "no-store"} & _said(before.cache_control) - _said(after.cache_control) - {"private"}
    assert merge([further, *parts]).left == after.left


@given(st.lists(PARTS, min_size=1, max_size=4))
def test_what_is_left_is_what_max_age_and_age_leave(parts: list[Part]) -> None:
    """A cache further on keeps it no longer than its shortest part is good."""
    merged = merge(parts)
    age = parse([("cache-control", merged.cache_control or "")]).get("max-age")

    if age is not None and merged.left is not None:
        assert (seconds(age) or 0) - merged.age <= merged.left + 0.001


def _said(text: str | None) -> set[str]:
    return set(parse([("cache-control", text or "")]))

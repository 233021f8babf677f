"""Freshness: what an entry is good for, now and for this request."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.caching import Entry
from gateway.caching.directives import parse
from gateway.caching.freshness import Use, age_of, decide, may_serve_on_error

AT = 1_790_000_000.0

KEPT = Entry(200, (("cache-control", "max-age=70"),), b"", AT, 60.0, 10.0, 30.0, 300.0)


@pytest.mark.parametrize(
    ("after", "use", "age"),
    [(0, Use.FRESH, 10), (59.9, Use.FRESH, 69.9), (60, Use.REVALIDATE_BEHIND, 70), (89.9, Use.REVALIDATE_BEHIND, 99.9), (90, Use.ASK, 100)],
)  # fmt: skip
def test_an_entry_is_fresh_then_stale_then_for_asking(after: float, use: Use, age: float) -> None:
    """Each for its time, from when it was asked for; its age counts on (RFC 9111, section 4.2; RFC 5861, section 3)."""
    assert decide(KEPT, AT + after) is use
    assert age_of(KEPT, AT + after) == pytest.approx(age)


@pytest.mark.parametrize(("after", "may"), [(0, True), (359.9, True), (360, False)])
def test_an_entry_is_better_than_a_failure_for_a_while(after: float, may: bool) -> None:
    """For `stale_if_error` behind its time (RFC 5861, section 4)."""
    assert may_serve_on_error(KEPT, AT + after) is may


@pytest.mark.parametrize(
    ("asked", "after", "use"),
    [
        ("no-cache", 0, Use.ASK),
        ("no-store", 0, Use.FRESH),
        ("max-age=0", 0, Use.ASK),
        ("max-age=15", 5, Use.FRESH),
        ("max-age=15", 6, Use.ASK),
        ("max-age=x", 0, Use.ASK),
        ("max-age=1000", 61, Use.ASK),
        ("min-fresh=20", 39, Use.FRESH),
        ("min-fresh=20", 41, Use.ASK),
        ("min-fresh=20, max-stale", 61, Use.ASK),
        ("max-stale", 10_000, Use.FRESH),
        ("max-stale=40", 100, Use.FRESH),
        ("max-stale=40", 101, Use.ASK),
        ("max-stale=x", 101, Use.ASK),
        ("max-stale=40, max-age=120", 100, Use.FRESH),
        ("max-stale=40, max-age=100", 100, Use.ASK),
        ("only-if-cached", 70, Use.REVALIDATE_BEHIND),
        ("foo", 0, Use.FRESH),
    ],
)
def test_a_request_says_what_it_takes(asked: str, after: float, use: Use) -> None:
    """Its directives, where they reach us (RFC 9111, section 5.2.1)."""
    assert decide(KEPT, AT + after, parse([("cache-control", asked)])) is use


@pytest.mark.parametrize("said", ["must-revalidate", "proxy-revalidate", "no-cache"])
def test_nobody_takes_stale_what_must_be_asked(keep: Callable[..., Entry], said: str) -> None:
    """Not even who would (RFC 9111, section 5.2.2.2)."""
    entry = keep(("cache-control", f"max-age=60, {said}"), ("etag", '"7"'))

    assert decide(entry, AT + 61, {"max-stale": None}) is Use.ASK
    assert not may_serve_on_error(entry, AT + 61)


@given(st.floats(0, 1000), st.integers(0, 1000), st.sampled_from(["max-age", "min-fresh"]))
def test_a_limit_never_makes_less_strict(after: float, limit: int, name: str) -> None:
    """What is not served to who asks for nothing is not served to who asks for something fresher."""
    bare, asked = decide(KEPT, AT + after), decide(KEPT, AT + after, {name: str(limit)})

    assert asked is bare or asked is Use.ASK

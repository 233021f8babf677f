"""Directives: what a field says, and what the stricter of two is."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.caching import directives

LINES = st.lists(st.text(st.characters(codec="latin-1"), max_size=40), max_size=4)


@pytest.mark.parametrize(
    ("lines", "said"),
    [
        pytest.param([], {}, id="nothing"),
        pytest.param(["max-age=60"], {"max-age": "60"}, id="one"),
        pytest.param(["public , MaX-aGe=60"], {"public": None, "max-age": "60"}, id="case and space"),
        pytest.param(["public", "max-age=60"], {"public": None, "max-age": "60"}, id="on two lines"),
        pytest.param(['max-age="60"'], {"max-age": "60"}, id="quoted"),
        pytest.param(['x="max-age=3600, no-store", max-age=1'], {"x": "max-age=3600, no-store", "max-age": "1"}, id="in quotes"),
        pytest.param([r'x="a\"b"'], {"x": 'a"b'}, id="escaped"),
        pytest.param(["max-age =60", "max-age= 60"], {}, id="space around ="),
        pytest.param(["max-age=60, max-age=5"], {"max-age": "5"}, id="the shorter"),
        pytest.param(["max-age=5", "max-age=60"], {"max-age": "5"}, id="the shorter, first"),
        pytest.param(["max-age=5, max-age=x"], {"max-age": "x"}, id="a number that is none is stricter"),
        pytest.param(["min-fresh=5, min-fresh=60"], {"min-fresh": "60"}, id="the longer of min-fresh"),
        pytest.param(["max-stale, max-stale=60"], {"max-stale": "60"}, id="max-stale without a limit is not stricter"),
        pytest.param(['no-cache="a", no-cache'], {"no-cache": None}, id="no-cache of all"),
        pytest.param(['no-cache="a", no-cache="b"'], {"no-cache": "a, b"}, id="no-cache of both"),
        pytest.param(["max-age=60; no-store"], {"no-store": None}, id="what forbids counts anywhere"),
        pytest.param(['x="no-store', 'private="'], {"no-store": None, "private": None}, id="also within a torn string"),
        pytest.param(["max-age=60, , ,x"], {"max-age": "60", "x": None}, id="empty members"),
    ],
)
def test_a_field_says_what_its_lines_say(lines: list[str], said: dict[str, str | None]) -> None:
    """On all lines, in any case; of two that differ the stricter holds, and what cannot be read counts where it forbids."""
    headers = [("age", "1"), *(("cache-control", line) for line in lines)]

    assert directives.parse(headers) == said


@given(LINES)
def test_nothing_that_forbids_is_overlooked(lines: list[str]) -> None:
    """Whatever stands before or behind it."""
    headers = [("cache-control", line) for line in [*lines[:2], "no-store", *lines[2:]]]

    assert "no-store" in directives.parse(headers)


@given(st.integers(0, 1000), st.integers(0, 1000))
def test_two_ages_are_the_smaller_in_any_order(one: int, other: int) -> None:
    """On one line or on two."""
    first = directives.parse([("cache-control", f"max-age={one}, max-age={other}")])
    second = directives.parse([("cache-control", f"max-age={other}"), ("cache-control", f"max-age={one}")])

    assert first == second == {"max-age": str(min(one, other))}


@pytest.mark.parametrize(
    ("text", "number"),
    [
        ("0", 0), ("003600", 3600), ("3600", 3600), ("99999999999", 2**31), ("9" * 5000, 2**31), ("-1", None), ("1.5", None),
        ("", None), ("١", None), ("²", None), ("1a", None), ("'1'", None), (None, None),
    ],
)  # fmt: skip
def test_seconds_are_digits(text: str | None, number: int | None) -> None:
    """At most 2³¹, so that nobody overflows (RFC 9111, section 1.2.2)."""
    assert directives.seconds(text) == number


@pytest.mark.parametrize(
    ("text", "said"),
    [
        pytest.param("max-age=60", {"max-age": "60"}, id="one"),
        pytest.param("foobar, max-age=60;x=1", {"foobar": None, "max-age": "60"}, id="with parameters"),
        pytest.param("no-store=?1, private=?0", {"no-store": None}, id="booleans"),
        pytest.param('no-cache="a"', {"no-cache": '"a"'}, id="a string"),
        pytest.param("", None, id="empty"),
        pytest.param("max-age =60", None, id="space before ="),
        pytest.param("max-age= 60", None, id="space behind ="),
        pytest.param("MAX-AGE=60", None, id="upper case"),
        pytest.param('max-age="60"', None, id="not a number"),
        pytest.param("max-age=60.5", None, id="not whole"),
        pytest.param("max-age=60, &&&&&", None, id="no dictionary"),
    ],
)
def test_the_targeted_field_is_a_dictionary(text: str, said: dict[str, str | None] | None) -> None:
    """One that is none is as if it were not there (RFC 9213, section 2.1)."""
    assert directives.targeted([("cdn-cache-control", text)]) == said


def test_the_targeted_field_takes_precedence() -> None:
    """Where it is good, `Cache-Control` is for others (RFC 9213, section 2.2)."""
    said = ("cache-control", "no-store")

    assert directives.of_reply([said, ("cdn-cache-control", "max-age=60")]) == {"max-age": "60"}
    assert directives.of_reply([said, ("cdn-cache-control", "???")]) == {"no-store": None}


@pytest.mark.parametrize(
    ("headers", "asked"),
    [
        pytest.param([("accept", "*/*")], {}, id="nothing"),
        pytest.param([("cache-control", "max-age=0")], {"max-age": "0"}, id="cache-control"),
        pytest.param([("pragma", "No-Cache")], {"no-cache": None}, id="pragma"),
        pytest.param([("pragma", "foo")], {}, id="another pragma"),
        pytest.param([("pragma", "no-cache"), ("cache-control", "max-stale")], {"max-stale": None}, id="both"),
    ],
)
def test_pragma_counts_where_there_is_no_cache_control(headers: list[tuple[str, str]], asked: dict[str, str | None]) -> None:
    """It is HTTP/1.0's word for one of its directives (RFC 9111, section 5.4)."""
    assert directives.of_request(headers) == asked

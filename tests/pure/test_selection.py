"""Selections: what the text says, what is refused of it, and what is left of a value."""

from __future__ import annotations

from typing import Any

import pytest

from gateway.answer.selection import BadSelection, Selection, parse_selection
from gateway.formats.decode import JsonText, Undecodable

ORDERS = [{"id": 1, "total": 5, "items": [{"sku": "a", "n": 1}]}, {"id": 2, "items": []}]


@pytest.mark.parametrize(
    ("text", "value", "chosen"),
    [
        ("a", {"b": 1, "a": 2}, {"a": 2}),
        ("a,b", {"b": 1, "a": 2, "c": 3}, {"b": 1, "a": 2}),
        ("a.b", {"a": {"b": 1, "c": 2}, "b": 3}, {"a": {"b": 1}}),
        ("a.b,a.c", {"a": {"c": 1, "b": 2, "d": 3}}, {"a": {"c": 1, "b": 2}}),
        ("id,items.sku", ORDERS, [{"id": 1, "items": [{"sku": "a"}]}, {"id": 2, "items": []}]),
        ("a", [[{"a": 1, "b": 2}], 7], [[{"a": 1}], 7]),
        ("a.b.c", {"a": {"b": "text"}}, {"a": {"b": "text"}}),
        ("a.b", {"a": None}, {"a": None}),
        ("z", {"a": 1}, {}),
        ("naïve name", {"naïve name": 1}, {"naïve name": 1}),
        pytest.param("a.b", JsonText(b'{"a": {"b": 1.5, "c": 2}}'), {"a": {"b": 1.5}}, id="text"),
    ],
    ids=str,
)
def test_only_what_is_named_is_left(text: str, value: Any, chosen: Any) -> None:
    """In the value's own order; of a list, of each of its elements; absent names give nothing, and what has no members stays."""
    left = parse_selection(text)(value)

    assert left == chosen
    assert not isinstance(chosen, dict) or list(left) == list(chosen)


@pytest.mark.parametrize("text", ["a,a.b", "a.b,a", "a.b.c,a", "a,a"])
def test_all_of_a_member_includes_its_parts(text: str) -> None:
    """Whoever asks for all of it gets that, whatever else is asked for beside it."""
    assert parse_selection(text) == Selection((("a", None),))


def test_selections_that_say_the_same_are_the_same() -> None:
    """In whatever order, and however often, the names stand."""
    first, second = parse_selection("b.d,a,b.c"), parse_selection("a,b.c,b.d,a")

    assert first == second
    assert hash(first) == hash(second)


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("", "names with commas"),
        (",", "names with commas"),
        ("a,", "names with commas"),
        ("a..b", "names with commas"),
        (".a", "names with commas"),
        ("b," + "a" * 101, "100 characters"),
        (",".join("a" * 101), "100 names"),
        (".".join("a" * 11), "10 names at most with dots"),
    ],
)
def test_what_is_no_selection_is_refused(text: str, complaint: str) -> None:
    """Empty names, and too much of anything."""
    with pytest.raises(BadSelection, match=complaint):
        parse_selection(text)


@pytest.mark.parametrize(
    ("text", "name"),
    [("a" * 100, "a" * 100), (",".join("a" * 100), "a"), (".".join("a" * 10), "a")],
    ids=["name", "names", "dots"],
)
def test_what_is_just_not_too_much_is_taken(text: str, name: str) -> None:
    """Bounds are the last that is allowed."""
    assert [wanted for wanted, _ in parse_selection(text).names] == [name]


def test_a_text_that_cannot_be_read_is_said_to_be() -> None:
    """A number larger than any: nobody has looked into it before."""
    with pytest.raises(Undecodable):
        parse_selection("a.b")({"a": JsonText(b'{"b": 1e999}')})

"""Expressions find what the package's own interpreter finds."""

from __future__ import annotations

from typing import Any

import jmespath
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from jmespath.exceptions import JMESPathError

from gateway.expressions.search import holds, make_search

names = st.sampled_from("abc")
documents = st.recursive(
    st.sampled_from([None, True, False, 0, 1, -1.5, "", "a", "b"]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(names, inner, max_size=3),
    max_leaves=12,
)
literals = st.sampled_from(["`null`", "`true`", "`false`", "`0`", "`1`", "'a'", "''", "`[]`", "`{}`", '`[1, [2], {"a": 3}]`'])
atoms = names | literals | st.sampled_from(["@", "*", "[*]", "[]", "[0]", "[-1]", "[5]", "[1:]", "[::-1]", "[:1:2]"])


def _larger(inner: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    right = st.sampled_from(
        [".a", ".b.c", "[0]", "[-1]", "[]", "[*]", ".*", "[1:]", "[?a]", "[?@ == `1`].a", ".[a, b]", ".{x: a, y: @}"]
    )
    between = st.sampled_from(["||", "&&", "|", "==", "!=", "<", "<=", ">", ">="])
    one = ["abs", "avg", "keys", "length", "max", "min", "reverse", "sort", "sum", "to_array", "to_string", "type", "values"]
    return (
        st.tuples(inner, right).map("".join)
        | st.tuples(inner, between, inner).map(lambda parts: f"({parts[0]}) {parts[1]} ({parts[2]})")
        | st.tuples(inner, inner).map(lambda parts: f"{{x: {parts[0]}, y: [{parts[1]}, @]}}")
        | st.tuples(inner, inner).map(lambda parts: f"({parts[0]})[?{parts[1]}]")
        | st.tuples(st.sampled_from(one), inner).map(lambda parts: f"{parts[0]}({parts[1]})")
        | st.tuples(st.sampled_from(["max_by", "min_by", "sort_by"]), inner, inner).map(lambda p: f"{p[0]}({p[1]}, &{p[2]})")
        | st.tuples(inner, inner).map(lambda parts: f"map(&({parts[0]}), {parts[1]})")
        | inner.map(lambda text: f"!({text})")
    )


def _outcome(search: Any, document: Any) -> str:
    """What it finds, 1 told from true; or what it raises."""
    try:
        return repr(search(document))
    except (JMESPathError, ValueError, TypeError, AttributeError, ArithmeticError) as error:
        return type(error).__name__


DOCUMENT = {
    "zero": 0,
    "null": None,
    "empty": [],
    "no": False,
    "text": "abc",
    "user": {"name": "Ada", "tags": ["x", None, "y"], "first": "", "flag": True},
    "orders": [{"id": 2, "paid": 0, "items": [1, [2], []]}, {"id": 1, "paid": [], "items": []}, {"paid": None}, None, 7],
}


@pytest.mark.parametrize(
    "text",
    [
        "user.name", "user.name.first", "null.name", "text.name", "orders.id", "\"user\".\"tags\"",
        "orders[0].id", "orders[-5].id", "orders[9]", "user[0]", "text[0]", "orders[:2].id", "orders[::-1].id", "user[:1]", "text[:1]",
        "orders[].items", "orders[].items[]", "orders[].items[][]", "user[]", "orders[*].id", "orders[*].items[*]", "null[*]", "user.*",
        "user.*.*", "orders.*", "text.*", "orders[?paid].id", "orders[?paid == `0`].id", "orders[?id > `1`]", "orders[?@]", "user[?name]",
        "[zero, null]", "null.[zero]", "null.{a: zero}", "{a: zero, b: user.{c: name}}", "user.[name, @]",
        "zero || text", "null || empty", "empty || no", "zero && text", "no && text", "empty && text", "!zero", "!empty", "!user", "!no",
        "null != zero", "null == no", "zero == no", "user.flag == `1`", "zero < `1`", "text >= 'abb'", "user.flag < `2`", "text < `1`",
        "null <= zero", "orders[0] | id", "orders[*].id | [0]", "@.zero", "`[1]`", "'a'", "map(&(id || `9`), orders[:3])",
        "sort_by(orders[:2], &id)[].id", "max_by(orders[:2], &id)", "min_by(orders, &id)", "length(orders)", "sum(user.tags)",
        "join(',', user.tags)", "not_null(null, zero)", "keys(user)", "length(@)",
    ],
)  # fmt: skip
def test_every_kind_of_node_finds_what_the_interpreter_finds(text: str) -> None:
    """Also where the value is not what the expression is made for."""
    compiled = jmespath.compile(text)

    assert _outcome(make_search(compiled.parsed), DOCUMENT) == _outcome(compiled.search, DOCUMENT)


@settings(deadline=None, max_examples=400)
@given(st.recursive(atoms, _larger, max_leaves=6), documents)
def test_a_search_finds_what_the_interpreter_finds(text: str, document: Any) -> None:
    """Any expression, in any value; where the one cannot tell, neither can the other."""
    try:
        compiled = jmespath.compile(text)
    except JMESPathError:
        return

    assert _outcome(make_search(compiled.parsed), document) == _outcome(compiled.search, document)


@pytest.mark.parametrize(
    ("value", "held"),
    [(None, False), (False, False), ("", False), ([], False), ({}, False), (0, True), (0.0, True), (True, True), ([0], True)],
    ids=repr,
)
def test_what_is_empty_does_not_hold(value: Any, held: bool) -> None:
    """Zero is something."""
    assert holds(value) is held

"""Several values → one: nothing lost, nothing overwritten but as written, and what is merged stays as it was."""

from __future__ import annotations

import json
from copy import deepcopy
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.answer.merge import Collisions, Concat, Deep, Keyed, Merge, Prefer, Shallow, Strategy
from gateway.expressions.reference import Unresolved, parse_expression
from gateway.formats.decode import JsonText, check_json
from gateway.formats.encode import encode_json

BY_ID = parse_expression("id")
WAYS: list[Strategy] = [
    *(Shallow(one) for one in ("first", "last")),
    *(Deep(one) for one in ("first", "last")),
    *(Keyed(BY_ID, one) for one in ("first", "last")),
    Concat(),
    Prefer(),
]

scalars = st.none() | st.booleans() | st.integers() | st.text("ab", max_size=2)
objects = st.recursive(
    st.dictionaries(st.sampled_from(["id", "a", "b"]), scalars),
    lambda below: st.dictionaries(st.sampled_from(["id", "a", "b"]), below | scalars | st.lists(scalars, max_size=2)),
    max_leaves=6,
)
lists = st.lists(objects | scalars, max_size=4)


def merged(how: Strategy, *values: Any) -> Any:
    """The values as one."""
    return Merge((), how)(values)


@pytest.mark.parametrize(
    ("how", "values", "expected"),
    [
        (Shallow(), [{"b": 1}, {"a": 2}], {"b": 1, "a": 2}),
        (Shallow("first"), [{"b": 1, "a": 1}, {"c": 2, "a": 2}], {"b": 1, "a": 1, "c": 2}),
        (Shallow("last"), [{"b": 1, "a": 1}, {"c": 2, "b": 2}], {"b": 2, "a": 1, "c": 2}),
        (Shallow("last"), [{"a": {"x": 1}}, {"a": {"y": 2}}], {"a": {"y": 2}}),
        (Shallow("last"), [{"a": 1}, {"a": None}], {"a": None}),
        (Deep("first"), [{"a": {"x": 1}}, {"a": {"y": 2, "x": 3}}], {"a": {"x": 1, "y": 2}}),
        (Deep("last"), [{"a": {"x": {"p": 1}}}, {"a": {"x": {"q": 2}}}, {"a": {"x": {"p": 3}}}], {"a": {"x": {"p": 3, "q": 2}}}),
        (Deep("last"), [{"a": [1, 2]}, {"a": [3]}], {"a": [3]}),
        (Deep("first"), [{"a": {"x": 1}}, {"a": 5}], {"a": {"x": 1}}),
        (Concat(), [[2, 1], [], [[1]]], [2, 1, [1]]),
        (Concat(), [[]], []),
        (Keyed(BY_ID), [[{"id": 2, "a": 1}, {"id": 1}], [{"id": 1, "b": 2}]], [{"id": 2, "a": 1}, {"id": 1, "b": 2}]),
        (Keyed(BY_ID, "last"), [[{"id": 1, "a": 1}, {"id": 1, "a": 2}]], [{"id": 1, "a": 2}]),
        (Prefer(), [False, 1], False),
        (Prefer(), [{}, 1], {}),
    ],
    ids=str,
)  # fmt: skip
def test_values_are_merged_as_written(how: Strategy, values: list[Any], expected: Any) -> None:
    """Members and elements stand where they first appeared."""
    found = merged(how, *values)

    assert json.dumps(found) == json.dumps(expected)


@pytest.mark.parametrize("how", WAYS, ids=str)
def test_null_takes_no_part(how: Strategy) -> None:
    """There is nothing of it to merge; where there is nothing at all, that is what is made of it."""
    value: Any = [{"id": 1}] if isinstance(how, Concat | Keyed) else {"id": 1}

    assert merged(how, None, value, None) == value
    assert merged(how, None, None) is None


@pytest.mark.parametrize(
    ("how", "wrong"),
    [(Shallow("last"), []), (Deep("last"), "text"), (Concat(), {}), (Concat(), 0), (Keyed(BY_ID), False)],
    ids=str,
)
def test_what_cannot_be_merged_like_this_is_unresolved(how: Strategy, wrong: Any) -> None:
    """An upstream that sends another type than last time costs the member, and no guess is made."""
    with pytest.raises(Unresolved, match="a part to merge is not"):
        merged(how, None, wrong)


def keyed_values(one: Any, other: Any) -> list[Any]:
    """Two lists with an element each that is the same one."""
    return [[{"id": 1, "a": one}], [{"id": 1, "a": other}]]


@pytest.mark.parametrize(
    ("one", "other"),
    [(1, 2), (True, 1), ([True], [1]), (None, 0), ("1", 1), ([1], [1, 2]), ({"x": False}, {"x": 0}), ({}, {"x": 1})],
)
def test_a_collision_that_must_not_be_is_unresolved(one: Any, other: Any) -> None:
    """Whatever Python takes for equal: `true` is not 1. What is said of it has no value in it."""
    for how, values in ((Shallow(), [{"a": one}, {"a": other}]), (Keyed(BY_ID), keyed_values(one, other))):
        with pytest.raises(Unresolved, match=r"^parts to merge have different values for the same member$"):
            merged(how, *values)


@pytest.mark.parametrize(("one", "other"), [(1, 1.0), ({"x": 1, "y": [2]}, {"y": [2], "x": 1}), (None, None), ("", "")])
def test_equal_values_do_not_collide(one: Any, other: Any) -> None:
    """Members in any order, numbers however they are written; the first of them stays."""
    for how, values in ((Shallow(), [{"a": one}, {"a": other}]), (Deep(), [{"a": one}, {"a": other}])):
        assert json.dumps(merged(how, *values)) == json.dumps({"a": one})


def test_keys_tell_types_apart() -> None:
    """A number is no text and `true` is not 1; what cannot be a key joins nothing, and nothing is lost."""
    elements = [{"id": 1}, {"id": "1"}, {"id": True}, {"id": None}, {"id": None}, {"id": [1]}, {"id": [1]}, {}, {}, 5, None]

    found = merged(Keyed(BY_ID), elements, [{"id": 1.0, "a": 1}])

    assert json.dumps(found) == json.dumps([{"id": 1, "a": 1}, *elements[1:]])


def test_only_objects_are_joined() -> None:
    """An element that is its own key and nothing else has no members to put together."""
    assert merged(Keyed(parse_expression("@")), [5, "a", 5], [5]) == [5, "a", 5, 5]


def test_a_key_may_stand_deep_in_an_element() -> None:
    """It is an expression over the element."""
    how = Keyed(parse_expression("product.sku"), "first")

    found = merged(how, [{"product": {"sku": "a"}, "n": 1}], [{"product": {"sku": "a"}, "m": 2}])

    assert found == [{"product": {"sku": "a"}, "n": 1, "m": 2}]


def test_many_elements_with_one_key_are_merged_in_one_go() -> None:
    """Each with a member of its own: joined one by one they would be copied 200 million times."""
    elements = [{"id": 1, f"m{number}": number} for number in range(20_000)]

    (found,) = merged(Keyed(BY_ID), elements)

    assert len(found) == 20_001


@pytest.mark.parametrize("collisions", ["first", "last", "fail"])
def test_what_is_nested_beyond_the_stack_is_unresolved(collisions: Collisions) -> None:
    """It is not a crash."""
    deep: dict[str, Any] = {}
    for _ in range(5_000):
        deep = {"a": deep}

    with pytest.raises(Unresolved, match="nested too deeply"):
        merged(Deep(collisions), deep, deep)


@pytest.mark.parametrize("text", [b"null", b" null\n"])
def test_a_text_that_says_null_is_not_preferred(text: bytes) -> None:
    """`prefer` looks into nothing, and yet it sees that there is nothing."""
    other = check_json(b"[null]")

    assert merged(Prefer(), check_json(text), other, None) is other
    assert isinstance(other, JsonText)


def test_what_is_behind_the_preferred_one_is_not_asked_for() -> None:
    """Making it may be dear, and may fail."""
    values = iter([None, 1, 2])

    assert Prefer()(values) == 1
    assert list(values) == [2]


@given(st.lists(objects, max_size=3), st.lists(lists, max_size=3))
@pytest.mark.parametrize("how", WAYS, ids=str)
def test_merging_changes_nothing_that_is_merged(how: Strategy, some: list[Any], others: list[Any]) -> None:
    """Others may have the same values; and the same values give the same bytes again."""
    values = others if isinstance(how, Concat | Keyed) else some
    before = deepcopy(values)

    first, second = (encode_json(merged(how, *values)) for _ in range(2))

    assert values == before
    assert first == second


@given(objects, objects)
@pytest.mark.parametrize("kind", [Shallow, Deep])
def test_first_is_last_the_other_way_round(kind: Any, one: Any, other: Any) -> None:
    """Which one stays is decided by the order of the parts and by nothing else."""
    assert merged(kind("first"), one, other) == merged(kind("last"), other, one)

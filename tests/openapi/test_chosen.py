"""What a client chooses of a value is of the schema that is computed for it."""

from __future__ import annotations

from typing import Any

import pytest
from jsonschema import Draft202012Validator

from gateway.answer.selection import parse_selection
from gateway.openapi.chosen import chosen

ITEM: dict[str, Any] = {
    "type": "object",
    "properties": {"a": {"type": "string"}, "b": {"type": "integer"}},
    "required": ["a", "b"],
}


@pytest.mark.parametrize(
    ("schema", "value"),
    [
        (ITEM, {"a": "x", "b": 1}),
        ({"type": "array", "items": ITEM}, [{"a": "x", "b": 1}]),
        ({"type": "array", "prefixItems": [ITEM], "items": False, "minItems": 1}, [{"a": "x", "b": 1}]),
        ({"anyOf": [ITEM, {"type": "null"}]}, {"a": "x", "b": 1}),
        ({"allOf": [ITEM, {"required": ["a"]}]}, {"a": "x", "b": 1}),
        (
            {"type": "object", "additionalProperties": ITEM, "minProperties": 2},
            {"a": {"a": "x", "b": 1}, "z": {"a": "y", "b": 2}},
        ),
        ({"const": {"a": {"b": 1}, "c": 2}}, {"a": {"b": 1}, "c": 2}),
        ({"enum": [[{"a": 1, "b": 2}]]}, [{"a": 1, "b": 2}]),
    ],
)
def test_any_part_of_a_value_is_of_the_schema(schema: dict[str, Any], value: Any) -> None:
    """Members may be missing at any depth; what is there is as it was."""
    validator = Draft202012Validator(chosen(schema))

    parts = [parse_selection(text)(value) for text in ("a", "a.b", "b", "nothing")]

    assert [part for part in (value, *parts) if not validator.is_valid(part)] == []


def test_what_is_there_has_its_type() -> None:
    """A choice leaves out, and changes nothing."""
    validator = Draft202012Validator(chosen(ITEM))

    assert [validator.is_valid(value) for value in ({"a": 1}, {"b": "x"}, [], {})] == [False, False, False, True]

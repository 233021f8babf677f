"""Schemas of OpenAPI 3.0 and 3.1 and of pydantic, in our words."""

from __future__ import annotations

from typing import Any

import pytest
from jsonschema import Draft202012Validator

from gateway.openapi.components import ComponentsState, Source
from gateway.openapi.dialect import DEEPEST

NULL = {"type": "null"}


def read(written: Any, version: str = "3.1", **tree: Any) -> Any:
    """The schema, standing in a document of the upstream `a`."""
    return ComponentsState().read(written, Source(tree, "a.", nullable=version == "3.0"))


@pytest.mark.parametrize(
    ("written", "expected"),
    [
        ({"type": "string", "nullable": True}, {"type": ["string", "null"]}),
        ({"type": "string", "nullable": True, "enum": ["a"]}, {"type": ["string", "null"], "enum": ["a", None]}),
        ({"nullable": True, "allOf": [{"type": "object"}]}, {"anyOf": [{"type": "object"}, NULL]}),
        ({"type": "integer", "minimum": 1, "exclusiveMinimum": True}, {"type": "integer", "exclusiveMinimum": 1}),
        ({"type": "integer", "maximum": 1, "exclusiveMaximum": False}, {"type": "integer", "maximum": 1}),
        ({"$ref": "#/x", "description": "ignored"}, {"$ref": "#/components/schemas/a.x"}),
    ],
)
def test_what_is_said_otherwise_in_30_is_said_as_in_31(written: Any, expected: Any) -> None:
    """Null is a type, an exclusive bound is a number; what stands beside a reference has no meaning there."""
    assert read(written, "3.0", x={}) == expected


@pytest.mark.parametrize(
    ("written", "expected"),
    [
        (True, {}),
        (False, {"not": {}}),
        (7, {}),
        ({"oneOf": [{"type": "string"}, {"type": "integer"}]}, {"anyOf": [{"type": "string"}, {"type": "integer"}]}),
        ({"not": {"type": "string"}, "if": {}, "then": False, "x-mine": 1, "example": 2}, {}),
        ({"type": "text"}, {}),
        ({"type": "string", "pattern": "[", "minLength": -1, "title": "T"}, {"type": "string"}),
        ({"type": "object", "required": True, "properties": []}, {"type": "object"}),
        (
            {"properties": {"a": {"writeOnly": True}, "b": {}}, "required": ["a", "b"]},
            {"properties": {"b": {}}, "required": ["b"]},
        ),
        ({"patternProperties": {"^x": {}}, "additionalProperties": False}, {}),
        ({"type": "array", "items": [{}, {}]}, {"type": "array"}),
        ({"$ref": "other.json#/x"}, {}),
        ({"$ref": "#/nowhere"}, {}),
        ({"$ref": 7}, {}),
        ({"$ref": "#/x", "type": "object"}, {"type": "object", "$ref": "#/components/schemas/a.x"}),
        ({"allOf": [{"type": "object"}], "type": "object"}, {"type": "object", "allOf": [{"type": "object"}]}),
    ],
)
def test_a_word_that_cannot_be_kept_rules_nothing_out(written: Any, expected: Any) -> None:
    """What is left holds more than was meant, never less, and is a schema whatever was written."""
    made = read(written, x={})

    assert made == expected
    Draft202012Validator.check_schema(made)


def test_nesting_that_is_too_deep_is_anything() -> None:
    """Whoever writes a document does not decide how deep we go."""
    written: Any = {"type": "string"}
    for _ in range(DEEPEST + 5):
        written = {"items": written}

    made = read(written)

    depth = 0
    while made:
        made, depth = made.get("items"), depth + 1
    assert depth == DEEPEST + 1


def test_schemas_that_are_named_become_components() -> None:
    """Each under its upstream's name, those behind it too, a cycle once, and nothing that nobody names."""
    tree = {
        "components": {
            "schemas": {
                "Tree": {
                    "type": "object",
                    "properties": {"left": {"$ref": "#/components/schemas/Tree"}, "leaf": {"$ref": "#/x/a%20b"}},
                },
                "Unused": {"type": "string"},
            }
        },
        "x": {"a b": {"type": "integer"}, "a_b": {"type": "boolean"}},
    }
    components, source = ComponentsState(["users.Tree"]), Source(tree, "users.")

    made = [components.read({"$ref": ref}, source) for ref in ("#/components/schemas/Tree", "#/x/a_b")]

    assert made == [{"$ref": "#/components/schemas/users.Tree2"}, {"$ref": "#/components/schemas/users.x_a_b"}]
    assert components.used_in(made) == {
        "users.Tree2": {
            "type": "object",
            "properties": {
                "left": {"$ref": "#/components/schemas/users.Tree2"},
                "leaf": {"$ref": "#/components/schemas/users.x_a_b2"},
            },
        },
        "users.x_a_b": {"type": "boolean"},
        "users.x_a_b2": {"type": "integer"},
    }


def test_types_that_are_the_same_are_one_component() -> None:
    """Pydantic repeats what a type names in each schema; two classes of one name stay two."""
    item, other = {"type": "object"}, {"type": "string"}
    components = ComponentsState()

    trees = [{"$defs": {"Item": item}}, {"$defs": {"Item": item, "More": {}}}, {"$defs": {"Item": other}}]
    made = [components.read({"$ref": "#/$defs/Item"}, Source(tree))["$ref"] for tree in trees]

    assert made == ["#/components/schemas/Item", "#/components/schemas/Item", "#/components/schemas/Item2"]

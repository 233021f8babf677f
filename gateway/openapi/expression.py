"""JMESPath's syntax tree and the schema of what is searched → the schema of what it finds: `gateway.expressions.search`, with schemas for values.

A node it has no rule for finds anything. So does a value that the schema says nothing of.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, TypeAlias

from gateway.expressions.search import holds
from gateway.openapi.functions import Argument, may_fail, result_of
from gateway.openapi.schema import ANY, NOTHING, NULL, Schema, Schemas, array_of, object_of, tuple_of

Node: TypeAlias = Mapping[str, Any]

_BOOLEAN: Schema = {"type": "boolean"}
_EMPTY: Mapping[str | None, Schema] = {
    None: {"enum": [None, False, "", [], {}]},
    "null": NULL,
    "boolean": {"const": False},
    "string": {"const": ""},
    "array": array_of(NOTHING),
    "object": {"type": "object", "maxProperties": 0},
}
"""What of each type does not hold."""

_NUMBERS = frozenset({"integer", "number", None})
_TEXTS = frozenset({"string", None})
_AT_LEAST = {"string": "minLength", "array": "minItems", "object": "required"}


@dataclass(slots=True)
class Search:
    """One expression, read against one schema."""

    schemas: Schemas
    may_fail: bool = False
    """It may come upon values that one of its functions does not take."""

    def __call__(self, node: Node, schema: Schema) -> Schema:
        """What the node finds in values of this schema."""
        rule = _RULES.get(node["type"])
        return rule(self, node, schema) if rule else ANY

    def children(self, node: Node, schema: Schema) -> list[Schema]:
        """What each child of the node finds in the same values."""
        return [self(child, schema) for child in node["children"]]

    def each(self, base: Schema, kind: str, found: Callable[[Schema], Schema]) -> Schema:
        """A list of what is found in the elements, or the members, of the base; null where the base is of another kind."""
        kinds = self.schemas.kinds(base)
        if not kinds & {kind, None}:
            return NULL if kinds else NOTHING
        inside = self.schemas.element(base) if kind == "array" else self.schemas.members(base)
        listed = array_of(found(inside) if inside != NOTHING else NOTHING)
        return listed if kinds == {kind} else self.schemas.nullable(listed)

    def projected(self, base: Schema, kind: str, right: Callable[[Schema], Schema]) -> Schema:
        """The same without the nulls."""
        return self.each(base, kind, lambda inside: self.schemas.without_null(right(inside)))


# What stands in a node --------------------------------------------------------------------------------------------------------------


def _itself(_search: Search, _node: Node, schema: Schema) -> Schema:
    return schema


def _literal(_search: Search, node: Node, _schema: Schema) -> Schema:
    return {"const": node["value"]}


def _field(search: Search, node: Node, schema: Schema) -> Schema:
    return search.schemas.member(schema, node["value"])


def _index(search: Search, node: Node, schema: Schema) -> Schema:
    return search.schemas.at(schema, node["value"])


def _slice(search: Search, _node: Node, schema: Schema) -> Schema:
    return search.each(schema, "array", lambda element: element)


# One after the other, or one beside the other ---------------------------------------------------------------------------------------


def _chain(search: Search, node: Node, schema: Schema) -> Schema:
    for child in node["children"]:
        schema = search(child, schema)
    return schema


def _or(search: Search, node: Node, schema: Schema) -> Schema:
    first, last = search.children(node, schema)
    held = search.schemas.narrow(first, _held)
    return search.schemas.union(held, last) if search.schemas.narrow(first, _not_held) != NOTHING else held


def _and(search: Search, node: Node, schema: Schema) -> Schema:
    first, last = search.children(node, schema)
    not_held = search.schemas.narrow(first, _not_held)
    return search.schemas.union(not_held, last) if search.schemas.narrow(first, _held) != NOTHING else not_held


def _not(search: Search, node: Node, schema: Schema) -> Schema:
    search.children(node, schema)
    return _BOOLEAN


def _comparator(search: Search, node: Node, schema: Schema) -> Schema:
    one, other = (search.schemas.kinds(found) for found in search.children(node, schema))
    if node["value"] in ("eq", "ne"):
        return _BOOLEAN
    if _may_be_a_number_and_a_text(one, other) or _may_be_a_number_and_a_text(other, one):
        search.may_fail = True
    return {"type": ["boolean", "null"]}


def _may_be_a_number_and_a_text(one: set[str | None], other: set[str | None]) -> bool:
    """Neither of a number and a text comes first: the search fails."""
    return bool(one & _NUMBERS and other & _TEXTS)


def _held(one: Schema) -> Schema:
    """Of this alternative what holds."""
    if "const" in one:
        return one if holds(one["const"]) else NOTHING
    return {"null": NOTHING, "boolean": {"const": True}}.get(one.get("type", ""), one)


def _not_held(one: Schema) -> Schema:
    """Of this alternative what does not hold."""
    if "const" in one:
        return NOTHING if holds(one["const"]) else one
    kind = one.get("type")
    return NOTHING if one.get(_AT_LEAST.get(str(kind), "")) else _EMPTY.get(kind, NOTHING)


# Functions --------------------------------------------------------------------------------------------------------------------------


def _function(search: Search, node: Node, schema: Schema) -> Schema:
    arguments = [_argument(search, child, schema) for child in node["children"]]
    if may_fail(node["value"], arguments, search.schemas):
        search.may_fail = True
    return result_of(node["value"], arguments, search.schemas)


def _argument(search: Search, node: Node, schema: Schema) -> Argument:
    if node["type"] != "expref":
        return search(node, schema)
    return lambda element: search(node["children"][0], element)


# Lists and objects ------------------------------------------------------------------------------------------------------------------


def _unless_null(search: Search, schema: Schema, made: Callable[[Schema], Schema]) -> Schema:
    kinds = search.schemas.kinds(schema)
    if not kinds - {"null"}:
        return NULL if kinds else NOTHING
    found = made(search.schemas.without_null(schema))
    return search.schemas.nullable(found) if kinds & {"null", None} else found


def _multi_select_list(search: Search, node: Node, schema: Schema) -> Schema:
    return _unless_null(search, schema, lambda there: tuple_of(search.children(node, there)))


def _multi_select_dict(search: Search, node: Node, schema: Schema) -> Schema:
    def made(there: Schema) -> Schema:
        return object_of({pair["value"]: search(pair["children"][0], there) for pair in node["children"]})

    return _unless_null(search, schema, made)


def _projection(search: Search, node: Node, schema: Schema) -> Schema:
    left, right = node["children"]
    return search.projected(search(left, schema), "array", lambda element: search(right, element))


def _value_projection(search: Search, node: Node, schema: Schema) -> Schema:
    left, right = node["children"]
    return search.projected(search(left, schema), "object", lambda member: search(right, member))


def _filter_projection(search: Search, node: Node, schema: Schema) -> Schema:
    left, right, fits = node["children"]

    def found(element: Schema) -> Schema:
        search(fits, element)
        return search(right, element)

    return search.projected(search(left, schema), "array", found)


def _flatten(search: Search, node: Node, schema: Schema) -> Schema:
    (nested,) = node["children"]
    schemas = search.schemas

    def flat(one: Schema) -> Schema:
        return schemas.element(one) if one.get("type") == "array" else one

    return search.each(search(nested, schema), "array", lambda element: schemas.narrow(element, flat))


_RULES: Mapping[str, Callable[[Search, Node, Schema], Schema]] = {
    "and_expression": _and,
    "comparator": _comparator,
    "current": _itself,
    "field": _field,
    "filter_projection": _filter_projection,
    "flatten": _flatten,
    "function_expression": _function,
    "identity": _itself,
    "index": _index,
    "index_expression": _chain,
    "literal": _literal,
    "multi_select_dict": _multi_select_dict,
    "multi_select_list": _multi_select_list,
    "not_expression": _not,
    "or_expression": _or,
    "pipe": _chain,
    "projection": _projection,
    "slice": _slice,
    "subexpression": _chain,
    "value_projection": _value_projection,
}

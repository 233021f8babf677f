"""JSON Schemas as sets of values: what is in one of several, what a member of one may be, whether a value is surely in it.

Every function errs on one side: the schema it gives holds all that the exact one would hold, and more where it cannot tell. `{}` holds
anything.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import reduce
from itertools import product
from typing import Any, TypeAlias

Schema: TypeAlias = Mapping[str, Any]
"""A JSON Schema in the words that `dialect` leaves: no `oneOf`, references by `$ref` to a component."""

ANY: Schema = {}
NOTHING: Schema = {"not": {}}
NULL: Schema = {"type": "null"}

MOST = 64
"""Alternatives that are looked at one by one; more of them are anything."""

LOOKS = 1_000
"""References and combinations that are looked into for the alternatives of a schema; a few that each name another twice are more than any
time, and what is behind more of them is anything."""

_SAID = frozenset(("title", "description", "default", "deprecated"))
"""Words that rule nothing out."""

_OF_KIND: Mapping[str, frozenset[str]] = {
    "object": frozenset(("properties", "required", "additionalProperties", "minProperties", "maxProperties")),
    "array": frozenset(("items", "prefixItems", "minItems", "maxItems", "uniqueItems")),
    "string": frozenset(("minLength", "maxLength", "pattern", "format")),
    "number": frozenset(("minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum", "multipleOf", "format")),
}
"""Words that say something of one kind of values only."""

_OF_ANY_KIND = frozenset(("const", "enum", "title", "description"))
_COMBINING = ("$ref", "anyOf", "allOf")


def kind_of(value: Any) -> str:
    """The type of a JSON value, in the words of JSON Schema."""
    if value is None:
        return "null"
    if isinstance(value, bool):
        return "boolean"
    kinds = ((int, "integer"), (float, "number"), (str, "string"), (list, "array"))
    return next((word for kind, word in kinds if isinstance(value, kind)), "object")


def array_of(items: Schema) -> Schema:
    """Lists of these."""
    if items == NOTHING:
        return {"type": "array", "maxItems": 0}
    return {"type": "array", "items": items} if items else {"type": "array"}


def tuple_of(items: Iterable[Schema]) -> Schema:
    """Lists of just these, one after the other."""
    prefix = list(items)
    words = {"prefixItems": prefix, "items": False, "minItems": len(prefix)} if prefix else {"maxItems": 0}
    return {"type": "array", **words}


def object_of(properties: Mapping[str, Schema]) -> Schema:
    """Objects that have each of these members."""
    return {"type": "object", "properties": dict(properties), "required": list(properties)}


@dataclass(frozen=True, slots=True)
class Schemas:
    """The functions that may have to look a component up."""

    resolve: Callable[[str], Schema]
    """What a `$ref` leads to."""

    def union(self, *schemas: Schema) -> Schema:
        """What is in one of them. Alternatives that say nothing new are left out."""
        flat = (one for schema in schemas for one in (schema["anyOf"] if schema.keys() == {"anyOf"} else (schema,)))
        # Told apart by how they are written: to Python {"const": 1} is {"const": true}.
        parts = list({repr(one): one for one in flat if one != NOTHING}.values())
        if any(one.keys() <= _SAID for one in parts):
            return ANY
        bounded = [one for one in parts if "const" not in one]
        parts = [one for one in parts if "const" not in one or not any(self.admits(other, one["const"]) for other in bounded)]
        return _with_null(parts) if NULL in parts else _any_of(parts)

    def variants(self, schema: Schema) -> list[Schema]:
        """The alternatives of a schema: each without references and combinations, and of one type if it has a type at all."""
        try:
            return self._variants(schema, frozenset(), iter(range(LOOKS)))
        except RecursionError:
            return [ANY]

    def _variants(self, schema: Schema, within: frozenset[str], looks: Iterator[int]) -> list[Schema]:
        word = next((word for word in _COMBINING if word in schema), None)
        if word is None:
            return list(_split(schema))
        if next(looks, None) is None:
            return [ANY]
        rest = {name: value for name, value in schema.items() if name != word and name not in _SAID}
        sets = [self._variants(rest, within, looks)] if rest else []
        if word == "$ref":
            name = schema["$ref"]
            sets.append([ANY] if name in within else self._variants(self.resolve(name), within | {name}, looks))
        elif word == "anyOf":
            sets.append([found for one in schema["anyOf"] for found in self._variants(one, within, looks)])
        else:
            sets += [self._variants(one, within, looks) for one in schema["allOf"]]
        return _intersections(sets)

    def narrow(self, schema: Schema, change: Callable[[Schema], Schema]) -> Schema:
        """The schema with each alternative changed; as it is written, where nothing is."""
        if schema.keys() == {"anyOf"}:
            before = schema["anyOf"]
            after = [self.narrow(one, change) for one in before]
        else:
            before = self.variants(schema)
            after = [change(one) for one in before]
        return schema if all(one is other for one, other in zip(before, after, strict=True)) else self.union(*after)

    def nullable(self, schema: Schema) -> Schema:
        """The schema, and null."""
        return self.union(schema, NULL)

    def without_null(self, schema: Schema) -> Schema:
        """What is left when null is left out."""
        return self.narrow(schema, lambda one: NOTHING if one.get("type") == "null" else one)

    def kinds(self, schema: Schema) -> set[str | None]:
        """The types that its values may have; None among them: any."""
        return {one.get("type") for one in self.variants(schema)}

    def member(self, schema: Schema, name: str) -> Schema:
        """What a value's member of this name may be; null where it is absent, or the value is no object."""
        return self.union(*(self._member(one, name) for one in self.variants(schema)))

    def element(self, schema: Schema) -> Schema:
        """What the elements of lists among its values may be."""
        return self.union(*(self._elements(one) for one in self.variants(schema) if one.get("type") in (None, "array")))

    def members(self, schema: Schema) -> Schema:
        """What the members of objects among its values may be."""
        objects = [one for one in self.variants(schema) if one.get("type") in (None, "object")]
        named = (child for one in objects for child in one.get("properties", {}).values())
        return self.union(*named, *(_others(one) for one in objects))

    def at(self, schema: Schema, index: int) -> Schema:
        """What may stand at this index; null where nothing does, or the value is no list."""
        return self.union(*(self._at(one, index) for one in self.variants(schema)))

    def admits(self, schema: Schema, value: Any) -> bool:
        """Whether the value is surely in it."""
        return any(self._has(one, value) for one in self.variants(schema))

    def _member(self, one: Schema, name: str) -> Schema:
        kind = one.get("type")
        if kind not in (None, "object"):
            return NULL
        found = one.get("properties", {}).get(name, _others(one))
        is_there = kind == "object" and name in one.get("required", ())
        return found if is_there else self.nullable(found)

    def _elements(self, one: Schema) -> Schema:
        rest = one.get("items", ANY)
        return self.union(*one.get("prefixItems", ()), NOTHING if rest is False else rest)

    def _at(self, one: Schema, index: int) -> Schema:
        kind, prefix = one.get("type"), one.get("prefixItems", ())
        if kind not in (None, "array"):
            return NULL
        found = prefix[index] if 0 <= index < len(prefix) else self._elements(one)
        least = index + 1 if index >= 0 else -index
        return found if kind and one.get("minItems", 0) >= least else self.nullable(found)

    def _has(self, one: Schema, value: Any) -> bool:
        words, kind = one.keys() - _SAID - {"type"}, kind_of(value)
        if one.get("type", kind) not in (kind, "number" if kind == "integer" else kind):
            return False
        if words and words <= {"const", "enum"}:
            return repr(value) in map(repr, one.get("enum", [value])) and repr(value) == repr(one.get("const", value))
        if kind == "array":
            return words <= {"items"} and all(self.admits(one.get("items", ANY), child) for child in value)
        if kind == "object":
            properties = one.get("properties", {})
            return (
                words <= {"properties", "required"}
                and set(one.get("required", ())) <= value.keys()
                and all(self.admits(properties.get(name, ANY), child) for name, child in value.items())
            )
        return not words


def _any_of(parts: list[Schema]) -> Schema:
    if not parts:
        return NOTHING
    return parts[0] if len(parts) == 1 else {"anyOf": parts}


def _with_null(parts: list[Schema]) -> Schema:
    """`type: [string, "null"]`, as it is commonly written, where there is one other alternative."""
    others = [one for one in parts if one != NULL]
    if len(others) != 1 or "type" not in others[0] or not others[0].keys().isdisjoint(("const", "enum", *_COMBINING)):
        return _any_of([*others, NULL])
    kinds = others[0]["type"]
    return {**others[0], "type": [*dict.fromkeys((*([kinds] if isinstance(kinds, str) else kinds), "null"))]}


def _others(one: Schema) -> Schema:
    """What a member may be that is not among the properties."""
    rest = one.get("additionalProperties", ANY)
    return NOTHING if rest is False else rest


def _split(schema: Schema) -> Iterator[Schema]:
    """One alternative for each type."""
    if schema == NOTHING:
        return
    if "const" in schema:
        yield _of_literal(schema["const"])
    elif "enum" in schema:
        yield from _of_enum(schema["enum"])
    elif isinstance(kinds := schema.get("type"), list):
        for kind in kinds:
            words = _OF_ANY_KIND | _OF_KIND.get("number" if kind == "integer" else kind, frozenset())
            yield {"type": kind, **{word: value for word, value in schema.items() if word in words}}
    else:
        yield schema


def _of_literal(value: Any) -> Schema:
    """The schema of one value, with the parts of a list or an object where they are looked for."""
    if isinstance(value, list):
        return tuple_of({"const": child} for child in value)
    if isinstance(value, dict):
        return {**object_of({name: {"const": child} for name, child in value.items()}), "additionalProperties": False}
    return {"type": kind_of(value), "const": value}


def _of_enum(values: list[Any]) -> Iterator[Schema]:
    kinds = {kind_of(value) for value in values}
    if len(kinds) == 1 and not kinds & {"array", "object"}:
        yield {"type": kinds.pop(), "enum": values}
    else:
        yield from map(_of_literal, values)


def _intersections(sets: list[list[Schema]]) -> list[Schema]:
    """The alternatives of what is in all of them."""
    size = reduce(lambda so_far, one: so_far * len(one), sets, 1)
    if size > MOST:
        return [ANY]
    found = (reduce(_both, choice) for choice in product(*sets))
    return [one for one in found if one != NOTHING]


def _both(one: Schema, other: Schema) -> Schema:
    """What is in both, or more: of two bounds of the same kind one is kept."""
    if NOTHING in (one, other):
        return NOTHING
    kinds = {schema["type"] for schema in (one, other) if "type" in schema}
    if len(kinds) > 1 and kinds != {"integer", "number"}:
        return NOTHING
    both = {**one, **other}
    if kinds:
        both["type"] = "integer" if len(kinds) > 1 else kinds.pop()
    # `items` speaks of what stands behind the `prefixItems` of its own schema.
    if ordered := next((schema for schema in (one, other) if "prefixItems" in schema), None):
        both.pop("items", None)
        both |= {word: ordered[word] for word in ("prefixItems", "items") if word in ordered}
    if "properties" in one and "properties" in other:
        shared = {
            name: {"allOf": [one["properties"][name], child]}
            for name, child in other["properties"].items()
            if name in one["properties"]
        }
        both["properties"] = {**one["properties"], **other["properties"], **shared}
    if "required" in one and "required" in other:
        both["required"] = [*dict.fromkeys((*one["required"], *other["required"]))]
    return both

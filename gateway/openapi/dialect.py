"""Schemas as others write them, in OpenAPI 3.0 and 3.1 or as pydantic does → the words that `schema` knows.

A word that is not known is left out, and so is one with a value that it cannot have: what is left holds more than was meant, never less.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from math import isfinite
from typing import Any, TypeAlias

from gateway.openapi.schema import ANY, NOTHING, NULL, Schema

DEEPEST = 60
"""A schema nested deeper holds anything."""

Refer: TypeAlias = Callable[[str], Schema]
"""What stands for a `$ref` of the document's own."""

_TYPES = frozenset(("null", "boolean", "integer", "number", "string", "array", "object"))


def translate(written: Any, refer: Refer, *, nullable: bool, depth: int = 0) -> Schema:
    """The schema in our words. `nullable`: as OpenAPI 3.0 has it."""
    if written is False:
        return NOTHING
    if not isinstance(written, dict) or depth > DEEPEST:
        return ANY
    if nullable and "$ref" in written:
        # Whatever stands beside a reference has no meaning in 3.0.
        return refer(written["$ref"])

    def inner(child: Any) -> Schema:
        return translate(child, refer, nullable=nullable, depth=depth + 1)

    words = {word: written[word] for word, fits in _PLAIN.items() if word in written and fits(written[word])}
    if nullable:
        words = _as_in_31(words, written)
    words |= _members(written, inner) | _elements(written, inner)
    return _combined(words, written, refer, inner, nullable=nullable)


def _combined(
    words: dict[str, Any], written: Mapping[str, Any], refer: Refer, inner: Callable[[Any], Schema], *, nullable: bool
) -> Schema:
    sets = [refer(written["$ref"])] if "$ref" in written else []
    # Of two alternatives that hold more than was meant, more than one may be true: `oneOf` can no longer be asked for.
    alternatives = filter(None, (_list(written.get(word)) for word in ("anyOf", "oneOf")))
    sets += [{"anyOf": [inner(one) for one in branches]} for branches in alternatives]
    sets += [inner(one) for one in _list(written.get("allOf"))]
    sets = [one for one in sets if one != ANY]
    if nullable and written.get("nullable") is True and "type" not in words and sets:
        sets = [{"anyOf": [sets[0] if len(sets) == 1 else {"allOf": sets}, NULL]}]
    if not sets:
        return words
    if len(sets) == 1 and sets[0].keys().isdisjoint(words):
        return {**words, **sets[0]}
    return {**words, "allOf": sets}


def _as_in_31(words: dict[str, Any], written: Mapping[str, Any]) -> dict[str, Any]:
    """`nullable` and exclusive bounds as 3.1 has them."""
    for bound, exclusive in (("minimum", "exclusiveMinimum"), ("maximum", "exclusiveMaximum")):
        if written.get(exclusive) is True and bound in words:
            words[exclusive] = words.pop(bound)
    if written.get("nullable") is True and "type" in words:
        words["type"] = [*dict.fromkeys((*([words["type"]] if isinstance(words["type"], str) else words["type"]), "null"))]
        if "enum" in words:
            words["enum"] = [*words["enum"], *([] if None in words["enum"] else [None])]
    return words


def _members(written: Mapping[str, Any], inner: Callable[[Any], Schema]) -> dict[str, Any]:
    """What is said of an object's members; those that are only ever written do not come in a reply."""
    words: dict[str, Any] = {}
    properties = written.get("properties")
    properties = properties if isinstance(properties, dict) else {}
    unread = {name for name, child in properties.items() if isinstance(child, dict) and child.get("writeOnly") is True}
    if kept := {name: inner(child) for name, child in properties.items() if name not in unread}:
        words["properties"] = kept
    if required := [name for name in _texts(written.get("required")) if name not in unread]:
        words["required"] = required
    rest = written.get("additionalProperties")
    # What other words than `properties` speak of would fall under it too.
    if isinstance(rest, dict | bool) and rest is not True and "patternProperties" not in written and not unread:
        words["additionalProperties"] = False if rest is False else inner(rest)
    return words


def _elements(written: Mapping[str, Any], inner: Callable[[Any], Schema]) -> dict[str, Any]:
    words: dict[str, Any] = {}
    if prefix := _list(written.get("prefixItems")):
        words["prefixItems"] = [inner(one) for one in prefix]
    items = written.get("items")
    if isinstance(items, dict | bool) and items is not True:
        words["items"] = False if items is False else inner(items)
    return words


def _list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else []


def _texts(value: Any) -> list[str]:
    return [*dict.fromkeys(one for one in _list(value) if isinstance(one, str))]


def _is_text(value: Any) -> bool:
    return isinstance(value, str)


def _is_true(value: Any) -> bool:
    return value is True


def _is_count(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value >= 0


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and isfinite(value)


def _is_type(value: Any) -> bool:
    kinds = [value] if isinstance(value, str) else _list(value)
    return bool(kinds) and all(isinstance(kind, str) and kind in _TYPES for kind in kinds) and len(set(kinds)) == len(kinds)


def _is_pattern(value: Any) -> bool:
    try:
        return isinstance(value, str) and bool(re.compile(value))
    except (re.error, RecursionError, OverflowError):
        return False


_PLAIN: Mapping[str, Callable[[Any], bool]] = {
    "type": _is_type,
    "description": _is_text,
    "format": _is_text,
    "pattern": _is_pattern,
    "const": lambda _: True,
    "enum": lambda value: bool(_list(value)),
    "default": lambda _: True,
    "deprecated": _is_true,
    "uniqueItems": _is_true,
    "multipleOf": lambda value: _is_number(value) and value > 0,
    **dict.fromkeys(("minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum"), _is_number),
    **dict.fromkeys(("minLength", "maxLength", "minItems", "maxItems", "minProperties", "maxProperties"), _is_count),
}
"""Words that are taken over as they are, and the values that they may have."""

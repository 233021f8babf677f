"""What is left of a value of which a client chooses the members: `gateway.answer.selection`, with schemas for values."""

from __future__ import annotations

from typing import Any

from gateway.openapi.schema import Schema

_OF_WHOLE_OBJECTS = ("required", "minProperties")


def chosen(schema: Schema) -> Schema:
    """The schema of any part of its values: no member of an object has to be there, at any depth."""
    return {word: _part(word, value) for word, value in schema.items() if not _is_about_all(word, value)}


def _is_about_all(word: str, value: Any) -> bool:
    return word in _OF_WHOLE_OBJECTS or (word in ("const", "enum") and _has_object(value))


def _has_object(value: Any) -> bool:
    return isinstance(value, dict) or (isinstance(value, list) and any(map(_has_object, value)))


def _part(word: str, value: Any) -> Any:
    if word == "properties":
        return {name: chosen(child) for name, child in value.items()}
    if word in ("anyOf", "allOf", "prefixItems"):
        return [chosen(child) for child in value]
    if word in ("items", "additionalProperties"):
        return chosen(value) if isinstance(value, dict) else value
    return value

"""Inputs: what a client gives, read into typed values before anything is called.

What is declared has a type, bounds and a default, in the words of JSON Schema; what is not declared is a string. A value that does not
fit is refused by the name of its input; the value itself is never repeated.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Annotated, Any, Literal, TypeAlias

from pydantic import Field, StringConstraints, TypeAdapter, ValidationError

from gateway.reference import Fields

Where: TypeAlias = Literal["path", "query", "header"]

_INTEGER = re.compile(r"-?[0-9]{1,100}")
_NUMBER = re.compile(r"-?[0-9]{1,100}(?:\.[0-9]{1,100})?(?:[eE][-+]?[0-9]{1,3})?")


@dataclass(frozen=True, slots=True)
class Problem:
    """Why an input is refused."""

    where: Where | Literal["body"]
    name: str
    message: str


class Refused(ValueError):
    """The text does not fit the input; the message does not contain it."""


@dataclass(frozen=True, slots=True)
class Input:
    """One declared input, ready to read."""

    name: str
    where: Where
    schema: Mapping[str, Any]
    """Its JSON Schema, for the OpenAPI document."""

    required: bool
    default: Any
    check: TypeAdapter[Any] = field(repr=False, compare=False)
    description: str | None = None

    def read(self, given: Sequence[str]) -> Any:
        """The typed value of what was given. Raises `Refused`."""
        kind = self.schema["type"]
        if not given:
            if self.required:
                raise Refused("is required")
            return self.default
        if kind == "array":
            return self._checked([value for text in given for value in text.split(",")])
        if len(given) > 1:
            raise Refused("is given more than once")
        return self._checked(_typed(kind, given[0]))

    def _checked(self, value: Any) -> Any:
        try:
            return self.check.validate_python(value)
        except ValidationError as error:
            message = error.errors(include_input=False, include_url=False)[0]["msg"]
        raise Refused(message[0].lower() + message[1:])


def make_input(name: str, where: Where, words: Mapping[str, Any]) -> Input:
    """An input from JSON Schema words. Raises `ValueError` when they contradict each other, with a message for the config's author."""
    kind = words.get("type", "string")
    schema = {"type": kind, **({"items": {"type": "string"}} if kind == "array" else {})}
    schema |= {word: words[word] for word in _WORDS if words.get(word) is not None}
    for word in schema:
        if word in _ONLY_FOR and kind not in _ONLY_FOR[word]:
            raise ValueError(f"{word!r} has no meaning for a {kind}")
    default = words.get("default")
    made = Input(
        name,
        where,
        schema,
        required=where == "path" or (bool(words.get("required")) and default is None),
        default=default,
        check=_adapter(kind, schema),
        description=words.get("description"),
    )
    if default is not None:
        try:
            made._checked(default)
        except Refused as refused:
            raise ValueError(f"the default {refused}") from refused
    return made


def read_inputs(
    declared: Iterable[Input], path: Mapping[str, str], query: Mapping[str, list[str]], headers: Mapping[str, list[str]]
) -> tuple[dict[str, dict[str, Any]], list[Problem]]:
    """The values `path`, `query` and `headers`, and every problem with them.

    What is given and no input is there too, as it came, since `forward` may pass it on: a string, or a list of repeated ones.
    """
    given: Mapping[Where, Mapping[str, list[str]]] = {
        "path": {name: [value] for name, value in path.items()},
        "query": query,
        "header": headers,
    }
    values: dict[Where, dict[str, Any]] = {
        where: {name: texts[0] if len(texts) == 1 else texts for name, texts in fields.items()} for where, fields in given.items()
    }
    problems: list[Problem] = []
    for one in declared:
        try:
            values[one.where][one.name] = one.read(given[one.where].get(one.name, ()))
        except Refused as refused:
            problems.append(Problem(one.where, one.name, str(refused)))
    return {"path": values["path"], "query": values["query"], "headers": Fields(values["header"].items())}, problems


_WORDS = ("enum", "minimum", "maximum", "minLength", "maxLength", "pattern", "default")
_NUMBERS = ("integer", "number")
_ONLY_FOR = {
    "minimum": _NUMBERS,
    "maximum": _NUMBERS,
    "minLength": ("string", "array"),
    "maxLength": ("string", "array"),
    "pattern": ("string",),
}


def _typed(kind: str, text: str) -> Any:
    """Text as JSON would have it. Python's own readings (`1_000`, ` 5 `, `nan`, `٣`) are refused."""
    if kind == "integer" and _INTEGER.fullmatch(text):
        return int(text)
    if kind == "number" and _NUMBER.fullmatch(text) and math.isfinite(number := float(text)):
        return int(text) if _INTEGER.fullmatch(text) else number
    if kind == "boolean" and text in ("true", "false"):
        return text == "true"
    if kind == "string":
        return text
    raise Refused(f"should be {'an' if kind == 'integer' else 'a'} {kind}")


def _adapter(kind: str, schema: Mapping[str, Any]) -> TypeAdapter[Any]:
    """Pydantic checks the bounds; its regular expressions run in linear time, so that no input can stall the gateway."""
    if "enum" in schema:
        allowed: Any = Literal[tuple(schema["enum"])]
        return TypeAdapter(allowed)
    if kind in _NUMBERS:
        # A bound of an integer may be written 1 or 1.0; both mean the same.
        number: Any = int if kind == "integer" else int | float
        return TypeAdapter(Annotated[number, Field(strict=True, ge=schema.get("minimum"), le=schema.get("maximum"))])
    if kind == "boolean":
        return TypeAdapter(Annotated[bool, Field(strict=True)])
    length = {"min_length": schema.get("minLength"), "max_length": schema.get("maxLength")}
    if kind == "array":
        return TypeAdapter(Annotated[list[str], Field(strict=True, **length)])
    pattern = f"^(?:{schema['pattern']})$" if "pattern" in schema else None
    try:
        return TypeAdapter(Annotated[str, StringConstraints(strict=True, pattern=pattern, **length)])
    except Exception as error:
        raise ValueError(
            "'pattern' is not a regular expression that runs in linear time (no look-around, no back-references)"
        ) from error

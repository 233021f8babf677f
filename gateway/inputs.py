"""Inputs: what a client gives, read into typed values before anything is called.

What is declared has a type, bounds and a default, in the words of JSON Schema; what is not declared is a string. A value that does not
fit is refused by the name of its input; the value itself is never repeated.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, TypeAlias

from pydantic_core import (
    CoreSchema,
    PydanticCustomError,
    PydanticKnownError,
    SchemaValidator,
    ValidationError,
    core_schema,
)

from gateway.expressions.reference import Fields

Where: TypeAlias = Literal["path", "query", "header"]

_INTEGER = re.compile(r"-?[0-9]{1,100}")
_NUMBER = re.compile(r"-?[0-9]{1,100}(?:\.[0-9]{1,100})?(?:[eE][-+]?[0-9]{1,3})?")


@dataclass(frozen=True, slots=True)
class Misfit:
    """Why an input is refused."""

    where: Where
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
    """The words of the config."""

    required: bool
    default: Any
    check: SchemaValidator | None = field(repr=False, compare=False)
    """None where any text fits, as with an input that nobody declared."""

    description: str | None = None

    @property
    def value_schema(self) -> dict[str, Any]:
        """JSON Schema of its value. The config has one word for a text's length and an array's, and a pattern is for the whole text."""
        schema = dict(self.schema)
        if schema["type"] == "array":
            schema = {_OF_AN_ARRAY.get(word, word): value for word, value in schema.items()}
        if "pattern" in schema:
            schema["pattern"] = _whole(schema["pattern"])
        return {word: _plain(value) for word, value in schema.items()}

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
        if self.check is None:
            return value
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
        if word == "enum" and not schema[word]:
            raise ValueError("'enum' is empty, so that nothing fits")
        if word in _ONLY_FOR and kind not in _ONLY_FOR[word]:
            raise ValueError(f"{word!r} has no meaning for {_a(kind)}")
    for low, high in (("minimum", "maximum"), ("minLength", "maxLength")):
        if low in schema and high in schema and schema[low] > schema[high]:
            raise ValueError(f"{low!r} is above {high!r}, so that nothing fits")
    default = words.get("default")
    made = Input(
        name,
        where,
        schema,
        required=where == "path" or (bool(words.get("required")) and default is None),
        default=default,
        check=None if schema == {"type": "string"} else _validator(kind, schema),
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
) -> tuple[dict[str, dict[str, Any]], list[Misfit]]:
    """The values `path`, `query` and `headers`, and every problem with them.

    What is given and no input is there too, as it came, since `forward` may pass it on: a string, or a list of repeated ones.
    """
    values: dict[Where, dict[str, Any]] = {"path": {**path}, "query": _as_given(query), "header": _as_given(headers)}
    misfits: list[Misfit] = []
    for one in declared:
        try:
            if one.where != "path":
                given = query if one.where == "query" else headers
                values[one.where][one.name] = one.read(given.get(one.name, ()))
            elif one.check:  # else there is one text, it fits, and it is there already
                values["path"][one.name] = one.read((path[one.name],))
        except Refused as refused:
            misfits.append(Misfit(one.where, one.name, str(refused)))
    fields = Fields(values["header"].items()) if values["header"] else {}
    return {"path": values["path"], "query": values["query"], "headers": fields}, misfits


def _as_given(fields: Mapping[str, list[str]]) -> dict[str, Any]:
    return {name: texts[0] if len(texts) == 1 else texts for name, texts in fields.items()} if fields else {}


_WORDS = ("enum", "minimum", "maximum", "minLength", "maxLength", "pattern", "default")
_NUMBERS = ("integer", "number")
_OF_AN_ARRAY = {"minLength": "minItems", "maxLength": "maxItems"}
_ONLY_FOR = {
    "enum": ("string", *_NUMBERS),
    "minimum": _NUMBERS,
    "maximum": _NUMBERS,
    "minLength": ("string", "array"),
    "maxLength": ("string", "array"),
    "pattern": ("string",),
}


def _typed(kind: str, text: str) -> Any:
    """What the text says. Python's own readings (`1_000`, ` 5 `, `nan`, `٣`) are refused."""
    if kind == "integer" and _INTEGER.fullmatch(text):
        return int(text)
    if kind == "number" and _NUMBER.fullmatch(text) and math.isfinite(number := float(text)):
        return int(text) if _INTEGER.fullmatch(text) else number
    if kind == "boolean" and text in ("true", "false"):
        return text == "true"
    if kind == "string":
        return text
    raise Refused(f"should be {_a(kind)}")


def _a(kind: str) -> str:
    return f"an {kind}" if kind[0] in "ai" else f"a {kind}"


def _validator(kind: str, schema: Mapping[str, Any]) -> SchemaValidator:
    """Pydantic checks the bounds; its regular expressions run in linear time, so that no input can stall the gateway.

    Made from core schemas, which takes 10 µs; from annotations it takes 600, and a thousand endpoints may have a thousand inputs.
    """
    bounded = _bounded(kind, schema)
    try:
        validator = SchemaValidator(bounded)
    except Exception as error:
        # Bounds have been checked before; of all the words only a pattern can still be one that pydantic refuses.
        raise ValueError(
            "'pattern' is not a regular expression that runs in linear time (no look-around, no back-references)"
        ) from error
    if "enum" not in schema:
        return validator
    for one in schema["enum"]:
        try:
            validator.validate_python(one)
        except ValidationError as error:
            raise ValueError(f"'enum' has {one!r}, which does not fit the other words") from error
    return SchemaValidator(core_schema.no_info_after_validator_function(_one_of(schema["enum"]), bounded))


def _plain(value: Any) -> Any:
    """A word's value as JSON has it, and as one would write it."""
    if isinstance(value, tuple):
        return list(value)
    return int(value) if isinstance(value, float) and value.is_integer() else value


def _whole(pattern: str) -> str:
    """The pattern for a whole text; without it, one finds its like anywhere in it."""
    return f"^(?:{pattern})$"


def _bounded(kind: str, schema: Mapping[str, Any]) -> CoreSchema:
    if kind == "boolean":
        return core_schema.bool_schema(strict=True)
    if kind in _NUMBERS:
        return _bounded_number(kind, schema.get("minimum"), schema.get("maximum"))
    length: dict[str, Any] = {"min_length": schema.get("minLength"), "max_length": schema.get("maxLength")}
    if kind == "array":
        return core_schema.list_schema(core_schema.str_schema(), strict=True, **length)
    pattern = _whole(schema["pattern"]) if "pattern" in schema else None
    return core_schema.str_schema(strict=True, pattern=pattern, **length)


def _bounded_number(kind: str, low: float | None, high: float | None) -> CoreSchema:
    if not all(bound is None or math.isfinite(bound) for bound in (low, high)):
        raise ValueError("a bound is a number, and a finite one")
    if kind == "number":
        # Not float alone, which would round large integers.
        number = core_schema.union_schema([core_schema.int_schema(strict=True), core_schema.float_schema(strict=True)])
        return core_schema.no_info_after_validator_function(_within(low, high), number)
    # A bound of an integer may be written 1.0 or 0.5; pydantic wants it to be an integer too.
    least, most = (None if low is None else math.ceil(low)), (None if high is None else math.floor(high))
    return core_schema.int_schema(strict=True, ge=least, le=most)


def _within(low: float | None, high: float | None) -> Callable[[Any], Any]:
    def check(value: Any) -> Any:
        if low is not None and value < low:
            raise PydanticKnownError("greater_than_equal", {"ge": low})
        if high is not None and value > high:
            raise PydanticKnownError("less_than_equal", {"le": high})
        return value

    return check


def _one_of(allowed: Sequence[Any]) -> Callable[[Any], Any]:
    *most, last = (repr(one) for one in allowed)
    expected = f"{', '.join(most)} or {last}" if most else last

    def check(value: Any) -> Any:
        if value not in allowed:
            raise PydanticCustomError("enum", "Input should be {expected}", {"expected": expected})
        return value

    return check

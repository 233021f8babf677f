"""Types: what the value of a step must be, as pydantic reads and writes it."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cached_property
from types import NoneType, UnionType
from typing import Annotated, Any, Union, get_args, get_origin

from pydantic import TypeAdapter, ValidationError
from pydantic.errors import PydanticInvalidForJsonSchema

from gateway.answer.transform import Hook
from gateway.errors import BadReply
from gateway.finding import show
from gateway.formats.decode import JsonText
from gateway.formats.encode import Unencodable, encode_json

LONGEST = 200
"""Characters that the place of a mistake may take in a trace; upstreams decide how deep and how long it is."""


class ValueType:
    """A Python type that a value must fit. What is used from then on is what the type makes of it, in JSON again: defaults are
    filled in, numbers written as text are numbers, and what the type does not know is gone.

    Values are always read by the rules for JSON, whether they came as text or not: a strict type takes a date for a date.
    """

    def __init__(self, annotation: Any) -> None:
        self._annotation = annotation
        self._adapter: TypeAdapter[Any] = TypeAdapter(annotation)

    def __call__(self, value: Any) -> Any:
        """The value as the type writes it: text for text, plain data for plain data. Raises `BadReply`, which quotes no value."""
        with self._complaining():
            typed = self._adapter.validate_json(encode_json(value))
            if isinstance(value, JsonText):
                return JsonText(self._adapter.dump_json(typed, by_alias=True, warnings=False))
            return self.write(typed)

    def read(self, value: Any) -> Any:
        """The value as an instance of the type, its fields found by their own names too. Raises `BadReply`."""
        with self._complaining():
            return self._adapter.validate_json(encode_json(value), by_alias=True, by_name=True)

    def write(self, typed: Any) -> Any:
        """An instance of the type as plain data."""
        return self._adapter.dump_python(typed, mode="json", by_alias=True, warnings=False)

    @contextmanager
    def _complaining(self) -> Iterator[None]:
        try:
            yield
        except ValidationError as error:
            raise BadReply(self._complaint(error)) from None
        except Unencodable as error:
            raise BadReply(str(error)) from error
        except (Exception, SystemExit) as error:
            # The type's own validators are somebody else's code; what they trip over is this value all the same, and no end of the server.
            raise BadReply(f"the type of the step raises {type(error).__name__}") from error

    @cached_property
    def element(self) -> ValueType | None:
        """What each element must be, where the type is that of a list."""
        found = _element(self._annotation)
        return None if found in (None, Any) else ValueType(found)

    def takes(self, value: Any) -> bool:
        """The value fits."""
        try:
            self(value)
        except BadReply:
            return False
        return True

    @cached_property
    def schema(self) -> Mapping[str, Any]:
        """JSON Schema (2020-12) of what it writes, whose references are to its own `$defs`; empty when it cannot be said in one."""
        try:
            return self._adapter.json_schema(mode="serialization")
        except PydanticInvalidForJsonSchema:
            return {}

    @cached_property
    def _names(self) -> frozenset[str]:
        """Names of members that the type itself has."""
        try:
            return frozenset(_properties(self._adapter.json_schema(mode="validation")))
        except PydanticInvalidForJsonSchema:
            return frozenset()

    def _complaint(self, error: ValidationError) -> str:
        """Where the first mistake is and of which kind. Pydantic's own messages may quote the value, and so may names in its path."""
        mistakes = error.errors(include_url=False, include_context=False, include_input=False)
        place = show(tuple(part if isinstance(part, int) or part in self._names else "*" for part in mistakes[0]["loc"]))
        more = f", and {len(mistakes) - 1} more" if len(mistakes) > 1 else ""
        return f"does not fit its type: {place[:LONGEST] or 'the value'} ({mistakes[0]['type']}){more}"


@dataclass(frozen=True, slots=True)
class Model:
    """What a class says of an endpoint that no config can."""

    types: Mapping[str, ValueType] = field(default_factory=dict)
    """By the names of steps."""

    answer: Hook | None = None
    """Makes the answer of all steps' values."""


def _element(annotation: Any) -> Any:
    origin, arguments = get_origin(annotation), get_args(annotation)
    if origin is Annotated:
        return _element(arguments[0])
    if origin in (Union, UnionType):
        lists = [found for one in arguments if (found := _element(one)) is not None]
        return lists[0] if len(lists) == 1 and len(arguments) == 2 and NoneType in arguments else None
    is_list = isinstance(origin, type) and issubclass(origin, Collection) and not issubclass(origin, Mapping)
    return arguments[0] if is_list and arguments[1:] in ((), (...,)) else None


def _properties(schema: Any) -> Iterator[str]:
    if isinstance(schema, dict):
        yield from schema.get("properties", ())
        for child in schema.values():
            yield from _properties(child)
    elif isinstance(schema, list):
        for child in schema:
            yield from _properties(child)

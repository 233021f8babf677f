"""Class → the data that a config would have, with what no config can say beside it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Annotated, Any

from pydantic.errors import PydanticUndefinedAnnotation
from pydantic_core import PydanticSerializationError, to_jsonable_python

from gateway.answer.transform import BadHook, Hook
from gateway.face.answering import find_answer
from gateway.face.endpoint import Endpoint, WrittenStep
from gateway.face.places import Places, find_places, shown_file
from gateway.finding import Origin, Path
from gateway.typed import Model, ValueType


@dataclass(frozen=True, slots=True)
class Written:
    """A class, read as what a config could have said."""

    origin: Origin
    places: Places = field(repr=False)
    data: dict[str, Any]
    model: Model = field(repr=False)
    complaints: tuple[tuple[Path, str], ...] = ()
    """What is wrong with it as a class, and where."""


def read_class(endpoint: type[Endpoint]) -> Written:
    """The data of an endpoint's class. Whatever is wrong with the class is in its `complaints`."""
    return _Reader(endpoint).read()


class _Reader:
    """One class being read."""

    def __init__(self, endpoint: type[Endpoint]) -> None:
        self.endpoint = endpoint
        self.complaints: list[tuple[Path, str]] = []

    def read(self) -> Written:
        self._check_fields()
        steps = {
            name: {one.method: one.target, **dict(self._jsonable(one.words, ("steps", name)))}
            for name, one in self.endpoint._steps.items()
        }
        data = {**self._summary(), **dict(self._jsonable(self.endpoint._words, ())), "steps": steps}
        statement = self.endpoint._statement
        origin = Origin(shown_file(statement.file), statement.name)
        return Written(origin, find_places(statement), data, self._model(), tuple(self.complaints))

    def _check_fields(self) -> None:
        steps = self.endpoint._steps
        if "steps" in self.endpoint._words:
            self._complain(("steps",), "the fields of the class are its steps")
        if not steps:
            self._complain((), 'has no steps; write one for each field, as in user: User = step("UPSTREAM /path")')
        for name in self.endpoint.model_fields.keys() - steps:
            self._complain(("steps", name), 'is no step; write = step("UPSTREAM /path"), or a @computed_field')
        private: dict[str, Any] = self.endpoint.__private_attributes__
        for name, attribute in private.items():
            if isinstance(attribute.default, WrittenStep):
                self._complain(("steps", name), "a name that begins with an underscore is private, and no step")

    def _complain(self, path: Path, message: str) -> None:
        self.complaints.append((path, message))

    def _summary(self) -> dict[str, str]:
        """The first paragraph of the docstring."""
        first = (self.endpoint.__doc__ or "").strip().partition("\n\n")[0]
        return {"summary": " ".join(first.split())} if first else {}

    def _jsonable(self, words: Mapping[str, Any], path: Path) -> Iterator[tuple[str, Any]]:
        """Models, dates and so on as JSON has them, as if they had been written in a config."""
        for name, value in words.items():
            try:
                yield name, to_jsonable_python(value, by_alias=True)
            except PydanticSerializationError:
                self._complain((*path, name), "has no form in JSON")

    def _model(self) -> Model:
        try:
            self.endpoint.model_rebuild()
            return Model(dict(self._types()), self._answer())
        except PydanticUndefinedAnnotation as error:
            self._complain((), f"a type that it names is not defined: {error.name}")
            return Model()

    def _types(self) -> Iterator[tuple[str, ValueType]]:
        for name in self.endpoint._steps:
            info = self.endpoint.model_fields.get(name)
            if info and info.annotation is not Any:
                yield name, ValueType(Annotated[info.annotation, *info.metadata] if info.metadata else info.annotation)

    def _answer(self) -> Hook | None:
        try:
            return find_answer(self.endpoint)
        except BadHook as error:
            self._complain(("answer",), str(error))
            return None

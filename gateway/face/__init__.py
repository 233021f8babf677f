"""The Python face: an endpoint as a class, whose fields are its steps and their types.

    class Home(Endpoint, path="/v1/home/{user_id}", timeout="2s"):
        user: User = step("users /users/{path.user_id}")

A class says what a config says, in the same words. It becomes the same data, which is loaded and compiled with the config's own.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Annotated, Any, ClassVar, Unpack

from pydantic import BaseModel
from pydantic.errors import PydanticUndefinedAnnotation
from pydantic_core import PydanticSerializationError, to_jsonable_python

from gateway.face.places import Places, Statement, find_places, running_statement, shown_file
from gateway.face.words import EndpointWords, StepWords
from gateway.finding import Origin, Path
from gateway.typed import ValueType


@dataclass(frozen=True, slots=True)
class WrittenStep:
    """What stands at a field of an endpoint until its class is made."""

    method: str
    target: str
    words: StepWords


class StepWriter:
    """Writes the step of a field: `step("UPSTREAM /path")` for a GET, `step.post("UPSTREAM /path", body=…)` and so on."""

    def __call__(self, target: str, /, **words: Unpack[StepWords]) -> Any:
        """A GET of `UPSTREAM /path/{reference}?name={reference}`."""
        return WrittenStep("get", target, words)

    def get(self, target: str, /, **words: Unpack[StepWords]) -> Any:
        """The same by its name."""
        return WrittenStep("get", target, words)

    def post(self, target: str, /, **words: Unpack[StepWords]) -> Any:
        """A POST, with a `body` to send."""
        return WrittenStep("post", target, words)

    def put(self, target: str, /, **words: Unpack[StepWords]) -> Any:
        """A PUT, with a `body` to send."""
        return WrittenStep("put", target, words)

    def patch(self, target: str, /, **words: Unpack[StepWords]) -> Any:
        """A PATCH, with a `body` to send."""
        return WrittenStep("patch", target, words)

    def delete(self, target: str, /, **words: Unpack[StepWords]) -> Any:
        """A DELETE."""
        return WrittenStep("delete", target, words)


step = StepWriter()


class Endpoint(BaseModel):
    """What clients call, as a pydantic model. Every field is a step; its type is what the step's value must be.

    The keywords of the class are those of an endpoint in a config, and its docstring is the summary. A class without a `path` is for
    others to inherit from.
    """

    _statement: ClassVar[Statement] = Statement(__file__, 1, "Endpoint")
    _words: ClassVar[EndpointWords] = {}
    _steps: ClassVar[Mapping[str, WrittenStep]] = {}

    def __init_subclass__(cls, **words: Unpack[EndpointWords]) -> None:
        """Take the steps out of the class before pydantic sees them, which would take them for defaults."""
        own = {name: one for name, one in vars(cls).items() if isinstance(one, WrittenStep) and not name.startswith("_")}
        for name in own:
            delattr(cls, name)
        cls._statement = running_statement(cls.__name__)
        cls._words = {**cls._words, **words}
        cls._steps = {**cls._steps, **own}


def has_path(endpoint: type[Endpoint]) -> bool:
    """The class is an endpoint, and not only there to be inherited from."""
    return "path" in endpoint._words


@dataclass(frozen=True, slots=True)
class Written:
    """A class, read as what a config could have said."""

    origin: Origin
    places: Places = field(repr=False)
    data: dict[str, Any]
    types: Mapping[str, ValueType] = field(repr=False)
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
        words = dict(self._jsonable(self.endpoint._words, ()))
        if "steps" in words:
            self.complaints.append((("steps",), "the fields of the class are its steps"))
        private: dict[str, Any] = self.endpoint.__private_attributes__
        for name, attribute in private.items():
            if isinstance(attribute.default, WrittenStep):
                self.complaints.append((("steps", name), "a name that begins with an underscore is private, and no step"))
        steps = {
            name: {one.method: one.target, **dict(self._jsonable(one.words, ("steps", name)))}
            for name, one in self.endpoint._steps.items()
        }
        if not steps:
            self.complaints.append(((), 'has no steps; write one for each field, as in user: User = step("UPSTREAM /path")'))
        data = {**self._summary(), **words, "steps": steps}
        statement = self.endpoint._statement
        origin = Origin(shown_file(statement.file), statement.name)
        return Written(origin, find_places(statement), data, dict(self._types()), tuple(self.complaints))

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
                self.complaints.append(((*path, name), "has no form in JSON"))

    def _types(self) -> Iterator[tuple[str, ValueType]]:
        try:
            self.endpoint.model_rebuild()
        except PydanticUndefinedAnnotation as error:
            self.complaints.append(((), f"a type that it names is not defined: {error.name}"))
            return
        for name, info in self.endpoint.model_fields.items():
            if name not in self.endpoint._steps:
                self.complaints.append(
                    (("steps", name), 'is no step; write = step("UPSTREAM /path"), or compute it in a property')
                )
            elif info.annotation is not Any:
                yield name, ValueType(Annotated[info.annotation, *info.metadata] if info.metadata else info.annotation)

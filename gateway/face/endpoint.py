"""What an endpoint's class is made of: the steps of its fields, and the keywords of the class."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, Unpack

from pydantic import BaseModel

from gateway.face.places import Statement, running_statement
from gateway.face.words import EndpointWords, StepWords


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

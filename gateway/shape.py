"""Outcomes → the answer the client gets. Pure: the same values always give the same bytes, whatever order replies arrived in."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, TypeAlias

from gateway.call import value_type
from gateway.decode import JsonText, Undecodable, decode_json
from gateway.encode import Unencodable, encode_json
from gateway.finding import show
from gateway.reference import Expression, Scope, Structure, Trail, Unresolved

Fill: TypeAlias = Callable[[Scope, dict[str, str]], Any]
"""Makes a part of the answer from the values at hand, and says of the members that it cannot make why not."""


@dataclass(frozen=True, slots=True)
class Shape:
    """What the answer looks like."""

    steps: tuple[str, ...]
    """Names of the steps in the order written: the answer's members when there is no template."""

    response: Structure | None = None
    """The template of the answer."""

    errors: str | None = "errors"
    """Name of the member that lists what failed; None leaves it out."""

    _fill: Fill = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        """Read the template once: walking through it each time is a third of what filling it in costs."""
        object.__setattr__(self, "_fill", _filling(self.response.data) if self.response else _each(self.steps))

    def __call__(self, scope: Scope) -> tuple[Any, dict[str, str]]:
        """The answer, and of the members that could not be made why not. Such a member is null."""
        missing: dict[str, str] = {}
        return self._fill(scope, missing), missing


@value_type
class Answer:
    """An answer on its way to the client."""

    value: Any
    errors: tuple[Mapping[str, Any], ...] = ()
    """One RFC 9457 object for everything that is missing."""

    member: str | None = field(default="errors")

    @property
    def complete(self) -> bool:
        """Every step was good or skipped."""
        return not self.errors

    def encode(self) -> bytes:
        """JSON as UTF-8. Raises `Unresolved` when a value has no form in JSON, such as half a surrogate pair."""
        try:
            return encode_json(self._listing() if self.errors and self.member else self.value)
        except (Unencodable, Undecodable) as error:
            raise Unresolved("the answer has a value that JSON has no form for") from error

    def _listing(self) -> Any:
        value = decode_json(bytes(self.value)) if isinstance(self.value, JsonText) else self.value
        return {**value, self.member: self.errors} if isinstance(value, dict) else value


def _each(steps: tuple[str, ...]) -> Fill:
    return lambda scope, _: {name: scope[name] for name in steps}


def _filling(node: Any, trail: Trail = ()) -> Fill:
    if isinstance(node, dict):
        members = [(name, _filling(child, (*trail, name))) for name, child in node.items()]
        return lambda scope, missing: {name: fill(scope, missing) for name, fill in members}
    if isinstance(node, list):
        elements = [_filling(child, (*trail, index)) for index, child in enumerate(node)]
        return lambda scope, missing: [fill(scope, missing) for fill in elements]
    return _leaf(node, show(trail)) if isinstance(node, Expression) else lambda *_: node


def _leaf(expression: Expression, place: str) -> Fill:
    def fill(scope: Scope, missing: dict[str, str]) -> Any:
        # One member that does not fit must not cost the others, so that each is filled on its own.
        try:
            return expression(scope)
        except Unresolved as error:
            missing[place] = str(error)
            return None

    return fill

"""Outcomes → the answer the client gets. Pure: the same values always give the same bytes, whatever order replies arrived in."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from gateway.decode import JsonText, Undecodable, decode_json
from gateway.encode import Unencodable, encode_json
from gateway.finding import show
from gateway.reference import Expression, Scope, Structure, Trail, Unresolved, walk


@dataclass(frozen=True, slots=True)
class Shape:
    """What the answer looks like."""

    steps: tuple[str, ...]
    """Names of the steps in the order written: the answer's members when there is no template."""

    response: Structure | None = None
    """The template of the answer."""

    errors: str | None = "errors"
    """Name of the member that lists what failed; None leaves it out."""

    def __call__(self, scope: Scope) -> tuple[Any, dict[str, str]]:
        """The answer, and of the members that could not be made why not. Such a member is null."""
        if self.response is None:
            return {name: scope[name] for name in self.steps}, {}
        missing: dict[str, str] = {}

        def fill(leaf: Any, trail: Trail) -> Any:
            # One member that does not fit must not cost the others, so that each is filled on its own.
            try:
                return leaf(scope) if isinstance(leaf, Expression) else leaf
            except Unresolved as error:
                missing[show(trail)] = str(error)
                return None

        return walk(self.response.data, fill), missing


@dataclass(frozen=True, slots=True)
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

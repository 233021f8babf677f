"""Outcomes → the answer the client gets. Pure: the same values always give the same bytes, whatever order replies arrived in."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, TypeAlias

from gateway.answer.merge import Merge
from gateway.answer.selection import Selection
from gateway.answer.transform import Transform
from gateway.call import value_type
from gateway.expressions.reference import Expression, Scope, Structure, Trail, Unresolved
from gateway.finding import show
from gateway.formats.decode import JsonText, Undecodable, decode_json
from gateway.formats.encode import Unencodable, encode_json

Directive: TypeAlias = Merge | Transform
"""A part of the answer that is made of others: called with the values of its `parts`, it gives one, or raises `Unresolved`."""

Shaped: TypeAlias = tuple[Any, dict[str, str]]
"""An answer's value, and of its members that could not be made why not."""

Fill: TypeAlias = Callable[[Scope, dict[str, str]], Any]
"""Makes a part of the answer from the values at hand, and says of the members that it cannot make why not."""


@dataclass(frozen=True, slots=True)
class Part:
    """What of an answer is made by itself: a member, or the whole of an answer that is no object."""

    name: str | None
    """The member's; None for the whole."""

    steps: frozenset[str]
    """What it names: when they have ended, it can be made."""

    fill: Fill = field(repr=False, compare=False)


@dataclass(frozen=True, slots=True)
class Shape:
    """What the answer looks like."""

    steps: tuple[str, ...]
    """Names of the steps in the order written: the answer's members when there is no template."""

    response: Structure | None = None
    """The template of the answer: its data are objects, lists, expressions, literals, and directives."""

    errors: str | None = "errors"
    """Name of the member that lists what failed; None leaves it out."""

    selection: Selection | None = None
    """What the client wants of it; None: everything."""

    parts: tuple[Part, ...] = field(init=False, repr=False, compare=False)
    """What it is put together from, in order."""

    off_loop: bool = field(init=False, repr=False, compare=False)
    """A user's function in it takes long: it is to be made in a thread."""

    _fill: Fill = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        """Read the template once: walking through it each time is a third of what filling it in costs."""
        transforms = (node for node in nodes(self.response.data) if isinstance(node, Transform)) if self.response else ()
        object.__setattr__(self, "off_loop", any(node.hook.off_loop for node in transforms))
        object.__setattr__(self, "parts", tuple(self._parts()))
        is_read = self.response or self.selection
        object.__setattr__(self, "_fill", _together(self.parts) if is_read else _each(self.steps))

    def __call__(self, scope: Scope) -> Shaped:
        """The answer, and of the members that could not be made why not. Such a member is null."""
        missing: dict[str, str] = {}
        return self._fill(scope, missing), missing

    def _parts(self) -> Iterator[Part]:
        chosen = dict(self.selection.names) if self.selection else {}
        if self.response is None:
            yield from (Part(name, frozenset([name]), _of(chosen.get(name), _step(name), name)) for name in self.steps)
        elif isinstance(data := self.response.data, dict):
            for name, node in data.items():
                yield Part(name, self._named(node), _of(chosen.get(name), _filling(node, (name,)), name))
        else:
            yield Part(None, self._named(data), _of(self.selection, _filling(data), show(())))

    def _named(self, node: Any) -> frozenset[str]:
        """The steps that a part of the template names."""
        heads = (head for one in nodes(node) if isinstance(one, Expression) for head in one.heads)
        return frozenset(heads) & frozenset(self.steps)


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


def nodes(template: Any) -> Iterator[Any]:
    """Everything in the template of an answer, itself first."""
    yield template
    for child in children(template):
        yield from nodes(child)


def children(node: Any) -> Iterable[Any]:
    """What stands in a part of a template."""
    if isinstance(node, dict):
        return node.values()
    if isinstance(node, list):
        return node
    return node.parts if isinstance(node, Merge | Transform) else ()


def _each(steps: tuple[str, ...]) -> Fill:
    return lambda scope, _: {name: scope[name] for name in steps}


def _together(parts: tuple[Part, ...]) -> Fill:
    if [part.name for part in parts] == [None]:
        return parts[0].fill
    members = [(part.name, part.fill) for part in parts]
    return lambda scope, missing: {name: fill(scope, missing) for name, fill in members}


def _step(name: str) -> Fill:
    return lambda scope, _: scope[name]


def _of(selection: Selection | None, fill: Fill, place: str) -> Fill:
    """The same, and of what it makes only what is wanted."""
    if not selection:
        return fill

    def chosen(scope: Scope, missing: dict[str, str]) -> Any:
        try:
            return selection(fill(scope, missing))
        except (Undecodable, RecursionError) as error:
            missing[place] = str(error)
            return None

    return chosen


def _filling(node: Any, trail: Trail = ()) -> Fill:
    if isinstance(node, dict):
        members = [(name, _filling(child, (*trail, name))) for name, child in node.items()]
        return lambda scope, missing: {name: fill(scope, missing) for name, fill in members}
    if isinstance(node, list):
        elements = [_filling(child, (*trail, index)) for index, child in enumerate(node)]
        return lambda scope, missing: [fill(scope, missing) for fill in elements]
    if isinstance(node, Merge | Transform):
        return _made(node, trail)
    return _leaf(node, show(trail)) if isinstance(node, Expression) else lambda *_: node


def _made(directive: Directive, trail: Trail) -> Fill:
    place, parts = show(trail), [_filling(part, trail) for part in directive.parts]

    def fill(scope: Scope, missing: dict[str, str]) -> Any:
        try:
            return directive(part(scope, missing) for part in parts)
        except Unresolved as error:
            missing[place] = str(error)
            return None

    return fill


def _leaf(expression: Expression, place: str) -> Fill:
    def fill(scope: Scope, missing: dict[str, str]) -> Any:
        # One member that does not fit must not cost the others, so that each is filled on its own.
        try:
            return expression(scope)
        except Unresolved as error:
            missing[place] = str(error)
            return None

    return fill

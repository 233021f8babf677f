"""Several values → one. Pure: the same values in the same order give the same bytes, and what is merged stays as it was.

A value that is null takes no part: there is nothing of it to merge. Where all of them are null, so is what is made of them.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterable, Mapping
from dataclasses import dataclass
from itertools import chain
from typing import Any, Literal, TypeAlias, TypeVar

from gateway.expressions.reference import Expression, Unresolved
from gateway.formats.decode import is_null

Value = TypeVar("Value", dict[str, Any], list[Any])
Settle: TypeAlias = Callable[[Any, Any], Any]
"""Which of two values of the same member stays."""

Collisions: TypeAlias = Literal["first", "last", "fail"]
"""Which of several different values of the same member stays: the first, the last, or none, and nothing can be made."""


@dataclass(frozen=True, slots=True)
class Shallow:
    """The members of several objects as one object, in the order they first appear in."""

    collisions: Collisions = "fail"

    def __call__(self, values: Iterable[Any]) -> Any:
        """The object. Raises `Unresolved` when a value is none."""
        objects = _present(values, dict, "an object")
        return _united(objects, _SETTLES[self.collisions]) if objects else None


@dataclass(frozen=True, slots=True)
class Deep:
    """As `Shallow`; objects that meet are merged likewise, at any depth. Lists are values: they collide."""

    collisions: Collisions = "fail"

    def __call__(self, values: Iterable[Any]) -> Any:
        """The object. Raises `Unresolved` when a value is none."""
        settle = _SETTLES[self.collisions]

        def deeply(one: Any, other: Any) -> Any:
            both = isinstance(one, dict) and isinstance(other, dict)
            return _united((one, other), deeply) if both else settle(one, other)

        objects = _present(values, dict, "an object")
        return _united(objects, deeply) if objects else None


@dataclass(frozen=True, slots=True)
class Concat:
    """Several lists, one after the other."""

    def __call__(self, values: Iterable[Any]) -> Any:
        """The list. Raises `Unresolved` when a value is none."""
        lists = _present(values, list, "a list")
        return list(chain.from_iterable(lists)) if lists else None


@dataclass(frozen=True, slots=True)
class Keyed:
    """Several lists of objects as one, with one object for all that have the same key, where the first of them stood.

    What has no key, or a list or an object for one, or is no object, is joined with nothing and stays.
    """

    key: Expression
    """Finds an element's key in it. Numbers are the same when they are equal, and never the same as text."""

    collisions: Collisions = "fail"

    def __call__(self, values: Iterable[Any]) -> Any:
        """The list. Raises `Unresolved` when a value is none."""
        lists = _present(values, list, "a list")
        if not lists:
            return None
        # Grouped first and merged once: joining them one by one would take the square of their number.
        groups: list[list[Any]] = []
        found: dict[Hashable, list[Any]] = {}
        for element in chain.from_iterable(lists):
            key = self._key(element)
            group = found.get(key) if key is not None else None
            if group is None:
                groups.append(group := [])
                if key is not None:
                    found[key] = group
            group.append(element)
        settle = _SETTLES[self.collisions]
        return [_united(group, settle) if len(group) > 1 else group[0] for group in groups]

    def _key(self, element: Any) -> Hashable | None:
        key = self.key(element) if isinstance(element, dict) else None
        # Python takes `true` for 1, which JSON does not.
        return (isinstance(key, bool), key) if isinstance(key, str | int | float) else None


@dataclass(frozen=True, slots=True)
class Prefer:
    """The first value that is not null. It looks into none of them, and asks for none behind that one."""

    def __call__(self, values: Iterable[Any]) -> Any:
        """That value, null where there is none."""
        return next((value for value in values if not is_null(value)), None)


Strategy: TypeAlias = Shallow | Deep | Concat | Keyed | Prefer


@dataclass(frozen=True, slots=True)
class Merge:
    """A part of an answer that is made of several others."""

    parts: tuple[Any, ...]
    """Templates, in the order in which they count."""

    how: Strategy

    @property
    def looks_inside(self) -> bool:
        """The values of its parts are taken apart, so that they have to be decoded."""
        return not isinstance(self.how, Prefer)

    def __call__(self, values: Iterable[Any]) -> Any:
        """The values of its parts as one. Raises `Unresolved` when they cannot be."""
        try:
            return self.how(values)
        except RecursionError as error:
            raise Unresolved("nested too deeply to be merged") from error


def _present(values: Iterable[Any], kind: type[Value], name: str) -> list[Value]:
    present = [value for value in values if value is not None]
    if not all(isinstance(value, kind) for value in present):
        raise Unresolved(f"a part to merge is not {name}")
    return present


def _united(objects: Iterable[Mapping[str, Any]], settle: Settle) -> dict[str, Any]:
    united: dict[str, Any] = {}
    for one in objects:
        for name, value in one.items():
            united[name] = settle(united[name], value) if name in united else value
    return united


def _alike(one: Any, other: Any) -> Any:
    if not _is_same(one, other):
        raise Unresolved("parts to merge have different values for the same member")
    return one


def _is_same(one: Any, other: Any) -> bool:
    """Equal as JSON has it: members in any order, and `true` is not 1."""
    if isinstance(one, dict) and isinstance(other, dict):
        return one.keys() == other.keys() and all(_is_same(value, other[name]) for name, value in one.items())
    if isinstance(one, list) and isinstance(other, list):
        return len(one) == len(other) and all(map(_is_same, one, other))
    return isinstance(one, bool) is isinstance(other, bool) and bool(one == other)


_SETTLES: Mapping[Collisions, Settle] = {"first": lambda one, _: one, "last": lambda _, other: other, "fail": _alike}

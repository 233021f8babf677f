"""Selections: what a client wants of an answer, as it says in `?fields=user,orders.total`."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, TypeAlias

from gateway.formats.decode import JsonText, decode_json

LONGEST = 100
"""Characters of a name, with those behind its dots."""

MOST = 100
"""Names in a selection."""

DEEPEST = 10
"""Names with dots between them."""

_Tree: TypeAlias = dict[str, "_Tree | None"]
"""Names, each with those below it; None where all is wanted."""


class BadSelection(ValueError):
    """The text is no selection, or not one of this answer; the message does not quote it."""


@dataclass(frozen=True, slots=True)
class Selection:
    """Members that are wanted, and what of each. Two that want the same are equal, however they were written."""

    names: tuple[tuple[str, Selection | None], ...]
    """Sorted; None: all of it."""

    _wanted: Mapping[str, Selection | None] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        """Make the names easy to look up, as every object of a value will."""
        object.__setattr__(self, "_wanted", dict(self.names))

    def __call__(self, value: Any) -> Any:
        """The value with these members and no others; a list's elements each so. What has no members stays as it is.

        Raises `Undecodable` where a text that nobody has looked into before cannot be read, and `RecursionError`.
        """
        if isinstance(value, JsonText):
            value = decode_json(bytes(value))
        if isinstance(value, list):
            return [self(element) for element in value]
        if not isinstance(value, dict):
            return value
        return {name: below(member) if below else member for name, member, below in self.of(value)}

    def of(self, members: Mapping[str, Any]) -> Iterator[tuple[str, Any, Selection | None]]:
        """Those of these members that are wanted, in their own order, and what of each."""
        wanted = self._wanted
        return ((name, member, wanted[name]) for name, member in members.items() if name in wanted)


def parse_selection(text: str) -> Selection:
    """Names with commas between them, and dots before what is wanted of a member. Raises `BadSelection`."""
    texts = text.split(",")
    if len(texts) > MOST:
        raise BadSelection(f"should have {MOST} names at most")
    if max(map(len, texts)) > LONGEST:
        raise BadSelection(f"should be names of {LONGEST} characters at most")
    paths = [name.split(".") for name in texts]
    if not all(all(path) for path in paths):
        raise BadSelection("should be names with commas between them, as in user,orders.total")
    if max(map(len, paths)) > DEEPEST:
        raise BadSelection(f"should have {DEEPEST} names at most with dots between them")
    tree: _Tree = {}
    for path in paths:
        _plant(tree, path)
    return _selection(tree)


def _plant(tree: _Tree, path: list[str]) -> None:
    """Whoever wants all of a member gets it, whatever else is wanted of it."""
    *above, last = path
    for name in above:
        below = tree.setdefault(name, {})
        if below is None:
            return
        tree = below
    tree[last] = None


def _selection(tree: _Tree) -> Selection:
    return Selection(tuple((name, _selection(below) if below else None) for name, below in sorted(tree.items())))

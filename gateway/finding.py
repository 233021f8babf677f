"""Findings: what is wrong with a config, and where it stands."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple, TypeAlias

Path: TypeAlias = tuple[str | int, ...]
"""Where something stands in a config: `("endpoints", 0, "steps", "user", "get")`."""


class Place(NamedTuple):
    """A position in a file, both numbers from 1."""

    line: int
    column: int


@dataclass(frozen=True, slots=True, order=True)
class Finding:
    """One thing that is wrong. Printed as `file:line:column path: what is wrong; and a hint`."""

    file: str
    place: Place
    path: str
    message: str

    def __str__(self) -> str:
        path = f" {self.path}" if self.path else ""
        return f"{self.file}:{self.place.line}:{self.place.column}{path}: {self.message}"


@dataclass(frozen=True, slots=True)
class Source:
    """A config file as read: its data, and where every key and value of it stood."""

    file: str
    tree: Any = field(default=None, repr=False)
    keys: Mapping[Path, Place] = field(default_factory=dict, repr=False)
    values: Mapping[Path, Place] = field(default_factory=dict, repr=False)
    secrets: Mapping[str, str] = field(default_factory=dict, repr=False)
    """Text that came from the environment or a file → how it was written. Only the right side is ever shown."""

    interpolated: frozenset[Path] = frozenset()
    """Values that came, wholly or in part, from outside the file."""

    def finding(self, path: Path, message: str, *, at_key: bool = False) -> Finding:
        """A finding at the value (or the key) of this path, or at the nearest thing around it that stands in the file."""
        return Finding(self.file, self.place(path, at_key=at_key), show(path), self.redact(message))

    def place(self, path: Path, *, at_key: bool = False) -> Place:
        """Where the path stands, or the nearest thing around it."""
        first, second = (self.keys, self.values) if at_key else (self.values, self.keys)
        while path:
            if place := first.get(path) or second.get(path):
                return place
            path = path[:-1]
        return Place(1, 1)

    def at(self, path: Path) -> Any:
        """What the file has at this path, None where there is nothing."""
        return at(self.tree, path)

    def redact(self, text: str) -> str:
        """The text with everything that came from outside the file replaced by how it was written there."""
        for secret, written in sorted(self.secrets.items(), key=lambda item: -len(item[0])):
            text = text.replace(secret, written)
        return text


def at(tree: Any, path: Path) -> Any:
    """What stands at this path in the data, None where there is nothing."""
    for part in path:
        try:
            tree = tree[part]
        except (KeyError, IndexError, TypeError):
            return None
    return tree


def show(path: Path) -> str:
    """`endpoints[0].steps.user.get`."""
    text = ""
    for part in path:
        text += f"[{part}]" if isinstance(part, int) else f".{part}" if text else str(part)
    return text

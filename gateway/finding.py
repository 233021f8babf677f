"""Findings: what is wrong with a config, and where it stands."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple, TypeAlias
from urllib.parse import urlsplit

from gateway.redaction import LONG, is_secret_name, put_in_place

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


class Piece(NamedTuple):
    """A part of a value: the file's own text, or text that came from outside in place of what was written there."""

    text: str
    written: str | None = None
    """`${VAR}`; None when it is the file's own text."""

    @property
    def shown(self) -> str:
        """What may be shown of it."""
        return self.text if self.written is None else self.written


class Origin(NamedTuple):
    """Where an endpoint stands that is written as a class: in a file of its own, under its own name."""

    file: str
    name: str


@dataclass(frozen=True, slots=True)
class Source:
    """A config as read: its data, and where every key and value of it stood."""

    file: str
    tree: Any = field(default=None, repr=False)
    keys: Mapping[Path, Place] = field(default_factory=dict, repr=False)
    values: Mapping[Path, Place] = field(default_factory=dict, repr=False)
    outside: Mapping[Path, tuple[Piece, ...]] = field(default_factory=dict, repr=False)
    """Values that came, wholly or in part, from the environment or another file. Only how they were written is ever shown."""

    meant: dict[Path, Path] = field(default_factory=dict, repr=False)
    """A misspelt key as it was surely meant → as it was written, so that one slip is not followed by complaints about a lack."""

    origins: Mapping[Path, Origin] = field(default_factory=dict, repr=False)
    """The endpoints that stand in other files, by their path."""

    def finding(self, path: Path, message: str, *, at_key: bool = False) -> Finding:
        """A finding at the value (or the key) of this path, or at the nearest thing around it that stands in the file."""
        origin = self.origins.get(path[:2])
        file = origin.file if origin else self.file
        return Finding(file, self.place(path, at_key=at_key), self.shown(path), self.redact(message, path))

    def shown(self, path: Path) -> str:
        """The path as its author knows it: `endpoints[0].steps.user.get`, or `Home.user.get` in a class, whose fields are its steps."""
        path = self.written(path)
        if origin := self.origins.get(path[:2]):
            path = (origin.name, *path[3 if path[2:3] == ("steps",) else 2 :])
        return show(path)

    def place(self, path: Path, *, at_key: bool = False) -> Place:
        """Where the path stands, or the nearest thing around it."""
        first, second = (self.keys, self.values) if at_key else (self.values, self.keys)
        path = self.written(path)
        while path and path not in first and path not in second:
            path = path[:-1]
        return first.get(path) or second.get(path) or Place(1, 1)

    def at(self, path: Path) -> Any:
        """What the file has at this path, None where there is nothing."""
        return at(self.tree, self.written(path))

    def written(self, path: Path) -> Path:
        """The path with every key as it stands in the file."""
        for end in range(len(path), 0, -1):
            path = (*self.meant.get(path[:end], path[:end]), *path[end:])
        return path

    def redact(self, text: str, path: Path = ()) -> str:
        """The text with what came from outside, at this path or below, replaced by how it was written.

        A short value is replaced only where it is quoted as a whole: `s` must not garble every word with an s in it.
        """
        path, shown = self.written(path), dict[str, str]()
        for place, pieces in self.outside.items():
            if place[: len(path)] == path:
                shown |= {piece.text: piece.shown for piece in pieces if len(piece.text) >= LONG}
                shown[repr("".join(piece.text for piece in pieces))] = repr("".join(piece.shown for piece in pieces))
        return put_in_place(text, shown)

    def secrets(self) -> dict[str, str]:
        """What came from outside and is nobody's business, by how it was written.

        That is what is sent in headers, queries and bodies; what stands in a URL before its host or in its query; and whatever comes from a
        file, or from a variable whose name says so. Where an upstream is, and how long one may take, is no secret.
        """
        found: dict[str, str] = {}
        for path, pieces in self.outside.items():
            is_sent = not {"headers", "query", "body"}.isdisjoint(path)
            for piece in pieces:
                if piece.written is None or piece.written.endswith(f":-{piece.text}}}"):
                    continue  # the file itself has it
                is_said = piece.written.startswith("${file:") or _names_a_secret(piece.written[2:-1].partition(":")[0])
                for secret in [piece.text] if is_sent or is_said else _secrets_in_url(piece.text):
                    found[secret] = piece.written
        return found

    def redacted(self, value: Any) -> Any:
        """Every text in a structure redacted. In its JSON it would be too late: there texts are escaped, and keys are text too."""
        if isinstance(value, dict):
            return {key: self.redacted(child) for key, child in value.items()}
        if isinstance(value, list):
            return [self.redacted(child) for child in value]
        if not isinstance(value, str):
            return value
        if (told := self.redact(value)) != value:
            return told
        # As in a finding, what is short is taken for a value from outside only where it is quoted as a whole.
        quoted = repr(value)
        return told[1:-1] if (told := self.redact(quoted)) != quoted else value


def _names_a_secret(variable: str) -> bool:
    return is_secret_name(variable) or "KEY" in variable.upper().split("_")


def _secrets_in_url(text: str) -> list[str]:
    try:
        url = urlsplit(text)
    except ValueError:
        return []
    return [part for part in (url.password, url.query) if url.scheme and part]


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

"""Named schemas: those that a `$ref` leads to, in whatever document it stands, as components of our own document."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from itertools import chain, count
from typing import Any
from urllib.parse import unquote

from gateway.openapi.dialect import translate
from gateway.openapi.schema import ANY, Schema

COMPONENTS = "#/components/schemas/"

_NOT_IN_A_NAME = re.compile(r"[^A-Za-z0-9._-]+")


@dataclass(frozen=True, slots=True)
class Source:
    """A document that schemas stand in."""

    tree: Any = field(repr=False)
    prefix: str = ""
    """What the names of its schemas begin with."""

    nullable: bool = False
    """It is written as OpenAPI 3.0 has it."""

    def at(self, pointer: str) -> Any:
        """What a reference of its own (`#/components/schemas/User`) leads to; None where it leads nowhere, or out of it."""
        if not pointer.startswith("#/"):
            return None
        found = self.tree
        for part in pointer[2:].split("/"):
            name = unquote(part).replace("~1", "/").replace("~0", "~")
            if isinstance(found, list):
                found = dict(enumerate(found)).get(int(name)) if name.isdecimal() else None
            else:
                found = found.get(name) if isinstance(found, dict) else None
        return found


class ComponentsState:
    """The components of one document, collected while it is made. `taken` are names that it has already."""

    def __init__(self, taken: Iterator[str] | tuple[str, ...] = ()) -> None:
        self._names: dict[tuple[str, str], str] = {}
        self._written: dict[str, tuple[Source, str]] = {}
        self._schemas: dict[str, Schema] = {}
        self._taken = frozenset(taken)

    def read(self, written: Any, source: Source) -> Schema:
        """A schema that stands in this document, in our words and with references to our components."""
        return translate(written, lambda pointer: self._refer(pointer, source), nullable=source.nullable)

    def resolve(self, ref: str) -> Schema:
        """What a reference to one of our components leads to."""
        name = ref.removeprefix(COMPONENTS)
        if name not in self._schemas:
            source, pointer = self._written[name]
            self._schemas[name] = self.read(source.at(pointer), source)
        return self._schemas[name]

    def used_in(self, document: Any) -> dict[str, Schema]:
        """Every component that is named in the document, or in a component that is."""
        found: dict[str, Schema] = {}
        left = list(_references(document))
        while left:
            name = left.pop().removeprefix(COMPONENTS)
            if name in self._written and name not in found:
                found[name] = self.resolve(name)
                left += _references(found[name])
        return dict(sorted(found.items()))

    def _refer(self, pointer: Any, source: Source) -> Schema:
        if not isinstance(pointer, str) or source.at(pointer) is None:
            return ANY
        # Types repeat what they name in each of their schemas: it is the same component where all of it is the same.
        origin = source.prefix or repr(_closure(pointer, source))
        if (name := self._names.get((origin, pointer))) is None:
            name = self._names[origin, pointer] = self._new_name(pointer, source)
            self._written[name] = source, pointer
        return {"$ref": COMPONENTS + name}

    def _new_name(self, pointer: str, source: Source) -> str:
        parts = unquote(pointer).removeprefix(COMPONENTS).removeprefix("#/$defs/").removeprefix("#/")
        plain = source.prefix + (_NOT_IN_A_NAME.sub("_", parts).strip("_") or "schema")
        names = chain([plain], (f"{plain}{number}" for number in count(2)))
        return next(name for name in names if name not in self._written and name not in self._taken)


def _closure(pointer: str, source: Source) -> Mapping[str, Any]:
    """What a reference leads to, and everything that it leads to in turn."""
    found: dict[str, Any] = {}
    left = [pointer]
    while left:
        if (pointer := left.pop()) not in found:
            found[pointer] = source.at(pointer)
            left += _references(found[pointer])
    return dict(sorted(found.items()))


def _references(node: Any) -> Iterator[str]:
    if isinstance(node, dict):
        if isinstance(ref := node.get("$ref"), str):
            yield ref
        node = list(node.values())
    if isinstance(node, list):
        for child in node:
            yield from _references(child)

"""Text → data, keeping the place of every key and value: YAML 1.2, `${VAR}` resolved, every problem collected.

PyYAML's own construction is not used: it reads YAML 1.1 (`no` is False, `12:30` is 750) and lets the last of two equal keys win.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path as FilePath
from typing import Any

import yaml

from gateway.errors import ConfigError
from gateway.finding import Finding, Path, Piece, Place, show
from gateway.load.nodes import NotYaml, compose, resolve
from gateway.load.nodes import place as place_of

LARGEST = 1024**2
"""Characters a config may have."""

MOST_NODES = 100_000
"""Keys and values a config may have once aliases are followed: a few aliases of aliases are more than any memory."""

DEEPEST = 50

_VARIABLE = re.compile(r"\$\$\{|\$\{(?:file:(?P<file>[^}]+)|(?P<name>[A-Za-z_][A-Za-z0-9_]*)(?::-(?P<default>[^}]*))?)\}|\$\{")

_TAGS = frozenset(("str", "int", "float", "bool", "null", "map", "seq", "timestamp", "merge", "value"))
"""What PyYAML gives to nodes without a tag."""


@dataclass(slots=True)
class Reader:
    """One pass over the nodes of a document."""

    file: str
    environ: Mapping[str, str]
    keys: dict[Path, Place] = field(default_factory=dict)
    values: dict[Path, Place] = field(default_factory=dict)
    outside: dict[Path, tuple[Piece, ...]] = field(default_factory=dict)
    problems: list[Finding] = field(default_factory=list)
    nodes: int = 0

    def read(self, text: str) -> Any:
        """The data of the document. Raises `ConfigError` when it is no YAML at all."""
        if len(text) > LARGEST:
            raise self._refuse(Place(1, 1), f"larger than {LARGEST} characters")
        try:
            root = compose(text, DEEPEST)
        except NotYaml as error:
            raise self._refuse(error.place, str(error)) from error
        if root is None or root.value == "":
            raise self._refuse(Place(1, 1), "nothing is written here; a config has 'version', 'upstreams' and 'endpoints'")
        return self._value(root, ())

    def _problem(self, place: Place, path: Path, message: str) -> None:
        self.problems.append(Finding(self.file, place, show(path), message))

    def _refuse(self, place: Place, message: str) -> ConfigError:
        return ConfigError([Finding(self.file, place, "", message)])

    def _value(self, node: yaml.Node, path: Path) -> Any:
        place = self.values[path] = place_of(node.start_mark)
        self.nodes += 1
        if self.nodes > MOST_NODES:
            raise self._refuse(place, f"more than {MOST_NODES} values, aliases followed")
        if len(path) > DEEPEST:
            raise self._refuse(place, f"nested deeper than {DEEPEST}; is an alias inside itself?")
        if (tag := node.tag.replace("tag:yaml.org,2002:", "!!")).removeprefix("!!") not in _TAGS:
            self._problem(place, path, f"unknown tag {tag}; a config is plain YAML")
        if isinstance(node, yaml.MappingNode):
            return self._mapping(node, path)
        if isinstance(node, yaml.SequenceNode):
            return [self._value(child, (*path, index)) for index, child in enumerate(node.value)]
        assert isinstance(node, yaml.ScalarNode)
        return self._scalar(node, path)

    def _mapping(self, node: yaml.MappingNode, path: Path) -> dict[str, Any]:
        mapping: dict[str, Any] = {}
        for key, child in self._pairs(node, path):
            place, below = place_of(key.start_mark), (*path, key.value)
            if key.value in mapping:
                first = self.keys[below]
                self._problem(place, below, f"duplicate key {key.value!r}; it stands at line {first.line} too")
                continue
            self.keys[below] = place
            mapping[key.value] = self._value(child, below)
        return mapping

    def _pairs(self, node: yaml.MappingNode, path: Path) -> list[tuple[yaml.ScalarNode, yaml.Node]]:
        """Keys and values. A merge is reported and yet done, or else what it brings would be missed on top of that."""
        pairs: list[tuple[yaml.ScalarNode, yaml.Node]] = []
        merged: list[tuple[yaml.Node, yaml.Node]] = []
        for key, child in node.value:
            if isinstance(key, yaml.ScalarNode) and key.value != "<<":
                pairs.append((key, child))
            elif isinstance(key, yaml.ScalarNode):
                self._problem(place_of(key.start_mark), path, "merge keys (<<) are not part of YAML 1.2; write out what is meant")
                merged = child.value if isinstance(child, yaml.MappingNode) else []
            else:
                self._problem(place_of(key.start_mark), path, "a key must be plain text")
        own = {key.value for key, _ in pairs}
        return pairs + [(key, child) for key, child in merged if isinstance(key, yaml.ScalarNode) and key.value not in own]

    def _scalar(self, node: yaml.ScalarNode, path: Path) -> Any:
        pieces = tuple(self._pieces(node.value, path))
        text = "".join(piece.text for piece in pieces)
        if any(piece.written for piece in pieces):
            # What came from outside stays text: a key such as 12345 must not become a number. Fields that want one convert it.
            self.outside[path] = pieces
            return text
        return text if node.style else resolve(text)

    def _pieces(self, text: str, path: Path) -> Iterator[Piece]:
        end = 0
        for match in _VARIABLE.finditer(text):
            yield Piece(text[end : match.start()])
            yield Piece("${") if match[0] == "$${" else Piece(self._look_up(match, path), match[0])
            end = match.end()
        yield Piece(text[end:])

    def _look_up(self, match: re.Match[str], path: Path) -> str:
        if name := match["name"]:
            if value := self.environ.get(name) or match["default"]:
                return value
            if match["default"] is None and name not in self.environ:
                self._problem(
                    self.values[path], path, f"the environment has no {name}; set it, or write a default: ${{{name}:-…}}"
                )
        elif file := match["file"]:
            try:
                return FilePath(file).read_text(encoding="utf-8").rstrip("\r\n")
            except (OSError, ValueError):
                self._problem(self.values[path], path, f"cannot read the file {file}")
        else:
            self._problem(
                self.values[path],
                path,
                "a '${' that is none of ${VAR}, ${VAR:-default}, ${file:/path}; write $${ for the text itself",
            )
        return ""

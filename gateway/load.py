"""Text → spec, keeping the place of every key: YAML 1.2, `${VAR}` resolved, every problem collected.

PyYAML's own construction is not used: it reads YAML 1.1 (`no` is False, `12:30` is 750) and lets the last of two equal keys win. Only
its composer is, which gives nodes with their places.
"""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from copy import deepcopy
from dataclasses import dataclass, field
from pathlib import Path as FilePath
from types import NoneType, UnionType
from typing import Any, Union, get_args, get_origin

import yaml
from pydantic import BaseModel, ValidationError

from gateway.errors import ConfigError, StartError
from gateway.finding import Finding, Path, Place, Source, at, show
from gateway.reference import did_you_mean
from gateway.spec import GatewaySpec

LARGEST = 1024**2
"""Characters a config may have."""

MOST_NODES = 100_000
"""Keys and values a config may have once aliases are followed: a few aliases of aliases are more than any memory."""

DEEPEST = 50

_ROUNDS = 50
_GONE = object()

_VARIABLE = re.compile(r"\$\$\{|\$\{(?:file:(?P<file>[^}]+)|(?P<name>[A-Za-z_][A-Za-z0-9_]*)(?::-(?P<default>[^}]*))?)\}|\$\{")

_INTEGER = re.compile(r"[-+]?[0-9]+|0o[0-7]+|0x[0-9a-fA-F]+")
_FLOAT = re.compile(r"[-+]?(?:\.[0-9]+|[0-9]+(?:\.[0-9]*)?)(?:[eE][-+]?[0-9]+)?")
_WORDS: Mapping[str, bool | None] = {
    **dict.fromkeys(("", "~", "null", "Null", "NULL"), None),
    **dict.fromkeys(("true", "True", "TRUE"), True),
    **dict.fromkeys(("false", "False", "FALSE"), False),
}


@dataclass(frozen=True, slots=True)
class Loaded:
    """A config as far as it could be read."""

    source: Source
    spec: GatewaySpec | None
    """None when it could not be read at all; without the parts that are wrong when `findings` says so."""

    findings: tuple[Finding, ...] = ()
    endpoints: tuple[int, ...] = ()
    """For each endpoint of the spec its index in the file, where a wrong one before it may have been left out."""


def load_file(file: str | FilePath) -> Loaded:
    """Read a config file. Raises `StartError` when there is no such file to read."""
    try:
        text = FilePath(file).read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        reason = getattr(error, "strerror", None) or "not UTF-8 text"
        raise StartError(f"cannot read the config {file}: {reason}") from error
    return load_text(text, str(file))


def load_text(text: str, file: str = "<text>", environ: Mapping[str, str] = os.environ) -> Loaded:
    """Read a config. Whatever is wrong with it is in the `findings` of what comes back."""
    reader = _Reader(file, environ)
    try:
        tree = reader.read(text)
    except ConfigError as error:
        return Loaded(Source(file), None, tuple(reader.problems) + error.findings)
    source = Source(file, tree, reader.keys, reader.values, reader.secrets, frozenset(reader.interpolated))
    spec, wrong, kept = _validate(source)
    return Loaded(source, spec, (*reader.problems, *wrong), kept)


@dataclass(slots=True)
class _Reader:
    """One pass over the nodes of a document."""

    file: str
    environ: Mapping[str, str]
    keys: dict[Path, Place] = field(default_factory=dict)
    values: dict[Path, Place] = field(default_factory=dict)
    secrets: dict[str, str] = field(default_factory=dict)
    interpolated: set[Path] = field(default_factory=set)
    problems: list[Finding] = field(default_factory=list)
    nodes: int = 0

    def read(self, text: str) -> Any:
        """The data of the document. Raises `ConfigError` when it is no YAML at all."""
        if len(text) > LARGEST:
            raise self._refuse(Place(1, 1), f"larger than {LARGEST} characters")
        try:
            # yaml.compose is untyped in the C loader's stubs.
            root = yaml.compose(text, Loader=getattr(yaml, "CSafeLoader", yaml.SafeLoader))
        except yaml.MarkedYAMLError as error:
            mark = error.problem_mark or error.context_mark
            place = Place(mark.line + 1, mark.column + 1) if mark else Place(1, 1)
            raise self._refuse(place, f"not YAML: {error.problem or error.context}") from error
        except (yaml.YAMLError, RecursionError) as error:
            raise self._refuse(Place(1, 1), "not YAML: a character that YAML does not allow, or nested too deeply") from error
        return self._value(root, ()) if root else {}

    def _problem(self, place: Place, path: Path, message: str) -> None:
        self.problems.append(Finding(self.file, place, show(path), message))

    def _refuse(self, place: Place, message: str) -> ConfigError:
        return ConfigError([Finding(self.file, place, "", message)])

    def _value(self, node: yaml.Node, path: Path) -> Any:
        place = Place(node.start_mark.line + 1, node.start_mark.column + 1)
        self.values[path] = place
        self.nodes += 1
        if self.nodes > MOST_NODES or len(path) > DEEPEST:
            raise self._refuse(
                place, f"more than {MOST_NODES} values, or nested deeper than {DEEPEST}; is an alias inside itself?"
            )
        if isinstance(node, yaml.MappingNode):
            return self._mapping(node, path)
        if isinstance(node, yaml.SequenceNode):
            return [self._value(child, (*path, index)) for index, child in enumerate(node.value)]
        assert isinstance(node, yaml.ScalarNode)
        return self._scalar(node, path)

    def _mapping(self, node: yaml.MappingNode, path: Path) -> dict[str, Any]:
        mapping: dict[str, Any] = {}
        for key, child in node.value:
            if not isinstance(key, yaml.ScalarNode) or key.value == "<<":
                place = Place(key.start_mark.line + 1, key.start_mark.column + 1)
                self._problem(place, path, "a key must be plain text; merge keys (<<) are not part of YAML 1.2")
                continue
            place = Place(key.start_mark.line + 1, key.start_mark.column + 1)
            below = (*path, key.value)
            if key.value in mapping:
                first = self.keys[below]
                self._problem(place, below, f"duplicate key {key.value!r}; it stands at line {first.line} too")
                continue
            self.keys[below] = place
            mapping[key.value] = self._value(child, below)
        return mapping

    def _scalar(self, node: yaml.ScalarNode, path: Path) -> Any:
        if not node.tag.startswith("tag:yaml.org,2002:"):
            self._problem(self.values[path], path, f"unknown tag {node.tag}")
        text = self._interpolate(node.value, path)
        # What came from outside stays text: a key such as 12345 must not become a number. Fields that want one convert it.
        return text if node.style or path in self.interpolated else _resolve(text)

    def _interpolate(self, text: str, path: Path) -> str:
        def replace(match: re.Match[str]) -> str:
            if match[0] == "$${":
                return "${"
            value = self._look_up(match, path)
            self.interpolated.add(path)
            if value and value != match["default"]:
                self.secrets[value] = match[0]
            return value

        return _VARIABLE.sub(replace, text)

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
                return FilePath(file).read_text(encoding="utf-8").strip()
            except (OSError, UnicodeDecodeError):
                self._problem(self.values[path], path, f"cannot read the file {file}")
        else:
            self._problem(
                self.values[path],
                path,
                "a '${' that is none of ${VAR}, ${VAR:-default}, ${file:/path}; write $${ for the text itself",
            )
        return ""


def _resolve(text: str) -> Any:
    """A plain scalar by the core schema of YAML 1.2."""
    if text in _WORDS:
        return _WORDS[text]
    if _INTEGER.fullmatch(text):
        return int(text, 0) if text[:2] in ("0o", "0x") else int(text)
    if _FLOAT.fullmatch(text):
        return float(text)
    return text


def _validate(source: Source) -> tuple[GatewaySpec | None, list[Finding], tuple[int, ...]]:
    """The spec, what is wrong with the data, and which endpoints are left.

    What is wrong is taken out and the rest tried again, so that one wrong type does not hide an unknown upstream elsewhere. Only the
    first round reports: what is found after that follows from what was taken out.
    """
    tree = deepcopy(source.tree)
    findings: list[Finding] = []
    for attempt in range(_ROUNDS):
        view, kept = _without_gone(tree)
        try:
            return GatewaySpec.model_validate(view), findings, kept
        except ValidationError as error:
            for problem in error.errors(include_url=False, include_input=False):
                path = _original(problem["loc"], kept)
                if attempt == 0:
                    findings.append(_finding(source, path, problem))
                if not _take_out(tree, path, source.tree):
                    return None, findings, ()
    return None, findings, ()


def _without_gone(tree: Any) -> tuple[Any, tuple[int, ...]]:
    """The data without the endpoints that were taken out, and the indices of those left."""
    endpoints = tree.get("endpoints") if isinstance(tree, dict) else None
    if not isinstance(endpoints, list):
        return tree, ()
    kept = tuple(index for index, endpoint in enumerate(endpoints) if endpoint is not _GONE)
    return {**tree, "endpoints": [endpoints[index] for index in kept]}, kept


def _original(loc: Path, kept: tuple[int, ...]) -> Path:
    """A location pydantic speaks of as a path in the file."""
    if len(loc) > 1 and loc[0] == "endpoints" and isinstance(loc[1], int):
        loc = ("endpoints", kept[loc[1]], *loc[2:])
    return tuple(part for part in loc if part != "[key]")


def _take_out(tree: Any, path: Path, original: Any) -> bool:
    """Remove the smallest thing that holds the problem; False when nothing can be left."""
    if path == ("version",):
        tree["version"] = 1
        return isinstance(original, dict)
    while path:
        parent = at(tree, path[:-1])
        if isinstance(parent, dict) and path[-1] in parent:
            del parent[path[-1]]
            return True
        if isinstance(parent, list) and path[:-1] == ("endpoints",):
            parent[int(path[1])] = _GONE
            return True
        path = path[:-1]
    return False


def _finding(source: Source, path: Path, problem: Mapping[str, Any]) -> Finding:
    name = str(path[-1]) if path else "config"
    if problem["type"] == "extra_forbidden":
        hint = did_you_mean(name, _known_keys(path[:-1]))
        return source.finding(path, f"unknown key {name!r}{hint}", at_key=True)
    if problem["type"] == "missing":
        return source.finding(path, f"{name!r} is required here", at_key=True)
    if problem["type"] == "string_pattern_mismatch" and "[key]" in problem["loc"]:
        return source.finding(path, "a name has only letters, digits and underscores, and no digit first", at_key=True)
    message = problem["msg"].removeprefix("Input should be ").removeprefix("Value error, ")
    return source.finding(path, f"should be {message}" if message != problem["msg"] else message)


def _known_keys(path: Path) -> list[str]:
    """The keys that the spec knows at this path."""
    kind: Any = GatewaySpec
    for part in path:
        if isinstance(kind, type) and issubclass(kind, BaseModel):
            fields = {info.alias or name: info.annotation for name, info in kind.model_fields.items()}
            kind = _not_none(fields.get(str(part)))
        else:
            kind = _not_none(next((argument for argument in reversed(get_args(kind)) if argument is not Ellipsis), None))
    return [info.alias or name for name, info in getattr(kind, "model_fields", {}).items()]


def _not_none(annotation: Any) -> Any:
    """`Model | None` as `Model`."""
    if isinstance(annotation, UnionType) or get_origin(annotation) is Union:
        return next(argument for argument in get_args(annotation) if argument is not NoneType)
    return annotation

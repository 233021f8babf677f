"""Data → spec: what the spec does not allow is reported, all of it, and taken out."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from copy import deepcopy
from difflib import get_close_matches
from typing import Any, TypeAlias

from pydantic import ValidationError

from gateway.expressions.reference import did_you_mean
from gateway.finding import Finding, Path, Source, at
from gateway.spec import CHARACTERS, GatewaySpec, known_keys

_GONE = object()
_WITHOUT: Mapping[Path, Any] = {("version",): 1, ("endpoints",): []}
"""What stands in for a part that no spec can be without."""

_MESSAGES = {
    "model": "should be keys with their values",
    "dict": "should be keys with their values",
    "tuple": "should be a list, as in [a, b]",
    "string_type": "should be text; write it in quotes",
    "int_": "should be a whole number",
    "float_": "should be a number",
    "bool_": "should be true or false",
    "too_short": "should not be empty",
}
"""Beginnings of pydantic's error types, and what we say for them in the words of YAML."""

_RENAMED: Mapping[Path, str] = {("cache_size",): "it is 'cache: {size: …}' now"}
"""Keys that earlier versions had, and what is written in their place."""

Validated: TypeAlias = tuple[GatewaySpec | None, tuple[Finding, ...], tuple[int, ...]]
"""The spec without the parts that are wrong, if there can be one; the findings; for each endpoint of the spec its index in the data."""


def validate(source: Source, problems: Sequence[Finding]) -> Validated:
    """The spec, and what is wrong with the data besides the `problems` that reading found.

    What is wrong is taken out and the rest tried again, so that one wrong type does not hide an unknown upstream elsewhere. Only the
    round after all misspelt keys are put right reports: what is found after it follows from what was taken out.
    """
    tree = source.tree
    findings = list(problems)
    reports = True
    while True:  # each round leaves less that can be wrong
        view, kept = _without_gone(tree)
        try:
            return GatewaySpec.model_validate(view), tuple(findings), kept
        except ValidationError as error:
            wrong = [(_original(one["loc"], kept), one) for one in error.errors(include_url=False, include_input=False)]
        if tree is source.tree:
            tree = deepcopy(tree)
        if misspelt := list(_misspelt(tree, wrong)):
            findings += [_finding(source, path, one) for path, one, _ in misspelt]
            for path, _, meant in misspelt:
                _put_right(tree, path, meant, source)
            continue
        told = {finding.path for finding in findings}
        findings += [_finding(source, path, one) for path, one in wrong if reports and source.shown(path) not in told]
        reports = False
        parts = dict.fromkeys(_smallest(tree, path) for path, _ in wrong)
        if () in parts:
            return None, tuple(findings), ()
        for part in parts:
            _take_out(tree, part)


def _misspelt(tree: Any, wrong: Sequence[tuple[Path, Any]]) -> Iterator[tuple[Path, Any, str]]:
    """Unknown keys that resemble a known one which is not there, and that one."""
    for path, one in wrong:
        if one["type"] == "extra_forbidden" and path not in _RENAMED:
            meant = get_close_matches(str(path[-1]), known_keys(path[:-1]), n=1)
            if meant and meant[0] not in at(tree, path[:-1]):
                yield path, one, meant[0]


def _put_right(tree: Any, path: Path, meant: str, source: Source) -> None:
    """Give a misspelt key its right name, and remember how it was written. Of two that mean the same the first counts."""
    parent = at(tree, path[:-1])
    value = parent.pop(path[-1])
    if meant not in parent:
        parent[meant] = value
        source.meant[(*path[:-1], meant)] = path


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
    return tuple(part for part in loc if part not in ("[key]", "[call]", "[value]"))


def _smallest(tree: Any, path: Path) -> Path:
    """The smallest thing that holds the problem and can be left out; empty when there is none."""
    while path:
        parent = at(tree, path[:-1])
        if path in _WITHOUT or path[:-1] == ("endpoints",) or (isinstance(parent, dict) and path[-1] in parent):
            return path
        path = path[:-1]
    return path


def _take_out(tree: Any, path: Path) -> None:
    parent = at(tree, path[:-1])
    if path in _WITHOUT:
        parent[path[-1]] = _WITHOUT[path]
    elif isinstance(parent, list):
        parent[int(path[-1])] = _GONE
    elif isinstance(parent, dict):  # else it went with something around it
        parent.pop(path[-1], None)


def _finding(source: Source, path: Path, problem: Mapping[str, Any]) -> Finding:
    kind, at_key = problem["type"], "[key]" in problem["loc"]
    name = str(path[-1]) if path else "config"
    if kind == "extra_forbidden":
        hint = f"; {_RENAMED[path]}" if path in _RENAMED else did_you_mean(name, known_keys(path[:-1]))
        return source.finding(path, f"unknown key {name!r}{hint}", at_key=True)
    if kind == "missing":
        return source.finding(path, f"{name!r} is required here", at_key=True)
    if kind == "string_pattern_mismatch":
        return source.finding(path, CHARACTERS[problem["ctx"]["pattern"]], at_key=at_key)
    if kind == "string_type" and isinstance(source.at(path), dict):
        return source.finding(path, "should be text; quote it, since a brace begins a mapping in YAML")
    return source.finding(path, in_words(problem), at_key=at_key)


def in_words(problem: Mapping[str, Any]) -> str:
    """What pydantic says of a value, in the words of YAML."""
    message = next((ours for start, ours in _MESSAGES.items() if problem["type"].startswith(start)), None) or problem["msg"]
    return re.sub(r"^(Input|String|Value error,) ", "", message)

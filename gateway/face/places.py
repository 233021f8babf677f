"""Where the parts of a class stand in its file, by the paths that they have in a config."""

from __future__ import annotations

import ast
import linecache
import sys
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path as FilePath
from typing import NamedTuple

from gateway.finding import Path, Place
from gateway.spec import METHODS

_BETWEEN = frozenset(("pydantic", "abc", "gateway"))
"""Packages whose frames stand between a class statement and the hook that it calls."""


class Statement(NamedTuple):
    """A class statement: its file, the line at which it began to run, and the name of the class."""

    file: str
    line: int
    name: str


@dataclass(frozen=True, slots=True)
class Places:
    """Where every key and value of a class stands, as far as its file can be read."""

    keys: dict[Path, Place] = field(default_factory=dict)
    values: dict[Path, Place] = field(default_factory=dict)


def running_statement(name: str) -> Statement:
    """The class statement that is being run, asked from the hook of its class."""
    frame = sys._getframe(1)
    while frame.f_back and str(frame.f_globals.get("__name__")).partition(".")[0] in _BETWEEN:
        frame = frame.f_back
    return Statement(frame.f_code.co_filename, frame.f_lineno, name)


def shown_file(file: str) -> str:
    """The file as it would be named from here."""
    here = FilePath.cwd()
    return str(FilePath(file).relative_to(here)) if FilePath(file).is_relative_to(here) else file


def find_places(statement: Statement) -> Places:
    """Where the parts stand; of a file that cannot be read, or is no Python, only the statement itself."""
    found = Places({(): Place(statement.line, 1)})
    lines = linecache.getlines(statement.file)
    try:
        module = ast.parse("".join(lines))
    except (SyntaxError, ValueError):
        return found
    classes = (node for node in ast.walk(module) if isinstance(node, ast.ClassDef) and node.name == statement.name)
    if node := next((node for node in classes if _covers(node, statement.line)), None):
        _Reader(lines, found).read(node)
    return found


def _covers(node: ast.ClassDef, line: int) -> bool:
    first = min([node.lineno, *(decorator.lineno for decorator in node.decorator_list)])
    return first <= line <= (node.end_lineno or node.lineno)


@dataclass(frozen=True, slots=True)
class _Reader:
    lines: list[str]
    places: Places

    def read(self, node: ast.ClassDef) -> None:
        self.places.keys[()] = self._place(node)
        self._keywords(node.keywords, ())
        for statement in node.body:
            if isinstance(statement, ast.FunctionDef | ast.AsyncFunctionDef):
                self.places.keys[statement.name,] = self._place(statement)
            elif isinstance(statement, ast.AnnAssign) and isinstance(statement.target, ast.Name):
                path: Path = ("steps", statement.target.id)
                self.places.keys[path] = self._place(statement.target)
                if isinstance(statement.value, ast.Call):
                    self._step(statement.value, path)

    def _step(self, call: ast.Call, path: Path) -> None:
        self.places.values[path] = self._place(call)
        named = call.func.attr if isinstance(call.func, ast.Attribute) else ""
        for target in call.args[:1]:
            self.places.values[*path, named if named in METHODS else METHODS[0]] = self._place(target)
        self._keywords(call.keywords, path)

    def _keywords(self, keywords: Iterable[ast.keyword], path: Path) -> None:
        for keyword in keywords:
            if keyword.arg:
                self.places.keys[*path, keyword.arg] = self._place(keyword)
                self._value(keyword.value, (*path, keyword.arg))

    def _value(self, node: ast.expr, path: Path) -> None:
        self.places.values[path] = self._place(node)
        if isinstance(node, ast.Dict):
            for key, child in zip(node.keys, node.values, strict=True):
                if isinstance(key, ast.Constant):
                    self.places.keys[*path, str(key.value)] = self._place(key)
                    self._value(child, (*path, str(key.value)))
        elif isinstance(node, ast.List | ast.Tuple):
            for index, child in enumerate(node.elts):
                self._value(child, (*path, index))

    def _place(self, node: ast.stmt | ast.expr | ast.keyword) -> Place:
        # Python counts columns in bytes.
        before = self.lines[node.lineno - 1].encode()[: node.col_offset]
        return Place(node.lineno, len(before.decode(errors="replace")) + 1)

"""Which endpoint a path leads to: a tree of segments for each method, so that the thousandth endpoint costs what the first does."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Generic, TypeVar

Goal = TypeVar("Goal")


@dataclass(slots=True)
class _Node(Generic[Goal]):
    """What may follow the segments so far."""

    plain: dict[str, _Node[Goal]] = field(default_factory=dict)
    parameter: _Node[Goal] | None = None
    end: tuple[Goal, tuple[tuple[str, int], ...]] | None = None
    """Where the path ends here: what it leads to, and for each of its parameters which segment it is."""


class Paths(Generic[Goal]):
    """Methods and paths, such as `GET` and `/users/{id}`, each leading to a goal."""

    def __init__(self, entries: Iterable[tuple[str, str, Goal]]) -> None:
        self._trees: dict[str, _Node[Goal]] = {}
        for method, path, goal in entries:
            node = self._trees.setdefault(method, _Node())
            segments = path.split("/")[1:]
            for segment in segments:
                if segment.startswith("{"):
                    node.parameter = node = node.parameter or _Node()
                else:
                    node = node.plain.setdefault(segment, _Node())
            node.end = goal, tuple((one[1:-1], index) for index, one in enumerate(segments) if one.startswith("{"))

    def find(self, method: str, path: str) -> tuple[Goal, dict[str, str]] | None:
        """The goal of a path and its parameters. Plain text comes before a parameter, segment by segment."""
        root, *segments = path.split("/")
        tree = self._trees.get(method)
        ways = [(tree, 0)] if tree and not root else []
        while ways:
            node, depth = ways.pop()
            if depth < len(segments):
                segment = segments[depth]
                if node.parameter and segment:
                    ways.append((node.parameter, depth + 1))  # the way back, should plain text lead nowhere
                if child := node.plain.get(segment):
                    ways.append((child, depth + 1))
            elif node.end:
                goal, parameters = node.end
                return goal, {name: segments[index] for name, index in parameters}
        return None

    def methods(self, path: str) -> list[str]:
        """The methods with which this path leads somewhere."""
        return [method for method in self._trees if self.find(method, path)]

"""What is asked of the peers: a path, what the upstreams have for it, and the one right answer."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from bench.data import FIRST_ID, value
from bench.upstream import ORIGINS

NAMES = ("user", "orders", "recommendations", *(f"part{number}" for number in range(4, 21)))
"""The parts of an aggregate, in order: three that a shop would have, then as many as it takes."""


@dataclass(frozen=True)
class Part:
    """One call of an aggregate: `GET {origin}{prefix}{id}`, and its name in the answer."""

    name: str
    origin: int
    """Which of the upstreams' ports."""

    prefix: str


@dataclass(frozen=True)
class Workload:
    """A kind of request. Its path is `/{name}/{id}`, with `ids` different ids, one after the other."""

    name: str
    about: str
    answer: Callable[[int], Any]
    """Id → what the answer must be, as decoded JSON."""

    parts: tuple[Part, ...] = ()
    """The calls, where they are all there is to it: every peer can be told to aggregate these."""

    ids: int = 1000
    connections: tuple[int, ...] = (32,)
    share: float = 1.0
    """Of the usual number of requests: less for what takes longer."""

    @property
    def path(self) -> str:
        """What comes before the id."""
        return f"/{self.name}/"

    def numbers(self) -> range:
        """The ids that are asked for."""
        return range(FIRST_ID, FIRST_ID + self.ids)


def aggregate(name: str, about: str, parts: int, prefix: str = "/", **more: Any) -> Workload:
    """So many calls at once, merged under their names."""
    calls = tuple(Part(part, place % ORIGINS, f"{prefix}{part}/") for place, part in enumerate(NAMES[:parts]))
    return Workload(name, about, lambda number: {part.name: value(f"{part.prefix}{number}") for part in calls}, calls, **more)


WORKLOADS: dict[str, Workload] = {
    workload.name: workload
    for workload in (aggregate("aggregate-3", "three calls of 1 KiB each, merged", 3, connections=(32, 1)),)
}
"""By name, in the order they are measured."""

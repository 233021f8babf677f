"""How often what was asked for was there: for each step's calls, and for each endpoint's own answers. Counted as it happens, summed up when
somebody looks.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import NamedTuple


@dataclass(slots=True)
class TallyState:
    """What became of looking something up. `stale` was there too: too old, and served all the same."""

    hits: int = 0
    stale: int = 0
    misses: int = 0


class Tallied(NamedTuple):
    """The sum of several."""

    hits: int = 0
    stale: int = 0
    misses: int = 0

    @property
    def rate(self) -> float | None:
        """The share of what was there; None where nothing was asked for."""
        return round((self.hits + self.stale) / sum(self), 4) if any(self) else None


@dataclass(slots=True)
class TalliesState:
    """All of a gateway's. As many as there are steps and endpoints that keep something."""

    states: dict[tuple[str, str | None], TallyState] = field(default_factory=dict)
    """By the endpoint, and the upstream that its calls go to; None for its own answers."""

    def of(self, endpoint: str, upstream: str | None = None) -> TallyState:
        """What counts the calls that an endpoint makes to an upstream, or its own answers."""
        return self.states.setdefault((endpoint, upstream), TallyState())

    def upstreams(self) -> Mapping[str, Tallied]:
        """Calls, by the upstream that they go to."""
        return _summed((upstream, state) for (_, upstream), state in self.states.items() if upstream is not None)

    def calls(self) -> Mapping[str, Tallied]:
        """Calls, by the endpoint that makes them."""
        return _summed((endpoint, state) for (endpoint, upstream), state in self.states.items() if upstream is not None)

    def answers(self) -> Mapping[str, Tallied]:
        """Answers, by their endpoint."""
        return _summed((endpoint, state) for (endpoint, upstream), state in self.states.items() if upstream is None)


def _summed(tallies: Iterable[tuple[str, TallyState]]) -> Mapping[str, Tallied]:
    summed: dict[str, Tallied] = {}
    for name, state in tallies:
        pairs = zip(summed.get(name, Tallied()), (state.hits, state.stale, state.misses), strict=True)
        summed[name] = Tallied(*map(sum, pairs))
    return summed

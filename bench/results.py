"""What a run found out, as it is written to `bench/results/` and read again by the report."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from statistics import median
from typing import Any


@dataclass(frozen=True)
class Round:
    """One measurement of one peer."""

    requests: int
    cpu_us: float | None
    """CPU of the peer's process tree per request, in µs; None where the system does not tell."""

    per_second: float
    p50_ms: float
    p99_ms: float
    wrong: int
    rest_busy: float | None
    """Share of their cores that the load, the upstreams and the collector used; near 1, it is they who limit requests per second."""

    spans_lost: int = 0
    """Spans that should have reached the collector and did not."""


@dataclass
class Measured:
    """All rounds of one peer at one workload."""

    rounds: dict[int, list[Round]] = field(default_factory=dict)
    """By number of connections."""

    peak_mib: float | None = None
    spans: int = 0
    """Spans that one request leaves."""

    def cpu_us(self, connections: int) -> float | None:
        """The least that a round cost: whatever disturbs a measurement adds to it."""
        return min(self._costs(connections), default=None)

    def median_us(self, connections: int) -> float | None:
        """What a usual round cost."""
        costs = self._costs(connections)
        return median(costs) if costs else None

    def per_second(self, connections: int) -> float | None:
        """Requests per second of the best round."""
        return max((one.per_second for one in self.at(connections)), default=None)

    def at(self, connections: int) -> list[Round]:
        """The rounds with so many connections."""
        return self.rounds.get(connections, [])

    def _costs(self, connections: int) -> list[float]:
        return [one.cpu_us for one in self.at(connections) if one.cpu_us is not None]


@dataclass(frozen=True)
class Watched:
    """What a peer holds after so many requests."""

    requests: int
    mib: float
    files: int


@dataclass
class Results:
    """A whole run."""

    machine: dict[str, Any]
    settings: dict[str, Any]
    versions: dict[str, str] = field(default_factory=dict)
    """Of the peers that took part."""

    left_out: dict[str, str] = field(default_factory=dict)
    """The others, with the reason; `WORKLOAD/PEER` where only that failed."""

    workloads: dict[str, dict[str, Measured]] = field(default_factory=dict)
    """Workload → peer → what it took."""

    soak: list[Watched] = field(default_factory=list)
    check_seconds: float | None = None
    """CPU of `gateway check` on a config of 1,000 endpoints."""

    def cost(self, workload: str, peer: str, connections: int = 32) -> float | None:
        """CPU µs per request, None where it was not measured."""
        measured = self.workloads.get(workload, {}).get(peer)
        return measured.cpu_us(connections) if measured else None

    def save(self, file: Path) -> None:
        """Write it as JSON."""
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(json.dumps(asdict(self), indent=1) + "\n")

    @classmethod
    def read(cls, file: Path) -> Results:
        """The results in a file that `save` wrote."""
        found = json.loads(file.read_text())
        found["workloads"] = {
            workload: {peer: _measured(value) for peer, value in peers.items()} for workload, peers in found["workloads"].items()
        }
        found["soak"] = [Watched(**seen) for seen in found["soak"]]
        return cls(**found)


def _measured(value: Mapping[str, Any]) -> Measured:
    rounds = {int(connections): [Round(**one) for one in many] for connections, many in value["rounds"].items()}
    return Measured(**{**value, "rounds": rounds})

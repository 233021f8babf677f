"""What a run found out, as it is written to `bench/results/` and read again by the table and the picture."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

GUARDED, UNGUARDED = "guarded", "unguarded"


@dataclass(frozen=True)
class Level:
    """What became of answers at one multiple of the capacity."""

    multiple: float
    capacity: float
    """Right answers per second that were possible: what a closed loop had right before and right after, where it is not known."""

    cost_us: float | None
    """CPU of a right answer then, where the gateway's own CPU is what limits."""

    asked: float
    """Requests per second that were due, as all rates here."""

    good: float
    """Right answers per second that came while the load was on: goodput."""

    shed: float
    """Share of the requests that were answered with a 503."""

    failed: float
    """Share that got another status, a wrong answer, or the end of the connection."""

    given_up: float
    """Share whose client had left before anything came."""

    p50_ms: float | None
    """Of the right answers, from when they were due."""

    p99_ms: float | None
    shed_p99_ms: float | None
    """How long it took to be turned away."""

    recovery: float | None
    """Seconds after the load until answers were as before; None when it took longer than was waited for."""

    busy: float | None
    """CPU of the gateway, in cores; None where the system does not tell."""

    rest_busy: float | None
    """The same of the load and the upstreams, as a share of their cores; near 1, it is they who are measured."""

    late_ms: float
    """How late the load itself was with its requests: the 99th percentile."""


@dataclass
class Taken:
    """What was found in one scenario."""

    levels: dict[str, list[Level]] = field(default_factory=dict)
    """Guarded or unguarded → every multiple."""

    def at(self, multiple: float, guard: str = GUARDED) -> Level | None:
        """One level, None where it was not measured."""
        return next((level for level in self.levels.get(guard, []) if level.multiple == multiple), None)

    def goodput(self, level: Level) -> float:
        """Share of the capacity that came to something."""
        return level.good / level.capacity

    def good_us(self, level: Level) -> float | None:
        """CPU of a right answer: as it was beside the level, or as it is when all is calm."""
        calm = self.at(0.5)
        if level.cost_us is not None or calm is None or not calm.busy:
            return level.cost_us
        return calm.busy / calm.good * 1e6 if calm.good else None

    def useful(self, level: Level) -> float | None:
        """Share of the gateway's CPU that went into right answers; it holds however much of its core others had."""
        each = self.good_us(level)
        return min(1.0, level.good * each / (level.busy * 1e6)) if each and level.busy else None

    def shed_us(self, level: Level) -> float | None:
        """CPU of a request that is turned away: what the right answers leave of it all. None where few are turned away, since it drowns."""
        each, turned_away = self.good_us(level), level.shed * level.asked
        if each is None or level.busy is None or turned_away < max(level.good, 1.0):
            return None
        return max(0.0, level.busy * 1e6 - each * level.good) / turned_away


def ceiling(good_us: float, shed_us: float, multiple: float) -> float:
    """The most goodput, as a share of the capacity, that a process reaches which turns away by itself what is too much.

    A core that does nothing else has 1/S right answers a second; at k times as many requests, each of the rest costs it R:
    S · g + R · (k − g) = S, and so g = (S − k · R) / (S − R).
    """
    return max(0.0, min(1.0, (good_us - multiple * shed_us) / (good_us - shed_us)))


@dataclass
class Results:
    """A whole run."""

    machine: dict[str, Any]
    settings: dict[str, Any]
    scenarios: dict[str, Taken] = field(default_factory=dict)

    def save(self, file: Path) -> None:
        """Write it as JSON."""
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(json.dumps(asdict(self), indent=1) + "\n")

    @classmethod
    def read(cls, file: Path) -> Results:
        """The results in a file that `save` wrote."""
        found = json.loads(file.read_text())
        for name, taken in found["scenarios"].items():
            levels = {guard: [Level(**level) for level in levels] for guard, levels in taken["levels"].items()}
            found["scenarios"][name] = Taken(**{**taken, "levels": levels})
        return cls(**found)

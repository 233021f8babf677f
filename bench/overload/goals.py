"""What should hold at which load, and what a run shows of it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from bench.overload.results import Level, Results, Taken


@dataclass(frozen=True)
class Goal:
    """A bound on a figure of one level, of the gateway with its guards."""

    name: str
    scenario: str
    multiple: float
    bound: str
    """As it is printed."""

    measure: Callable[[Taken, Level], float | None]
    is_held: Callable[[float], bool]
    show: str
    """A format."""

    def row(self, results: Results) -> Sequence[str]:
        """A line of the table."""
        found = self.found(results)
        held = "–" if found is None else "yes" if self.is_held(found) else "**no**"
        return f"{self.name} at {self.multiple:g}×", self.bound, "–" if found is None else self.show.format(found), held

    def found(self, results: Results) -> float | None:
        """The figure; None where this run has none."""
        taken = results.scenarios.get(self.scenario)
        level = taken.at(self.multiple) if taken else None
        return self.measure(taken, level) if taken and level else None


def slower(taken: Taken, level: Level) -> float | None:
    """How many times the 99th percentile of a calm gateway it took."""
    calm = taken.at(0.5)
    return level.p99_ms / calm.p99_ms if level.p99_ms and calm and calm.p99_ms else None


def goodput(name: str, scenario: str, multiple: float, least: float) -> Goal:
    """So much of the capacity must come to something."""
    return Goal(name, scenario, multiple, f"≥ {least:.0%}", Taken.goodput, lambda found: found >= least, "{:.0%}")


def recovery(name: str, scenario: str, multiple: float) -> Goal:
    """All must be as before soon after."""
    return Goal(name, scenario, multiple, "≤ 10 s", lambda _, level: level.recovery, lambda found: found <= 10, "{:.2f} s")


GOALS: tuple[Goal, ...] = (
    goodput("limited upstream: goodput", "upstream", 10, 0.95),
    Goal(
        "limited upstream: p99 of the answered, against 0.5×", "upstream", 10, "≤ 2", slower, lambda found: found <= 2, "{:.1f}"
    ),
    recovery("limited upstream: recovery", "upstream", 10),
    goodput("the gateway's core: goodput", "cpu", 2, 0.9),
    goodput("the gateway's core: goodput", "cpu", 5, 0.75),
    recovery("the gateway's core: recovery", "cpu", 10),
)

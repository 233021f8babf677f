"""A run: the levels of each scenario, the gateway with its guards and without them side by side."""

from __future__ import annotations

from bench.overload.results import GUARDED, UNGUARDED, Level, Results, Taken
from bench.overload.scenarios import SCENARIOS
from bench.overload.trial import Settings, trial
from bench.run import say


def measure(results: Results, settings: Settings) -> None:
    """Measure everything. Raises `Broken`."""
    for scenario in SCENARIOS:
        results.scenarios[scenario.name] = taken = Taken()
        for multiple in settings.multiples:
            for guard in (GUARDED, UNGUARDED) if settings.is_compared else (GUARDED,):
                level = trial(scenario, guard, multiple, settings)
                taken.levels.setdefault(guard, []).append(level)
                say(f"{scenario.name}, {guard}, {multiple:g}× {level.capacity:,.0f}/s: {glimpse(taken, level)}")


def glimpse(taken: Taken, level: Level) -> str:
    """A level in a line."""
    p99 = f"{level.p99_ms:.0f} ms" if level.p99_ms is not None else "–"
    return f"goodput {taken.goodput(level):.0%}, p99 {p99}, shed {level.shed:.0%}, given up {level.given_up:.0%}"

"""A run: the capacity of each scenario, then its levels, the gateway with its guards and without them side by side."""

from __future__ import annotations

from bench.overload.results import GUARDED, UNGUARDED, Level, Results, Taken
from bench.overload.scenarios import SCENARIOS, Scenario
from bench.overload.trial import Settings, calibrate, trial
from bench.run import say


def measure(results: Results, settings: Settings) -> None:
    """Measure everything. Raises `Broken`."""
    for scenario in SCENARIOS:
        results.scenarios[scenario.name] = taken = capacity(scenario, settings)
        for multiple in settings.multiples:
            for guard in (GUARDED, UNGUARDED) if settings.is_compared else (GUARDED,):
                level = trial(scenario, guard, multiple, taken.capacity, settings)
                taken.levels.setdefault(guard, []).append(level)
                say(f"{scenario.name}, {guard}, {multiple:g}×: {glimpse(taken, level)}")


def capacity(scenario: Scenario, settings: Settings) -> Taken:
    """What can be done at the most: as it is known, or as a closed loop finds it."""
    if scenario.capacity is not None:
        return Taken(scenario.capacity)
    say(f"{scenario.name}: looking for what the gateway can do")
    taken = Taken(*calibrate(scenario, GUARDED, settings.calibration))
    say(f"{scenario.name}: {taken.capacity:,.0f} requests a second")
    return taken


def glimpse(taken: Taken, level: Level) -> str:
    """A level in a line."""
    p99 = f"{level.p99_ms:.0f} ms" if level.p99_ms is not None else "–"
    return f"goodput {taken.goodput(level):.0%}, p99 {p99}, shed {level.shed:.0%}, given up {level.given_up:.0%}"

"""Results as Markdown: what was to be held, a table for each scenario, and what the figures were taken with."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from statistics import median

from bench.overload.goals import GOALS
from bench.overload.results import GUARDED, UNGUARDED, Level, Results, Taken, ceiling
from bench.overload.scenarios import SCENARIOS
from bench.report import FULL, figure, table

HEAD = (
    "load", "gateway", "1×", "good/s", "goodput", "p50 ms", "p99 ms",
    "shed", "its p99", "its µs", "failed", "given up", "recovery", "cores", "useful",
)  # fmt: skip

LATE = 5.0
"""Milliseconds from which on the lateness of the load itself is said."""


def report(results: Results) -> str:
    """Everything."""
    abouts = {scenario.name: scenario.about for scenario in SCENARIOS}
    sections = [f"## {name}: {abouts[name]}\n\n{scenario(results, name)}" for name in results.scenarios]
    return (
        "\n\n".join(
            [
                f"## To hold\n\n{goals(results)}",
                *sections,
                f"## The ceiling\n\n{ceilings(results)}",
                f"## Taken with\n\n{machine(results)}",
            ]
        )
        + "\n"
    )


def goals(results: Results) -> str:
    """Every goal, and what this run shows of it."""
    return table(("what", "goal", "measured", "held"), [goal.row(results) for goal in GOALS])


def scenario(results: Results, name: str) -> str:
    """One scenario, a level a line, and what the reader should know about its figures."""
    taken = results.scenarios[name]
    rows = [
        _row(taken, level, guard)
        for multiple in sorted({level.multiple for levels in taken.levels.values() for level in levels})
        for guard in (GUARDED, UNGUARDED)
        if (level := taken.at(multiple, guard))
    ]
    return "\n\n".join([_capacity(taken), table(HEAD, rows), *_notes(taken)])


def ceilings(results: Results) -> str:
    """What a gateway can reach that turns requests away by itself, from what a right answer and a refusal cost in this run."""
    taken = results.scenarios["cpu"]
    levels = taken.levels[GUARDED]
    refused = [cost for level in levels if (cost := taken.shed_us(level)) is not None]
    answered = [cost for level in levels if (cost := taken.good_us(level)) is not None]
    if not answered or not refused:
        return "This run has not turned enough away to tell what a refusal costs."
    rows = [
        (f"{level.multiple:g}×", percent(ceiling(median(answered), refused[-1], level.multiple)), percent(taken.goodput(level)))
        for level in levels
    ]
    costs = f"A right answer costs {figure(median(answered))} µs of CPU, a refusal {figure(refused[-1])} µs."
    return f"{costs}\n\n{table(('load', 'ceiling', 'goodput'), rows)}"


def machine(results: Results) -> str:
    """Where it was taken, and how much was measured."""
    return table(("", ""), [(name, str(value)) for name, value in {**results.machine, **results.settings}.items()])


SECTIONS: Mapping[str, Callable[[Results], str]] = {
    "goals": goals,
    "ceilings": ceilings,
    "machine": machine,
    **{one.name: (lambda results, name=one.name: scenario(results, name)) for one in SCENARIOS},  # type: ignore[misc]
}
"""What a page can have between its markers, by name."""


def percent(share: float | None) -> str:
    """A share as one reads it."""
    return "–" if share is None else f"{share:.1%}" if 0 < share < 0.01 or 0.99 < share < 1 else f"{share:.0%}"


def _capacity(taken: Taken) -> str:
    levels = [level for levels in taken.levels.values() for level in levels]
    costs = [level.cost_us for level in levels if level.cost_us is not None]
    if not costs:
        return f"1× is {figure(levels[0].capacity)} requests a second."
    least, most = (figure(pick(level.capacity for level in levels)) for pick in (min, max))
    return f"1× is {least} to {most} requests a second, as the machine was at the moment, at {figure(min(costs))} to {figure(max(costs))} µs of CPU each."


def _row(taken: Taken, level: Level, guard: str) -> Sequence[str]:
    return (
        f"{level.multiple:g}×",
        guard,
        figure(level.capacity),
        figure(level.good),
        percent(taken.goodput(level)),
        figure(level.p50_ms),
        figure(level.p99_ms),
        percent(level.shed),
        figure(level.shed_p99_ms),
        figure(taken.shed_us(level)),
        percent(level.failed),
        percent(level.given_up),
        "not yet" if level.recovery is None else f"{level.recovery:.2f} s",
        figure(level.busy, 2),
        percent(taken.useful(level)),
    )


def _notes(taken: Taken) -> Iterable[str]:
    """What spoils a figure, said below the table."""
    levels = [(f"{level.multiple:g}× {guard}", level) for guard, levels in taken.levels.items() for level in levels]
    full = [name for name, level in levels if (level.rest_busy or 0) > FULL]
    late = [f"{name} {level.late_ms:.0f} ms" for name, level in levels if level.late_ms > LATE]
    short = (
        [name for name, level in levels if level.multiple >= 1 and level.busy is not None and level.busy < FULL]
        if any(level.cost_us for _, level in levels)
        else []
    )
    if short:
        yield f"Others had a part of the gateway's core at {', '.join(short)}: there, goodput is less than it could be. What is useful holds."
    if full:
        yield f"The core of the load and the upstreams was full at {', '.join(full)}: there, figures are worse than the gateway's own."
    if late:
        yield f"The load was late with its own requests, which counts as the gateway's latency (99th percentile): {', '.join(late)}."

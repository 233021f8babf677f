"""Results as Markdown: a table for each workload, what was to be reached, and what the figures were taken with."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence

from bench.goals import GOALS, Goal
from bench.results import Measured, Results
from bench.workloads import WORKLOADS

HEAD = ("peer", "CPU µs", "median", "× fanin", "one by one", "requests/s", "p50 ms", "p99 ms", "peak MiB")
FULL = 0.9
"""Share of their cores from which on the load and the upstreams are what limits a peer."""


def report(results: Results) -> str:
    """Everything."""
    sections = [f"## {name}: {WORKLOADS[name].about}\n\n{workload(results, name)}" for name in results.workloads]
    if any(goal.measure(results) is not None for goal in GOALS):
        sections.insert(0, f"## To reach\n\n{goals(results)}")
    if results.soak:
        sections.append(f"## Soak\n\n{soak(results)}")
    sections.append(f"## Taken with\n\n{machine(results)}")
    return "\n\n".join([part for part in (*sections, left_out(results)) if part]) + "\n"


def goals(results: Results) -> str:
    """Every goal with what this run shows of it; those that it shows nothing of are named below."""
    told = [goal for goal in GOALS if goal.measure(results) is not None]
    untold = [f"{goal.name} ({_bound(goal)})" for goal in GOALS if goal not in told]
    lines = table(("what", "goal", "measured", "reached"), [_goal(results, goal) for goal in told])
    return lines + (f"\n\nNot told by this run: {'; '.join(untold)}." if untold else "")


def workload(results: Results, name: str) -> str:
    """One workload, a peer a line, and what the reader should know about its figures."""
    peers = results.workloads[name]
    ours = results.cost(name, "fanin")
    lines = table(HEAD, [_row(peer, measured, ours) for peer, measured in peers.items()])
    return "\n\n".join([lines, *_notes(peers)])


def soak(results: Results) -> str:
    """What one worker held on the way."""
    rows = [(f"{seen.requests:,}", f"{seen.mib:.1f}", str(seen.files)) for seen in results.soak]
    return table(("requests", "MiB", "open files"), rows)


def machine(results: Results) -> str:
    """Where it was taken, how much was measured, and the versions of everybody."""
    facts = {**results.machine, **results.settings, **results.versions}
    return table(("", ""), [(name, str(value)) for name, value in facts.items()])


def left_out(results: Results) -> str:
    """Who did not take part, and why."""
    if not results.left_out:
        return ""
    return "Left out: " + "; ".join(f"{name} ({reason})" for name, reason in results.left_out.items()) + "."


SECTIONS: Mapping[str, Callable[[Results], str]] = {
    "goals": goals,
    "soak": soak,
    "machine": machine,
    "left out": left_out,
    **{name: (lambda results, name=name: workload(results, name)) for name in WORKLOADS},  # type: ignore[misc]
}
"""What a page can have between its markers, by name."""


def table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """A Markdown table whose columns line up."""
    lines = [list(head), *map(list, rows)]
    widths = [max(3, *(len(line[column]) for line in lines)) for column in range(len(head))]
    lines.insert(1, ["-" * width for width in widths])
    return "\n".join(
        "| " + " | ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)) + " |" for line in lines
    )


def figure(value: float | None, digits: int = 0) -> str:
    """A number, or a dash where there is none."""
    return "–" if value is None else f"{value:,.{digits}f}"


def _goal(results: Results, goal: Goal) -> Sequence[str]:
    reached = "yes" if goal.is_reached(results) else "**no**"
    return goal.name, _bound(goal), _amount(goal.measure(results), goal.unit), reached


def _bound(goal: Goal) -> str:
    return f"{'≥' if goal.is_floor else '≤'} {_amount(goal.limit, goal.unit)}"


def _amount(value: float | None, unit: str) -> str:
    digits = 3 if value is not None and value < 0.1 else 2
    return figure(value, digits) + (f" {unit}" if unit and value is not None else "")


def _row(peer: str, measured: Measured, ours: float | None) -> Sequence[str]:
    """A peer's line: the least of what is noisy, and the median of its cost beside it."""
    rounds, cost = measured.at(32), measured.cpu_us(32)
    return (
        peer,
        figure(cost),
        figure(measured.median_us(32)),
        figure(cost / ours, 2) if cost and ours else "–",
        figure(measured.cpu_us(1)),
        figure(measured.per_second(32)),
        figure(min((one.p50_ms for one in rounds), default=None), 2),
        figure(min((one.p99_ms for one in rounds), default=None), 2),
        figure(measured.peak_mib),
    )


def _notes(peers: Mapping[str, Measured]) -> Iterable[str]:
    """What spoils a figure, said below the table."""
    everything = {name: [one for many in measured.rounds.values() for one in many] for name, measured in peers.items()}
    full = [name for name, measured in peers.items() if any((one.rest_busy or 0) > FULL for one in measured.at(32))]
    wrong = {name: sum(one.wrong for one in rounds) for name, rounds in everything.items()}
    lost = {name: sum(one.spans_lost for one in rounds) for name, rounds in everything.items()}
    if any(one.cpu_us is None for rounds in everything.values() for one in rounds):
        yield "CPU and memory are left out: this system does not tell them of other processes."
    if full:
        yield (
            f"The core of the load and the upstreams was full with {', '.join(full)}: there, requests/s and latencies are theirs. "
            "CPU per request holds."
        )
    for what, counts in (("wrong answers", wrong), ("spans lost", lost)):
        if any(counts.values()):
            yield f"**{what.capitalize()}**: " + ", ".join(f"{name} {count:,}" for name, count in counts.items() if count) + "."

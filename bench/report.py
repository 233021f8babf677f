"""Results as tables."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from bench.results import Measured, Results, Round
from bench.workloads import WORKLOADS

HEAD = ("peer", "CPU µs", "median", "of fanin", "CPU µs alone", "requests/s", "p50 ms", "p99 ms", "peak MiB")


def table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """A Markdown table whose columns line up."""
    lines = [list(head), *map(list, rows)]
    widths = [max(len(line[column]) for line in lines) for column in range(len(head))]
    lines.insert(1, ["-" * width for width in widths])
    return "\n".join(
        "| " + " | ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)) + " |" for line in lines
    )


def report(results: Results) -> str:
    """Everything, as Markdown."""
    parts = [machine(results)]
    parts += [f"## {name}: {WORKLOADS[name].about}\n\n{workload(results, name)}" for name in results.workloads]
    parts.append(left_out(results))
    return "\n\n".join(part for part in parts if part) + "\n"


def machine(results: Results) -> str:
    """Where and with what it was taken."""
    facts = {**results.machine, **results.settings, **results.versions}
    return table(("fact", "value"), [(name, str(value)) for name, value in facts.items()])


def left_out(results: Results) -> str:
    """Who did not take part, and why."""
    if not results.left_out:
        return ""
    return "Left out: " + "; ".join(f"{name} ({reason})" for name, reason in results.left_out.items()) + "."


def workload(results: Results, name: str) -> str:
    """One workload, a peer a line."""
    peers = results.workloads[name]
    ours = results.cost(name, "fanin")
    return table(HEAD, [row(peer, measured, ours) for peer, measured in peers.items()])


def row(peer: str, measured: Measured, ours: float | None) -> list[str]:
    """A peer's line: the least CPU of all rounds, and the best of what is noisier still."""
    many = max(measured.rounds, default=32)
    rounds, cost = measured.rounds.get(many, []), measured.cpu_us(many)
    return [
        peer,
        number(cost),
        number(measured.median_us(many)),
        number(cost / ours, 2) if cost and ours else "–",
        number(measured.cpu_us(1)),
        number(max((one.per_second for one in rounds), default=None)),
        number(min((one.p50_ms for one in rounds), default=None), 2),
        number(min((one.p99_ms for one in rounds), default=None), 2),
        number(measured.peak_mib),
    ]


def number(value: float | None, digits: int = 0) -> str:
    """A figure, or a dash where there is none."""
    return "–" if value is None else f"{value:,.{digits}f}"


def wrong_answers(rounds: Iterable[Round]) -> int:
    """Answers that were not right while it was measured."""
    return sum(one.wrong for one in rounds)

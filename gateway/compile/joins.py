"""Joins: who waits for what is joined, so that an answer never depends on which reply came first.

Whoever names a step that others are joined into waits for them, and sees them joined. Those that join, and all that they wait for, see
every step as it came: what they are made from cannot depend on what is made of them.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace

from gateway.compile.report import Report
from gateway.finding import Path
from gateway.plan import Step


def joined(steps: Sequence[Step]) -> tuple[tuple[Step, ...], dict[str, frozenset[str]]]:
    """The same steps, each waiting for what it sees joined; and what is joined into which step, those that others wait for first.

    The steps have no cycle among them.
    """
    by_name = {step.name: step for step in steps}
    joining: dict[str, set[str]] = {}
    for step in steps:
        if step.loop and step.loop.join and step.loop.join.into in by_name:
            joining.setdefault(step.loop.join.into, set()).add(step.name)
    if not joining:
        return tuple(steps), {}
    before = _closure([name for names in joining.values() for name in names], {name: by_name[name].needs for name in by_name})
    parts = {into: _closure(names, joining) for into, names in joining.items()}
    made = tuple(
        replace(step, sees_joined=False) if step.name in before else _waiting(step, parts, list(by_name)) for step in steps
    )
    # What is joined into a step that itself joins comes before that, and so has fewer parts.
    return made, {into: frozenset(parts[into]) for into in sorted(parts, key=lambda into: len(parts[into]))}


def check_joins(steps: Iterable[Step], path: Path, report: Report) -> None:
    """Report values that would be put over others."""
    seen: dict[tuple[object, ...], str] = {}
    for step in steps:
        if step.loop and (join := step.loop.join):
            other = seen.setdefault((join.into, join.path, join.member), step.name)
            if other != step.name:
                place = (*path, "steps", step.name, "join", "as")
                report.add(place, f"{other!r} puts its values there, under the same name; give these another")


def _waiting(step: Step, parts: Mapping[str, set[str]], order: list[str]) -> Step:
    """The step, waiting for all that is joined into what it needs: their coming to nothing does not hold it up."""
    further = {name for need in step.needs for name in parts.get(need, ())} - set(step.needs) - {step.name}
    needs = sorted({*step.needs, *further}, key=order.index)
    return replace(step, needs=tuple(needs), spares=step.spares | further)


def _closure(names: Iterable[str], edges: Mapping[str, Iterable[str]]) -> set[str]:
    """These names and all that is behind them."""
    found: set[str] = set()
    left = list(names)
    while left:
        if (name := left.pop()) not in found:
            found.add(name)
            left.extend(edges.get(name, ()))
    return found

"""Worst cases: how many calls one request may come to, and how long it may take, when every upstream does its worst. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from graphlib import TopologicalSorter
from math import inf
from typing import TypeAlias

from gateway.plan import Loop, Plan, Step
from gateway.plan.recipe import Policies

Way: TypeAlias = tuple[tuple[str, float], ...]
"""Steps one after the other, each with its seconds."""

SHOWN = 3
"""Steps of a kind that are named; the others are counted."""


@dataclass(frozen=True, slots=True)
class Worst:
    """The worst that one request may come to."""

    calls: int
    """Calls to upstreams, retries and all."""

    timeout: float
    """Seconds after which the run ends in any case."""

    way: Way
    """The steps that take longest one after the other; infinite where one has no limit of its own."""

    endless: tuple[str, ...]
    """Every step that has none."""

    undoing: float
    """Seconds that it takes after all that to undo what has been written."""

    to_head: bool
    """Bodies go by after that, for as long as they take."""

    @property
    def slowest(self) -> float:
        """Seconds that the calls would take if nobody ended them."""
        return round(sum(seconds for _, seconds in self.way), 6)

    @property
    def seconds(self) -> float:
        """Seconds until the answer, or until undoing begins."""
        return min(self.timeout, self.slowest)

    def __str__(self) -> str:
        calls = f"at most {self.calls} {'call' if self.calls == 1 else 'calls'}, {show_seconds(self.seconds)}"
        calls += f" and {show_seconds(self.undoing)} of undoing" if self.undoing else ""
        calls += " to the head" if self.to_head else ""
        way = " → ".join(f"{name} {show_seconds(seconds)}" for name, seconds in self.way)
        if self.endless:
            more = f" and {len(self.endless) - SHOWN} more" if len(self.endless) > SHOWN else ""
            return f"{calls} (nothing else limits {', '.join(self.endless[:SHOWN])}{more})"
        if self.slowest > self.timeout:
            return f"{calls} (its slowest way would take {show_seconds(self.slowest)}: {way})"
        return f"{calls} ({way})"


def worst_of(plan: Plan) -> Worst:
    """The worst that a request to this endpoint may come to."""
    seconds = {step.name: seconds_of(step) for step in plan.steps}
    endless = tuple(name for name, limit in seconds.items() if limit == inf)
    return Worst(
        calls=calls_of(plan.steps),
        timeout=plan.timeout,
        way=_slowest(plan.steps, seconds),
        endless=endless,
        undoing=sum(map(_undoing, plan.steps)),
        to_head=plan.passthrough is not None,
    )


def calls_of(steps: Iterable[Step]) -> int:
    """Calls to upstreams that these steps may come to, retries and all."""
    return sum(map(_calls, steps))


def seconds_of(step: Step) -> float:
    """Seconds that the calls of a step may take: a loop's as many at once as may be, those that stand in one after the other."""
    in_turn = -(-_rounds(step.loop) // step.loop.concurrency) if step.loop else 1
    return _seconds(step.recipes[0].policies) * in_turn + sum(_seconds(other.policies) for other in step.others)


def show_seconds(seconds: float) -> str:
    """`0.5` as `500ms`, `2.0254` as `2.025s`: always in these units, so that several can be compared."""
    amount, unit = (seconds * 1000, "ms") if seconds < 1 else (seconds, "s")
    return f"{amount:,.3f}".rstrip("0").rstrip(".") + unit


def _calls(step: Step) -> int:
    own, *others = (recipe.policies.sends for recipe in step.recipes)
    return own * _rounds(step.loop) + sum(others)


def _undoing(step: Step) -> float:
    return min(step.undo.within, _seconds(step.undo.recipe.policies)) if step.undo else 0.0


def _rounds(loop: Loop | None) -> int:
    """Calls that a step makes, retries aside."""
    if not loop:
        return 1
    return -(-loop.limit // loop.batch.size) if loop.batch else loop.limit


def _seconds(policies: Policies) -> float:
    """Every attempt as long as it may take, and the longest wait before each further one."""
    if policies.timeout is None:
        return inf
    retry = policies.retry
    waits = (min(retry.max_backoff, retry.backoff * 2.0**number) for number in range(retry.attempts - 1)) if retry else ()
    return policies.attempts * policies.timeout + sum(waits)


def _slowest(steps: Iterable[Step], seconds: Mapping[str, float]) -> Way:
    """The steps that take longest one after the other, through what they need."""
    needs = {step.name: step.needs for step in steps}
    before: dict[str, str | None] = {}
    ends: dict[str, float] = {}
    for name in TopologicalSorter(needs).static_order():
        before[name] = last = max(needs[name], key=ends.__getitem__, default=None)
        ends[name] = seconds[name] + (ends[last] if last else 0)
    way: list[tuple[str, float]] = []
    at = max(ends, key=ends.__getitem__, default=None)
    while at:
        way.insert(0, (at, seconds[at]))
        at = before[at]
    return tuple(way)

"""How many calls an upstream can have at a time, found out by how long its replies take: after Gradient2 of Netflix's concurrency-limits.

Up to some number of calls at a time an upstream takes as long as it takes; beyond, they wait there for each other. So the limit goes up
while replies take as long as ever, and down as soon as they take more than `tolerance` times as long: by the *gradient*, what they take
when they need not wait over what they take now. A little room is added to each step, so that there is always something to see.

    limit ← limit · gradient + room,  gradient = tolerance · baseline / now, from 0.5 to 1

What differs from Netflix's: the baseline there is an average of all there was, which a lasting overload makes its own, so that the limit
climbs to its end. Here, as in Envoy, it is learned only while the upstream has little to do: less than half its limit, or no more than
`least`, to which the limit comes down now and then for that. And a step is made of as many replies as may be in flight, not of each.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from math import sqrt

STEEPEST = 0.5
"""No step takes away more than half."""

FEWEST = 30
"""Replies that a step is made of, at least: those of one upstream take between nothing and a few times their mean."""

PROBE = 1000
"""Steps after which what is known of the upstream at rest is looked at again."""

PATIENCE = 0.1
"""Share of the time that a reply takes for which a call may wait for its permit: who waits longer is not spared much."""

_WEIGHT = 0.3
"""Of what is learned now, against what was known."""


@dataclass(slots=True)
class GradientState:
    """The limit of one upstream, as far as it is known."""

    least: int
    most: int
    tolerance: float
    limit: float = field(init=False)
    baseline: float | None = None
    """Seconds that a reply takes when it need not wait for another; None until there was one."""

    age: int = 0
    """Steps since that was learned."""

    total: float = field(default=0.0, repr=False)
    count: int = field(default=0, repr=False)
    busiest: int = field(default=0, repr=False)
    """Most calls in flight since the last step."""

    skipped: int = field(default=0, repr=False)
    """Replies to come that say nothing: what they answer was sent under another limit."""

    def __post_init__(self) -> None:
        # From below: who meets an upstream at its busiest would take that for its rest.
        self.limit = float(self.least)

    def observe(self, seconds: float, in_flight: int) -> None:
        """A call has taken so long, and so many were in flight with it."""
        if self.skipped > 0:
            self.skipped -= 1
            return
        self.total += seconds
        self.count += 1
        self.busiest = max(self.busiest, in_flight)
        if self.count >= max(FEWEST, self.limit):
            self._step(self.total / self.count)
            self.total, self.count, self.busiest = 0.0, 0, 0

    def _step(self, seconds: float) -> None:
        is_quiet = self.busiest < self.limit / 2
        self.age += 1
        if is_quiet or self.limit <= self.least:
            self._learn(seconds)
        elif self.age >= PROBE:
            self.limit, self.skipped = self.least, self.busiest
            return
        if not is_quiet and self.baseline:
            gradient = max(STEEPEST, min(1.0, self.tolerance * self.baseline / seconds)) if seconds > 0 else 1.0
            # There is no hurry where replies wait already.
            room = sqrt(self.limit) * (1.0 if gradient == 1.0 else 0.5)
            self.limit = max(self.least, min(self.most, self.limit * gradient + room))

    def _learn(self, seconds: float) -> None:
        self.baseline = seconds if self.baseline is None else self.baseline + (seconds - self.baseline) * _WEIGHT
        self.age = 0

"""Which traces are kept: pure, given when they end and what they tell.

All of them while there are few. With more, so many a second of all that come, evenly spread, and beside them those that tell something:
the slow, the failed and the partial ones, so many a second again. What is kept says for how many it stands.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from gateway.story import is_complete
from gateway.telemetry import Trace


@dataclass(frozen=True, slots=True)
class KeepPolicy:
    """How many traces a process keeps."""

    any: float = 50.0
    """Of all that come, a second."""

    telling: float = 50.0
    """Of those that tell something and have no place among these, a second."""

    slow: float = 1.0
    """Seconds from which on a request is a slow one."""


@dataclass(slots=True)
class BucketState:
    """Places that come back at a rate, up to those of a second."""

    rate: float
    places: float = field(init=False)
    at: float = 0.0
    """Seconds, of whatever clock, at which somebody last looked."""

    def __post_init__(self) -> None:
        self.places = self.rate

    def take(self, now: float) -> bool:
        """Take a place, if there is one."""
        self.places = min(self.rate, self.places + max(0.0, now - self.at) * self.rate)
        self.at = max(self.at, now)
        if self.places < 1.0:
            return False
        self.places -= 1.0
        return True


class KeepingState:
    """One process's decisions."""

    __slots__ = ("_any", "_passed_over", "_telling", "policy")

    def __init__(self, policy: KeepPolicy | None = None) -> None:
        self.policy = policy or KeepPolicy()
        self._any, self._telling = BucketState(self.policy.any), BucketState(self.policy.telling)
        self._passed_over = 0

    def keep(self, trace: Trace) -> int:
        """For how many finished traces this one is kept, itself and those that were not; 0: it is not kept."""
        # By the clock that nobody sets.
        now = ((trace.root.end or 0) - trace.epoch) / 1e9
        if self._any.take(now):
            stands_for, self._passed_over = 1 + self._passed_over, 0
            return stands_for
        if tells(trace, self.policy.slow) and self._telling.take(now):
            return 1
        self._passed_over += 1
        return 0


def tells(trace: Trace, slow: float) -> bool:
    """It took long, it failed, or its answer lacks something."""
    root = trace.root
    if root.error or (root.end or root.start) - root.start >= slow * 1e9:
        return True
    return is_complete(trace.spans) is False

"""How many calls to turn away from an upstream that turns calls away itself ("Handling Overload", in Site Reliability Engineering, 2016).

Calls are counted when they end: those in flight have been turned away by nobody yet.
"""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass, field

from gateway.policy import ThrottlePolicy
from gateway.states.window import WindowState


@dataclass(slots=True, eq=False)
class ThrottleState:
    """What an upstream took of what it was asked. Times are seconds of a clock that never runs backwards."""

    policy: ThrottlePolicy
    chance: Callable[[], float] = field(default=random.random, repr=False)
    """Gives numbers from 0 up to 1; injected, so that a test knows them."""

    window: WindowState = field(init=False, repr=False)
    """Calls, and those that were taken."""

    def __post_init__(self) -> None:
        self.window = WindowState(self.policy.window, 2)

    def share(self, now: float) -> float:
        """The part of calls that is to be turned away."""
        calls, taken = self.window.read(now)
        if calls < self.policy.least:
            return 0.0
        return min(self.policy.most, max(0.0, (calls - self.policy.factor * taken) / (calls + 1)))

    def draw(self, share: float, now: float) -> bool:
        """Whether this call is turned away. One that is counts as one that was not taken, so that the more come the fewer get through."""
        turned_away = self.chance() < share
        if turned_away:
            self.window.add(now, 1, 0)
        return turned_away

    def record(self, now: float, *, taken: bool) -> None:
        """A call has ended."""
        self.window.add(now, 1, taken)

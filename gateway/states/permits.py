"""Permits: how many calls an upstream may have at a time, and who waits for the next one.

Plain steps without a clock: whoever waits is anything that can be told from others, and is told by who gives it the permit.
"""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass, field
from typing import Generic, TypeVar

Waiter = TypeVar("Waiter")


@dataclass(slots=True)
class PermitsState(Generic[Waiter]):
    """The permits of an upstream, in this process. Nobody overtakes: a permit is free only when nobody waits for it."""

    limit: int
    """Permits that there are. It may change at any time; those that are held are held."""

    places: int
    """Calls that may wait for one."""

    held: int = 0
    waiting: OrderedDict[Waiter, None] = field(default_factory=OrderedDict)
    """Who waits, the first first."""

    def take(self) -> bool:
        """Take a permit, if there is one."""
        if self.held >= self.limit or self.waiting:
            return False
        self.held += 1
        return True

    def queue(self, waiter: Waiter) -> bool:
        """Wait for one, if there is a place."""
        if len(self.waiting) >= self.places:
            return False
        self.waiting[waiter] = None
        return True

    def leave(self, waiter: Waiter) -> None:
        """Wait no more."""
        self.waiting.pop(waiter, None)

    def give_back(self) -> None:
        """A permit is not needed any more."""
        self.held -= 1

    def next(self) -> Waiter | None:
        """Who has a permit now that has waited for it; None when there is none left, or nobody waits."""
        if not self.waiting or self.held >= self.limit:
            return None
        self.held += 1
        return self.waiting.popitem(last=False)[0]

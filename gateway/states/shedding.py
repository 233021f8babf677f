"""Which requests are turned away before anything is done for them: pure, given how many are in flight, how late the loop is, how much memory
there is.

What is too much is refused when it comes, and cheaply. Everybody waiting for longer is the same number of answers, all of them late.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from math import floor, inf

from gateway.policy import Priority, ShedPolicy

LOW = 0.8
"""Part of all places that requests of low priority may take."""

KEPT = 0.1
"""Part of all places that is kept for critical ones, where there are any."""

LATE_FOR = 3.0
"""Seconds for which the loop is late before anybody is turned away for it: a burst is over by then."""

SAID_EVERY = 10.0
"""Seconds between two words to the log."""

MORE, LESS = 0.1, 0.05
"""By how much the share that is turned away grows while there is strain, and shrinks while there is none, from one look to the next."""


@dataclass(slots=True)
class SheddingState:
    """What one process has to do."""

    policy: ShedPolicy
    has_critical: bool = False
    """There are endpoints to keep places for."""

    in_flight: int = 0
    share: float = 0.0
    """Of the requests of normal priority, how many are turned away because the loop is late or memory short; of low ones then all."""

    refused: int = 0
    _unsaid: int = field(default=0, repr=False)
    _said: float = field(default=-inf, repr=False)
    _late_since: float | None = field(default=None, repr=False)
    _owed: float = field(default=0.0, repr=False)
    """Refusals that are due: a share of 0.25 refuses each fourth request, and no dice are needed."""

    @property
    def has_looks(self) -> bool:
        """Somebody has to tell it, from time to time, how the process is."""
        return self.policy.lag is not None or self.policy.memory is not None

    def places(self, priority: Priority) -> int:
        """Requests in flight at which no more of this priority come in."""
        most = self.policy.in_flight
        if priority == "low":
            return max(1, floor(most * LOW))
        return max(1, most - floor(most * KEPT)) if priority == "normal" and self.has_critical else most

    def relieves(self, priority: Priority) -> bool:
        """One more of this priority is turned away for the strain there is; only asked while there is some."""
        if priority != "normal":
            return priority == "low"
        self._owed += self.share
        if self._owed < 1:
            return False
        self._owed -= 1
        return True

    def refuse(self, now: float) -> int:
        """Count one that is turned away; how many there were, when the log should hear of it."""
        self.refused += 1
        self._unsaid += 1
        if now < self._said + SAID_EVERY:
            return 0
        count, self._unsaid, self._said = self._unsaid, 0, now
        return count

    def look(self, late: float, memory: float, now: float) -> None:
        """Take in how many seconds late the loop is, and which share of its memory the process has."""
        strained = self._is_late(late, now) or (self.policy.memory is not None and memory > self.policy.memory)
        self.share = min(1.0, self.share + MORE) if strained else max(0.0, self.share - LESS)

    def _is_late(self, late: float, now: float) -> bool:
        if self.policy.lag is None or late <= self.policy.lag:
            self._late_since = None
            return False
        if self._late_since is None:
            self._late_since = now
        # Who is relieved already need not wait again to be relieved more.
        return self.share > 0 or now - self._late_since >= LATE_FOR

"""What one service remembers: how it is set, what it was asked, and how that ended."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field
from random import Random

from services.chaos import Latency, Play, Setting, after_one, play

REMEMBERED = 100
"""So many requests are kept; the oldest go first."""

_SEED = 20


@dataclass(frozen=True)
class Stats:
    """`received` since the counts began, `in_flight` now, and `abandoned`: the caller left before its answer was complete."""

    received: int
    in_flight: int
    abandoned: int


@dataclass(frozen=True)
class Seen:
    """A request as it came over the wire: the raw target, and the header fields in order with names in lower case."""

    method: str
    target: str
    headers: list[tuple[str, str]]


@dataclass
class ServiceState:
    """All that changes in a running service. Chance begins anew with every setting, so a rehearsal can be repeated."""

    usual: Latency
    setting: Setting = field(default_factory=Setting)
    chance: Random = field(default_factory=lambda: Random(_SEED))
    received: int = 0
    in_flight: int = 0
    abandoned: int = 0
    seen: deque[Seen] = field(default_factory=lambda: deque(maxlen=REMEMBERED))

    @property
    def stats(self) -> Stats:
        """The counts as they are now."""
        return Stats(self.received, self.in_flight, self.abandoned)

    def switch(self, setting: Setting) -> None:
        """Put another setting in the place of the present one."""
        self.setting = setting
        self.chance = Random(_SEED)

    def next_play(self) -> Play:
        """Decide the next request, and count it off the setting."""
        decided = play(self.setting, self.usual, self.chance)
        self.setting = after_one(self.setting)
        return decided

    def arrive(self, seen: Seen) -> None:
        """Count and remember a request that came in."""
        self.received += 1
        self.in_flight += 1
        self.seen.append(seen)

    def depart(self, *, abandoned: bool) -> None:
        """Count off a request that is over."""
        self.in_flight -= 1
        self.abandoned += abandoned

    def forget_counts(self) -> None:
        """Begin the counts anew; what is in flight stays in flight."""
        self.received = self.abandoned = 0

"""How long replies usually take: a histogram of what was seen lately, and where so many percent of it end."""

from __future__ import annotations

from dataclasses import dataclass, field
from math import ceil, log

FEWEST = 100
"""Replies before anything can be said: a 95th percentile of less is a guess."""

_SHORTEST = 0.001
"""Seconds; all that is shorter is as good as that."""

_GROWTH = 1.1
"""Each class of the histogram ends so many times later than the one before: what is read from it is up to a tenth too long."""

_CLASSES = 130
"""The last one ends after four minutes."""

_LOG_GROWTH = log(_GROWTH)

_FORGETTING = 0.8
"""What is left of all that is known each time that as much again has been seen as the first time: the last five hundred count most."""


@dataclass(slots=True)
class LatencyState:
    """What is known of the replies to one kind of call."""

    share: float
    """Of the replies, those that `usual` covers: 0.95."""

    usual: float | None = None
    """Seconds that so many of them take at most; None as long as nobody knows."""

    counts: list[float] = field(default_factory=lambda: [0.0] * _CLASSES, repr=False)
    fresh: int = 0
    """Replies since it was looked at last."""

    def observe(self, seconds: float) -> None:
        """A reply has taken so long."""
        place = ceil(log(seconds / _SHORTEST) / _LOG_GROWTH) if seconds > _SHORTEST else 0
        self.counts[min(place, _CLASSES - 1)] += 1
        self.fresh += 1
        if self.fresh >= FEWEST:
            self._look()

    def _look(self) -> None:
        wanted, passed = self.share * sum(self.counts), 0.0
        for place, count in enumerate(self.counts):
            passed += count
            if passed >= wanted:
                self.usual = _SHORTEST * _GROWTH**place
                break
        self.counts = [count * _FORGETTING for count in self.counts]
        self.fresh = 0

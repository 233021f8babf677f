"""The hosts of an upstream, and which of them to ask: the better of two drawn by lot.

How good a host is says its *peak EWMA*: how long its replies take, where a slow one counts at once and is forgotten slowly, times the
calls that it has in flight. Two drawn by lot are nearly as good as the best of all, and no crowd runs to the same one (Mitzenmacher,
"The Power of Two Choices in Randomized Load Balancing", 2001; the cost is Finagle's `Balancers.p2cPeakEwma`).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from math import exp, inf

DECAY = 10.0
"""Seconds in which a slow reply is forgotten to a third."""

UNKNOWN = 0.001
"""Seconds that a reply of a host is taken to need as long as there was none: a new host is tried soon."""


@dataclass(slots=True, eq=False)
class HostState:
    """One host, as this process knows it."""

    url: str
    """Scheme, host and port: `http://127.0.0.1:9101`."""

    in_flight: int = 0
    cost: float = field(default=UNKNOWN, repr=False)
    """Seconds that its replies take."""

    seen: float | None = field(default=None, repr=False)
    """Loop time of its last reply."""

    out_until: float = field(default=-inf, repr=False)
    """Loop time until which it has been put out, since it failed while others did not."""

    bars: list[Callable[[float], bool]] = field(default_factory=list, repr=False)
    """Each says of a moment whether it keeps calls away: an open breaker, a failed health check."""

    def is_ready(self, now: float) -> bool:
        """Nothing keeps calls away from it."""
        return not any(bar(now) for bar in self.bars)

    def is_out(self, now: float) -> bool:
        """It has been put out. Whether that keeps calls away says one of its bars."""
        return now < self.out_until

    def load(self, now: float) -> float:
        """What one more call would cost here."""
        return self._decayed(now) * (self.in_flight + 1)

    def observe(self, seconds: float, now: float) -> None:
        """A call has ended after so many seconds: worse than before counts at once, better bit by bit."""
        before = self._decayed(now)
        weight = exp(-(now - self.seen) / DECAY) if self.seen is not None else 0.0
        self.cost = seconds if seconds > before else before * weight + seconds * (1 - weight)
        self.seen = now

    def _decayed(self, now: float) -> float:
        # Who is not asked any more is forgiven, or it would never be asked again.
        return self.cost if self.seen is None else max(UNKNOWN, self.cost * exp(-(now - self.seen) / DECAY))


def choose(hosts: Sequence[HostState], tried: Sequence[str], now: float, chance: Callable[[], float]) -> HostState:
    """The host for the next attempt: one that is ready and has not been tried, else one that is ready, else any.

    Whoever is not ready refuses by itself, and says why.
    """
    ready = [host for host in hosts if host.is_ready(now)] or hosts
    fresh = [host for host in ready if host.url not in tried] or ready
    if len(fresh) == 1:
        return fresh[0]
    first = int(chance() * len(fresh))
    second = int(chance() * (len(fresh) - 1))
    one, other = fresh[first], fresh[second + (second >= first)]
    return one if one.load(now) <= other.load(now) else other

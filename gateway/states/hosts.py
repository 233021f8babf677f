"""The hosts of an upstream, and which of them to ask: the better of two drawn by lot.

How good a host is says its *peak EWMA*: how long its replies take, where a slow one counts at once and is forgotten slowly, times the
calls that it has in flight. Two drawn by lot are nearly as good as the best of all, and no crowd runs to the same one (Mitzenmacher,
"The Power of Two Choices in Randomized Load Balancing", 2001; the cost is Finagle's `Balancers.p2cPeakEwma`).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import partial
from math import exp, inf
from typing import overload

DECAY = 10.0
"""Seconds in which a slow reply is forgotten to a third."""

UNKNOWN = 0.001
"""Seconds that a reply of a host is taken to need as long as there was none: a new host is tried soon."""


@dataclass(frozen=True, slots=True)
class Place:
    """Where a host is said to be."""

    url: str
    """Scheme, host and port: `http://127.0.0.1:9101`."""

    priority: int = 0
    """Hosts of a higher number are asked when there are none of a lower one."""

    weight: float = 1.0
    """Its share of the calls, beside the weights of the others."""


@dataclass(slots=True, eq=False)
class HostState:
    """One host, as this process knows it."""

    url: str
    """Scheme, host and port: `http://127.0.0.1:9101`."""

    in_flight: int = 0
    is_healthy: bool = True
    """As far as health checks say; without them every host is."""

    priority: int = 0
    weight: float = 1.0
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


@dataclass(slots=True, eq=False)
class HostsState(Sequence[HostState]):
    """The hosts of one upstream. Replaced as a whole: who is about to choose has those of one moment."""

    now: tuple[HostState, ...] = ()
    asks_unhealthy: bool = field(default=False, init=False)
    """Fewer than half of them are healthy. Those left would have to do more than twice their share, or the checks are mistaken."""

    def __len__(self) -> int:
        return len(self.now)

    @overload
    def __getitem__(self, index: int) -> HostState: ...

    @overload
    def __getitem__(self, index: slice) -> Sequence[HostState]: ...

    def __getitem__(self, index: int | slice) -> HostState | Sequence[HostState]:
        return self.now[index]

    def __iter__(self) -> Iterator[HostState]:
        return iter(self.now)

    def update(self, places: Iterable[Place]) -> tuple[list[HostState], list[HostState]]:
        """Take these for the hosts. Gives those that have joined and those that have gone; of one that stays is known what was known."""
        before, after = {host.url: host for host in self.now}, {}
        for place in places:
            after[place.url] = host = before.get(place.url) or self._new(place.url)
            host.priority, host.weight = place.priority, place.weight
        self.now = tuple(after.values())
        self._count()
        return [after[url] for url in after if url not in before], [before[url] for url in before if url not in after]

    def note(self, host: HostState, *, is_healthy: bool) -> None:
        """What health checks have found of a host."""
        host.is_healthy = is_healthy
        self._count()

    def _new(self, url: str) -> HostState:
        host = HostState(url)
        host.bars.append(partial(self._bars, host))
        return host

    def _bars(self, host: HostState, _now: float) -> bool:
        return not (host.is_healthy or self.asks_unhealthy)

    def _count(self) -> None:
        self.asks_unhealthy = 2 * sum(host.is_healthy for host in self.now) < len(self.now)


def choose(hosts: Sequence[HostState], tried: Sequence[str], now: float, chance: Callable[[], float]) -> HostState:
    """The host for the next attempt: one that is ready and has not been tried, else one that is ready, else any; of these one that comes
    first by its priority.

    Whoever is not ready refuses by itself, and says why.
    """
    ready = [host for host in hosts if host.is_ready(now)] or hosts
    fresh = [host for host in ready if host.url not in tried] or ready
    first = min(host.priority for host in fresh)
    return _better_of_two([host for host in fresh if host.priority == first], now, chance)


def _better_of_two(hosts: Sequence[HostState], now: float, chance: Callable[[], float]) -> HostState:
    if len(hosts) == 1:
        return hosts[0]
    one = _drawn(hosts, chance)
    # Where weights differ the same one may be drawn twice: of two hosts the lighter would otherwise stand in every draw.
    is_even = all(host.weight == one.weight for host in hosts)
    other = _drawn([host for host in hosts if host is not one] if is_even else hosts, chance)
    return one if one.load(now) <= other.load(now) else other


def _drawn(hosts: Sequence[HostState], chance: Callable[[], float]) -> HostState:
    """One by lot, each as likely as it has weight."""
    point = chance() * sum(host.weight for host in hosts)
    for host in hosts[:-1]:
        point -= host.weight
        if point < 0:
            return host
    return hosts[-1]

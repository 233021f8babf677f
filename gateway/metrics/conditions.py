"""What keeps calls away from upstreams at a moment: as one process knows it, and as all of them do."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal, TypeAlias

from gateway.layers.breaker import Breaker
from gateway.layers.bulkhead import Bulkhead
from gateway.layers.eject import Eject
from gateway.stack import Stack, WaysState
from gateway.states.hosts import HostState

Breaking: TypeAlias = Literal["open", "half-open", "closed"]

_WORDS: Mapping[str, Breaking] = {"open": "open", "probing": "half-open", "closed": "closed"}
"""Of a breaker's conditions in the words that everybody has for them, the worst first."""


@dataclass(frozen=True, slots=True)
class HostCondition:
    """One host."""

    url: str
    breakers: Mapping[str, int]
    """How many processes' breakers are in a state: `{"closed": 3, "open": 1}`. None where it has no breaker."""

    healthy: bool
    ejected: bool
    in_flight: int
    latency_ms: float | None
    """How long its replies take, where there are several hosts to choose from; to the process that waits longest."""

    @property
    def breaker(self) -> str | None:
        """The worst state that a process's breaker is in."""
        return next((word for word in _WORDS.values() if self.breakers.get(word)), None)


@dataclass(frozen=True, slots=True)
class Permits:
    """A bulkhead's, those of all processes together."""

    taken: int
    of: int
    waiting: int

    def __add__(self, other: Permits) -> Permits:
        return Permits(self.taken + other.taken, self.of + other.of, self.waiting + other.waiting)


@dataclass(frozen=True, slots=True)
class Condition:
    """An upstream."""

    name: str
    hosts: Sequence[HostCondition]
    permits: Permits | None

    @classmethod
    def heard(cls, told: Mapping[str, Any]) -> Condition:
        """What a process has told. Raises `LookupError`, `TypeError` for what is none."""
        permits = told["permits"]
        hosts = [HostCondition(**host) for host in told["hosts"]]
        return cls(told["name"], hosts, Permits(**permits) if permits else None)


def conditions(ways: Iterable[WaysState]) -> list[Condition]:
    """Those of this process; read on its loop."""
    now = asyncio.get_running_loop().time()
    return [_condition(one, now) for one in ways]


def together(told: Iterable[Sequence[Condition]]) -> list[Condition]:
    """Those of several processes, in the order of the first: what one of them keeps calls away from is told so."""
    found: dict[str, Condition] = {}
    for one in (condition for each in told for condition in each):
        found[one.name] = _both(found[one.name], one) if one.name in found else one
    return [*found.values()]


def _condition(ways: WaysState, now: float) -> Condition:
    hosts = [_host(host, ways.stacks[host.url], now) for host in ways.hosts]
    return Condition(ways.upstream.name, hosts, next(_permits(ways.stack), None))


def _host(host: HostState, stack: Stack, now: float) -> HostCondition:
    breakers: Counter[str] = Counter(_WORDS[layer.state.condition] for layer in stack.layers if isinstance(layer, Breaker))
    return HostCondition(
        url=host.url,
        breakers=dict(breakers),
        healthy=host.is_healthy,
        ejected=any(isinstance(layer, Eject) for layer in stack.layers) and host.is_out(now),
        in_flight=host.in_flight,
        latency_ms=None if host.seen is None else round(host.cost * 1000, 3),
    )


def _permits(stack: Stack) -> Iterator[Permits]:
    for layer in stack.layers:
        if isinstance(layer, Bulkhead):
            permits = layer.permits
            yield Permits(permits.held, permits.limit, len(permits.waiting))


def _both(one: Condition, other: Condition) -> Condition:
    hosts = {host.url: host for host in one.hosts}
    for host in other.hosts:
        hosts[host.url] = _same(hosts[host.url], host) if host.url in hosts else host
    permits = one.permits + other.permits if one.permits and other.permits else one.permits or other.permits
    return replace(one, hosts=[*hosts.values()], permits=permits)


def _same(one: HostCondition, other: HostCondition) -> HostCondition:
    latencies = [known for known in (one.latency_ms, other.latency_ms) if known is not None]
    return HostCondition(
        url=one.url,
        breakers=dict(Counter(one.breakers) + Counter(other.breakers)),
        healthy=one.healthy and other.healthy,
        ejected=one.ejected or other.ejected,
        in_flight=one.in_flight + other.in_flight,
        latency_ms=max(latencies, default=None),
    )

"""What changes while nobody records it, read when somebody looks."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass, field
from urllib.parse import urlsplit

from gateway import telemetry
from gateway.caching import Store
from gateway.layers.breaker import Breaker
from gateway.metrics.state import Told
from gateway.stack import WaysState
from gateway.states.shedding import SheddingState
from gateway.syntax import PORTS
from gateway.telemetry import Attribute
from gateway.transport import Transport


@dataclass(frozen=True, slots=True)
class Gauges:
    """The states of a gateway that runs, as figures."""

    ways: Collection[WaysState] = field(repr=False)
    store: Store = field(repr=False)
    wire: Transport | None = field(default=None, repr=False)
    """None where others carry the calls, who do not tell."""

    shedding: SheddingState | None = None
    losses: Mapping[str, Callable[[], int]] = field(default_factory=dict, repr=False)
    """By the signal, how many of its records are lost."""

    def __call__(self) -> Iterator[Told]:
        """Each value with its metric and its labels."""
        yield telemetry.SHED.name, {}, self.shedding.refused if self.shedding else 0
        for signal, lost in self.losses.items():
            yield telemetry.LOST.name, {telemetry.TELEMETRY_SIGNAL: signal}, lost()
        for counts in self.store.counts():
            if counts.bytes is not None:
                yield telemetry.CACHE_SIZE.name, {telemetry.CACHE_TIER: counts.store}, counts.bytes
        for way in self.ways:
            yield telemetry.RETRIES.name, {telemetry.UPSTREAM_NAME: way.upstream.name}, 0
            yield telemetry.HEDGES.name, {telemetry.UPSTREAM_NAME: way.upstream.name}, way.shared.hedges.paid
            yield from _of_breakers(way)
        if self.wire:
            yield from _of_connections(self.wire)


def _of_breakers(way: WaysState) -> Iterator[Told]:
    for url, stack in way.stacks.items():
        for breaker in (layer.state for layer in stack.layers if isinstance(layer, Breaker)):
            labels = {telemetry.UPSTREAM_NAME: way.upstream.name, **_host(url), telemetry.BREAKER_STATE: breaker.condition}
            yield telemetry.BREAKERS.name, labels, 1


def _of_connections(wire: Transport) -> Iterator[Told]:
    for origin, pool in wire.pools.items():
        host, port = origin.where
        labels: dict[str, Attribute] = {telemetry.SERVER_ADDRESS: host, telemetry.SERVER_PORT: port}
        busy = len(pool.connections) - len(pool.idle)
        yield telemetry.CLIENT_ACTIVE.name, labels, busy
        yield telemetry.CLIENT_CONNECTIONS.name, {**labels, telemetry.CONNECTION_STATE: "active"}, busy
        yield telemetry.CLIENT_CONNECTIONS.name, {**labels, telemetry.CONNECTION_STATE: "idle"}, len(pool.idle)


def _host(url: str) -> dict[str, Attribute]:
    parts = urlsplit(url)
    return {telemetry.SERVER_ADDRESS: parts.hostname or "", telemetry.SERVER_PORT: parts.port or PORTS[parts.scheme]}

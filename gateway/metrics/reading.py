"""What snapshots say to who looks: calls, failures, how long they took, and how much the cache answered. Pure."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, TypeAlias

from gateway import telemetry
from gateway.metrics.figures import Distribution, Snapshot, Value
from gateway.telemetry import Attribute, Metric

_FAILED = ("failed", "fallback")

Own: TypeAlias = Mapping[str, Attribute]


@dataclass(frozen=True, slots=True)
class Lookups:
    """What became of looking something up in the cache."""

    hits: int = 0
    """It was there, also where the upstream had to say that it still holds."""

    stale: int = 0
    """It was too old, and served all the same."""

    misses: int = 0

    @classmethod
    def of(cls, status: Attribute | None, count: int) -> Lookups:
        """So many of which the cache said this; what went past it has looked nothing up."""
        match status:
            case "hit" | "revalidated":
                return cls(hits=count)
            case "stale":
                return cls(stale=count)
            case "bypass":
                return cls()
        return cls(misses=count)

    @property
    def rate(self) -> float | None:
        """The share of what was there; None where nothing was looked up."""
        there = self.hits + self.stale
        return round(there / (there + self.misses), 4) if there + self.misses else None

    def __add__(self, other: Lookups) -> Lookups:
        return Lookups(self.hits + other.hits, self.stale + other.stale, self.misses + other.misses)


@dataclass(slots=True)
class _Found:
    """Several series, of one thing."""

    took: Distribution = field(default_factory=Distribution)
    errors: int = 0
    retries: int = 0
    lookups: Lookups = Lookups()

    def milliseconds(self, share: float) -> float | None:
        """Within which this share was done."""
        seconds = self.took.quantile(share)
        return None if seconds is None else round(seconds * 1000, 3)


def of_upstreams(snapshot: Snapshot, seconds: float) -> dict[str, dict[str, Any]]:
    """By upstream, what there was of attempts, a second."""
    found: dict[str, _Found] = defaultdict(_Found)
    for own, value in _distributions(snapshot, telemetry.CLIENT_DURATION):
        one = found[str(own[telemetry.UPSTREAM_NAME])]
        one.took += value
        one.errors += value.count if telemetry.ERROR_TYPE in own else 0
    for own, count in _series(snapshot, telemetry.RETRIES):
        found[str(own[telemetry.UPSTREAM_NAME])].retries += _counted(count)
    return {name: _a_second(one, seconds) for name, one in found.items()}


def of_steps(snapshot: Snapshot, method: str, path: str) -> dict[str, dict[str, Any]]:
    """By step of an endpoint, how often it was run, and with what success."""
    found: dict[str, _Found] = defaultdict(_Found)
    for own, value in _of_endpoint(_distributions(snapshot, telemetry.STEP_DURATION), method, path):
        if own.get(telemetry.STEP_OUTCOME) == "skipped":
            continue
        one = found[str(own[telemetry.STEP_NAME])]
        one.took += value
        one.errors += value.count if own.get(telemetry.STEP_OUTCOME) in _FAILED else 0
    for own, seen in _of_endpoint(_lookups(snapshot), method, path):
        if telemetry.STEP_NAME in own:
            found[str(own[telemetry.STEP_NAME])].lookups += seen
    return {name: _so_far(one) for name, one in found.items()}


def hit_rate(snapshot: Snapshot) -> float | None:
    """How much of what was looked up in the cache was there, steps' replies and whole answers."""
    return sum((seen for _, seen in _lookups(snapshot)), Lookups()).rate


def hit_rates(snapshot: Snapshot) -> dict[str, float | None]:
    """The same by endpoint, as in `GET /v1/home/{user_id}`."""
    found: dict[str, Lookups] = defaultdict(Lookups)
    for (endpoint, _), seen in lookups(snapshot).items():
        found[endpoint] += seen
    return {endpoint: seen.rate for endpoint, seen in found.items()}


def lookups(snapshot: Snapshot) -> dict[tuple[str, str | None], Lookups]:
    """What became of them, by endpoint, as in `GET /v1/home/{user_id}`, and by upstream; None: of its own answers."""
    found: dict[tuple[str, str | None], Lookups] = defaultdict(Lookups)
    for own, seen in _lookups(snapshot):
        upstream = own.get(telemetry.UPSTREAM_NAME)
        found[
            f"{own.get(telemetry.HTTP_METHOD)} {own.get(telemetry.HTTP_ROUTE)}", None if upstream is None else str(upstream)
        ] += seen
    return found


def _a_second(found: _Found, seconds: float) -> dict[str, Any]:
    return {
        "calls": round(found.took.count / seconds, 2),
        "errors": round(found.errors / seconds, 2),
        "retries": round(found.retries / seconds, 2),
        "p50_ms": found.milliseconds(0.5),
        "p99_ms": found.milliseconds(0.99),
    }


def _so_far(found: _Found) -> dict[str, Any]:
    return {
        "calls": found.took.count,
        "errors": found.errors,
        "p50_ms": found.milliseconds(0.5),
        "p99_ms": found.milliseconds(0.99),
        "cache_hit_rate": found.lookups.rate,
    }


def _series(snapshot: Snapshot, metric: Metric) -> Iterator[tuple[Own, Value]]:
    for labels, value in snapshot.values.get(metric.name, {}).items():
        yield dict(labels), value


def _lookups(snapshot: Snapshot) -> Iterator[tuple[Own, Lookups]]:
    for own, value in _series(snapshot, telemetry.CACHE_REQUESTS):
        yield own, Lookups.of(own.get(telemetry.CACHE_STATUS), _counted(value))


def _distributions(snapshot: Snapshot, metric: Metric) -> Iterator[tuple[Own, Distribution]]:
    for own, value in _series(snapshot, metric):
        if isinstance(value, Distribution):
            yield own, value


def _of_endpoint(series: Iterable[tuple[Own, Any]], method: str, path: str) -> Iterator[tuple[Own, Any]]:
    for own, value in series:
        if (own.get(telemetry.HTTP_METHOD), own.get(telemetry.HTTP_ROUTE)) == (method, path):
            yield own, value


def _counted(value: Value) -> int:
    return value.count if isinstance(value, Distribution) else value

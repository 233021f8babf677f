"""Figures at one moment, and what several processes' come to together. Whole numbers all of them, so that sums are exact."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, TypeAlias

from gateway.telemetry import BUCKETS, Attribute

BOUNDS = tuple(round(bound * 1_000_000_000) for bound in BUCKETS)
"""The buckets' upper bounds, in nanoseconds."""

Labels: TypeAlias = tuple[tuple[str, Attribute], ...]
"""Attributes by their names, sorted; what is not there is left out."""


Exemplar: TypeAlias = tuple[int, int, int, int]
"""One of the requests that were counted, to be looked up: when it ended, in nanoseconds since the epoch, how many it took, and the ids of its
trace and span. A bare tuple: each span that is recorded makes one, and one with names takes four times as long.
"""


@dataclass(slots=True)
class Distribution:
    """How long things took."""

    counts: list[int] = field(default_factory=lambda: [0] * (len(BOUNDS) + 1))
    """How many took as long as a bucket's bound or less, and longer than the bound before it; the last has none."""

    nanoseconds: int = 0
    """All of them together."""

    exemplars: dict[int, Exemplar] = field(default_factory=dict)
    """The latest of a bucket that is exported."""

    def copy(self) -> Distribution:
        """As it is now."""
        return Distribution(self.counts[:], self.nanoseconds, {**self.exemplars})

    @property
    def count(self) -> int:
        """How many there were."""
        return sum(self.counts)

    def quantile(self, share: float) -> float | None:
        """Seconds within which this share of them was done, as far as buckets tell: within one, evenly spread. None where there were none."""
        left = share * self.count
        for low, high, counted in zip((0, *BOUNDS), (*BOUNDS, BOUNDS[-1]), self.counts, strict=True):
            if counted and left <= counted:
                return (low + (high - low) * left / counted) / 1e9
            left -= counted
        return None

    def __sub__(self, before: Distribution) -> Distribution:
        counts = [max(0, now - then) for now, then in zip(self.counts, before.counts, strict=True)]
        return Distribution(counts, max(0, self.nanoseconds - before.nanoseconds))

    def __add__(self, other: Distribution) -> Distribution:
        counts = [one + two for one, two in zip(self.counts, other.counts, strict=True)]
        return Distribution(counts, self.nanoseconds + other.nanoseconds, self._latest(other))

    def _latest(self, other: Distribution) -> dict[int, Exemplar]:
        theirs = {bucket: max(one, self.exemplars.get(bucket, one)) for bucket, one in other.exemplars.items()}
        return {**self.exemplars, **theirs}


Value: TypeAlias = int | Distribution


@dataclass(frozen=True, slots=True)
class Snapshot:
    """The values of metrics at one moment, by the metric's name and the series' labels. Gauges are added as counters are: they count too."""

    values: Mapping[str, Mapping[Labels, Value]] = field(default_factory=dict)

    @classmethod
    def of(cls, told: Iterable[tuple[str, Mapping[str, Attribute | None], Value]]) -> Snapshot:
        """Of single values; those of the same labels are added."""
        values: dict[str, dict[Labels, Value]] = {}
        for name, attributes, value in told:
            series = values.setdefault(name, {})
            _add(series, tuple(sorted((key, one) for key, one in attributes.items() if one is not None)), value)
        return cls(values)

    def __add__(self, other: Snapshot) -> Snapshot:
        values = {name: dict(series) for name, series in self.values.items()}
        for name, series in other.values.items():
            mine = values.setdefault(name, {})
            for labels, value in series.items():
                _add(mine, labels, value)
        return Snapshot(values)

    def __sub__(self, before: Snapshot) -> Snapshot:
        """What has come since then, of what was counted; the exemplars are not among it."""
        return Snapshot(
            {
                name: {labels: _less(value, before.values.get(name, {}).get(labels)) for labels, value in series.items()}
                for name, series in self.values.items()
            }
        )

    def told(self) -> Iterator[Any]:
        """Each series as JSON has it, for another process."""
        return ([name, dict(labels), _told(value)] for name, series in self.values.items() for labels, value in series.items())

    @classmethod
    def heard(cls, told: Iterable[Any]) -> Snapshot:
        """The series that another process has told."""
        return cls.of((name, labels, _heard(value)) for name, labels, value in told)


def _add(series: dict[Labels, Value], labels: Labels, value: Value) -> None:
    before = series.get(labels)
    series[labels] = value if before is None else _sum(before, value)


def _sum(one: Value, two: Value) -> Value:
    if isinstance(one, int) and isinstance(two, int):
        return one + two
    assert isinstance(one, Distribution)  # a metric is of one kind
    assert isinstance(two, Distribution)
    return one + two


def _less(now: Value, then: Value | None) -> Value:
    if isinstance(now, Distribution) and isinstance(then, Distribution):
        return now - then
    if isinstance(now, int) and isinstance(then, int):
        return max(0, now - then)
    return now


def _told(value: Value) -> Any:
    if isinstance(value, int):
        return value
    exemplars = [[bucket, at, took, f"{trace:x}", f"{span:x}"] for bucket, (at, took, trace, span) in value.exemplars.items()]
    return [value.nanoseconds, value.counts, exemplars]


def _heard(value: Any) -> Value:
    if isinstance(value, int):
        return value
    nanoseconds, counts, exemplars = value
    known = {bucket: (at, took, int(trace, 16), int(span, 16)) for bucket, at, took, trace, span in exemplars}
    return Distribution(counts, nanoseconds, known)

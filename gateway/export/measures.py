"""Metrics out: every now and then a snapshot becomes OpenTelemetry's, and leaves by the SDK's own exporters, in a thread of its own.

Figures are cumulative, so that one that is not taken is lost without harm: the next has all that it had. One at a time; when the gateway
stops, the last one leaves. Each process sends its own, by a resource of its own.
"""

from __future__ import annotations

import asyncio
import os
import time
import uuid
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from functools import partial
from typing import cast

from opentelemetry.sdk.metrics import Exemplar
from opentelemetry.sdk.metrics.export import (
    AggregationTemporality,
    Histogram,
    HistogramDataPoint,
    Metric,
    MetricExporter,
    MetricsData,
    NumberDataPoint,
    ResourceMetrics,
    ScopeMetrics,
    Sum,
)
from opentelemetry.sdk.resources import PROCESS_PID, SERVICE_INSTANCE_ID, Resource
from opentelemetry.sdk.util.instrumentation import InstrumentationScope

from gateway import telemetry
from gateway.export.aside import aside
from gateway.metrics.figures import Distribution, Labels, Snapshot, Value
from gateway.telemetry import BUCKETS

LAST = 1.0
"""Seconds that the last figures may take to leave: an exporter that finds no collector would try again until it is killed."""

_CUMULATIVE = AggregationTemporality.CUMULATIVE


@dataclass(slots=True)
class MeasuresState:
    """The figures of one process on their way out."""

    exporters: Sequence[MetricExporter]
    resource: Resource = field(repr=False)
    scope: InstrumentationScope = field(repr=False)
    every: float
    """Seconds between two snapshots."""

    timeout: float
    """Seconds that an exporter is given."""

    _closing: asyncio.Event = field(default_factory=asyncio.Event, repr=False)
    _sending: asyncio.Task[None] | None = field(default=None, repr=False)

    def start(self, take: Callable[[], Callable[[], Snapshot]]) -> None:
        """Begin to send what is taken; needs a running loop."""
        self._sending = asyncio.create_task(self._send_all(take, time.time_ns()))

    async def stop(self) -> None:
        """Let the last figures leave, if they do at once."""
        self._closing.set()
        with suppress(TimeoutError):
            async with asyncio.timeout(LAST):
                if self._sending:
                    await self._sending
        await aside(self._shut_down, "fanin-metrics-stop")

    async def _send_all(self, take: Callable[[], Callable[[], Snapshot]], since: int) -> None:
        is_last = False
        while not is_last:
            with suppress(TimeoutError):
                async with asyncio.timeout(self.every):
                    is_last = await self._closing.wait()
            await aside(partial(self._send, take(), since, time.time_ns()), "fanin-metrics")

    def _send(self, snapshot: Callable[[], Snapshot], since: int, at: int) -> None:
        metrics = [*as_metrics(snapshot(), since, at)]
        data = MetricsData([ResourceMetrics(self.resource, [ScopeMetrics(self.scope, metrics, "")], "")])
        for exporter in self.exporters:
            exporter.export(data, timeout_millis=self.timeout * 1000)

    def _shut_down(self) -> None:
        for exporter in self.exporters:
            exporter.shutdown()


def of_process(resource: Resource) -> Resource:
    """The resource of this process alone: two that sent the same series would be taken for one that contradicts itself."""
    return Resource({SERVICE_INSTANCE_ID: str(uuid.uuid4())}).merge(resource).merge(Resource({PROCESS_PID: os.getpid()}))


def as_metrics(snapshot: Snapshot, since: int, at: int) -> Iterator[Metric]:
    """A snapshot as OpenTelemetry has it, of a time that began and ended at these nanoseconds since the epoch."""
    for metric in telemetry.METRICS:
        series = snapshot.values.get(metric.name)
        if series and metric is not telemetry.WORKERS:
            yield Metric(metric.name, metric.meaning, metric.unit, _data(metric, series.items(), since, at))


def _data(metric: telemetry.Metric, series: Iterable[tuple[Labels, Value]], since: int, at: int) -> Histogram | Sum:
    if metric.kind == "histogram":
        points = [_histogram(dict(labels), value, since, at) for labels, value in series if isinstance(value, Distribution)]
        return Histogram(points, _CUMULATIVE)
    numbers = [NumberDataPoint(dict(labels), since, at, value) for labels, value in series if isinstance(value, int)]
    # What may fall again is a sum all the same: that of several processes is what they have together.
    return Sum(numbers, _CUMULATIVE, is_monotonic=metric.kind == "counter")


def _histogram(attributes: Mapping[str, telemetry.Attribute], value: Distribution, since: int, at: int) -> HistogramDataPoint:
    exemplars = [Exemplar({}, took / 1e9, at, span, trace) for at, took, trace, span in value.exemplars.values()]
    # Nobody keeps the least and the most; what is None is left out on the wire.
    least = most = cast("float", None)
    seconds = value.nanoseconds / 1e9
    return HistogramDataPoint(dict(attributes), since, at, value.count, seconds, value.counts, BUCKETS, least, most, exemplars)

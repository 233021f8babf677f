"""A snapshot as text that Prometheus reads: its own format (0.0.4), or OpenMetrics with exemplars. The only module that knows `prometheus_client`.

Names are OpenTelemetry's, as its specification has them translated: a dot is an underscore, units are spelled out, counters end in `_total`.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import accumulate

from prometheus_client.core import CounterMetricFamily, Exemplar, GaugeMetricFamily, HistogramMetricFamily
from prometheus_client.exposition import choose_encoder
from prometheus_client.metrics_core import Metric as Family
from prometheus_client.registry import Collector

from gateway.metrics.figures import Distribution, Labels, Snapshot
from gateway.metrics.figures import Exemplar as Known
from gateway.telemetry import BUCKETS, METRICS, OVERFLOW, Attribute, Metric

_UNITS = {"s": "seconds", "By": "bytes"}
_BOUNDS = (*(f"{float(bound)}" for bound in BUCKETS), "+Inf")


def expose(snapshot: Snapshot, accept: str) -> tuple[bytes, str]:
    """The text in the best form that `Accept` takes, and which that is. A thousand series take 30 ms: not for the loop."""
    encode, kind = choose_encoder(accept)
    return encode(_Shown(snapshot)), kind


def name_of(metric: Metric) -> str:
    """What its family is called: `http_server_request_duration_seconds`."""
    return "_".join(filter(None, (_underscored(metric.name), _UNITS.get(metric.unit))))


@dataclass(frozen=True, slots=True)
class _Shown(Collector):
    """Every metric, those without a value too, so that whoever looks for its name finds it."""

    snapshot: Snapshot

    def collect(self) -> Iterator[Family]:
        for metric in METRICS:
            yield _family(metric, self.snapshot)


def _family(metric: Metric, snapshot: Snapshot) -> Family:
    name, series = name_of(metric), snapshot.values.get(metric.name, {})
    labels = (*metric.attributes, OVERFLOW) if any(OVERFLOW in dict(one) for one in series) else metric.attributes
    names, unit = [_underscored(label) for label in labels], _UNITS.get(metric.unit, "")
    if metric.kind == "histogram":
        histogram = HistogramMetricFamily(name, metric.meaning, labels=names, unit=unit)
        for of, value in series.items():
            assert isinstance(value, Distribution)
            histogram.add_metric(_values(labels, of), _buckets(value), value.nanoseconds / 1e9)
        return histogram
    plain = (CounterMetricFamily if metric.kind == "counter" else GaugeMetricFamily)(
        name, metric.meaning, labels=names, unit=unit
    )
    for of, value in series.items():
        assert isinstance(value, int)
        plain.add_metric(_values(labels, of), value)
    return plain


def _values(labels: tuple[str, ...], of: Labels) -> list[str]:
    own = dict(of)
    return [_text(own.get(label)) for label in labels]


def _text(value: Attribute | None) -> str:
    if value is None:
        return ""
    return str(value).lower() if isinstance(value, bool) else str(value)


def _buckets(value: Distribution) -> list[tuple[str, float] | tuple[str, float, Exemplar]]:
    counted = zip(_BOUNDS, accumulate(value.counts), strict=True)
    return [(*one, _shown(value.exemplars[at])) if at in value.exemplars else one for at, one in enumerate(counted)]


def _shown(one: Known) -> Exemplar:
    at, took, trace, span = one
    return Exemplar({"trace_id": f"{trace:032x}", "span_id": f"{span:016x}"}, took / 1e9, at / 1e9)


def _underscored(name: str) -> str:
    return name.replace(".", "_")

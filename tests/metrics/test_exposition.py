"""The text of metrics, as Prometheus' own parsers read it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from prometheus_client.openmetrics.parser import text_string_to_metric_families as read_openmetrics
from prometheus_client.parser import text_string_to_metric_families as read_plain

from gateway.metrics.exposition import expose, name_of
from gateway.metrics.figures import Distribution, Snapshot
from gateway.metrics.state import MetricsState
from gateway.telemetry import METRICS, SERVER_DURATION, Trace

OPENMETRICS = "application/openmetrics-text;version=1.0.0,text/plain;version=0.0.4;q=0.5"


@pytest.mark.parametrize(
    ("accept", "kind"),
    [
        ("", "text/plain; version=0.0.4"),
        ("*/*", "text/plain; version=0.0.4"),
        (OPENMETRICS, "application/openmetrics-text; version=1.0.0"),
        ('text/html;x="\x00, nonsense', "text/plain; version=0.0.4"),
    ],
)
def test_the_form_is_what_is_accepted(accept: str, kind: str) -> None:
    """OpenMetrics for who asks for it, else the text that everybody reads."""
    text, told = expose(Snapshot(), accept)

    assert told.startswith(kind)
    assert text.endswith(b"# EOF\n") == ("openmetrics" in kind)


@pytest.mark.parametrize("read", [read_plain, read_openmetrics])
def test_every_metric_is_there_with_its_kind(read: Any) -> None:
    """Also those without a value; names are OpenTelemetry's as Prometheus has them."""
    text, _ = expose(Snapshot(), OPENMETRICS if read is read_openmetrics else "")

    found = {family.name.removesuffix("_total"): family.type for family in read(text.decode())}

    assert found == {name_of(metric): metric.kind for metric in METRICS}
    assert name_of(SERVER_DURATION) == "http_server_request_duration_seconds"


def test_buckets_are_cumulative_and_seconds(state: MetricsState, finished: Callable[..., Trace]) -> None:
    """Each counts all that took as long or less; the last one all there are."""
    for milliseconds in (5, 30, 20_000):
        state.note(finished(milliseconds=milliseconds))

    (family,) = (one for one in read_plain(expose(state.snapshot(), "")[0].decode()) if one.name == name_of(SERVER_DURATION))

    buckets = {sample.labels["le"]: sample.value for sample in family.samples if sample.name.endswith("_bucket")}
    assert (buckets["0.005"], buckets["0.025"], buckets["0.05"], buckets["10.0"], buckets["+Inf"]) == (1, 1, 2, 2, 3)
    assert {sample.name[-6:]: sample.value for sample in family.samples if "le" not in sample.labels} == {
        "_count": 3,
        "ds_sum": 20.035,
    }


def test_an_exemplar_names_its_trace(state: MetricsState, finished: Callable[..., Trace]) -> None:
    """In OpenMetrics a bucket has the trace of one of those that it counts."""
    state.note(finished(milliseconds=30, recorded=True))

    text = expose(state.snapshot(), OPENMETRICS)[0].decode()

    found = [sample.exemplar for family in read_openmetrics(text) for sample in family.samples if sample.exemplar]
    assert [(one.labels, one.value) for one in found] == [({"trace_id": f"{0xABC:032x}", "span_id": f"{1:016x}"}, 0.03)]


def test_labels_cannot_break_the_text() -> None:
    """What stands in them comes from a config, quotes and line ends too."""
    odd = 'a"b\\c\nd'
    snapshot = Snapshot.of(
        [(SERVER_DURATION.name, {"http.route": odd, "otel.metric.overflow": True}, Distribution([1] + [0] * 14, 7))]
    )

    text = expose(snapshot, OPENMETRICS)[0].decode()

    labels = [sample.labels for family in read_openmetrics(text) for sample in family.samples if sample.labels]
    assert {(one["http_route"], one["otel_metric_overflow"]) for one in labels} == {(odd, "true")}

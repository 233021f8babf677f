"""Metrics on their way to a collector: what they are there, and that nobody waits for it."""

from __future__ import annotations

import asyncio
import gzip
import logging
import os
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import httpx
import pytest
from opentelemetry.exporter.otlp.proto.common.metrics_encoder import encode_metrics
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceRequest
from opentelemetry.sdk.metrics.export import MetricsData, ResourceMetrics, ScopeMetrics
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.util.instrumentation import InstrumentationScope

from gateway import Gateway
from gateway.errors import StartError
from gateway.export import Tracing
from gateway.export.measures import MeasuresState, as_metrics, of_process
from gateway.export.settings import metric_exporters, metric_times
from gateway.metrics.figures import Distribution, Snapshot
from gateway.telemetry import BUCKETS, LOST, SERVER_ACTIVE, SERVER_DURATION, SHED

ENDPOINT = {"OTEL_EXPORTER_OTLP_ENDPOINT": "http://127.0.0.1:4318"}
CONFIG = """
version: 1
upstreams: { users: { url: "http://users.test" } }
endpoints: [{ path: "/a/{id}", steps: { user: { get: "users /users/{path.id}" } } }]
"""
SCOPE = InstrumentationScope("fanin", "1")


@pytest.mark.parametrize(
    ("environ", "names"),
    [
        ({}, []),
        (ENDPOINT, ["otlp_proto_http"]),
        ({"OTEL_EXPORTER_OTLP_METRICS_ENDPOINT": "http://127.0.0.1:4318/v1/metrics"}, ["otlp_proto_http"]),
        ({"OTEL_EXPORTER_OTLP_TRACES_ENDPOINT": "http://127.0.0.1:4318/v1/traces"}, []),
        ({**ENDPOINT, "OTEL_EXPORTER_OTLP_METRICS_PROTOCOL": "grpc"}, ["otlp_proto_grpc"]),
        ({**ENDPOINT, "OTEL_METRICS_EXPORTER": "none"}, []),
        ({**ENDPOINT, "OTEL_METRICS_EXPORTER": "prometheus"}, []),
        ({"OTEL_METRICS_EXPORTER": "console, otlp"}, ["console", "otlp_proto_http"]),
    ],
)
def test_the_environment_names_the_exporters(environ: dict[str, str], names: list[str]) -> None:
    """As it does for traces; what Prometheus reads is there in any case."""
    assert metric_exporters(environ) == names


def test_times_are_milliseconds(caplog: pytest.LogCaptureFixture) -> None:
    """A number that is none is told in the log, and the usual one taken."""
    assert metric_times({}) == (60.0, 30.0)
    assert metric_times({"OTEL_METRIC_EXPORT_INTERVAL": "500", "OTEL_METRIC_EXPORT_TIMEOUT": "soon"}) == (0.5, 30.0)
    assert "OTEL_METRIC_EXPORT_TIMEOUT" in caplog.text


def test_an_exporter_that_is_not_there_is_told_at_the_start() -> None:
    """It ends the start."""
    with pytest.raises(StartError, match="OTEL_METRICS_EXPORTER"):
        Tracing().start({"OTEL_METRICS_EXPORTER": "pigeon"})


def test_a_snapshot_is_opentelemetry_s() -> None:
    """In seconds, cumulative since the process began, with the exemplars that it has; what is not known is not there."""
    counts = [2, *[0] * (len(BUCKETS) - 1), 1]
    taken = Distribution(counts, 20_005_000_000, {0: (70, 5_000_000, 0xABC, 0xDEF)})
    labels = {"http.route": "/a", "http.response.status_code": 200}
    snapshot = Snapshot.of([(SERVER_DURATION.name, labels, taken), (SHED.name, {}, 3), (SERVER_ACTIVE.name, labels, 2)])

    metrics = [*as_metrics(snapshot, 10, 90)]
    sent = encode_metrics(MetricsData([ResourceMetrics(Resource({}), [ScopeMetrics(SCOPE, metrics, "")], "")]))

    duration, active, shed = sent.resource_metrics[0].scope_metrics[0].metrics
    (point,) = duration.histogram.data_points
    assert (duration.name, duration.unit, duration.histogram.aggregation_temporality) == (SERVER_DURATION.name, "s", 2)
    assert (point.start_time_unix_nano, point.time_unix_nano, point.count, point.sum) == (10, 90, 3, 20.005)
    assert (list(point.explicit_bounds), list(point.bucket_counts)) == ([*BUCKETS], counts)
    assert not point.HasField("min")
    (exemplar,) = point.exemplars
    assert (exemplar.as_double, exemplar.trace_id.hex(), exemplar.span_id.hex()) == (0.005, f"{0xABC:032x}", f"{0xDEF:016x}")
    assert {(one.name, one.sum.is_monotonic, one.sum.data_points[0].as_int) for one in (active, shed)} == {
        (SERVER_ACTIVE.name, False, 2),
        (SHED.name, True, 3),
    }


def test_each_process_has_a_resource_of_its_own() -> None:
    """Whatever it is called; what the environment says of it stays."""
    named = of_process(Resource({"service.name": "shop", "service.instance.id": "one"})).attributes

    assert (named["service.name"], named["service.instance.id"], named["process.pid"]) == ("shop", "one", os.getpid())
    assert (
        of_process(Resource({})).attributes["service.instance.id"] != of_process(Resource({})).attributes["service.instance.id"]
    )


class Exporter:
    """Keeps what it is given, or fails, or hangs until it is shut down."""

    def __init__(self, how: str = "well") -> None:
        self.how = how
        self.given: list[MetricsData] = []
        self.is_down = threading.Event()

    def export(self, data: MetricsData, timeout_millis: float) -> None:
        self.given.append(data)
        if self.how == "fails":
            raise ValueError("a bug of theirs")
        if self.how == "hangs":
            self.is_down.wait()

    def shutdown(self) -> None:
        self.is_down.set()


def exporting(exporter: Any, every: float = 60.0) -> MeasuresState:
    """Of figures that count how often they were looked at."""
    state, looks = MeasuresState([exporter], Resource({}), SCOPE, every, 1.0), iter(range(1, 10_000))
    state.start(lambda: lambda: Snapshot.of([(SHED.name, {}, next(looks))]))
    return state


@pytest.mark.parametrize("how", ["well", pytest.param("hangs", marks=pytest.mark.slow), "fails"])
async def test_the_last_figures_leave_at_the_stop(how: str) -> None:
    """Whatever the exporter does it is shut down, and nobody waits for one that hangs."""
    exporter = Exporter(how)
    state = exporting(exporter)

    await state.stop()

    assert len(exporter.given) == 1
    assert exporter.is_down.is_set()


async def test_figures_leave_again_and_again() -> None:
    """A bug of an exporter's is not the end of it."""
    exporter = Exporter("fails")
    state = exporting(exporter, every=0.001)

    async with asyncio.timeout(20):
        while len(exporter.given) < 3:  # noqa: ASYNC110 - a thread has no event for it
            await asyncio.sleep(0.005)
    await state.stop()

    values = [data.resource_metrics[0].scope_metrics[0].metrics[0].data.data_points[0].value for data in exporter.given]  # type: ignore[union-attr]
    assert values == [*range(1, len(values) + 1)]


@pytest.fixture
def collector() -> Iterator[tuple[str, list[ExportMetricsServiceRequest]]]:
    """Takes metrics over OTLP: where, and what it has."""
    taken: list[ExportMetricsServiceRequest] = []

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["content-length"]))
            if self.path == "/v1/metrics":
                is_packed = self.headers.get("content-encoding") == "gzip"
                taken.append(ExportMetricsServiceRequest.FromString(gzip.decompress(body) if is_packed else body))
            self.send_response(200)
            self.send_header("content-length", "0")
            self.end_headers()

        def log_message(self, format: str, *args: Any) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}", taken
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.mark.slow
async def test_a_gateway_s_figures_arrive_at_the_collector(
    collector: tuple[str, list[ExportMetricsServiceRequest]], monkeypatch: pytest.MonkeyPatch
) -> None:
    """By the stock exporter, as the environment says; the last of them when it stops."""
    url, taken = collector
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", url)
    gateway = Gateway.from_text(CONFIG, transport=httpx.MockTransport(lambda request: httpx.Response(200, json={})))

    async with gateway.lifespan(), httpx.AsyncClient(transport=httpx.ASGITransport(gateway.app)) as client:
        await client.get("http://localhost/a/7")

    (sent,) = taken[-1].resource_metrics
    names = {one.key: one.value for one in sent.resource.attributes}
    counts = {
        one.name: [point.count for point in one.histogram.data_points]
        for one in sent.scope_metrics[0].metrics
        if one.HasField("histogram")
    }
    assert (names["service.name"].string_value, names["process.pid"].int_value) == ("fanin", os.getpid())
    assert counts == {
        name: [1] for name in ("http.server.request.duration", "http.client.request.duration", "gateway.step.duration")
    }


async def test_what_is_not_told_is_counted(
    collector: tuple[str, list[ExportMetricsServiceRequest]], monkeypatch: pytest.MonkeyPatch
) -> None:
    """By what it was; lines too, which nobody reads where a pipe is full."""
    url, taken = collector
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", url)
    handler = logging.NullHandler()
    handler.lost = 3  # type: ignore[attr-defined]  # as the gateway's own has it
    monkeypatch.setattr(logging.getLogger(), "handlers", [handler])
    gateway = Gateway.from_text(CONFIG, transport=httpx.MockTransport(lambda request: httpx.Response(200, json={})))

    async with gateway.lifespan():
        pass

    (sent,) = taken[-1].resource_metrics
    (lost,) = (one for one in sent.scope_metrics[0].metrics if one.name == LOST.name)
    assert {point.attributes[0].value.string_value: point.as_int for point in lost.sum.data_points} == {
        "spans": 0,
        "journal": 0,
        "logs": 3,
    }

"""What a trace begins with and what becomes of it: sampler, ids, processors and exporters of the SDK's keep their say."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Any

import pytest
from opentelemetry.sdk.trace import ReadableSpan, SpanProcessor, TracerProvider
from opentelemetry.sdk.trace.export import ConsoleSpanExporter
from opentelemetry.sdk.trace.id_generator import IdGenerator
from opentelemetry.sdk.trace.sampling import ALWAYS_OFF, Decision, Sampler, SamplingResult
from opentelemetry.trace import TraceState

from gateway.errors import StartError
from gateway.export import Tracing
from gateway.layers.trace import Trace as TraceLayer
from gateway.plan.recipe import Upstream
from gateway.policy import TelemetryPolicy
from gateway.telemetry import SHAPE, Attribute, SpanType, Trace

ROOT = SpanType("GET /home/{id}", "server", {"http.route": "/home/{id}"})


class Kept(SpanProcessor):
    """Keeps what it is handed."""

    def __init__(self) -> None:
        self.spans: list[ReadableSpan] = []

    def on_end(self, span: ReadableSpan) -> None:
        self.spans.append(span)


class ByPath(Sampler):
    """Samples one path, and leaves word of itself in the trace state."""

    def should_sample(self, *offered: Any, **_: Any) -> SamplingResult:
        attributes: Mapping[str, Any] = offered[4]
        seen = (attributes["http.route"], attributes["url.path"], len(attributes), sorted(attributes))
        good = seen == ("/home/{id}", "/home/42", 2, ["http.route", "url.path"])
        return SamplingResult(Decision.RECORD_AND_SAMPLE if good else Decision.DROP, attributes, TraceState([("by", "path")]))

    def get_description(self) -> str:
        return "ByPath"


class Counting(IdGenerator):
    """Ids that can be told apart."""

    def __init__(self) -> None:
        self.last = 0

    def generate_span_id(self) -> int:
        self.last += 1
        return self.last

    def generate_trace_id(self) -> int:
        return 0xABC


def _own(path: str = "/home/42") -> dict[str, Attribute]:
    return {"url.path": path}


def _tracing(**options: Any) -> tuple[Tracing, Kept]:
    kept = Kept()
    provider = TracerProvider(shutdown_on_exit=False, **options)
    tracing = Tracing(provider, processors=[kept])
    tracing.start({})
    return tracing, kept


@pytest.mark.parametrize(("path", "sampled"), [("/home/42", True), ("/home/7", False)])
def test_a_sampler_may_look_at_the_request(path: str, sampled: bool) -> None:
    """It is shown all attributes of the root, and its trace state goes along."""
    tracing, _ = _tracing(sampler=ByPath())

    trace = tracing.begin(ROOT, {}, lambda: _own(path))

    assert (trace.sampled, trace.tracestate) == (sampled, "by=path")


def test_ids_are_the_provider_s() -> None:
    """Of traces and of spans."""
    tracing, kept = _tracing(id_generator=Counting())

    trace = tracing.begin(ROOT, {}, _own)
    with trace.root.child(SHAPE):
        pass
    tracing.finish(trace)

    assert [(span.context.trace_id, span.context.span_id) for span in kept.spans if span.context] == [(0xABC, 2), (0xABC, 1)]


@pytest.mark.parametrize("why", ["the sampler says no", "nobody is there"])
async def test_what_nobody_looks_at_is_not_recorded(upstream: Any, make_call: Any, why: str) -> None:
    """No attributes are made, and attempts are only measured: the upstream is told the step's span. `Server-Timing` has what it needs."""
    tracing, _ = _tracing(sampler=ALWAYS_OFF) if why == "the sampler says no" else (Tracing(), None)
    trace = tracing.begin(ROOT, {}, lambda: pytest.fail("attributes made for nobody"))
    caller = TraceLayer(Upstream("users", "http://users.test", "", 1000, {}))(upstream)
    upstream.replies(200)

    await caller(make_call(span=trace.root))

    assert [(span.kind, span.id != 0, span.own) for span in trace.spans[1:]] == [
        ("client", False, {"http.response.status_code": 200})
    ]
    assert upstream.calls[0].span is trace.root


async def test_which_of_several_hosts_was_asked_is_measured_too(upstream: Any, make_call: Any) -> None:
    """An attempt has a span of its own for it, and nothing in it that is for readers."""
    trace = Tracing().begin(ROOT, {}, dict)
    several = Upstream("users", "http://one.test", "", 1000, {}, others=("http://two.test",))
    upstream.replies(200)

    await TraceLayer(several)(upstream)(make_call(span=trace.root))

    assert upstream.calls[0].span is trace.spans[1]
    assert trace.spans[1].own == {"http.response.status_code": 200}


RULE = TelemetryPolicy(keep_slow="1s", keep_failed=True)


def _unsampled(rule: TelemetryPolicy, *, ms: float = 1, status: int = 200, complete: bool = True) -> tuple[Trace, Kept]:
    """A finished trace that the sampler did not take, and what was exported of it."""
    tracing, kept = _tracing(sampler=ALWAYS_OFF)
    tracing.start({}, rule)
    trace = tracing.begin(ROOT, {}, _own)
    with trace.root.child(SHAPE) as shape:
        shape.own = {"gateway.answer.complete": complete}
    if status >= 500:
        trace.root.fail(str(status))
    trace.root.end = trace.root.start + int(ms * 1_000_000)
    tracing.finish(trace)
    return trace, kept


@pytest.mark.parametrize(
    ("became", "why"),
    [
        ({"ms": 1000}, "slow"),
        ({"ms": 999}, None),
        ({"status": 503}, "failed"),
        ({"status": 503, "ms": 2000}, "failed"),
        ({"complete": False}, "partial"),
    ],
    ids=str,
)
def test_what_tells_something_is_exported_though_it_is_not_sampled(became: Any, why: str | None) -> None:
    """Whole, and it says why; what the upstreams and the client are told of it stays as the sampler had it."""
    trace, kept = _unsampled(RULE, **became)

    assert [span.name for span in kept.spans] == (["shape", "GET /home/{id}"] if why else [])
    assert [(span.attributes or {}).get("gateway.trace.kept") for span in kept.spans[1:]] == [why] * bool(why)
    assert (trace.sampled, trace.after_id) == (False, "-00")


@pytest.mark.parametrize(
    ("rule", "became"),
    [({"keep_failed": True}, {"ms": 5000}), ({"keep_slow": "1s"}, {"status": 503}), ({"keep_slow": "1s"}, {"complete": False})],
    ids=str,
)
def test_half_a_rule_keeps_half(rule: Any, became: Any) -> None:
    """Each of the two is its own."""
    _, kept = _unsampled(TelemetryPolicy(**rule), **became)

    assert kept.spans == []


async def test_a_batch_processor_takes_what_the_rule_has_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    """The SDK's drops what is not marked as sampled."""
    printed: list[ReadableSpan] = []
    monkeypatch.setattr(ConsoleSpanExporter, "export", lambda _, spans: printed.extend(spans))
    tracing = Tracing(TracerProvider(shutdown_on_exit=False, sampler=ALWAYS_OFF))
    tracing.start({"OTEL_TRACES_EXPORTER": "console"}, RULE)
    trace = tracing.begin(ROOT, {}, _own)
    trace.root.fail("502")

    tracing.finish(trace)
    await tracing.stop()

    assert [(span.name, dict(span.attributes or {})["url.path"]) for span in printed] == [("GET /home/{id}", "/home/42")]


@pytest.mark.parametrize("why", ["the rule is off", "nobody exports"])
def test_without_a_use_for_it_nothing_is_recorded_for_the_rule(why: str) -> None:
    """It costs who has not asked for it nothing."""
    tracing = _tracing(sampler=ALWAYS_OFF)[0] if why == "the rule is off" else Tracing()
    tracing.start({}, TelemetryPolicy() if why == "the rule is off" else RULE)

    trace = tracing.begin(ROOT, {}, lambda: pytest.fail("attributes made for nobody"))

    assert not trace.recorded


def test_a_trace_lets_go_of_its_spans() -> None:
    """They hold each other, and would have to be found by the garbage collector."""
    tracing, kept = _tracing()

    trace = tracing.begin(ROOT, {}, _own)
    tracing.finish(trace)

    assert trace.spans == []
    assert len(kept.spans) == 1


def test_a_sink_s_trace_keeps_them() -> None:
    """Whoever asked for it may look at it later."""
    sunk: list[Trace] = []
    tracing = Tracing(sinks=[sunk.append])

    tracing.finish(tracing.begin(ROOT, {}, _own))

    assert [span.attributes for span in sunk[0].spans] == [{"http.route": "/home/{id}", "url.path": "/home/42"}]
    assert sunk[0].root.end


@pytest.mark.parametrize("variable", ["OTEL_SPAN_ATTRIBUTE_VALUE_LENGTH_LIMIT", "OTEL_ATTRIBUTE_VALUE_LENGTH_LIMIT"])
def test_what_a_request_brings_is_cut_to_its_limit(monkeypatch: pytest.MonkeyPatch, variable: str) -> None:
    """Text only."""
    monkeypatch.setenv(variable, "5")
    tracing, kept = _tracing()

    tracing.finish(tracing.begin(ROOT, {}, lambda: {"url.path": "/home/42", "server.port": 1_000_000}))

    assert dict(kept.spans[0].attributes or {}) == {"http.route": "/home/{id}", "url.path": "/home", "server.port": 1_000_000}


async def test_an_exporter_is_found_by_its_name(monkeypatch: pytest.MonkeyPatch) -> None:
    """As the SDK finds it; `console` is its own."""
    printed: list[ReadableSpan] = []
    monkeypatch.setattr(ConsoleSpanExporter, "export", lambda _, spans: printed.extend(spans))
    tracing = Tracing()
    tracing.start({"OTEL_TRACES_EXPORTER": "console"})

    tracing.finish(tracing.begin(ROOT, {}, _own))
    await tracing.stop()

    assert [span.name for span in printed] == ["GET /home/{id}"]


@pytest.mark.parametrize(
    "environ",
    [{"OTEL_TRACES_EXPORTER": "carrier_pigeon"}, {"OTEL_TRACES_EXPORTER": "otlp", "OTEL_EXPORTER_OTLP_PROTOCOL": "grpc"}],
)
async def test_an_exporter_that_is_not_there_ends_the_start(environ: dict[str, str]) -> None:
    """Rather than that nobody notices."""
    with pytest.raises(StartError, match="is not installed"):
        Tracing().start(environ)

    assert not [task for task in asyncio.all_tasks() if task is not asyncio.current_task()]

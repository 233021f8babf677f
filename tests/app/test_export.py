"""Spans on their way out: who decides that they go, what they say when they arrive, and that nobody waits for them."""

from __future__ import annotations

import asyncio
import socket
import threading
import time
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from typing import Any

import httpx
import pytest
import respx
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.sdk.trace import ReadableSpan, SpanProcessor

from gateway import Gateway, __version__
from gateway.export import GRACE, Tracing

CONFIG = """
version: 1
upstreams:
  users: { url: http://users.test, retry: { attempts: 2, backoff: 1ms } }
  likes: { url: "https://likes.test:8443" }
endpoints:
  - path: /home/{id}
    steps:
      user: { get: "users /users/{path.id}?token=secret" }
      likes: { get: "likes /for/{user.segment}", optional: true, fallback: [] }
      more: { get: users /more, when: user.more }
"""

GOOD = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331"
UNSET, ERROR = 0, 2
INTERNAL, SERVER, CLIENT = 1, 2, 3


@dataclass
class Collector:
    """An OTLP receiver on loopback: what it was sent, decoded."""

    url: str = ""
    paths: list[str] = field(default_factory=list)
    requests: list[ExportTraceServiceRequest] = field(default_factory=list)

    @property
    def spans(self) -> list[Any]:
        return [
            span for one in self.requests for group in one.resource_spans for scope in group.scope_spans for span in scope.spans
        ]

    @property
    def resource(self) -> dict[str, Any]:
        return _attributes(self.requests[0].resource_spans[0].resource)

    def named(self, name: str) -> Any:
        (found,) = (span for span in self.spans if span.name == name)
        return found

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Take one batch a connection."""
        head = (await reader.readuntil(b"\r\n\r\n")).decode().lower()
        length = int(head.partition("content-length: ")[2].partition("\r\n")[0])
        self.paths.append(head.split(" ")[1])
        self.requests.append(ExportTraceServiceRequest.FromString(await reader.readexactly(length)))
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")
        await writer.drain()
        writer.close()


@pytest.fixture
async def collector(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Collector]:
    """A collector that the environment names."""
    made = Collector()
    server = await asyncio.start_server(made.serve, "127.0.0.1", 0)
    made.url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", made.url)
    monkeypatch.setenv("OTEL_METRICS_EXPORTER", "none")
    yield made
    server.close()
    await server.wait_closed()


@pytest.fixture(autouse=True)
def _users(upstreams: respx.Router) -> None:
    upstreams.get("http://users.test/users/42").respond(json={"segment": "gold"})
    upstreams.get("https://likes.test:8443/for/gold").respond(json=[])


def _attributes(node: Any) -> dict[str, Any]:
    return {one.key: getattr(one.value, one.value.WhichOneof("value")) for one in node.attributes}


class Kept(SpanProcessor):
    """A processor of a user's own, which keeps whatever it is handed."""

    def __init__(self) -> None:
        self.spans: list[Any] = []

    def on_end(self, span: ReadableSpan) -> None:
        self.spans.append(span)


def _keeping() -> tuple[Kept, dict[str, Any]]:
    """A processor, and the option of a gateway that has it."""
    kept = Kept()
    return kept, {"tracing": Tracing(processors=[kept])}


@pytest.fixture
def start_and_stop(upstreams: respx.Router) -> Any:
    """One request to a gateway that is started for it and stopped again, so that all its spans have left."""

    async def ask(config: str, user_agent: str = "") -> httpx.Response:
        app = Gateway.from_text(config, transport=httpx.MockTransport(upstreams.async_handler)).app
        async with app.router.lifespan_context(app), httpx.AsyncClient(transport=httpx.ASGITransport(app)) as client:
            return await client.get("http://gateway.test/home/42", headers={"user-agent": user_agent})

    return ask


@pytest.mark.slow
async def test_a_request_s_spans_arrive_at_the_collector(start_and_stop: Any, collector: Collector) -> None:
    """Names, kinds and parents, by the conventions: the endpoint, its steps, their attempts, and the shape."""
    await start_and_stop(CONFIG)

    root = collector.named("GET /home/{id}")
    tree = {span.name: (span.kind, span.parent_span_id) for span in collector.spans}
    assert collector.paths == ["/v1/traces"]
    assert tree == {
        "GET /home/{id}": (SERVER, b""),
        "step user": (INTERNAL, root.span_id),
        "GET /users/{path.id}": (CLIENT, collector.named("step user").span_id),
        "step likes": (INTERNAL, root.span_id),
        "GET /for/{user.segment}": (CLIENT, collector.named("step likes").span_id),
        "step more": (INTERNAL, root.span_id),
        "shape": (INTERNAL, root.span_id),
    }
    assert {span.trace_id for span in collector.spans} == {root.trace_id}
    assert all(root.start_time_unix_nano <= span.start_time_unix_nano <= span.end_time_unix_nano for span in collector.spans)
    assert all(span.end_time_unix_nano <= root.end_time_unix_nano for span in collector.spans)
    assert abs(root.end_time_unix_nano - time.time_ns()) < 60e9


@pytest.mark.slow
async def test_spans_have_the_attributes_of_the_conventions(start_and_stop: Any, collector: Collector) -> None:
    """What is required, what is ours, and no query anywhere."""
    await start_and_stop(CONFIG, user_agent="a client")

    server = _attributes(collector.named("GET /home/{id}"))
    revision = server.pop("gateway.config.revision")
    assert len(revision) == 12
    assert server == {
        "http.request.method": "GET", "http.route": "/home/{id}", "http.response.status_code": 200, "url.path": "/home/42",
        "url.scheme": "http", "network.protocol.version": "1.1", "client.address": "127.0.0.1", "server.address": "gateway.test",
        "user_agent.original": "a client", "gateway.plan.steps": 3,
    }  # fmt: skip
    assert _attributes(collector.named("GET /users/{path.id}")) == {
        "http.request.method": "GET", "http.response.status_code": 200, "url.full": "http://users.test/users/42",
        "url.template": "/users/{path.id}", "server.address": "users.test", "server.port": 80, "gateway.upstream.name": "users",
    }  # fmt: skip
    likes = _attributes(collector.named("GET /for/{user.segment}"))
    assert (likes["server.address"], likes["server.port"], likes["url.full"]) == (
        "likes.test",
        8443,
        "https://likes.test:8443/for/gold",
    )
    assert _attributes(collector.named("step user")) == {
        "gateway.step.name": "user", "gateway.step.optional": False, "gateway.step.outcome": "ok", "gateway.upstream.name": "users",
    }  # fmt: skip
    assert _attributes(collector.named("step more"))["gateway.step.outcome"] == "skipped"
    assert _attributes(collector.named("shape")) == {"gateway.answer.complete": True}
    assert all(len(span.attributes) == len(_attributes(span)) for span in collector.spans)  # none twice
    assert "secret" not in str(collector.requests)


@pytest.mark.slow
async def test_the_resource_names_the_gateway(start_and_stop: Any, collector: Collector) -> None:
    """`fanin` and its version, unless the environment says otherwise."""
    await start_and_stop(CONFIG)

    assert {name: collector.resource[name] for name in ("service.name", "service.version")} == {
        "service.name": "fanin",
        "service.version": __version__,
    }


@pytest.mark.slow
@pytest.mark.parametrize(
    ("environ", "name", "version"),
    [
        ({"OTEL_SERVICE_NAME": "shop"}, "shop", __version__),
        ({"OTEL_RESOURCE_ATTRIBUTES": "service.name=mall,service.version=7"}, "mall", "7"),
        ({"OTEL_SERVICE_NAME": "shop", "OTEL_RESOURCE_ATTRIBUTES": "service.name=mall"}, "shop", __version__),
    ],
    ids=["name", "attributes", "both"],
)
async def test_the_environment_names_the_service(
    start_and_stop: Any, collector: Collector, monkeypatch: pytest.MonkeyPatch, environ: dict[str, str], name: str, version: str
) -> None:
    """`OTEL_SERVICE_NAME` and `OTEL_RESOURCE_ATTRIBUTES` win, as everywhere in OpenTelemetry."""
    for variable, value in environ.items():
        monkeypatch.setenv(variable, value)

    await start_and_stop(CONFIG)

    assert (collector.resource["service.name"], collector.resource["service.version"]) == (name, version)


@pytest.mark.parametrize(
    ("sampler", "parent", "sampled"),
    [
        (None, None, True),
        (None, "00", False),
        (None, "01", True),
        ("always_off", None, False),
        ("always_off", "01", False),
        ("always_on", "00", True),
        ("parentbased_always_off", None, False),
        ("parentbased_always_off", "01", True),
        ("traceidratio", None, False),
    ],
)
async def test_the_sampler_decides_what_is_exported(
    serve: Any, upstreams: respx.Router, monkeypatch: pytest.MonkeyPatch, sampler: str | None, parent: str | None, sampled: bool
) -> None:
    """By `OTEL_TRACES_SAMPLER`; the flag tells client and upstreams, and the answer is the same either way."""
    monkeypatch.setenv("OTEL_TRACES_SAMPLER_ARG", "0")
    if sampler:
        monkeypatch.setenv("OTEL_TRACES_SAMPLER", sampler)
    kept, options = _keeping()
    client = await serve(CONFIG, **options)

    answer = await client.get("/home/42", headers={"traceparent": f"{GOOD}-{parent}"} if parent else {})

    flags = {answer.headers["traceparent"][-2:], *(call.request.headers["traceparent"][-2:] for call in upstreams.calls)}
    assert answer.status_code == 200
    assert flags == {"01" if sampled else "00"}
    assert bool(kept.spans) == sampled


async def test_a_config_may_have_the_failed_exported(
    serve: Any, upstreams: respx.Router, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whatever the sampler says; upstreams and client are told what it said."""
    monkeypatch.setenv("OTEL_TRACES_SAMPLER", "always_off")
    upstreams.get("http://users.test/users/42").mock(
        side_effect=[httpx.Response(200, json={"segment": "gold"}), *[httpx.Response(500)] * 2]
    )
    kept, options = _keeping()
    client = await serve(f"{CONFIG}telemetry: {{ keep_failed: true }}\n", **options)

    good, bad = await client.get("/home/42"), await client.get("/home/42")

    assert (good.status_code, bad.status_code, bad.headers["traceparent"][-2:]) == (200, 502, "00")
    assert [span.attributes["http.response.status_code"] for span in kept.spans if span.name == "GET /home/{id}"] == [502]
    assert {f"{span.context.trace_id:032x}" for span in kept.spans} == {bad.headers["traceparent"][3:35]}


@pytest.mark.parametrize(
    ("name", "value"), [("OTEL_SDK_DISABLED", "true"), ("OTEL_SDK_DISABLED", "TRUE")], ids=["disabled", "in capitals"]
)
async def test_a_disabled_sdk_exports_nothing(serve: Any, monkeypatch: pytest.MonkeyPatch, name: str, value: str) -> None:
    """Not even to processors of the user's own, as the SDK itself has it."""
    monkeypatch.setenv(name, value)
    kept, options = _keeping()
    client = await serve(CONFIG, **options)

    answer = await client.get("/home/42")

    assert answer.status_code == 200
    assert kept.spans == []


@pytest.mark.slow
@pytest.mark.parametrize(
    ("variable", "value"),
    [("OTEL_SDK_DISABLED", "true"), ("OTEL_TRACES_EXPORTER", "none"), ("OTEL_EXPORTER_OTLP_ENDPOINT", None)],
)
async def test_nothing_leaves_unless_the_environment_says_where_to(
    start_and_stop: Any, collector: Collector, monkeypatch: pytest.MonkeyPatch, variable: str, value: str | None
) -> None:
    """No endpoint, no exporter; and each of OpenTelemetry's switches turns it off."""
    if value is None:
        monkeypatch.delenv(variable)
    else:
        monkeypatch.setenv(variable, value)

    await start_and_stop(CONFIG)

    assert collector.requests == []


@pytest.mark.slow
async def test_the_endpoint_for_traces_alone_is_taken_as_it_is(
    start_and_stop: Any, collector: Collector, monkeypatch: pytest.MonkeyPatch
) -> None:
    """`OTEL_EXPORTER_OTLP_TRACES_ENDPOINT` is a whole URL."""
    monkeypatch.delenv("OTEL_EXPORTER_OTLP_ENDPOINT")
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", f"{collector.url}/elsewhere")

    await start_and_stop(CONFIG)

    assert collector.paths == ["/elsewhere"]


async def test_a_client_s_span_is_the_parent_of_ours(serve: Any) -> None:
    """Across the wire, and marked as remote."""
    kept, options = _keeping()
    client = await serve(CONFIG, **options)

    await client.get("/home/42", headers={"traceparent": f"{GOOD}-01", "tracestate": "vendor=1"})

    spans = {span.name: span for span in kept.spans}
    root = spans["GET /home/{id}"]
    assert (root.parent.span_id, root.parent.is_remote) == (0xB7AD6B7169203331, True)
    assert spans["step user"].parent.is_remote is False
    assert {(span.context.trace_id, span.context.trace_state.to_header()) for span in spans.values()} == {
        (0x0AF7651916CD43DD8448EB211C80319C, "vendor=1")
    }


async def test_a_retried_failure_marks_its_attempt_and_nothing_above(serve: Any, upstreams: respx.Router) -> None:
    """The second attempt is numbered; step and request are good."""
    upstreams.get("http://users.test/users/42").mock(
        side_effect=[httpx.Response(503), httpx.Response(200, json={"segment": "gold"})]
    )
    kept, options = _keeping()
    client = await serve(CONFIG, **options)

    await client.get("/home/42")

    told = [
        (span.status.is_ok, span.attributes.get("error.type"), span.attributes.get("http.request.resend_count"))
        for span in sorted(kept.spans, key=lambda span: span.start_time or 0)
        if span.name in ("GET /users/{path.id}", "step user", "GET /home/{id}")
    ]
    assert told == [(True, None, None), (True, None, None), (False, "503", None), (True, None, 1)]


async def test_a_failure_that_a_fallback_absorbs_does_not_mark_the_request(serve: Any, upstreams: respx.Router) -> None:
    """The attempt failed, the step has its fallback, the request is good."""
    upstreams.get("https://likes.test:8443/for/gold").mock(side_effect=httpx.ConnectError)
    kept, options = _keeping()
    client = await serve(CONFIG, **options)

    await client.get("/home/42")

    spans = {span.name: span for span in kept.spans}
    assert not spans["GET /for/{user.segment}"].status.is_ok
    assert spans["GET /for/{user.segment}"].attributes["error.type"] == "gateway.errors.Unreachable"
    assert spans["step likes"].status.is_ok
    assert spans["step likes"].attributes["gateway.step.outcome"] == "fallback"
    assert spans["GET /home/{id}"].status.is_ok
    assert spans["shape"].attributes["gateway.answer.complete"] is False


@pytest.mark.parametrize(("status", "is_error"), [(404, False), (500, True)], ids=["the client's", "ours"])
async def test_a_failed_request_is_an_error_when_it_is_ours(
    serve: Any, upstreams: respx.Router, status: int, is_error: bool
) -> None:
    """A 4xx is no error of a server span; a 5xx is, and so is either of a client span."""
    upstreams.get("http://users.test/users/42").respond(status)
    kept, options = _keeping()
    client = await serve(CONFIG, **options)

    answer = await client.get("/home/42")

    spans = {span.name: span for span in kept.spans}
    root = spans["GET /home/{id}"]
    assert root.attributes["http.response.status_code"] == answer.status_code
    assert root.status.is_ok == (not is_error)
    assert root.attributes.get("error.type") == ("502" if is_error else None)
    assert spans["GET /users/{path.id}"].attributes["error.type"] == str(status)
    assert not spans["GET /users/{path.id}"].status.is_ok


@pytest.mark.looptime
async def test_what_is_cancelled_on_purpose_is_no_error(serve: Any, upstreams: respx.Router) -> None:
    """A call that nobody needs any more has ended, with neither a status nor an error."""

    async def hang(_: httpx.Request) -> httpx.Response:
        await asyncio.Event().wait()
        raise AssertionError

    async def late(_: httpx.Request) -> httpx.Response:
        await asyncio.sleep(1)
        return httpx.Response(404)

    upstreams.get("http://users.test/more").mock(side_effect=hang)
    upstreams.get("http://users.test/users/42").mock(side_effect=late)
    kept, options = _keeping()
    client = await serve(CONFIG.replace(", when: user.more", ""), **options)

    await client.get("/home/42")

    spans = {span.name: span for span in kept.spans}
    for name in ("GET /more", "step more"):
        assert spans[name].status.is_ok
        assert spans[name].end_time
        assert not {"error.type", "http.response.status_code", "gateway.step.outcome"} & set(spans[name].attributes)


@pytest.mark.slow
@pytest.mark.parametrize("how", ["nobody listens", "it hangs"])
async def test_a_collector_that_is_down_costs_nothing_but_spans(
    start_and_stop: Any, monkeypatch: pytest.MonkeyPatch, how: str
) -> None:
    """Requests are answered as ever, and the gateway stops within its grace."""
    # A socket that nobody accepts from takes a connection and never answers.
    with socket.create_server(("127.0.0.1", 0)) as silent:
        monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", f"http://127.0.0.1:{silent.getsockname()[1]}")
        if how == "nobody listens":
            silent.close()

        begin = asyncio.get_running_loop().time()
        answer = await start_and_stop(CONFIG)
        took = asyncio.get_running_loop().time() - begin

    assert answer.status_code == 200
    assert took < 4.5  # a grace of 3 s, and a slow machine's slack


@pytest.mark.looptime
async def test_a_processor_that_hangs_holds_the_stop_for_its_grace_only() -> None:
    """Shutting down goes on beside the loop, which waits for it no longer than `GRACE`."""
    released = threading.Event()

    class Stuck(SpanProcessor):
        def shutdown(self) -> None:
            released.wait(10)

    tracing = Tracing(processors=[Stuck()])
    tracing.start({})
    begin = asyncio.get_running_loop().time()

    await tracing.stop()

    assert asyncio.get_running_loop().time() - begin == pytest.approx(GRACE, abs=0.01)
    released.set()

"""Records out: a finished trace becomes OpenTelemetry spans. The only room that knows OpenTelemetry.

The SDK keeps its say: its provider reads the `OTEL_…` variables, its sampler decides, its resource names the service, its processors
batch and its exporters send. Only the span objects of the running request are ours, since the SDK's cost 25 µs each; what processors are
handed is a `ReadableSpan` when the request is over.
"""

from __future__ import annotations

import asyncio
import os
import threading
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress

from opentelemetry.sdk.environment_variables import (
    OTEL_EXPORTER_OTLP_ENDPOINT,
    OTEL_EXPORTER_OTLP_TIMEOUT,
    OTEL_EXPORTER_OTLP_TRACES_ENDPOINT,
    OTEL_EXPORTER_OTLP_TRACES_TIMEOUT,
    OTEL_SDK_DISABLED,
)
from opentelemetry.sdk.resources import SERVICE_NAME, SERVICE_VERSION, Resource
from opentelemetry.sdk.trace import ReadableSpan, SpanProcessor, TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor
from opentelemetry.sdk.trace.sampling import Decision
from opentelemetry.sdk.util.instrumentation import InstrumentationScope
from opentelemetry.trace import SpanContext, SpanKind, Status, StatusCode, TraceFlags, TraceState, get_current_span
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

from gateway import __version__
from gateway.telemetry import Attribute, Span, SpanType, Trace

GRACE = 3.0
"""Seconds that the last spans may take to leave. With the collector down the SDK's own shutdown takes 6 to 19 s."""

EXPORT_TIMEOUT = 2.0

_KINDS = {"server": SpanKind.SERVER, "client": SpanKind.CLIENT, "internal": SpanKind.INTERNAL}
_SCOPE = InstrumentationScope("fanin", __version__)
_UNSET, _ERROR = Status(StatusCode.UNSET), Status(StatusCode.ERROR)


class Tracing:
    """Begins traces as the sampler decides, and hands finished ones to whoever wants them."""

    def __init__(
        self,
        provider: TracerProvider | None = None,
        processors: Iterable[SpanProcessor] = (),
        sinks: Iterable[Callable[[Trace], None]] = (),
    ) -> None:
        self._provider = provider or TracerProvider(resource=_resource(), shutdown_on_exit=False)
        self._given = tuple(processors)
        self._processors: list[SpanProcessor] = []
        """Those at work, between start and stop."""

        self._sinks = tuple(sinks)
        self._propagator = TraceContextTextMapPropagator()

    def start(self, environ: Mapping[str, str] = os.environ) -> None:
        """Start exporting where the environment says to; called in each worker, since its thread does not survive a fork."""
        if environ.get(OTEL_SDK_DISABLED, "").lower() == "true":
            return
        self._processors = list(self._given)
        endpoint = environ.get(OTEL_EXPORTER_OTLP_ENDPOINT) or environ.get(OTEL_EXPORTER_OTLP_TRACES_ENDPOINT)
        if endpoint and environ.get("OTEL_TRACES_EXPORTER") != "none":
            from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter

            has_timeout = environ.get(OTEL_EXPORTER_OTLP_TIMEOUT) or environ.get(OTEL_EXPORTER_OTLP_TRACES_TIMEOUT)
            exporter = OTLPSpanExporter(timeout=None if has_timeout else EXPORT_TIMEOUT)
            self._processors.append(BatchSpanProcessor(exporter))

    def begin(self, of: SpanType, carrier: Mapping[str, str], own: dict[str, Attribute]) -> Trace:
        """A trace whose root is a span of this type, going on from the caller's `traceparent` if there is a good one."""
        context = self._propagator.extract(carrier)
        remote = get_current_span(context).get_span_context()
        ids = self._provider.id_generator
        trace_id = remote.trace_id if remote.is_valid else ids.generate_trace_id()
        decision = self._provider.sampler.should_sample(
            context if remote.is_valid else None,
            trace_id,
            of.name,
            _KINDS[of.kind],
            {**of.attributes, **own},
            trace_state=remote.trace_state,
        )
        trace = Trace(
            id=trace_id,
            sampled=decision.decision is Decision.RECORD_AND_SAMPLE,
            next_id=ids.generate_span_id,
            remote_parent=remote.span_id if remote.is_valid else None,
            tracestate=(decision.trace_state or TraceState()).to_header(),
        )
        trace.span(of, trace.remote_parent).own = own
        return trace

    def finish(self, trace: Trace) -> None:
        """End the root, and whatever was cut short below it, and hand the trace on."""
        for span in trace.spans:
            span.end = span.end or trace.now()
        for sink in self._sinks:
            sink(trace)
        if trace.sampled and self._processors:
            for span in reversed(trace.spans):
                readable = self._readable(span)
                for processor in self._processors:
                    processor.on_end(readable)

    async def stop(self) -> None:
        """Let the last spans leave, for `GRACE` seconds at most, without stopping the loop."""
        loop, done = asyncio.get_running_loop(), asyncio.Event()
        processors, self._processors = self._processors, []

        def shut_down() -> None:
            for processor in processors:
                processor.shutdown()
            with suppress(RuntimeError):  # The loop may have gone on without us.
                loop.call_soon_threadsafe(done.set)

        # A daemon: one that hangs must not keep the process.
        threading.Thread(target=shut_down, name="fanin-export-stop", daemon=True).start()
        with suppress(TimeoutError):
            async with asyncio.timeout(GRACE):
                await done.wait()

    def _readable(self, span: Span) -> ReadableSpan:
        parent = (
            self._context(span.trace, span.parent, is_remote=span.parent == span.trace.remote_parent) if span.parent else None
        )
        return ReadableSpan(
            name=span.name,
            context=self._context(span.trace, span.id, is_remote=False),
            parent=parent,
            resource=self._provider.resource,
            attributes=span.attributes,
            kind=_KINDS[span.type.kind],
            status=_ERROR if span.error else _UNSET,
            start_time=span.start,
            end_time=span.end,
            instrumentation_scope=_SCOPE,
        )

    def _context(self, trace: Trace, span_id: int, *, is_remote: bool) -> SpanContext:
        state = TraceState.from_header([trace.tracestate]) if trace.tracestate else None
        return SpanContext(trace.id, span_id, is_remote, TraceFlags(TraceFlags.SAMPLED if trace.sampled else 0), state)


def _resource() -> Resource:
    """Who we are, where the environment (`OTEL_SERVICE_NAME`, `OTEL_RESOURCE_ATTRIBUTES`) does not say otherwise."""
    named = Resource.create()
    ours = {SERVICE_NAME: "fanin", SERVICE_VERSION: __version__}
    unnamed = {
        key: value
        for key, value in ours.items()
        if str(named.attributes.get(key, "unknown_service")).startswith("unknown_service")
    }
    return named.merge(Resource(unnamed))

"""Records out: a finished trace becomes OpenTelemetry's spans. The only room that knows OpenTelemetry.

The SDK keeps its say: its provider reads the `OTEL_…` variables, its sampler decides, its resource names the service. The usual way out,
OTLP over HTTP, is ours from there on ([`otlp.py`](otlp.py), [`outbox.py`](outbox.py)): the SDK's objects, encoder and exporter cost an
aggregate over three upstreams 300 µs, which is three times the request itself. Processors of a user's own, and exporters other than that
one, are handed the SDK's `ReadableSpan`s when the request is over.
"""

from __future__ import annotations

import asyncio
import os
import random
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import suppress
from functools import partial
from importlib.metadata import entry_points
from typing import TYPE_CHECKING, Any, cast

from opentelemetry.context import Context
from opentelemetry.sdk.resources import SERVICE_NAME, SERVICE_VERSION, Resource
from opentelemetry.sdk.trace import SpanLimits, SpanProcessor, TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor
from opentelemetry.sdk.trace.id_generator import RandomIdGenerator
from opentelemetry.sdk.trace.sampling import ALWAYS_OFF, ALWAYS_ON, DEFAULT_OFF, DEFAULT_ON, Decision
from opentelemetry.sdk.util.instrumentation import InstrumentationScope
from opentelemetry.trace import INVALID_SPAN_CONTEXT, get_current_span
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

from gateway import __version__
from gateway.errors import StartError
from gateway.export.aside import aside
from gateway.export.readable import KINDS, readable_spans
from gateway.export.redacting import redact
from gateway.export.settings import (
    OTLP_HTTP,
    batch_policy,
    collector_policy,
    exporters,
    is_disabled,
    metric_exporters,
    metric_times,
    warn_of_propagators,
)
from gateway.export.tail import has_rule, why_kept
from gateway.policy.telemetry import TelemetryPolicy
from gateway.redaction import Redaction
from gateway.telemetry import TRACE_KEPT, Attribute, SpanType, Trace

if TYPE_CHECKING:
    from gateway.export.measures import MeasuresState
    from gateway.export.outbox import OutboxState
    from gateway.metrics.state import MetricsState

GRACE = 2.5
"""Seconds that the last spans may take to leave: the process, which has more to end, is gone within three."""

TRACES, METRICS = "traces", "metrics"
_SCOPE = InstrumentationScope("fanin", __version__)
_NOWHERE = Context()
_CONSTANT = (ALWAYS_ON, ALWAYS_OFF, DEFAULT_ON, DEFAULT_OFF)
"""The SDK's samplers that say the same of every trace that begins here."""


class Tracing:
    """Begins traces as the sampler decides, and hands finished ones to whoever wants them."""

    def __init__(
        self,
        provider: TracerProvider | None = None,
        processors: Iterable[SpanProcessor] = (),
        sinks: Iterable[Callable[[Trace], None]] = (),
    ) -> None:
        self._provider = provider or TracerProvider(resource=_resource(), shutdown_on_exit=False)
        self.lost: Callable[[], int] = int
        """How many spans were to be exported over OTLP and are not, in all."""

        self._given = tuple(processors)
        self._sinks = tuple(sinks)
        self._propagator = TraceContextTextMapPropagator()
        ids, sampler = self._provider.id_generator, self._provider.sampler
        # The SDK's own, without its two frames of Python for each span; that it is 0, which is no id, happens once in 2⁶⁴ spans.
        self._next_id = partial(random.getrandbits, 64) if type(ids) is RandomIdGenerator else ids.generate_span_id
        # What is always said of a trace that begins here need be asked once (2 µs).
        self._constant = sampler.should_sample(_NOWHERE, 1, "", KINDS["server"], {}) if sampler in _CONSTANT else None
        self._longest = SpanLimits().max_span_attribute_length
        # Those at work, between start and stop.
        self._processors: list[SpanProcessor] = []
        self._outbox: OutboxState | None = None
        self._watchers: tuple[Callable[[Trace], None], ...] = ()
        self._keeps_exchanges = False
        self._metrics: MetricsState | None = None
        self._measures: MeasuresState | None = None
        self._rule: TelemetryPolicy | None = None
        self._has_readers = bool(self._sinks)
        self.redaction = Redaction()
        """What is not to be seen in any trace."""

    def start(self, environ: Mapping[str, str] = os.environ, rule: TelemetryPolicy | None = None) -> None:
        """Start exporting where the environment says to, and what the rule has kept; called in each worker's loop. Raises `StartError`."""
        if is_disabled(environ):
            return
        warn_of_propagators(environ)
        names = exporters(environ)
        others = [BatchSpanProcessor(_installed(name)()) for name in names if name != OTLP_HTTP]
        self._processors = [*self._given, *others]
        if OTLP_HTTP in names:
            self._outbox = outbox = _open_outbox(environ, self._provider.resource)
            self.lost = lambda: outbox.lost
        if kinds := [_installed(name, METRICS) for name in metric_exporters(environ)]:
            self._measures = _open_measures(environ, kinds, self._provider.resource)
        self._rule = rule if rule and has_rule(rule) and (self._outbox or self._processors) else None

    def measure(self, metrics: MetricsState) -> None:
        """Count every trace here, until the stop. Counting has nothing recorded: it takes what a trace has in any case."""
        self._metrics = metrics
        if self._measures:
            self._measures.start(metrics.take)

    def watch(self, watcher: Callable[[Trace], None], *, wants_all: bool = True, with_exchanges: bool = False) -> None:
        """Give this one, until the stop, every finished trace. What it wants of it it takes at once: the trace is emptied afterwards. Unless
        it `wants_all`, nothing is recorded for it but what a trace has in any case; `with_exchanges` has the beginnings of bodies in it.
        """
        self._watchers = (*self._watchers, watcher)
        self._has_readers |= wants_all
        self._keeps_exchanges |= with_exchanges

    def begin(
        self, of: SpanType, carrier: Mapping[str, str], own: Callable[[], dict[str, Attribute]], *, is_wanted: bool = False
    ) -> Trace:
        """A trace whose root is a span of this type, going on from the caller's `traceparent` if there is a good one.

        Its own attributes are made when somebody wants them: of a request that nobody records they are not. `is_wanted` has it recorded
        in any case.
        """
        # Without a carrier there is nothing to look for, whatever else the loop's own context may say.
        context = self._propagator.extract(carrier) if carrier else _NOWHERE
        remote = get_current_span(context).get_span_context() if carrier else INVALID_SPAN_CONTEXT
        trace_id = remote.trace_id if remote.is_valid else self._provider.id_generator.generate_trace_id()
        decision = (None if carrier else self._constant) or self._provider.sampler.should_sample(
            context, trace_id, of.name, KINDS[of.kind], _Offered(of, own), trace_state=remote.trace_state
        )
        sampled = decision.decision is Decision.RECORD_AND_SAMPLE
        trace = Trace(
            id=trace_id,
            sampled=sampled,
            next_id=self._next_id,
            remote_parent=remote.span_id if remote.is_valid else None,
            tracestate=decision.trace_state.to_header() if decision.trace_state else "",
            recorded=bool(is_wanted or self._has_readers or self._rule or (sampled and (self._outbox or self._processors))),
        )
        if self._keeps_exchanges:
            trace.exchanges = {}
        root = trace.span(of, trace.remote_parent)
        if trace.recorded:
            root.own = own()
        if self._metrics:
            self._metrics.begin(of)
        return trace

    def finish(self, trace: Trace) -> None:
        """End the root, and whatever was cut short below it, and hand the trace on."""
        for span in trace.spans:
            if span.end is None:
                span.end = trace.now()
        is_exported = trace.recorded and (trace.sampled or self._keeps(trace))
        if trace.recorded:
            redact(trace, self.redaction)
        if self._metrics:
            self._metrics.note(trace)
        for sink in (*self._sinks, *self._watchers):
            sink(trace)
        if is_exported:
            self._export(trace)
        if not self._sinks:
            # A trace and its spans hold each other. Let go, they vanish without the garbage collector having to find them: 1 µs.
            trace.spans.clear()

    def as_otlp(self, trace: Trace) -> dict[str, Any]:
        """A finished trace as OTLP JSON, as if it came from here."""
        # It brings protobuf along, which those who export nothing need not wait for.
        from gateway.export.as_json import as_json

        return as_json(trace, self._provider.resource, _SCOPE)

    async def stop(self) -> None:
        """Let the last spans leave, for `GRACE` seconds at most, without stopping the loop."""
        self._watchers, self._metrics, self._rule, self._keeps_exchanges = (), None, None, False
        self._has_readers = bool(self._sinks)
        outbox, self._outbox = self._outbox, None
        measures, self._measures = self._measures, None
        processors, self._processors = self._processors, []
        ends = (
            *((outbox.stop(),) if outbox else ()),
            *((measures.stop(),) if measures else ()),
            *((aside(partial(_shut_down, processors), "fanin-export-stop"),) if processors else ()),
        )
        with suppress(TimeoutError):
            async with asyncio.timeout(GRACE):
                await asyncio.gather(*ends)

    def _keeps(self, trace: Trace) -> bool:
        """The tail rule has it exported, and the trace says why."""
        why = why_kept(trace, self._rule) if self._rule else None
        if why:
            trace.root.own[TRACE_KEPT] = why
        return why is not None

    def _export(self, trace: Trace) -> None:
        if self._longest is not None:
            for span in trace.spans:
                span.own = {name: value[: self._longest] if isinstance(value, str) else value for name, value in span.own.items()}
        if self._outbox:
            self._outbox.put(trace)
        if self._processors:
            for readable in readable_spans(trace, self._provider.resource, _SCOPE):
                for processor in self._processors:
                    processor.on_end(readable)


class _Offered(Mapping[str, Attribute]):
    """The root's attributes, made when a sampler looks at them: the SDK's own never do, and it would take 1 µs."""

    __slots__ = ("_of", "_own")

    def __init__(self, of: SpanType, own: Callable[[], dict[str, Attribute]]) -> None:
        self._of, self._own = of, own

    def __getitem__(self, name: str) -> Attribute:
        return {**self._of.attributes, **self._own()}[name]

    def __iter__(self) -> Iterator[str]:
        return iter({**self._of.attributes, **self._own()})

    def __len__(self) -> int:
        return len({**self._of.attributes, **self._own()})


def _open_outbox(environ: Mapping[str, str], resource: Resource) -> OutboxState:
    # They bring protobuf along, which those who export nothing need not wait for.
    from gateway.export.collector import Collector
    from gateway.export.otlp import Envelope
    from gateway.export.outbox import OutboxState

    outbox = OutboxState(batch_policy(environ), Collector(collector_policy(environ)), Envelope(resource, _SCOPE))
    outbox.start()
    return outbox


def _open_measures(environ: Mapping[str, str], kinds: Iterable[Callable[[], Any]], resource: Resource) -> MeasuresState:
    from gateway.export.measures import MeasuresState, of_process

    return MeasuresState([kind() for kind in kinds], of_process(resource), _SCOPE, *metric_times(environ))


def _installed(name: str, signal: str = TRACES) -> Callable[[], Any]:
    """An exporter by its name, as the SDK finds them."""
    for found in entry_points(group=f"opentelemetry_{signal}_exporter", name=name):
        return cast("Callable[[], Any]", found.load())
    variable = f"OTEL_{signal.upper()}_EXPORTER"
    raise StartError(f"the exporter {name!r}, which {variable} or OTEL_EXPORTER_OTLP_PROTOCOL asks for, is not installed")


def _shut_down(processors: Iterable[SpanProcessor]) -> None:
    for processor in processors:
        processor.shutdown()


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

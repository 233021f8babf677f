"""Spans as the SDK's processors want them: marked as sampled, or they would drop what the tail rule has kept."""

from __future__ import annotations

from collections.abc import Iterator

from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.sdk.util.instrumentation import InstrumentationScope
from opentelemetry.trace import Link, SpanContext, SpanKind, Status, StatusCode, TraceFlags, TraceState

from gateway import telemetry
from gateway.telemetry import Span, Trace

KINDS = {"server": SpanKind.SERVER, "client": SpanKind.CLIENT, "internal": SpanKind.INTERNAL}

_UNSET, _ERROR = Status(StatusCode.UNSET), Status(StatusCode.ERROR)


def readable_spans(trace: Trace, resource: Resource, scope: InstrumentationScope) -> Iterator[ReadableSpan]:
    """The spans of a finished trace, the root last, as they would have ended."""
    for span in reversed(trace.spans):
        yield ReadableSpan(
            name=span.name,
            context=_context(trace, span.id, is_remote=False),
            parent=_parent(span),
            resource=resource,
            attributes=span.attributes,
            links=[_link(one) for one in span.links],
            kind=KINDS[span.kind],
            status=_ERROR if span.error else _UNSET,
            start_time=span.start,
            end_time=span.end,
            instrumentation_scope=scope,
        )


def _parent(span: Span) -> SpanContext | None:
    return _context(span.trace, span.parent, is_remote=span.parent == span.trace.remote_parent) if span.parent else None


def _context(trace: Trace, span_id: int, *, is_remote: bool) -> SpanContext:
    state = TraceState.from_header([trace.tracestate]) if trace.tracestate else None
    return SpanContext(trace.id, span_id, is_remote, _flags(sampled=True), state)


def _link(link: telemetry.Link) -> Link:
    return Link(SpanContext(link.trace, link.span, is_remote=False, trace_flags=_flags(sampled=link.sampled)))


def _flags(*, sampled: bool) -> TraceFlags:
    return TraceFlags(TraceFlags.SAMPLED if sampled else TraceFlags.DEFAULT)

"""A kept trace as JSON, for whoever looks at it, and back: `docs/reference/admin.md` describes its members.

Times are milliseconds since the trace began, ids hexadecimal. What the trace tells is worked out here, when somebody asks.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from gateway import telemetry
from gateway.journal.record import Record, Service, Summary, outcomes_of
from gateway.story import edges, role_of, step_of
from gateway.story.critical import critical_path, spans_on
from gateway.story.telling import tell
from gateway.telemetry import Link, Span, SpanType, Trace

MS = 1_000_000
"""Nanoseconds."""


def tell_record(record: Record) -> dict[str, Any]:
    """A trace, and all that it tells."""
    trace, root = record.trace, record.trace.root
    get, needs = root.attributes.get, record.needs
    step_by_id = {span.id: step_of(span) for span in trace.spans if step_of(span)}
    return {
        "id": _trace_id(trace.id),
        "at": _iso(root.start / 1e9),
        "method": get(telemetry.HTTP_METHOD),
        "path": get(telemetry.HTTP_ROUTE, root.name),
        "target": get(telemetry.URL_PATH),
        "status": get(telemetry.HTTP_STATUS),
        "complete": next((span.attributes.get(telemetry.ANSWER_COMPLETE) for span in trace.spans if _is_shape(span)), None),
        "duration_ms": _ms((root.end or root.start) - root.start),
        "sampled": trace.sampled,
        "remote_parent": None if trace.remote_parent is None else _span_id(trace.remote_parent),
        "service": {
            "version": record.service.version,
            "revision": record.service.revision,
            "process": record.service.process,
        },
        "spans": [_told(span, record, step_by_id.get(span.parent or 0)) for span in trace.spans],
        "edges": [{"from": edge.before, "to": edge.after} for edge in edges(trace, needs)],
        "critical": [_span_id(span.id) for span in spans_on(critical_path(trace, needs), trace)],
        "explain": {name: told.as_json() for name, told in tell(trace, needs).items()},
    }


def read_record(told: Mapping[str, Any]) -> Record:
    """The trace that was told. Raises `LookupError`, `TypeError`, `ValueError` for what is no such thing."""
    start = round(datetime.fromisoformat(told["at"]).timestamp() * 1e6) * 1000
    parent = told["remote_parent"]
    trace = Trace(int(told["id"], 16), bool(told["sampled"]), lambda: 0, int(parent, 16) if parent else None, epoch=0)
    for span in told["spans"]:
        trace.spans.append(_read(trace, span, start))
    needs: dict[str, list[str]] = {}
    for edge in told["edges"]:
        needs.setdefault(edge["to"], []).append(edge["from"])
    service = told["service"]
    return Record(trace, needs, Service(service["version"], service["revision"], service["process"]))


def tell_summary(summary: Summary) -> dict[str, Any]:
    """A trace, as a list has it."""
    return {
        "seq": summary.seq,
        "id": summary.trace,
        "span": summary.span,
        "at": _iso(summary.at),
        "method": summary.method,
        "path": summary.path,
        "target": summary.target,
        "status": summary.status,
        "complete": summary.complete,
        "duration_ms": summary.duration,
        "steps": outcomes_of(summary.steps),
        "process": summary.process,
        "stands_for": summary.stands_for,
    }


def _told(span: Span, record: Record, above: str | None) -> dict[str, Any]:
    root, role, step = record.trace.root, role_of(span), step_of(span) or above
    return {
        "id": _span_id(span.id),
        "parent": None if span is root or span.parent is None else _span_id(span.parent),
        "name": span.name,
        "kind": span.kind,
        "start_ms": _ms(span.start - root.start),
        "duration_ms": _ms((span.end or span.start) - span.start),
        "error": span.error,
        "attributes": span.attributes,
        "links": [{"trace": _trace_id(link.trace), "span": _span_id(link.span), "sampled": link.sampled} for link in span.links],
        "role": role,
        **({"step": step} if step else {}),
        **({"exchange": record.exchanges[span.id]} if span.id in record.exchanges else {}),
    }


def _read(trace: Trace, told: Mapping[str, Any], start: int) -> Span:
    begun = start + round(told["start_ms"] * MS)
    parent = told["parent"]
    return Span(
        trace,
        SpanType(str(told["name"]), told["kind"]),
        int(told["id"], 16),
        int(parent, 16) if parent else trace.remote_parent,
        begun,
        begun + round(told["duration_ms"] * MS),
        dict(told["attributes"]),
        bool(told["error"]),
        tuple(Link(int(link["trace"], 16), int(link["span"], 16), link["sampled"]) for link in told["links"]),
    )


def _is_shape(span: Span) -> bool:
    return role_of(span) == "shape"


def _ms(nanoseconds: int) -> float:
    return nanoseconds / MS


def _iso(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, UTC).isoformat(timespec="microseconds").replace("+00:00", "Z")


def _trace_id(number: int) -> str:
    return f"{number:032x}"


def _span_id(number: int) -> str:
    return f"{number:016x}"

"""A finished trace ↔ the bytes that are kept of it, and what it is found by."""

from __future__ import annotations

import zlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any

from gateway import telemetry
from gateway.formats.decode import decode_json
from gateway.formats.encode import encode_json
from gateway.formats.hiding import Hide, hide_in_body, hide_in_target
from gateway.story import Needs, is_complete, steps_of
from gateway.telemetry import Exchange, Head, Kind, Link, Span, SpanType, Trace

QUICK = 1
"""zlib's level: a record of 4 KB becomes 1 KB in 50 µs, and no other level makes it much less."""


@dataclass(frozen=True, slots=True)
class Service:
    """Which process it was, of which gateway."""

    version: str
    revision: str
    process: int


@dataclass(frozen=True, slots=True)
class Finished:
    """A trace that is over. Its spans stand beside it: in it they would hold each other until somebody looks for garbage."""

    trace: Trace
    spans: Sequence[Span]
    stands_for: int = 1


@dataclass(frozen=True, slots=True)
class Summary:
    """What a trace is found by, and what a list says of it."""

    trace: str
    """Its id, in hexadecimal."""

    span: str
    """The root's id: one trace may have several requests, when its client made several."""

    at: float
    """Seconds since the epoch at which it began."""

    name: str
    method: str | None
    """None of work that no request waited for."""

    path: str
    """The endpoint's, as written."""

    target: str | None
    status: int | None
    complete: bool | None
    duration: float
    """Milliseconds."""

    steps: str
    """Each step and its outcome: ` user:ok orders:fallback `."""

    process: int
    stands_for: int = 1
    seq: int = field(default=0, compare=False)
    """Its place in the file, the newest the highest."""


@dataclass(frozen=True, slots=True)
class Record:
    """A trace that was kept."""

    trace: Trace
    needs: Needs
    service: Service
    exchanges: Mapping[int, Any] = field(default_factory=dict)
    """By an attempt's span, what it asked for and what came back, as it may be shown."""


def summarise(finished: Finished, service: Service) -> Summary:
    """What a finished trace is found by."""
    root, spans = finished.spans[0], finished.spans
    get = root.attributes.get
    method, target, status = get(telemetry.HTTP_METHOD), get(telemetry.URL_PATH), get(telemetry.HTTP_STATUS)
    return Summary(
        trace=f"{finished.trace.id:032x}",
        span=f"{root.id:016x}",
        at=root.start / 1e9,
        name=root.name,
        method=None if method is None else str(method),
        path=str(get(telemetry.HTTP_ROUTE, root.name)),
        target=None if target is None else str(target),
        status=None if status is None else int(status),
        complete=is_complete(spans),
        duration=round(((root.end or root.start) - root.start) / 1e6, 3),
        steps=_told(spans),
        process=service.process,
        stands_for=finished.stands_for,
    )


def pack(finished: Finished, needs: Needs, service: Service, hide: Hide = str) -> bytes:
    """What is kept; `hide` takes out of texts what must not be. Raises `Unencodable`."""
    trace = finished.trace
    kept = {
        "id": f"{trace.id:032x}",
        "sampled": trace.sampled,
        "parent": trace.remote_parent,
        "state": trace.tracestate,
        "service": [service.version, service.revision, service.process],
        "needs": needs,
        "spans": [_packed(span) for span in finished.spans],
    }
    if trace.exchanges:
        kept["exchanges"] = [[span, *_shown(exchange, hide)] for span, exchange in trace.exchanges.items()]
    return zlib.compress(encode_json(kept), QUICK)


def unpack(data: bytes) -> Record:
    """What was kept. Raises `ValueError`, `LookupError`, `zlib.error` for what `pack` has not made."""
    kept = decode_json(zlib.decompress(data))
    trace = Trace(int(kept["id"], 16), kept["sampled"], lambda: 0, kept["parent"], kept["state"], epoch=0)
    for packed in kept["spans"]:
        trace.spans.append(_unpacked(trace, *packed))
    exchanges = {span: {"target": target, "sent": sent, "came": came} for span, target, sent, came in kept.get("exchanges", ())}
    return Record(trace, kept["needs"], Service(*kept["service"]), exchanges)


def outcomes_of(steps: str) -> dict[str, str]:
    """The outcome of each step, as a summary has them."""
    return dict(word.split(":", 1) for word in steps.split())


def _told(spans: Sequence[Span]) -> str:
    told = [f"{name}:{span.attributes.get(telemetry.STEP_OUTCOME, 'cancelled')}" for name, span in steps_of(spans).items()]
    return f" {' '.join(told)} "


def _shown(exchange: Exchange, hide: Hide) -> tuple[Any, ...]:
    return hide_in_target(exchange.target, hide), _body(exchange.sent, hide), _body(exchange.came, hide)


def _body(head: Head | None, hide: Hide) -> Any:
    if head is None:
        return None
    return {"type": head.kind, "size": head.size, "text": hide_in_body(head.kind, head.data.decode(errors="replace"), hide)}


def _packed(span: Span) -> list[Any]:
    links = [[f"{link.trace:032x}", link.span, link.sampled] for link in span.links]
    return [span.id, span.parent, span.name, span.kind, span.start, span.end, span.error, span.attributes, links]


def _unpacked(trace: Trace, *packed: Any) -> Span:
    number, parent, name, kind, start, end, error, attributes, links = packed
    found = tuple(Link(int(other, 16), span, sampled) for other, span, sampled in links)
    return Span(trace, _type(name, kind), number, parent, start, end, attributes, error, found)


@lru_cache(maxsize=1024)
def _type(name: str, kind: Kind) -> SpanType:
    """Whoever encodes spans keeps what it has made of their types."""
    return SpanType(name, kind)

"""`python -m bench.collector`: takes spans over OTLP/HTTP and counts them; `GET /count` tells how many there were."""

from __future__ import annotations

import gzip
from collections.abc import Iterator

from bench.server import serve

RESOURCE_SPANS, SCOPE_SPANS, SPANS = 1, 2, 2
"""Field numbers on the way down: ExportTraceServiceRequest, ResourceSpans, ScopeSpans."""


class Collector:
    """Counts what it is sent."""

    def __init__(self) -> None:
        self.spans = 0

    def __call__(self, target: str, body: bytes) -> bytes | None:
        """Answer a request: an empty message is what OTLP calls success."""
        if target == "/count":
            return b"%d" % self.spans
        if target != "/v1/traces":
            return None
        self.spans += count_spans(gzip.decompress(body) if body.startswith(b"\x1f\x8b") else body)
        return b""


def count_spans(message: bytes) -> int:
    """Spans in an ExportTraceServiceRequest."""
    return sum(
        1 for resource in fields(message, RESOURCE_SPANS) for scope in fields(resource, SCOPE_SPANS) for _ in fields(scope, SPANS)
    )


def fields(message: bytes, wanted: int) -> Iterator[bytes]:
    """The length-delimited fields of this number in a protobuf message; OTLP's traces have no others on the way to the spans."""
    at = 0
    while at < len(message):
        key, at = varint(message, at)
        if key & 7 != 2:
            raise ValueError(f"wire type {key & 7} where only messages and strings are expected")
        size, at = varint(message, at)
        if key >> 3 == wanted:
            yield message[at : at + size]
        at += size


def varint(message: bytes, at: int) -> tuple[int, int]:
    """A number of seven bits a byte, the lowest first, and the place behind it."""
    number = shift = 0
    while True:
        byte = message[at]
        at += 1
        number |= (byte & 0x7F) << shift
        if byte < 0x80:
            return number, at
        shift += 7


if __name__ == "__main__":
    serve(Collector(), 1)

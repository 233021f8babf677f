"""Stands in for Jaeger in the tests: takes OTLP over HTTP, keeps what matters of every span, and tells it as JSON.

`POST :4318/v1/traces` (protobuf, gzip or not) and `GET :16686/spans`, the ports that Jaeger has.
"""

from __future__ import annotations

import gzip
import json
import signal
import sys
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import FrameType

from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest, ExportTraceServiceResponse
from opentelemetry.proto.trace.v1.trace_pb2 import Span

OTLP_PORT, UI_PORT = 4318, 16686
OTLP = "application/x-protobuf"

SPANS: list[dict[str, str]] = []


def decode(body: bytes) -> Iterator[dict[str, str]]:
    """The spans of one export, in the order sent. Raises `DecodeError` for what is not OTLP."""
    for resource in ExportTraceServiceRequest.FromString(body).resource_spans:
        attributes = {attribute.key: attribute.value.string_value for attribute in resource.resource.attributes}
        for scope in resource.scope_spans:
            for span in scope.spans:
                yield {
                    "service": attributes.get("service.name", ""),
                    "instance": attributes.get("service.instance.id", ""),
                    "trace": span.trace_id.hex(),
                    "span": span.span_id.hex(),
                    "parent": span.parent_span_id.hex(),
                    "name": span.name,
                    "kind": Span.SpanKind.Name(span.kind).removeprefix("SPAN_KIND_").lower(),
                }


class Handler(BaseHTTPRequestHandler):
    """Both ports: the method says what is wanted."""

    def do_POST(self) -> None:
        """Keep the spans of an export."""
        body = self.rfile.read(int(self.headers["content-length"]))
        if self.headers.get("content-encoding") == "gzip":
            body = gzip.decompress(body)
        if (self.path, self.headers.get("content-type")) != ("/v1/traces", OTLP):
            self.reply(404, b"", "text/plain")
        else:
            SPANS.extend(decode(body))
            self.reply(200, ExportTraceServiceResponse().SerializeToString(), OTLP)

    def do_GET(self) -> None:
        """Tell every span so far."""
        if self.path != "/spans":
            self.reply(404, b"", "text/plain")
        else:
            self.reply(200, json.dumps(SPANS).encode(), "application/json")

    def reply(self, status: int, body: bytes, media_type: str) -> None:
        """Answer with this."""
        self.send_response(status)
        self.send_header("content-type", media_type)
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """Not every health check is worth a line."""


def main() -> None:
    """Serve both ports until SIGTERM."""
    signal.signal(signal.SIGTERM, _leave)
    otlp, ui = (ThreadingHTTPServer(("0.0.0.0", port), Handler) for port in (OTLP_PORT, UI_PORT))
    threading.Thread(target=otlp.serve_forever, daemon=True).start()
    ui.serve_forever()


def _leave(_signal: int, _frame: FrameType | None) -> None:
    sys.exit(0)


if __name__ == "__main__":
    main()

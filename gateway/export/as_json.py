"""A finished trace as OTLP in JSON: the very message that would be exported, in the form that files and most viewers take."""

from __future__ import annotations

from base64 import b64decode
from typing import Any

from google.protobuf.json_format import MessageToDict
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.util.instrumentation import InstrumentationScope

from gateway.export.otlp import Envelope, encode
from gateway.telemetry import Trace

_IDS = frozenset({"traceId", "spanId", "parentSpanId"})
"""OTLP writes these in hexadecimal, where protobuf's own JSON would have base64 (OTLP 1.11, JSON Protobuf Encoding)."""


def as_json(trace: Trace, resource: Resource, scope: InstrumentationScope) -> dict[str, Any]:
    """An `ExportTraceServiceRequest` with the spans of one trace."""
    message = ExportTraceServiceRequest.FromString(Envelope(resource, scope).around([encode(trace)]))
    told: dict[str, Any] = _with_ids(MessageToDict(message, use_integers_for_enums=True))
    return told


def _with_ids(node: Any) -> Any:
    if isinstance(node, dict):
        return {name: b64decode(value).hex() if name in _IDS else _with_ids(value) for name, value in node.items()}
    return [_with_ids(one) for one in node] if isinstance(node, list) else node

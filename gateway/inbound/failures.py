"""What every operation may answer instead of what was asked for, and beside it: problems (RFC 9457) and headers, as OpenAPI components."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from gateway.problem import MEDIA_TYPE, TYPE

PROBLEM, FAILURE = "GatewayProblem", "GatewayFailure"

_TEXT = {"type": "string"}
_MEMBERS: Mapping[str, Any] = {
    "type": {**_TEXT, "format": "uri", "pattern": f"^{TYPE}", "description": "Which problem it is: what a program looks at."},
    "title": {**_TEXT, "description": "The same for a reader."},
    "status": {"type": "integer", "minimum": 400, "maximum": 599},
    "detail": {**_TEXT, "description": "What is wrong with this request."},
}
_MISFIT = {
    "type": "object",
    "properties": {"in": {**_TEXT, "enum": ["path", "query", "header"]}, "name": _TEXT, "detail": _TEXT},
    "required": ["in", "name", "detail"],
}
_UNDONE = {
    "type": "object",
    "properties": {"step": _TEXT, "undone": {"type": "boolean", "description": "Whether it has been."}},
    "required": ["step", "undone"],
}

SCHEMAS: Mapping[str, Any] = {
    PROBLEM: {
        "type": "object",
        "description": "Why there is no answer (RFC 9457).",
        "properties": {
            **_MEMBERS,
            "inputs": {"type": "array", "items": _MISFIT, "description": "Inputs that do not fit, never with their values."},
            "undone": {"type": "array", "items": _UNDONE, "description": "Writes that were to be taken back, the last first."},
        },
        "required": ["type", "title", "status"],
    },
    FAILURE: {
        "type": "object",
        "description": "Why a part of an answer is missing (RFC 9457).",
        "properties": {
            **_MEMBERS,
            "step": {**_TEXT, "description": "The step that failed."},
            "member": {**_TEXT, "description": "The member of the answer that could not be made."},
            "items": {"type": "integer", "minimum": 1, "description": "How many items of a loop this is about."},
        },
        "required": ["type", "title", "status"],
    },
}

_COMPLETE = {"description": "Whether every step was good or skipped.", "schema": {"type": "boolean"}}

HEADERS: Mapping[str, Any] = {
    "GatewayComplete": {**_COMPLETE, "required": True},
    "Traceparent": {
        "description": "The trace of this request (W3C Trace Context).",
        "schema": {**_TEXT, "pattern": "^00-[0-9a-f]{32}-[0-9a-f]{16}-[0-9a-f]{2}$"},
    },
    "ServerTiming": {"description": "Milliseconds of each step that began, unless it is turned off.", "schema": _TEXT},
    "ProxyStatus": {"description": "A member for each step that failed (RFC 9209).", "schema": _TEXT},
    "ETag": {
        "description": "What the answer is known by: given as `If-None-Match`, it need not be sent again.",
        "schema": {**_TEXT, "pattern": '^(W/)?"[^"]*"$'},
    },
    "CacheControl": {"description": "`no-store` where something is missing.", "schema": _TEXT},
    "IdempotencyReplayed": {
        "description": "This is the outcome of an earlier request with the same key.",
        "schema": {"const": "true"},
    },
    "RetryAfter": {"description": "Seconds to wait, if somebody said so.", "schema": _TEXT},
}

_NAMES = {
    "Gateway-Complete": "GatewayComplete",
    "Traceparent": "Traceparent",
    "Server-Timing": "ServerTiming",
    "Proxy-Status": "ProxyStatus",
    "Cache-Control": "CacheControl",
}


def headers(*more: str) -> dict[str, Any]:
    """The headers that every answer may have, and these."""
    names = {**_NAMES, **{name: name.replace("-", "") for name in more}}
    return {name: {"$ref": f"#/components/headers/{component}"} for name, component in names.items()}


def _response(description: str, *more: str) -> dict[str, Any]:
    content = {MEDIA_TYPE: {"schema": {"$ref": f"#/components/schemas/{PROBLEM}"}}}
    return {"description": description, "headers": headers(*more), "content": content}


RESPONSES: Mapping[str, Any] = {
    "BadRequest": _response("The request is not one that can be read, or an input cannot be used"),
    "InvalidInput": _response("An input does not fit, as `inputs` says, or an `Idempotency-Key` was given to another request"),
    "KeyInUse": _response(
        "A request with this `Idempotency-Key` is in progress, or a required upstream is in conflict", "Retry-After"
    ),
    "NotModified": {"description": "The client has this answer already", "headers": headers("ETag")},
    "NotFound": _response("A required upstream has nothing there"),
    "Ended": _response("A step has decided that there is no answer"),
    "Refused": _response("The request cannot be answered as it is, or a required upstream says so", "Retry-After"),
    "BadGateway": _response("A required upstream failed, or its reply cannot be used"),
    "GatewayTimeout": _response("A required upstream took too long"),
    "Failed": _response("There is no answer, or there is too much to do", "Retry-After"),
}


def response(name: str) -> dict[str, str]:
    """A reference to one of the responses."""
    return {"$ref": f"#/components/responses/{name}"}

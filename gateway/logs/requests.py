"""The line of a request: a print of its finished trace, as the waterfall is and the metrics are.

It says what became of the request, not what was asked: no path, query or address is in it. Those are in the trace, by its id.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping
from typing import Any

from gateway import telemetry
from gateway.events import FALLBACK, REQUEST, TOLD, Event
from gateway.story import is_complete
from gateway.telemetry import Trace

NAME = "gateway.request"

_log = logging.getLogger(NAME)


def are_wanted() -> bool:
    """Somebody is to be told of each request."""
    return _log.isEnabledFor(logging.INFO)


def tell_request(trace: Trace) -> None:
    """Log a finished trace, if it is a request's."""
    root = trace.root
    if root.type.kind != "server":
        return
    ids, steps = {"trace_id": f"{trace.id:032x}", "span_id": f"{root.id:016x}"}, {}
    for span in trace.spans:
        if telemetry.STEP_NAME not in span.type.attributes or span.type.name.startswith("undo "):
            continue
        step = span.type.attributes[telemetry.STEP_NAME]
        steps[step] = outcome = span.own.get(telemetry.STEP_OUTCOME, "cancelled")
        if outcome == "fallback":
            reason = span.own.get(telemetry.STEP_REASON)
            _say(FALLBACK, {**ids, "step": step, "reason": reason}, f"{step}: a fallback stands in: {reason}")
    _say(REQUEST, {**ids, **_outcome(trace), "steps": steps})


def in_words(event: Mapping[str, Any]) -> str:
    """The same for who looks at it: `GET /v1/home/{user_id} 200 in 302.2 ms, orders fallback · 4bf9…`."""
    lacks = "".join(f", {name} {outcome}" for name, outcome in event["steps"].items() if outcome != "ok")
    return f"{event['method']} {event['route']} {event['status'] or 'unanswered'} in {event['duration_ms']} ms{lacks} · {event['trace_id']}"


def _outcome(trace: Trace) -> dict[str, Any]:
    root = trace.root
    said = root.type.attributes
    return {
        "method": said.get(telemetry.HTTP_METHOD),
        "route": said.get(telemetry.HTTP_ROUTE),
        "status": root.own.get(telemetry.HTTP_STATUS),
        "duration_ms": ((root.end or root.start) - root.start) // 1000 / 1000,
        "complete": is_complete(trace.spans),
    }


def _say(event: Event, attributes: dict[str, Any], message: str = "") -> None:
    # What a logger does besides takes as long as the rest: it looks for the line of code that called it.
    record = logging.LogRecord(NAME, logging.INFO, "", 0, message, (), None)
    setattr(record, TOLD, (event, attributes))
    _log.handle(record)

"""Traces as requests leave them, without a request."""

from __future__ import annotations

from collections.abc import Callable
from itertools import count
from typing import Any

import pytest

from gateway.compile import compile_plans
from gateway.load import load_text
from gateway.metrics.state import MetricsState
from gateway.plan import Plan
from gateway.telemetry import Span, SpanType, Trace

CONFIG = """
version: 1
upstreams:
  users: { url: "http://users.test" }
  found: { discover: { a: found.test, port: 80 } }
endpoints: [{ path: "/a/{id}", steps: { user: { get: "users /users/{path.id}" }, more: { get: "found /more" } } }]
"""
ROOT = SpanType("GET /a/{id}", "server", {"http.request.method": "GET", "http.route": "/a/{id}", "gateway.plan.steps": 2})


@pytest.fixture
def plans() -> tuple[Plan, ...]:
    """One endpoint with two steps."""
    return compile_plans(load_text(CONFIG))


@pytest.fixture
def state(plans: tuple[Plan, ...]) -> MetricsState:
    """Nothing counted yet."""
    return MetricsState(plans)


@pytest.fixture
def finished() -> Callable[..., Trace]:
    """A trace whose root took so many milliseconds, with spans of these types and attributes below it, which took as long."""

    def make(
        *below: tuple[SpanType, dict[str, Any]], milliseconds: int = 3, sampled: bool = True, recorded: bool = False, **own: Any
    ) -> Trace:
        trace = Trace(0xABC, sampled, count(1).__next__, recorded=recorded, epoch=0)
        for of, attributes in ((ROOT, {"http.response.status_code": 200, **own}), *below):
            span = Span(trace, of, trace.next_id(), None, 1_000_000, 1_000_000 + milliseconds * 1_000_000, attributes)
            trace.spans.append(span)
        return trace

    return make

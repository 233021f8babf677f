"""Plans from a few lines of YAML, and the calls that a step makes of given values: no event loop, no socket."""

from __future__ import annotations

from collections.abc import Callable
from itertools import count
from textwrap import dedent, indent
from typing import Any, TypeAlias

import pytest

from gateway.call import Call
from gateway.compile import compile_plans
from gateway.expressions.reference import Fields
from gateway.load import load_text
from gateway.plan import Plan
from gateway.render import render_call
from gateway.telemetry import Span, SpanType, Trace

Compiled: TypeAlias = Callable[..., Plan]
Rendered: TypeAlias = Callable[..., Call]

UPSTREAM = "{url: 'http://users.test/api'}"


def compile_endpoint(endpoint: str, upstream: str = UPSTREAM) -> Plan:
    """The plan of one endpoint, written in YAML, whose steps call the upstream `users`."""
    config = f"version: 1\nupstreams:\n  users: {upstream}\nendpoints:\n  -\n{indent(dedent(endpoint), '    ')}\n"
    (plan,) = compile_plans(load_text(config))
    return plan


def new_span() -> Span:
    """The span of a step, in a trace of its own."""
    return Trace(id=1, sampled=True, next_id=count(1).__next__).span(SpanType("step user"), None)


def render_step(plan: Plan, *, path: Any = None, query: Any = None, headers: Any = None, body: Any = None, **steps: Any) -> Call:
    """The call that the last step makes of these values; `steps` are the values of the others."""
    request = {"path": path or {}, "query": query or {}, "headers": Fields((headers or {}).items()), "body": body}
    return render_call(plan.steps[-1].recipe, {**request, "steps": {}, **steps}, deadline=10.0, span=new_span())


@pytest.fixture(scope="session")
def compiled() -> Compiled:
    """Compiles one endpoint."""
    return compile_endpoint


@pytest.fixture(scope="session")
def rendered() -> Rendered:
    """Renders the last step of a plan."""
    return render_step


@pytest.fixture
def span() -> Span:
    """The span of a step."""
    return new_span()

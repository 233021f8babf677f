"""Finished traces, and a gateway that keeps them."""

from __future__ import annotations

from itertools import count
from typing import Any

import pytest

from gateway import telemetry
from gateway.journal.record import Finished, Service, Summary, pack, summarise
from gateway.telemetry import SpanType, Trace

MS = 1_000_000


def _finished(
    *, number: int = 1, at: float = 0.0, ms: float = 20.0, error: bool = False, complete: bool = True, **own: Any
) -> Trace:
    """A request for `/a/{id}` of so many milliseconds that began at this second, with a step `user`."""
    trace = Trace(id=number, sampled=True, next_id=count(1).__next__, epoch=0)
    root = trace.span(SpanType("GET /a/{id}", "server", {telemetry.HTTP_METHOD: "GET", telemetry.HTTP_ROUTE: "/a/{id}"}), None)
    root.own = {telemetry.HTTP_STATUS: 200, telemetry.URL_PATH: f"/a/{number}", **own}
    step = root.child(SpanType("step user", attributes={telemetry.STEP_NAME: "user"}))
    step.own = {telemetry.STEP_OUTCOME: "ok" if complete else "fallback"}
    shape = root.child(telemetry.SHAPE)
    shape.own = {telemetry.ANSWER_COMPLETE: complete}
    for span in trace.spans:
        span.start = int(at * 1000 * MS)
        span.end = span.start + int(ms * MS)
    root.error = error
    return trace


def _over(trace: Trace, stands_for: int = 1) -> Finished:
    """As it waits to be written."""
    return Finished(trace, [*trace.spans], stands_for)


@pytest.fixture(scope="session")
def finished() -> Any:
    """Makes a finished request for `/a/{id}`: `number`, `at` (s), `ms`, `error`, `complete`, and attributes of its root."""
    return _finished


@pytest.fixture(scope="session")
def over() -> Any:
    """Makes of a trace, and how many it stands for, what waits to be written."""
    return _over


@pytest.fixture(scope="session")
def service() -> Service:
    """The process that keeps them."""
    return Service("0.1.0", "abc", 7)


@pytest.fixture(scope="session")
def rows(service: Service) -> Any:
    """Makes of traces what is added to a file."""

    def made(*traces: Trace) -> list[tuple[Summary, bytes]]:
        return [(summarise(_over(trace), service), pack(_over(trace), {}, service)) for trace in traces]

    return made

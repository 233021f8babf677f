"""What a finished trace tells: its edges, its critical path, and why each step ran when it ran."""

from __future__ import annotations

from itertools import count, pairwise
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway import telemetry
from gateway.story import Edge, edges, is_complete, role_of, step_of
from gateway.story.critical import critical_path, spans_on
from gateway.story.telling import tell
from gateway.telemetry import Link, Span, SpanType, Trace


@pytest.fixture
def trace() -> Trace:
    """A request from 0 to 100."""
    return made()


def made() -> Trace:
    """A request from 0 to 100, whose spans have the ids 1, 2, 3 …"""
    trace = Trace(id=0xABC, sampled=True, next_id=count(1).__next__, epoch=0)
    return add(trace, None, SpanType("GET /v1/home", "server"), 0, 100).trace


def add(trace: Trace, parent: Span | None, of: SpanType, start: int, end: int, **own: Any) -> Span:
    """A span of a trace."""
    span = trace.span(of, parent.id if parent else None)
    span.start, span.end = start, end
    span.own = own
    return span


def step(trace: Trace, name: str, start: int, end: int, outcome: str | None = "ok", **own: Any) -> Span:
    """A step; without an outcome it was cut short."""
    span = add(trace, trace.root, SpanType(f"step {name}", attributes={telemetry.STEP_NAME: name}), start, end)
    span.own = {telemetry.STEP_OUTCOME: outcome, **own} if outcome else own
    return span


def attempt(trace: Trace, of: Span, start: int, end: int, status: int | None = 200) -> Span:
    """An attempt; without a status it was cut short."""
    own: Any = {telemetry.HTTP_STATUS: status} if status else {}
    span = add(trace, of, SpanType("GET /x", "client"), start, end)
    span.own = own
    return span


@pytest.mark.parametrize(("own", "expected"), [({}, True), ({telemetry.ANSWER_COMPLETE: False}, False)])
def test_an_answer_is_complete_unless_its_shape_says_otherwise(trace: Trace, own: Any, expected: bool) -> None:
    """A request without an answer is neither complete nor partial: a problem has no shape."""
    before = is_complete(trace.spans)

    add(trace, trace.root, telemetry.SHAPE, 90, 95).own = own

    assert (before, is_complete(trace.spans)) == (None, expected)


def path(trace: Trace, **needs: Any) -> list[tuple[str, int, int]]:
    """The critical path: by step or by name, from, to."""
    return [(step_of(one.span) or one.span.name, one.start, one.end) for one in critical_path(trace, needs)]


def test_the_path_leads_through_what_each_step_waited_for(trace: Trace) -> None:
    """A step that ended in the same moment as the one that is needed held nobody up."""
    step(trace, "user", 2, 40)
    step(trace, "weather", 2, 41)
    step(trace, "products", 42, 90)
    add(trace, trace.root, telemetry.SHAPE, 91, 99)

    walked = path(trace, products=["user"])

    assert walked == [
        ("GET /v1/home", 0, 2),
        ("user", 2, 40),
        ("GET /v1/home", 40, 42),
        ("products", 42, 90),
        ("GET /v1/home", 90, 91),
        ("shape", 91, 99),
        ("GET /v1/home", 99, 100),
    ]


def test_of_the_steps_that_are_needed_the_last_one_counts(trace: Trace) -> None:
    """The others were ready before."""
    step(trace, "user", 0, 30)
    step(trace, "orders", 0, 50)
    step(trace, "products", 50, 100)

    assert path(trace, products=["user", "orders"]) == [("orders", 0, 50), ("products", 50, 100)]


def test_retries_and_the_waits_between_them_stand_one_after_the_other(trace: Trace) -> None:
    """The wait is the step's own: no attempt explains it."""
    user = step(trace, "user", 0, 100)
    attempt(trace, user, 0, 20, 503)
    attempt(trace, user, 60, 100)

    assert path(trace) == [("GET /x", 0, 20), ("user", 20, 60), ("GET /x", 60, 100)]


def test_a_copy_that_lost_is_not_on_the_path(trace: Trace) -> None:
    """Although it ended last, when it was cancelled."""
    user = step(trace, "user", 0, 100)
    attempt(trace, user, 0, 99, None)
    attempt(trace, user, 40, 98)

    assert path(trace) == [("user", 0, 40), ("GET /x", 40, 98), ("user", 98, 100)]


def test_a_step_that_ended_the_answer_is_on_the_path_and_those_cut_short_are_not(trace: Trace) -> None:
    """They end with it, or a moment later."""
    step(trace, "user", 0, 80, "failed")
    step(trace, "orders", 0, 99, None)

    assert path(trace) == [("user", 0, 80), ("GET /v1/home", 80, 100)]


def test_where_everything_was_cut_short_the_path_says_so(trace: Trace) -> None:
    """The client has left: what he waited for was the last."""
    user = step(trace, "user", 0, 100, None)
    attempt(trace, user, 10, 100, None)

    assert path(trace) == [("user", 0, 10), ("GET /x", 10, 100)]


def test_spans_on_the_path_stand_below_their_parents(trace: Trace) -> None:
    """In order, each once, without the request itself."""
    user = step(trace, "user", 0, 100)
    first, second = attempt(trace, user, 0, 50, 503), attempt(trace, user, 50, 100)

    assert spans_on(critical_path(trace), trace) == [user, first, second]


TIMES = st.tuples(st.integers(0, 100), st.integers(0, 100)).map(lambda pair: (min(pair), max(pair)))


@st.composite
def traces(draw: st.DrawFn) -> tuple[Trace, dict[str, list[str]]]:
    """Any spans below any others at any time, and steps that need any others."""
    trace = made()
    for name in draw(st.lists(st.sampled_from("abcde"), unique=True)):
        step(trace, name, *draw(TIMES), draw(st.sampled_from(["ok", None])))
    for _ in range(draw(st.integers(0, 6))):
        attempt(trace, draw(st.sampled_from(trace.spans)), *draw(TIMES), draw(st.sampled_from([200, None])))
    return trace, draw(st.dictionaries(st.sampled_from("abcde"), st.lists(st.sampled_from("abcdef"), max_size=3)))


@given(traces())
def test_the_path_is_a_chain_that_covers_the_answers_time(drawn: tuple[Trace, dict[str, list[str]]]) -> None:
    """Whatever the spans say: no gap, nothing twice, from the beginning to the end, and never outside the span that is blamed."""
    trace, needs = drawn

    walked = critical_path(trace, needs)

    assert (walked[0].start, walked[-1].end) == (trace.root.start, trace.root.end)
    assert all(one.start < one.end for one in walked)
    assert all(one.end == next_one.start for one, next_one in pairwise(walked))
    assert all(one.span.start <= one.start and one.end <= (one.span.end or 0) for one in walked)


def test_edges_are_those_of_steps_that_began(trace: Trace) -> None:
    """A step that was not wanted, or that nobody got to, has none."""
    step(trace, "user", 0, 10)
    step(trace, "orders", 10, 20)

    assert edges(trace, {"orders": ["user", "pruned"], "products": ["orders"]}) == [Edge("user", "orders")]


@pytest.mark.parametrize(
    ("of", "role"),
    [
        (SpanType("GET /v1/home", "server"), "server"),
        (SpanType("GET /users/{path.id}", "client"), "attempt"),
        (SpanType("step user", attributes={telemetry.STEP_NAME: "user"}), "step"),
        (SpanType("undo user", attributes={telemetry.STEP_NAME: "user"}), "undo"),
        (telemetry.SHAPE, "shape"),
        (telemetry.TRANSFORM, "transform"),
        (SpanType("refresh users"), "refresh"),
    ],
)
def test_every_span_has_a_part(trace: Trace, of: SpanType, role: str) -> None:
    """By which the console draws it."""
    assert role_of(trace.span(of, None)) == role


def test_why_a_step_ran_is_told(trace: Trace) -> None:
    """At once, after those that it needs, the last of them last; or not, and why."""
    step(trace, "user", 0, 20)
    step(trace, "orders", 0, 30, "fallback", **{telemetry.STEP_REASON: "status 503"})
    step(trace, "products", 30, 60, None)
    step(trace, "picks", 30, 30, "skipped", **{telemetry.STEP_REASON: "not user.consents"})

    told = tell(trace, {"products": ["user", "orders"], "picks": ["user"]})

    assert {name: (one.why, one.outcome, one.reason) for name, one in told.items()} == {
        "user": ("ran at once", "ok", None),
        "orders": ("ran at once", "fallback", "status 503"),
        "products": ("after user, orders", "cancelled", None),
        "picks": ("skipped: not user.consents", "skipped", "not user.consents"),
    }


def test_what_a_step_waited_for_is_told_in_milliseconds(trace: Trace) -> None:
    """Permits of all its attempts together, back-off, a pause; and what the cache did."""
    waited = {telemetry.RETRY_DELAY: 0.25, telemetry.PAUSE_DELAY: 1.0}
    user = step(trace, "user", 0, 100, **waited, **{telemetry.CACHE_STATUS: "miss", telemetry.CACHE_TTL: 30.0})
    for seconds in (0.001, 0.002):
        attempt(trace, user, 0, 10).own[telemetry.BULKHEAD_DELAY] = seconds

    told = tell(trace)["user"].as_json()

    assert told["waits"] == {"bulkhead_ms": 3.0, "backoff_ms": 250.0, "pause_ms": 1000.0, "coalesced_with": None}
    assert told["cache"] == {"status": "miss", "ttl": 30.0}
    assert told["attempts"] == 2


def test_a_call_that_was_shared_tells_whose_it_was(trace: Trace) -> None:
    """The span that the link leads to: the last one, when the work changed hands."""
    user = step(trace, "user", 0, 100, **{telemetry.CACHE_STATUS: "collapsed"})
    user.links = (Link(1, 2, True), Link(0xFEED, 0xBEEF, True))

    assert tell(trace)["user"].waits.coalesced_with == f"{0xFEED:032x}-{0xBEEF:016x}"

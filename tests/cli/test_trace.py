"""`gateway trace`: what it asks for, what it prints, and what it says when there is nothing to print."""

from __future__ import annotations

import json
from itertools import count
from typing import Any

import pytest

from gateway import telemetry
from gateway.journal.record import Record, Service
from gateway.journal.telling import tell_record
from gateway.telemetry import SpanType, Trace

MS = 1_000_000
ID = f"{0xABC:032x}"


def told(status: int = 200) -> dict[str, Any]:
    """A trace as the admin side tells it: `orders` needs `user`, and is kept for half a minute."""
    trace = Trace(0xABC, True, count(1).__next__, epoch=0)
    root = trace.span(SpanType("GET /a/{id}", "server", {telemetry.HTTP_METHOD: "GET", telemetry.HTTP_ROUTE: "/a/{id}"}), None)
    root.own = {telemetry.HTTP_STATUS: status, telemetry.URL_PATH: "/a/7"}
    for name, more in (("user", {}), ("orders", {telemetry.CACHE_STATUS: "miss", telemetry.CACHE_TTL: 30.0})):
        span = root.child(SpanType(f"step {name}", attributes={telemetry.STEP_NAME: name}))
        span.own = {telemetry.STEP_OUTCOME: "ok", **more}
    for span, (start, end) in zip(trace.spans, [(0, 100), (0, 40), (40, 100)], strict=True):
        span.start, span.end = start * MS, end * MS
    return tell_record(Record(trace, {"orders": ["user"]}, Service("0.1.0", "abc", 7)))


@pytest.fixture
def admin(upstream: Any) -> Any:
    """An admin side played by the test, which has one trace."""
    upstream.answers = {f"/api/traces/{ID}": [(200, told())], "/api/traces": [(200, {"traces": [{"id": ID}], "before": None})]}
    return upstream


def test_a_trace_is_shown_with_the_reasons_of_its_steps(run: Any, admin: Any) -> None:
    """Its head, its waterfall, and why each step ran when it ran."""
    done = run("trace", ID, "--admin", admin.url)

    assert (done.status, done.err) == (0, "")
    assert [line.rstrip() for line in done.out.splitlines()] == [
        "GET /a/7 · 1970-01-01T00:00:00.000000Z · process 7",
        f"trace {ID}",
        f"GET /a/{{id}}   {'━' * 46} 100.0 ms 200",
        f"  step user   {'━' * 18}{' ' * 28}  40.0 ms",
        f"  step orders {' ' * 18}{'━' * 28}  60.0 ms cache miss",
        "",
        "  user    ran at once",
        "  orders  after user   kept for 30 s",
    ]


@pytest.mark.parametrize(
    ("given", "asked"),
    [
        ("last", f"/api/traces/{ID}"),
        (ID.upper(), f"/api/traces/{ID}"),
        (f"00-{ID}-{5:016x}-01", f"/api/traces/{ID}?span={5:016x}"),
        (f"{ID}-{5:016x}", f"/api/traces/{ID}?span={5:016x}"),
    ],
)
def test_a_trace_is_named_by_what_one_has_of_it(run: Any, admin: Any, given: str, asked: str) -> None:
    """Its id, a whole `Traceparent`, a span in it; or it is the last one."""
    assert run("trace", given, "--admin", admin.url).status == 0
    assert admin.asked[-1][1] == asked


def test_it_can_be_had_as_json(run: Any, admin: Any) -> None:
    """As the admin side has it."""
    done = run("trace", "--json", GATEWAY_ADMIN_URL=admin.url)

    assert json.loads(done.out) == told()


def test_a_request_that_failed_is_status_1(run: Any, admin: Any) -> None:
    """As with `gateway call`."""
    admin.answers[f"/api/traces/{ID}"] = [(200, told(502))]

    assert run("trace", ID, "--admin", admin.url).status == 1


@pytest.mark.parametrize(
    ("given", "answer", "said"),
    [
        ("abc", None, "not a trace: 'abc'; give its id or a whole Traceparent, or 'last'"),
        (
            ID,
            (404, {"type": "urn:problem:fanin:not-found", "title": "Not Found", "detail": "there is no such trace here"}),
            "there is no such trace here",
        ),
        (ID, (404, {"detail": "Not Found"}), "no admin side of a gateway"),
        (ID, (401, {"title": "Unauthorized"}), "takes a token: set GATEWAY_ADMIN_TOKEN"),
    ],
)
def test_what_there_is_not_is_said_in_a_line(run: Any, admin: Any, given: str, answer: Any, said: str) -> None:
    """Status 2."""
    if answer:
        admin.answers[f"/api/traces/{ID}"] = [answer]

    done = run("trace", given, "--admin", admin.url)

    assert (done.status, done.out) == (2, "")
    assert done.err.startswith("gateway: ")
    assert said in done.err
    assert done.err.count("\n") == 1


def test_where_there_is_none_yet_there_is_no_last_one(run: Any, admin: Any) -> None:
    """Nobody has asked for anything."""
    admin.answers["/api/traces"] = [(200, {"traces": [], "before": None})]

    assert run("trace", "--admin", admin.url).err == "gateway: there is no trace yet\n"

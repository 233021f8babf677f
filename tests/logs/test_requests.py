"""The line of a request: what it says, and that nobody pays for it who has not asked."""

from __future__ import annotations

import logging
from itertools import count
from typing import Any

import httpx
import pytest

from gateway import Gateway, events, telemetry
from gateway.logs.requests import tell_request
from gateway.telemetry import SHAPE, SpanType, Trace

CONFIG = """
version: 1
upstreams: { users: { url: http://users.test } }
endpoints:
  - path: /a/{id}
    steps:
      user: { get: "users /users/{path.id}" }
      likes: { get: users /likes, optional: true, fallback: [] }
"""


def finished(kind: Any = "server") -> Trace:
    """A request of 20 ms whose second step failed, and of whose third nothing came."""
    trace = Trace(id=0xABC, sampled=False, next_id=count(1).__next__, epoch=0, recorded=False)
    root = trace.span(SpanType("GET /a/{id}", kind, {telemetry.HTTP_METHOD: "GET", telemetry.HTTP_ROUTE: "/a/{id}"}), None)
    root.start, root.end = 0, 20_000_000
    for name, outcome in (("user", "ok"), ("likes", "fallback"), ("more", None)):
        step = root.child(SpanType(f"step {name}", attributes={telemetry.STEP_NAME: name}))
        step.own = {telemetry.STEP_OUTCOME: outcome, telemetry.STEP_REASON: "status 503"} if outcome else {}
    root.child(SpanType("undo user", attributes={telemetry.STEP_NAME: "user"})).own = {telemetry.STEP_OUTCOME: "failed"}
    root.child(SHAPE).own = {telemetry.ANSWER_COMPLETE: False}
    root.own = {telemetry.HTTP_STATUS: 200, telemetry.URL_PATH: "/a/7"}
    return trace


def test_a_line_is_a_print_of_the_trace(log: Any) -> None:
    """How it came out, and each step; not what was asked. A fallback is an event of its own."""
    log.begin(level="info")

    tell_request(finished())

    fallback, line = log.lines()
    ids = {"trace_id": f"{0xABC:032x}", "span_id": f"{1:016x}"}
    assert {name: line[name] for name in events.REQUEST.attributes} == {
        **ids, "method": "GET", "route": "/a/{id}", "status": 200, "duration_ms": 20.0, "complete": False,
        "steps": {"user": "ok", "likes": "fallback", "more": "cancelled"},
    }  # fmt: skip
    assert {name: fallback[name] for name in events.FALLBACK.attributes} == {**ids, "step": "likes", "reason": "status 503"}


def test_in_words_it_has_what_is_out_of_order(log: Any) -> None:
    """For who looks at it."""
    log.begin(level="info", form="text")

    tell_request(finished())

    assert log.text().splitlines() == [
        "likes: a fallback stands in: status 503",
        f"GET /a/{{id}} 200 in 20.0 ms, likes fallback, more cancelled · {0xABC:032x}",
    ]


def test_work_in_the_background_is_no_request(log: Any) -> None:
    """It has a trace, and nobody asked for it."""
    log.begin(level="info")

    tell_request(finished("internal"))

    assert log.lines() == []


@pytest.mark.parametrize(("level", "lines"), [("info", 1), ("warning", 0)])
async def test_each_request_has_a_line_where_they_are_wanted(log: Any, level: str, lines: int) -> None:
    """It needs nothing recorded: a trace that nobody exports has what it takes."""
    log.begin(level=level)
    seen: list[bool] = []
    transport = httpx.MockTransport(lambda _: httpx.Response(200, json={}))
    gateway = Gateway.from_text(CONFIG, transport=transport)
    async with gateway.lifespan(), httpx.AsyncClient(transport=httpx.ASGITransport(gateway.app)) as client:
        gateway.tracing.watch(lambda trace: seen.append(trace.recorded), wants_all=False)
        answer = await client.get("http://gateway.test/a/42?token=canary")

    told = [line for line in log.lines() if line.get("event") == "gateway.request"]
    assert [(one["trace_id"], one["steps"]) for one in told] == [
        (answer.headers["traceparent"][3:35], {"user": "ok", "likes": "ok"})
    ] * lines
    assert seen == [False]


async def test_a_user_s_own_words_have_the_request_s_ids(log: Any, monkeypatch: pytest.MonkeyPatch, tmp_path: Any) -> None:
    """Also from the thread in which a function runs that takes long."""
    (tmp_path / "own_words.py").write_text(
        "import logging, gateway\n"
        "def say(value): logging.getLogger('shop').warning('here'); return value\n"
        "@gateway.off_loop\ndef say_aside(value): return say(value)\n"
    )
    monkeypatch.syspath_prepend(tmp_path)
    log.begin()
    functions = "".join(
        f"  - {{ path: /{name}, steps: {{ user: {{ get: users /u }} }}, response: {{ transform: 'own_words:{name}', of: user }} }}\n"
        for name in ("say", "say_aside")
    )
    gateway = Gateway.from_text(CONFIG + functions, transport=httpx.MockTransport(lambda _: httpx.Response(200, json={})))
    async with gateway.lifespan(), httpx.AsyncClient(transport=httpx.ASGITransport(gateway.app)) as client:
        answers = [await client.get(f"http://gateway.test/{name}") for name in ("say", "say_aside")]
        logging.getLogger("shop").warning("elsewhere")

    assert [line.get("trace_id") for line in log.lines()] == [*(one.headers["traceparent"][3:35] for one in answers), None]

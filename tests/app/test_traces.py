"""Trace context in and out: what a client sends goes on, what makes no sense begins anew, and neither can break an answer."""

from __future__ import annotations

from typing import Any

import pytest
import respx

CONFIG = """
version: 1
upstreams: { users: { url: http://users.test, retry: { attempts: 2, backoff: 1ms } } }
endpoints:
  - path: /me
    steps:
      user: { get: users /me }
      more: { get: users /more }
"""

TRACE, PARENT = "0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331"
GOOD = f"00-{TRACE}-{PARENT}-01"


@pytest.fixture(autouse=True)
def users(upstreams: respx.Router) -> None:
    """An upstream with two things to ask for."""
    upstreams.get("http://users.test/me").respond(json={})
    upstreams.get("http://users.test/more").respond(json={})


async def test_a_client_s_trace_goes_on_to_the_upstreams(serve: Any, upstreams: respx.Router, traces: list[Any]) -> None:
    """The same trace id, and a parent of our own for each call: the span of that very attempt."""
    client = await serve(CONFIG)

    answer = await client.get("/me", headers={"traceparent": GOOD, "tracestate": "vendor=1"})

    sent = [call.request.headers["traceparent"] for call in upstreams.calls]
    spans = [span.traceparent for span in traces[0].spans if span.kind == "client"]
    assert sorted(sent) == sorted(spans)
    assert {header[3:35] for header in (*sent, answer.headers["traceparent"])} == {TRACE}
    assert len({PARENT, *(header[36:52] for header in (*sent, answer.headers["traceparent"]))}) == 4
    assert traces[0].root.parent == int(PARENT, 16)
    assert {call.request.headers["tracestate"] for call in upstreams.calls} == {"vendor=1"}


async def test_every_attempt_has_a_parent_of_its_own(serve: Any, upstreams: respx.Router) -> None:
    """A retry is another span, so that the upstream's own spans hang below the attempt that caused them."""
    upstreams.get("http://users.test/me").mock(side_effect=[respx.MockResponse(503), respx.MockResponse(json={})])
    client = await serve(CONFIG)

    await client.get("/me")

    sent = [call.request.headers["traceparent"] for call in upstreams.calls if call.request.url.path == "/me"]
    assert len(sent) == len(set(sent)) == 2


@pytest.mark.parametrize(
    "given",
    [
        [],
        [("traceparent", "garbage")],
        [("traceparent", "")],
        [("traceparent", GOOD.upper())],
        [("traceparent", GOOD.replace(TRACE, "0" * 32))],
        [("traceparent", GOOD.replace(PARENT, "0" * 16))],
        [("traceparent", "ff" + GOOD[2:])],
        [("traceparent", GOOD + "-more")],
        [("traceparent", b"\xff\xfe\xc3")],
        [("traceparent", GOOD), ("traceparent", GOOD)],
        [("traceparent", "0" * 10_000)],
        [("tracestate", "vendor=1")],
        [("tracestate", "x" * 10_000)],
    ],
    ids=[
        "none", "garbage", "empty", "upper case", "zero trace", "zero parent", "version ff", "too long", "not ASCII", "twice", "10 KB",
        "state alone", "10 KB of state",
    ],
)  # fmt: skip
async def test_a_trace_context_that_makes_no_sense_begins_a_new_trace(
    serve: Any, upstreams: respx.Router, traces: list[Any], given: list[Any]
) -> None:
    """A new id, the answer as ever, and nothing of it reaches an upstream."""
    client = await serve(CONFIG)

    answer = await client.get("/me", headers=given)

    assert answer.status_code == 200
    assert traces[0].remote_parent is None
    assert traces[0].id not in (0, int(TRACE, 16))
    assert not any("tracestate" in call.request.headers for call in upstreams.calls)


@pytest.mark.parametrize(
    ("states", "sent"),
    [(["a=1", "b=2"], "a=1,b=2"), (["no key value"], None), ([f"k{n}=v" for n in range(40)], None)],
    ids=["in parts", "garbage", "too many"],
)
async def test_a_trace_state_goes_on_when_it_is_one(
    serve: Any, upstreams: respx.Router, traces: list[Any], states: list[str], sent: str | None
) -> None:
    """Its parts are one list; one that is none is left out and costs the trace nothing."""
    client = await serve(CONFIG)

    await client.get("/me", headers=[("traceparent", GOOD), *(("tracestate", state) for state in states)])

    assert traces[0].id == int(TRACE, 16)
    assert {call.request.headers.get("tracestate") for call in upstreams.calls} == {sent}


async def test_two_requests_are_two_traces(serve: Any, traces: list[Any]) -> None:
    """An id of its own for each request without a trace of the client's."""
    client = await serve(CONFIG)

    for _ in range(2):
        await client.get("/me")

    assert traces[0].id != traces[1].id

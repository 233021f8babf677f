"""Finished traces, counted: by what a plan has, and by nothing that anybody can make up."""

from __future__ import annotations

import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from gateway import telemetry
from gateway.metrics.figures import Distribution, Snapshot
from gateway.metrics.state import MOST, MetricsState
from gateway.plan import Plan
from gateway.telemetry import SHAPE, SpanType, Trace

Finished = Callable[..., Trace]

ENDPOINT = {"http.request.method": "GET", "http.route": "/a/{id}"}
CALL = SpanType(
    "GET /users/{path.id}",
    "client",
    {
        "gateway.upstream.name": "users",
        "server.address": "users.test",
        "server.port": 80,
        "http.request.method": "GET",
        "url.template": "/users/{path.id}",
    },
)
FOUND = SpanType("GET /more", "client", {**CALL.attributes, "gateway.upstream.name": "found", "server.address": "found.test"})


def value(snapshot: Snapshot, metric: telemetry.Metric, **labels: Any) -> Any:
    """The one value with these labels (`_` for a dot)."""
    wanted = {(name.replace("__", "."), one) for name, one in labels.items()}
    (found,) = (one for of, one in snapshot.values.get(metric.name, {}).items() if wanted <= set(of))
    return found


def test_a_request_is_counted_by_endpoint_and_status(state: MetricsState, finished: Finished) -> None:
    """In the bucket whose bound it did not pass; a bound belongs to its bucket."""
    state.note(finished(milliseconds=5))
    state.note(finished(milliseconds=6))
    state.note(finished(milliseconds=20_000, **{"http.response.status_code": 502, "error.type": "502"}))

    snapshot = state.snapshot()

    good: Distribution = value(snapshot, telemetry.SERVER_DURATION, http__response__status_code=200)
    assert (good.counts[:3], good.count, good.nanoseconds) == ([1, 1, 0], 2, 11_000_000)
    assert value(snapshot, telemetry.SERVER_DURATION, error__type="502", http__route="/a/{id}").counts[-1] == 1


def test_a_step_is_counted_by_outcome_and_what_the_cache_did(
    state: MetricsState, plans: tuple[Plan, ...], finished: Finished
) -> None:
    """Its endpoint is a label although its span does not name it; a step without a cache has no part in the cache's figures."""
    user, more = (step.span for step in plans[0].steps)
    hit = {"gateway.step.outcome": "ok", "gateway.cache.status": "hit"}
    failed = {"gateway.step.outcome": "failed", "error.type": "gateway.errors.BadReply", "gateway.step.reason": "not HTTP"}
    for _ in range(2):
        state.note(finished((user, hit), (more, failed)))

    snapshot = state.snapshot()

    assert value(snapshot, telemetry.STEP_DURATION, gateway__step__name="user").count == 2
    assert dict(next(of for of in snapshot.values[telemetry.STEP_DURATION.name] if ("gateway.step.name", "more") in of)) == {
        **ENDPOINT,
        "gateway.step.name": "more",
        "gateway.upstream.name": "found",
        "gateway.step.outcome": "failed",
        "error.type": "gateway.errors.BadReply",
    }
    (cached,) = snapshot.values[telemetry.CACHE_REQUESTS.name].items()
    assert (dict(cached[0])["gateway.cache.status"], cached[1]) == ("hit", 2)


def test_a_kept_answer_is_counted_without_a_step(state: MetricsState, finished: Finished) -> None:
    """What the cache did for a whole answer stands beside what it did for steps."""
    state.note(finished(**{"gateway.cache.status": "stale"}))

    (labels,) = state.snapshot().values[telemetry.CACHE_REQUESTS.name]

    assert dict(labels) == {**ENDPOINT, "gateway.cache.status": "stale"}


def test_attempts_are_counted_by_upstream_and_host(state: MetricsState, finished: Finished) -> None:
    """From the second on they are retries; the host is the one that was asked, of several."""
    state.note(finished((CALL, {"http.response.status_code": 503, "error.type": "503"})))
    state.note(
        finished((CALL, {"http.response.status_code": 200, "http.request.resend_count": 1, "server.address": "other.test"}))
    )

    snapshot = state.snapshot()

    assert value(snapshot, telemetry.RETRIES, gateway__upstream__name="users") == 1
    assert value(snapshot, telemetry.CLIENT_DURATION, server__address="other.test", server__port=80).count == 1
    assert value(snapshot, telemetry.CLIENT_DURATION, server__address="users.test", error__type="503").count == 1


def test_hosts_that_are_found_are_no_labels(state: MetricsState, finished: Finished) -> None:
    """They come and go; the upstream's own name stays."""
    for number in range(300):
        state.note(finished((FOUND, {"http.response.status_code": 200, "server.address": f"10.0.0.{number}"})))

    assert value(state.snapshot(), telemetry.CLIENT_DURATION, server__address="found.test").count == 300


def test_a_partial_answer_is_counted(state: MetricsState, finished: Finished) -> None:
    """From 0 on, so that the first one is seen to be one more."""
    assert value(state.snapshot(), telemetry.PARTIAL, http__route="/a/{id}") == 0

    state.note(finished((SHAPE, {"gateway.answer.complete": False})))
    state.note(finished((SHAPE, {"gateway.answer.complete": True})))

    assert value(state.snapshot(), telemetry.PARTIAL, http__route="/a/{id}") == 1


def test_requests_in_flight_are_those_that_have_begun_and_not_ended(state: MetricsState, finished: Finished) -> None:
    """Work in the background is no request."""
    trace = finished()
    for of in (trace.root.type, trace.root.type, SpanType("refresh users")):
        state.begin(of)
    state.note(trace)

    assert list(state.snapshot().values[telemetry.SERVER_ACTIVE.name].values()) == [1]


def test_work_in_the_background_is_forgotten(state: MetricsState, finished: Finished) -> None:
    """The types of its spans are made again and again: remembered, they would take more and more memory."""
    state.note(finished())
    before = len(state._types)

    for _ in range(100):
        refresh = SpanType("refresh users")
        state.begin(refresh)
        state.note(finished((refresh, {}), (SHAPE, {})))

    assert (len(state._types), len(state._begun)) == (before, 0)


@pytest.mark.parametrize(
    ("sampled", "recorded", "count"), [(True, True, 1), (True, False, 0), (False, True, 0), (False, False, 0)]
)
def test_an_exemplar_can_be_looked_up(state: MetricsState, finished: Finished, sampled: bool, recorded: bool, count: int) -> None:
    """Only a request that is sampled, and kept by somebody, is one."""
    state.note(finished(sampled=sampled, recorded=recorded))

    exemplars = value(state.snapshot(), telemetry.SERVER_DURATION).exemplars

    assert [*exemplars.values()] == [(4_000_000, 3_000_000, 0xABC, 1)] * count


def test_what_an_upstream_makes_up_has_an_end(state: MetricsState, finished: Finished) -> None:
    """Beyond so many statuses of one call all others are counted as one; none is lost."""
    for status in range(100, 1000):
        state.note(finished((CALL, {"http.response.status_code": status})))

    snapshot = state.snapshot()

    assert len(snapshot.values[telemetry.CLIENT_DURATION.name]) == MOST + 1
    assert value(snapshot, telemetry.CLIENT_DURATION, otel__metric__overflow=True).count == 900 - MOST


def test_only_gauges_are_read_when_a_snapshot_is_taken(plans: tuple[Plan, ...], finished: Finished) -> None:
    """What was counted waits until there is time for it, in a thread: thousands of series would hold the loop up."""
    loads = iter([7, 8])
    state = MetricsState(plans, gauges=lambda: [(telemetry.CACHE_SIZE.name, {}, next(loads))])

    take = state.take()
    state.note(finished())
    snapshot = take()

    assert value(snapshot, telemetry.CACHE_SIZE) == 7
    assert value(snapshot, telemetry.SERVER_DURATION).count == 1


def test_snapshots_may_be_made_while_others_count(state: MetricsState, finished: Finished) -> None:
    """In another thread, at any moment: nothing is missed, counted twice, or taken back."""

    def count() -> None:
        for number in range(3_000):
            trace = finished((CALL, {"http.response.status_code": 100 + number % 50}))
            state.begin(trace.root.type)
            state.note(trace)

    with ThreadPoolExecutor(1) as aside:
        counting, seen = aside.submit(count), [state.snapshot()]
        while not counting.done():
            seen.append(state.snapshot())
        seen.append(state.snapshot())

    counts = [sum(one.count for one in of.values.get(telemetry.CLIENT_DURATION.name, {}).values()) for of in seen]
    assert counts == sorted(counts)
    assert counts[-1] == 3_000
    assert min(one for of in seen for one in of.values.get(telemetry.SERVER_ACTIVE.name, {}).values()) == 0


def test_a_snapshot_says_whose_it_is(state: MetricsState) -> None:
    """Each process counts for itself: those that were added can be told."""
    assert value(state.snapshot(), telemetry.WORKERS, process__pid=os.getpid()) == 1

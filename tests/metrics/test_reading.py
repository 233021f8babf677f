"""What snapshots say: differences of what was counted, percentiles out of buckets, and how much the cache answered."""

from __future__ import annotations

from typing import Any

import pytest

from gateway.metrics.figures import BOUNDS, Distribution, Snapshot
from gateway.metrics.looks import APART, Look, LooksState
from gateway.metrics.reading import Lookups, hit_rate, hit_rates, lookups, of_steps, of_upstreams
from gateway.telemetry import CACHE_REQUESTS, CLIENT_DURATION, RETRIES, STEP_DURATION

ENDPOINT = {"http.request.method": "GET", "http.route": "/a"}


def took(*milliseconds: float) -> Distribution:
    """So many, each of which took so long."""
    one = Distribution()
    for each in milliseconds:
        one.counts[next((place for place, bound in enumerate(BOUNDS) if each * 1e6 <= bound), len(BOUNDS))] += 1
        one.nanoseconds += round(each * 1e6)
    return one


def looked_up(status: str, count: int, **more: str) -> tuple[str, dict[str, Any], int]:
    """The cache said this so often."""
    return CACHE_REQUESTS.name, {**ENDPOINT, "gateway.cache.status": status, **more}, count


@pytest.mark.parametrize(
    ("distribution", "share", "seconds"),
    [
        (took(), 0.5, None),
        (took(1, 2, 3, 4), 0.5, 0.0025),
        (took(3, 20, 20, 20), 1.0, 0.025),
        (took(60_000), 0.5, 10.0),
    ],
)
def test_a_percentile_is_as_good_as_its_bucket(distribution: Distribution, share: float, seconds: float | None) -> None:
    """Evenly spread within it; what is longer than the last bound is said to take as long as that."""
    assert distribution.quantile(share) == seconds


def test_what_has_come_since_is_the_difference() -> None:
    """Series that are new are so from the beginning; nothing is ever less than nothing."""
    before = Snapshot.of([("a", {"x": 1}, 5), ("b", {}, took(3)), ("c", {}, 9)])
    now = Snapshot.of([("a", {"x": 1}, 7), ("a", {"x": 2}, 4), ("b", {}, took(3, 3, 70)), ("c", {}, 8)])

    since = now - before

    assert since.values["a"] == {(("x", 1),): 2, (("x", 2),): 4}
    assert since.values["b"] == {(): took(3, 70)}
    assert since.values["c"] == {(): 0}


def test_upstreams_are_told_a_second() -> None:
    """Each status is a series of its own, and those with an error have failed."""
    found = Snapshot.of(
        [
            (CLIENT_DURATION.name, {"gateway.upstream.name": "users", "http.response.status_code": 200}, took(3, 3, 3)),
            (CLIENT_DURATION.name, {"gateway.upstream.name": "users", "error.type": "503"}, took(3)),
            (RETRIES.name, {"gateway.upstream.name": "users"}, 2),
            (RETRIES.name, {"gateway.upstream.name": "quiet"}, 0),
        ]
    )

    told = of_upstreams(found, 2.0)

    assert told["users"] == {"calls": 2.0, "errors": 0.5, "retries": 1.0, "p50_ms": 2.5, "p99_ms": 4.95}
    assert told["quiet"] == {"calls": 0.0, "errors": 0.0, "retries": 0.0, "p50_ms": None, "p99_ms": None}


def test_steps_are_told_of_their_endpoint_alone() -> None:
    """A skipped one was not called, one that something stood in for has failed; what the cache did is the step's, not the whole answer's."""
    user = {**ENDPOINT, "gateway.step.name": "user"}
    found = Snapshot.of(
        [
            (STEP_DURATION.name, {**user, "gateway.step.outcome": "ok"}, took(3, 3)),
            (STEP_DURATION.name, {**user, "gateway.step.outcome": "failed", "error.type": "404"}, took(3)),
            (STEP_DURATION.name, {**user, "gateway.step.outcome": "fallback"}, took(3)),
            (STEP_DURATION.name, {**user, "gateway.step.outcome": "skipped"}, took(0)),
            (STEP_DURATION.name, {**user, "http.route": "/b", "gateway.step.outcome": "ok"}, took(3)),
            looked_up("hit", 1, **{"gateway.step.name": "user"}),
            looked_up("miss", 3, **{"gateway.step.name": "user"}),
            looked_up("hit", 90),
        ]
    )

    told = of_steps(found, "GET", "/a")

    assert [*told] == ["user"]
    assert (told["user"]["calls"], told["user"]["errors"], told["user"]["cache_hit_rate"]) == (4, 2, 0.25)


def test_how_much_the_cache_answered_is_of_what_it_was_asked() -> None:
    """What is stale was there; what went past it, nobody asked it for."""
    found = Snapshot.of(
        [
            looked_up("hit", 1),
            looked_up("stale", 1),
            looked_up("revalidated", 1),
            looked_up("collapsed", 1),
            looked_up("bypass", 9),
        ]
    )

    assert (hit_rate(found), hit_rates(found)) == (0.75, {"GET /a": 0.75})
    assert lookups(found) == {("GET /a", None): Lookups(hits=2, stale=1, misses=1)}
    assert (hit_rate(Snapshot()), hit_rates(Snapshot())) == (None, {})


async def test_looks_are_compared_with_those_of_so_many_seconds_ago() -> None:
    """The newest that is old enough, or the oldest there is; many askers at once are one, and few are kept."""
    looks, asked = LooksState(), []

    async def ask(at: float) -> Look:
        asked.append(at)
        return Look(Snapshot.of([("a", {}, len(asked))]), at=at)

    found = [await looks.look(ask) for _ in range(3)]
    kept = LooksState()
    for second in range(200):
        kept._keep(Look(Snapshot.of([("a", {}, second)]), at=float(second)))
    last = kept._looks[-1]

    assert (len(asked), looks.change(found[0], 1.0)) == (1, None)
    assert len(kept._looks) <= 70 / APART + 2
    for seconds in (1.0, 10.0, 60.0):
        change = kept.change(last, seconds)
        assert change
        assert seconds <= change.seconds <= seconds + APART
        assert change.snapshot.values["a"] == {(): change.seconds}

"""The switches on a running service: settings, counts, and what was asked."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

pytestmark = pytest.mark.slow

WELL = {
    "latency_ms": None,
    "jitter_ms": 0,
    "error_rate": None,
    "status": 503,
    "mode": None,
    "times": None,
}


async def test_put_replaces_the_whole_setting(users: Any) -> None:
    """What a second setting does not name is back at its default."""
    await users.client.put("/_chaos", json={"latency_ms": 300, "status": 500})
    reply = await users.client.put("/_chaos", json={"jitter_ms": 5})

    assert reply.status_code == 200
    assert (await users.get("/_chaos")).json() == reply.json() == WELL | {"jitter_ms": 5}


async def test_delete_makes_the_service_well(users: Any) -> None:
    """After a reset the setting is the default and requests are answered."""
    await users.chaos(error_rate=1)

    reply = await users.client.delete("/_chaos")

    assert reply.status_code == 204
    assert (await users.get("/_chaos")).json() == WELL
    assert (await users.get("/users/1")).status_code == 200


@pytest.mark.parametrize("body", ['{"latncy_ms": 1}', '{"mode": "explode"}', '{"latency_ms": NaN}', "", "[]"])
@pytest.mark.parametrize("kind", ["application/json", "application/x-www-form-urlencoded"])
async def test_put_refuses_what_it_does_not_know(users: Any, body: str, kind: str) -> None:
    """A bad setting is 422, changes nothing and is not echoed."""
    await users.chaos(latency_ms=1)

    reply = await users.client.put("/_chaos", content=body, headers={"Content-Type": kind})

    assert reply.status_code == 422
    assert "input" not in reply.json()["detail"][0]
    assert (await users.get("/_chaos")).json() == WELL | {"latency_ms": 1}


async def test_put_reads_json_by_any_name(users: Any) -> None:
    """`curl -d` calls its JSON a form; the switch reads it all the same."""
    form = {"Content-Type": "application/x-www-form-urlencoded"}

    reply = await users.client.put("/_chaos", content='{"mode": "html"}', headers=form)

    assert reply.json() == WELL | {"mode": "html"}


async def test_times_rehearses_two_failures_then_success(users: Any) -> None:
    """Faults for the next two requests, then the service is well, and the switch says so."""
    await users.chaos(error_rate=1, status=500, times=2)

    statuses = [(await users.get("/users/1")).status_code for _ in range(3)]

    assert statuses == [500, 500, 200]
    assert (await users.get("/_chaos")).json() == WELL


async def test_error_rate_repeats_with_its_setting(users: Any) -> None:
    """The same setting fails the same requests again, so a rehearsal can be repeated."""
    runs = []
    for _ in range(2):
        await users.chaos(error_rate=0.5, latency_ms=0)
        runs.append([(await users.get("/users/1")).status_code for _ in range(20)])

    assert runs[0] == runs[1]
    assert set(runs[0]) == {200, 503}


async def test_latency_delays_an_answer(users: Any) -> None:
    """An answer takes as long as it is told to."""
    clock = asyncio.get_running_loop().time
    await users.chaos(latency_ms=300)

    begin = clock()
    reply = await users.get("/users/1")

    assert reply.status_code == 200
    assert clock() - begin >= 0.3


async def test_stats_count_requests_but_not_the_switches(users: Any) -> None:
    """Every request counts, good or not; `/livez` and the switches do not."""
    for path in (
        "/users/1",
        "/users/0",
        "/nothing",
        "/livez",
        "/_chaos",
        "/_requests",
        "/openapi.json",
    ):
        await users.get(path)

    assert await users.stats() == {"received": 3, "in_flight": 0, "abandoned": 0}


async def test_stats_begin_anew_but_in_flight_stays_true(users: Any) -> None:
    """Zero for what is over; what is being answered is still being answered."""
    await users.chaos(mode="hang")
    _, writer = await users.connect("/users/1")
    await users.stats_become(received=1, in_flight=1, abandoned=0)

    await users.client.delete("/_stats")

    assert await users.stats() == {"received": 0, "in_flight": 1, "abandoned": 0}
    writer.close()
    abandoned = {"received": 0, "in_flight": 0, "abandoned": 1}
    assert await users.stats_become(**abandoned) == abandoned


@pytest.mark.parametrize("setting", [{"mode": "hang"}, {"mode": "reset"}, {"error_rate": 1}, {"latency_ms": 9000}])
async def test_livez_is_never_affected(users: Any, setting: dict[str, object]) -> None:
    """A service with faults is alive, and its switches work."""
    await users.chaos(**setting)

    async with asyncio.timeout(2):
        assert (await users.get("/livez")).status_code == 200
        assert (await users.get("/_stats")).status_code == 200


@pytest.mark.parametrize(
    "target",
    [
        "/users/a%2Fb",
        "/users/%2e%2e/x",
        "/users/%C3%A9?q=a+b%20c&q=",
        "/users/1?",
        "/users//1/./..;v=1?a=%26",
        "/%5Fstats/",
    ],
)
async def test_requests_keep_the_target_as_it_was_written(users: Any, target: str) -> None:
    """The target is kept octet by octet: nothing is decoded, joined or cleaned up."""
    reader, writer = await users.connect(target)
    async with asyncio.timeout(5):
        await reader.read()
    writer.close()

    seen = (await users.get("/_requests")).json()

    assert [request["target"] for request in seen] == [target]


async def test_requests_keep_headers_in_order_and_twice(users: Any) -> None:
    """Header fields are kept in their order, repeated ones too, their names in lower case."""
    sent = [("X-Trace", "one"), ("Accept-Language", "de"), ("X-Trace", "two")]
    await users.client.get("/users/1", headers=sent)

    (seen,) = (await users.get("/_requests")).json()

    assert list(seen) == ["method", "target", "headers"]
    assert seen["method"] == "GET"
    kept = [(name, value) for name, value in seen["headers"] if name in ("x-trace", "accept-language")]
    assert kept == [(name.lower(), value) for name, value in sent]


async def test_requests_keep_the_last_hundred(users: Any) -> None:
    """The oldest are forgotten first, and all of them when told so."""
    await users.chaos(latency_ms=0)
    for number in range(103):
        await users.get(f"/users/{number}")

    seen = (await users.get("/_requests")).json()
    await users.client.delete("/_requests")

    assert [request["target"] for request in seen] == [f"/users/{number}" for number in range(3, 103)]
    assert (await users.get("/_requests")).json() == []

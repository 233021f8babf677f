"""Upstreams on the admin side: what keeps calls away from each of their hosts."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import httpx
import pytest

from gateway import Gateway
from gateway.journal.file import JournalFile, Worker
from gateway.metrics import looks
from gateway.metrics.conditions import Condition, HostCondition, Permits
from gateway.metrics.figures import Snapshot
from gateway.metrics.sharing import tell

CONFIG = """
version: 1
upstreams:
  plain: { url: "http://plain.test" }
  guarded:
    urls: ["http://one.test", "http://two.test"]
    breaker: { consecutive: 1 }
    bulkhead: { permits: 3 }
    eject: { consecutive: 5 }
endpoints:
  - path: /a
    steps:
      plain: { get: "plain /", optional: true }
      guarded: { get: "guarded /", optional: true }
"""


RETRYING = """
version: 1
upstreams: { users: { url: "http://users.test", retry: { attempts: 2, backoff: 1ms } } }
endpoints: [{ path: /a, steps: { user: { get: "users /" } } }]
"""


async def test_an_upstream_tells_its_hosts_breakers_and_permits(reach: Any) -> None:
    """Of those that it has; what calls have come to is null, as long as there is nothing to compare with."""
    gateway = Gateway.from_text(CONFIG)
    admin = await reach(gateway)
    async with gateway.lifespan():
        plain, guarded = (await admin.get("/api/upstreams")).json()["upstreams"]

    assert plain["name"] == "plain"
    assert plain["hosts"] == [
        {
            "url": "http://plain.test",
            "breaker": None,
            "breakers": {},
            "healthy": True,
            "ejected": False,
            "in_flight": 0,
            "latency_ms": None,
        }
    ]
    assert (plain["permits"], plain["calls"]) == (None, None)
    assert [(host["url"], host["breaker"]) for host in guarded["hosts"]] == [
        ("http://one.test", "closed"),
        ("http://two.test", "closed"),
    ]
    assert guarded["permits"] == {"taken": 0, "of": 3, "waiting": 0}


async def test_a_breaker_is_seen_to_be_open(reach: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """By the words that everybody has for it."""
    monkeypatch.setattr(looks, "FRESH", 0.0)
    gateway = Gateway.from_text(CONFIG, transport=httpx.MockTransport(lambda _: httpx.Response(503)))
    admin = await reach(gateway)
    async with gateway.lifespan(), httpx.AsyncClient(transport=httpx.ASGITransport(gateway.app)) as client:
        await client.get("http://localhost/a")
        guarded = (await admin.get("/api/upstreams")).json()["upstreams"][1]
        told = {host["breaker"] for host in guarded["hosts"]}

        for ways in gateway.running.ways.values():  # type: ignore[union-attr]
            for stack in ways.stacks.values():
                for layer in stack.layers:
                    if hasattr(layer, "state") and hasattr(layer.state, "condition"):
                        layer.state.condition = "probing"
        probing = (await admin.get("/api/upstreams")).json()["upstreams"][1]

    assert "open" in told
    assert {host["breaker"] for host in probing["hosts"]} == {"half-open"}
    assert any(host["latency_ms"] is not None for host in guarded["hosts"])


async def test_calls_are_told_a_second_once_there_is_something_to_compare_with(
    reach: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Attempts, those that failed and those that were not the first, and how long they took."""
    monkeypatch.setattr(looks, "FRESH", 0.0)
    gateway = Gateway.from_text(RETRYING, transport=httpx.MockTransport(lambda _: httpx.Response(503)))
    admin = await reach(gateway)
    async with gateway.lifespan(), httpx.AsyncClient(transport=httpx.ASGITransport(gateway.app)) as client:
        await admin.get("/api/upstreams")
        await client.get("http://localhost/a")
        (told,) = (await admin.get("/api/upstreams")).json()["upstreams"]

    assert told["calls"] == told["errors"] > told["retries"] > 0
    assert 0 < told["p50_ms"] <= told["p99_ms"]


async def test_all_processes_are_told_together(reach: Any, tmp_path: Path) -> None:
    """What one of them keeps calls away from is told so; permits are added up; who is no more has none."""
    gateway = Gateway.from_text(CONFIG, journal=tmp_path / "journal")
    admin = await reach(gateway)
    host = HostCondition("http://one.test", {"open": 1}, healthy=False, ejected=True, in_flight=2, latency_ms=7.0)
    told = tell(Snapshot(), [Condition("guarded", [host], Permits(3, 3, 5))])
    async with gateway.lifespan():
        file = JournalFile(tmp_path / "journal")
        file.add([], Worker(1, 2e9, told))
        file.add([], Worker(2, 0.0, told))
        file.close()
        answer = (await admin.get("/api/upstreams")).json()

    guarded = next(one for one in answer["upstreams"] if one["name"] == "guarded")
    one, two = guarded["hosts"]
    assert (answer["workers"], guarded["permits"]) == (2, {"taken": 3, "of": 6, "waiting": 5})
    assert (one["breaker"], one["breakers"], two["breaker"]) == ("open", {"open": 1, "closed": 1}, "closed")
    assert (one["healthy"], one["ejected"], one["in_flight"], one["latency_ms"]) == (False, True, 2, 7.0)


async def test_what_does_not_run_has_none(reach: Any) -> None:
    """A problem that says so, before the start and after the end."""
    admin = await reach(Gateway.from_text(CONFIG))

    assert (await admin.get("/api/upstreams")).status_code == 503

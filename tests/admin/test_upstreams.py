"""Upstreams on the admin side: what keeps calls away from each of their hosts."""

from __future__ import annotations

from typing import Any

import httpx

from gateway import Gateway

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


async def test_an_upstream_tells_its_hosts_breakers_and_permits(reach: Any) -> None:
    """Of those that it has; what only finished calls tell is null."""
    gateway = Gateway.from_text(CONFIG)
    admin = await reach(gateway)
    async with gateway.lifespan():
        plain, guarded = (await admin.get("/api/upstreams")).json()["upstreams"]

    assert plain["name"] == "plain"
    assert plain["hosts"] == [
        {"url": "http://plain.test", "breaker": None, "healthy": True, "ejected": False, "in_flight": 0, "latency_ms": None}
    ]
    assert (plain["permits"], plain["calls"]) == (None, None)
    assert [(host["url"], host["breaker"]) for host in guarded["hosts"]] == [
        ("http://one.test", "closed"),
        ("http://two.test", "closed"),
    ]
    assert guarded["permits"] == {"taken": 0, "of": 3, "waiting": 0}


async def test_a_breaker_is_seen_to_be_open(reach: Any) -> None:
    """By the words that everybody has for it."""
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


async def test_what_does_not_run_has_none(reach: Any) -> None:
    """A problem that says so, before the start and after the end."""
    admin = await reach(Gateway.from_text(CONFIG))

    assert (await admin.get("/api/upstreams")).status_code == 503

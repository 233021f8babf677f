"""`/metrics` of a gateway that runs: every metric there is, of requests that were really made."""

from __future__ import annotations

from collections import Counter
from typing import Any

import httpx
from prometheus_client.parser import text_string_to_metric_families

from gateway import Gateway
from gateway.admin.access import Access
from gateway.admin.app import make_admin
from gateway.metrics.exposition import name_of
from gateway.telemetry import METRICS

CONFIG = """
version: 1
shed: { in_flight: 10 }
upstreams:
  users: { url: "http://users.test", retry: { attempts: 3, backoff: 1ms }, breaker: {}, hedge: {} }
  orders: { urls: ["http://one.test", "http://two.test"], cache: { ttl: 1m } }
endpoints:
  - path: /a/{id}
    steps:
      user: { get: "users /users/{path.id}" }
      orders: { get: "orders /orders" }
      gone: { get: "orders /gone", optional: true }
"""


def reply(request: httpx.Request) -> httpx.Response:
    """The first attempt at each user fails, and one thing is never there."""
    seen[request.url.path] = seen.get(request.url.path, 0) + 1
    is_bad = request.url.path == "/gone" or (request.url.host == "users.test" and seen[request.url.path] == 1)
    return httpx.Response(503 if is_bad else 200, json={})


seen: dict[str, int] = {}


async def metrics(gateway: Gateway, path: str = "/a/1", times: int = 2) -> dict[str, Any]:
    """The families, after so many requests, by their names."""
    seen.clear()
    wire = httpx.ASGITransport(make_admin(gateway, Access()))
    endpoints = httpx.ASGITransport(gateway.app)
    async with (
        gateway.lifespan(),
        httpx.AsyncClient(transport=endpoints, base_url="http://gateway.test") as client,
        httpx.AsyncClient(transport=wire, base_url="http://localhost") as admin,
    ):
        for _ in range(times):
            await client.get(path)
        response = await admin.get("/metrics")
    assert response.headers["content-type"].startswith("text/plain; version=0.0.4")
    return {family.name: family for family in text_string_to_metric_families(response.text)}


def total(family: Any, end: str = "", **labels: str) -> float:
    """Of the samples with these labels, whose names end like that."""
    return float(sum(one.value for one in family.samples if one.name.endswith(end) and labels.items() <= one.labels.items()))


async def test_requests_are_counted_at_every_level() -> None:
    """The endpoint, its steps, attempts and retries, what the cache did, what was missing."""
    found = await metrics(Gateway.from_text(CONFIG, transport=httpx.MockTransport(reply)))

    assert total(found["http_server_request_duration_seconds"], "_count", http_route="/a/{id}") == 2
    assert total(found["gateway_step_duration_seconds"], "_count", gateway_step_name="user", gateway_step_outcome="ok") == 2
    assert total(found["http_client_request_duration_seconds"], "_count", gateway_upstream_name="users") == 3
    assert total(found["gateway_upstream_retries"], gateway_upstream_name="users") == 1
    assert total(found["gateway_cache_requests"], gateway_step_name="orders", gateway_cache_status="hit") == 1
    assert total(found["gateway_answer_partial"], http_route="/a/{id}") == 2
    assert total(found["gateway_breaker_state"], server_address="users.test", gateway_breaker_state="closed") == 1


async def test_counting_does_not_hang_on_recording() -> None:
    """The figures are the same whether anybody is given the traces or not."""

    def counts(found: dict[str, Any]) -> Counter[tuple[str, ...]]:
        counted: Counter[tuple[str, ...]] = Counter()
        for one in (one for family in found.values() for one in family.samples if one.name.endswith(("_count", "_total"))):
            # Which of two hosts is asked is drawn by lot.
            counted[one.name, *(text for label, text in one.labels.items() if label != "server_address")] += int(one.value)
        return counted

    transport = httpx.MockTransport(reply)

    plain = counts(await metrics(Gateway.from_text(CONFIG, transport=transport)))
    recorded = counts(await metrics(Gateway.from_text(CONFIG, transport=transport, sinks=[lambda _: None])))

    assert plain == recorded
    assert sum(count for (name, *_), count in plain.items() if name == "http_client_request_duration_seconds_count") == 6


async def test_every_metric_has_a_value() -> None:
    """None is there for its name alone: over our own wire they all come to something."""
    gateway = Gateway.from_text(CONFIG)

    found = await metrics(gateway)

    assert [name_of(metric) for metric in METRICS if not found[name_of(metric)].samples] == []


async def test_paths_that_no_endpoint_has_are_not_counted() -> None:
    """Whoever looks for holes leaves no series behind."""
    gateway = Gateway.from_text(CONFIG, transport=httpx.MockTransport(reply))

    found = await metrics(gateway, "/wp-login.php")

    assert total(found["http_server_request_duration_seconds"]) == 0

"""Plans on the admin side: what runs, and which lines of the config say so."""

from __future__ import annotations

from typing import Any

import httpx
import pytest

from gateway import Gateway

CONFIG = """version: 1
upstreams:
  users: { url: "http://users.test", retry: { attempts: 3 } }
endpoints:
  - path: /a/{id}
    summary: Of ${SECRET_NAME}
    inputs: { limit: { in: query, type: integer, default: 5, description: How many } }
    steps:
      user: { get: "users /users/{path.id}" }
      orders:
        get: users /orders
        query: { user: "{user.id}", limit: "{query.limit}" }
        when: user.active
        optional: true
        fallback: []
      items:
        for_each: orders[].sku
        get: users /items/{item}
        headers: { x-key: "${SECRET_KEY}" }
"""


@pytest.fixture(autouse=True)
def secrets(monkeypatch: pytest.MonkeyPatch) -> None:
    """What the config takes from outside."""
    monkeypatch.setenv("SECRET_KEY", "canary-in-a-header")
    monkeypatch.setenv("SECRET_NAME", "canary-in-a-summary")


async def test_a_plan_tells_what_runs_and_where_it_is_written(manage: Any) -> None:
    """Each step with what it needs, its policies, and its line."""
    admin = await manage(CONFIG)

    plan = (await admin.get("/api/plans")).json()["plans"][0]
    user, orders, items = plan["steps"]

    assert (plan["method"], plan["path"], plan["config"]) == ("GET", "/a/{id}", {"file": "<text>", "line": 5, "lines": []})
    assert (user["call"], user["needs"], user["policies"], user["line"]) == ("GET users /users/{path.id}", [], ["retry 3"], 9)
    assert (orders["needs"], orders["when"], orders["optional"], orders["fallback"]) == (["user"], "user.active", True, "[]")
    assert (items["loop"], items["line"]) == ("for each orders[].sku", 16)
    assert plan["text"].startswith("GET /a/{id}")
    limit = next(one for one in plan["inputs"] if one["name"] == "limit")
    assert (limit["in"], limit["type"], limit["default"], limit["description"]) == ("query", "integer", 5, "How many")


async def test_what_came_from_outside_is_told_as_it_was_written(manage: Any) -> None:
    """A secret of the environment is nowhere in it."""
    admin = await manage(CONFIG)

    answer = await admin.get("/api/plans")

    assert "canary" not in answer.text
    assert answer.json()["plans"][0]["summary"] == "Of ${SECRET_NAME}"


async def test_a_plan_tells_what_its_steps_have_come_to(reach: Any) -> None:
    """Since the gateway began, as long as nobody has looked for a minute; a step that was skipped was not called."""
    wire = httpx.MockTransport(
        lambda request: httpx.Response(404 if request.url.path == "/orders" else 200, json={"id": 7, "active": 1})
    )
    gateway = Gateway.from_text(CONFIG, transport=wire)
    admin = await reach(gateway)
    async with gateway.lifespan(), httpx.AsyncClient(transport=httpx.ASGITransport(gateway.app)) as client:
        await client.get("http://localhost/a/7")
        plan = (await admin.get("/api/plans/GET /a/{id}")).json()

    user, orders, items = (step["live"] for step in plan["steps"])
    assert plan["live_seconds"] is None
    assert (user["calls"], user["errors"], user["cache_hit_rate"]) == (1, 0, None)
    assert 0 < user["p50_ms"] <= user["p99_ms"]
    assert (orders["calls"], orders["errors"]) == (1, 1)
    assert items["calls"] == 1


async def test_a_plan_is_had_by_its_name(manage: Any) -> None:
    """As written; anything else is a problem."""
    admin = await manage(CONFIG)

    plan = await admin.get("/api/plans/GET /a/{id}")
    other = await admin.get("/api/plans/GET /b")

    (listed,) = (await admin.get("/api/plans")).json()["plans"]
    assert [step["name"] for step in plan.json()["steps"]] == [step["name"] for step in listed["steps"]]
    assert plan.json()["text"] == listed["text"]
    assert (other.status_code, other.headers["content-type"]) == (404, "application/problem+json")

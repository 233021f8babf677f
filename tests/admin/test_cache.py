"""What the admin side shows of the cache, and how it purges it."""

from __future__ import annotations

import asyncio
from itertools import count
from types import SimpleNamespace
from typing import Any
from unittest.mock import AsyncMock

import httpx
import pytest
from starlette.requests import Request

from gateway import Gateway
from gateway.admin import reading
from gateway.admin.access import Access
from gateway.admin.app import make_admin
from gateway.admin.cache import described
from gateway.admin.orders import scope_of
from gateway.admin.reading import LARGEST_BODY
from gateway.caching.entry import Entry
from gateway.inbound.request import Refused
from gateway.metrics.reading import Lookups
from gateway.store import MemoryStore

CONFIG = """
version: 1
upstreams: { users: { url: "http://users.test" } }
endpoints: [{ path: "/a/{id}", steps: { user: { get: "users /users/{path.id}", cache: { ttl: 1m } } } }]
"""
COUNTED = """
version: 1
upstreams: { users: { url: "http://users.test", cache: { ttl: 1m } } }
endpoints:
  - { path: /calls, steps: { a: { get: users /users } } }
  - { path: /answers, cache: { ttl: 1m }, steps: { a: { get: users /users } } }
  - { path: /passage, passthrough: true, steps: { a: { get: users /passage, cache: { ttl: 1m } } } }
  - path: /items
    steps:
      a: { get: users /users }
      b: { for_each: "a[].id", get: "users /users/{item}", batch: { get: "users /users?id={items}", key: id } }
"""
RATED = """
version: 1
upstreams: { users: { url: "http://users.test" }, orders: { url: "http://orders.test", cache: { ttl: 1m } } }
endpoints:
  - { path: /a, cache: { ttl: 1m }, steps: { a: { get: users /users, cache: { ttl: 1m } } } }
  - { path: /b, steps: { a: { get: users /users, cache: { ttl: 1m } } } }
  - { path: /c, steps: { a: { get: orders /orders }, b: { get: users /users } } }
  - { path: /d, steps: { a: { get: users /users } } }
"""
SHARED = """
version: 1
upstreams: { users: { url: "http://users.test", cache: { ttl: 1m } } }
endpoints: [{ path: /one, steps: { a: { get: users /users } } }, { path: /other, steps: { a: { get: users /users } } }]
"""
ENDPOINTS = ["GET /v1/home/{user_id}", "POST /orders"]
FORM = {"content-type": "application/x-www-form-urlencoded"}


@pytest.fixture
async def running(manage: Any) -> Any:
    """A gateway that runs, with a client of its admin side."""
    made = Gateway.from_text(CONFIG)
    wire = httpx.ASGITransport(make_admin(made, Access()))
    async with made.lifespan(), httpx.AsyncClient(transport=wire, base_url="http://localhost") as client:
        yield made.running, client


@pytest.mark.parametrize(
    ("order", "scope"),
    [
        ({"upstream": "users"}, "upstream:users"),
        ({"tag": "user-42"}, "tag:user-42"),
        ({"tag": "anything: at all"}, "tag:anything: at all"),
        ({"key": "0f3a"}, "key:0f3a"),
        ({"endpoint": "GET /v1/home/{user_id}"}, "endpoint:GET /v1/home/{user_id}"),
        ({"endpoint": "/v1/home/{user_id}"}, "endpoint:GET /v1/home/{user_id}"),
        ({"endpoint": "post  /orders"}, "endpoint:POST /orders"),
    ],
)
def test_an_order_is_a_scope(order: Any, scope: str) -> None:
    """As entries have it; an endpoint without a method is a GET."""
    assert scope_of(order, ["users"], ENDPOINTS) == scope


@pytest.mark.parametrize(
    "order",
    [
        None,
        [],
        "users",
        {},
        {"scope": "*"},
        {"uri": "x"},
        {"tag": "a", "key": "b"},
        {"tag": ""},
        {"tag": 42},
        {"tag": None},
        {"tag": ["a"]},
        {"tag": "a" * 257},
        {"key": "a" * 4097},
    ],
)
def test_what_is_no_order_purges_nothing(order: Any) -> None:
    """One thing at a time, named by a text; what is not meant to be purged by hand cannot be."""
    with pytest.raises(Refused) as refused:
        scope_of(order, ["users"], ENDPOINTS)

    assert refused.value.problem.status == 400


@pytest.mark.parametrize(
    ("order", "detail"),
    [
        ({"upstream": "usres"}, "unknown upstream; did you mean 'users'?"),
        ({"upstream": "xyz"}, "unknown upstream"),
        ({"endpoint": "GET /v1/home/{id}"}, "unknown endpoint; did you mean 'GET /v1/home/{user_id}'?"),
        ({"endpoint": "GET /orders"}, "unknown endpoint; did you mean 'POST /orders'?"),
        ({"endpoint": "   "}, "unknown endpoint"),
    ],
)
def test_a_name_that_is_not_in_the_config_is_said(order: Any, detail: str) -> None:
    """Else a purge that purged nothing would look like one that was done. What was sent is not repeated."""
    with pytest.raises(Refused) as refused:
        scope_of(order, ["users"], ENDPOINTS)

    assert (refused.value.problem.status, refused.value.problem.detail) == (422, detail)


async def test_a_purge_voids_what_is_kept(running: Any) -> None:
    """What has the scope is not had any more; what has not is."""
    state, client = running
    at = state.board.purges.latest
    for key, scopes in {"a": ("tag:x", "upstream:users"), "b": ("upstream:users",)}.items():
        await state.store.set(key, Entry(200, (), b"", 1.0, 60.0, scopes=scopes), ttl=60)

    response = await client.post("/api/cache/purge", json={"tag": "x"})

    assert (response.status_code, response.json()) == (200, {"purged": "tag:x", "told": True})
    assert (await state.store.get("a"), (await state.store.get("b")).at) == (None, 1.0)
    assert state.board.purges.latest > at


async def test_a_reply_belongs_to_the_endpoint_that_fetched_it() -> None:
    """Purging another one that shares it voids nothing; purging the upstream voids it for both."""
    numbers = count(1)
    made = Gateway.from_text(SHARED, transport=httpx.MockTransport(lambda _: httpx.Response(200, json=next(numbers))))
    admin, public = httpx.ASGITransport(make_admin(made, Access())), httpx.ASGITransport(made.app)

    async with made.lifespan(), httpx.AsyncClient(transport=public, base_url="http://localhost") as client:
        seen = [(await client.get(path)).json()["a"] for path in ("/one", "/other")]
        async with httpx.AsyncClient(transport=admin, base_url="http://localhost") as purging:
            for order in ({"endpoint": "/other"}, {"endpoint": "/one"}, {"upstream": "users"}):
                assert (await purging.post("/api/cache/purge", json=order)).json()["told"]
                seen.append((await client.get("/other")).json()["a"])

    assert seen == [1, 1, 1, 2, 3]


async def test_whether_everybody_was_told_is_said(running: Any) -> None:
    """The board by which the others would learn of it is away."""
    state, client = running
    told: list[str] = []
    state.board = SimpleNamespace(tell=lambda scope, at: told.append(scope), told=AsyncMock(return_value=False))

    response = await client.post("/api/cache/purge", json={"upstream": "users"})

    assert (response.json(), told) == ({"purged": "upstream:users", "told": False}, ["upstream:users"])


async def test_what_the_cache_has_come_to_is_shown(running: Any) -> None:
    """Each tier by itself, the hottest keys first; only keys, which are digests, and nothing that is kept."""
    state, client = running
    for key in ("warm", "hot"):
        scopes = ("upstream:users", "tag:secret", f"key:{key} key", "key:other")
        await state.store.set(key, Entry(200, (), b"secret", 1.0, 60.0, scopes=scopes if key == "hot" else ()), ttl=60)
    for key in ("hot", "warm", "hot", "nowhere"):
        await state.store.get(key)

    response = await client.get("/api/cache")

    told = response.json()
    assert told["hottest"] == [{"key": "hot key", "hits": 2, "of": "users"}, {"key": "warm", "hits": 1, "of": None}]
    (tier,) = told["stores"]
    assert tier.pop("bytes") > 0
    assert tier == {"store": "memory", "hits": 3, "misses": 1, "entries": 2, "is_well": True, "hit_rate": 0.75}
    assert "secret" not in response.text


def test_each_upstream_and_endpoint_has_a_rate() -> None:
    """What was served stale was there. An endpoint may keep its own answers, and what its calls bring; one that keeps nothing is not told of."""
    plans = Gateway.from_text(RATED).plans
    found = {
        ("GET /a", None): Lookups(hits=1, misses=1),
        ("GET /a", "users"): Lookups(misses=1),
        ("GET /b", "users"): Lookups(hits=2, stale=1),
    }

    told = described(SimpleNamespace(store=MemoryStore(1000)), plans, found)  # type: ignore[arg-type]

    half = {"hits": 1, "stale": 0, "misses": 1, "hit_rate": 0.5}
    none = {"hits": 0, "stale": 0, "misses": 1, "hit_rate": 0.0}
    whole = {"hits": 2, "stale": 1, "misses": 0, "hit_rate": 1.0}
    unasked = {"hits": 0, "stale": 0, "misses": 0, "hit_rate": None}
    assert told["upstreams"] == [
        {"name": "users", "hits": 2, "stale": 1, "misses": 1, "hit_rate": 0.75},
        {"name": "orders", **unasked},
    ]
    assert told["endpoints"] == [
        {"name": "GET /a", "answers": half, "calls": none},
        {"name": "GET /b", "answers": None, "calls": whole},
        {"name": "GET /c", "answers": None, "calls": unasked},
    ]


async def test_what_requests_find_is_counted() -> None:
    """What each step found, a loop as one, and an endpoint's answers, which make no call when they are there."""
    made = Gateway.from_text(COUNTED, transport=httpx.MockTransport(lambda _: httpx.Response(200, json=[{"id": 1}])))
    async with made.lifespan(), httpx.AsyncClient(transport=httpx.ASGITransport(made.app), base_url="http://localhost") as client:
        for path in ("/passage", "/passage", "/calls", "/calls", "/answers", "/answers", "/answers", "/items", "/items"):
            assert (await client.get(path)).status_code == 200
        async with httpx.AsyncClient(
            transport=httpx.ASGITransport(make_admin(made, Access())), base_url="http://localhost"
        ) as other:
            told = (await other.get("/api/cache")).json()

    found = {one["name"]: [_counted(one["answers"]), _counted(one["calls"])] for one in told["endpoints"]}
    assert found == {
        "GET /calls": [None, (1, 1)],
        "GET /answers": [(2, 1), (1, 0)],
        "GET /items": [None, (3, 1)],
        "GET /passage": [None, (1, 1)],
    }
    assert {one["name"]: _counted(one) for one in told["upstreams"]} == {"users": (6, 3)}


def _counted(one: Any) -> tuple[int, int] | None:
    return (one["hits"], one["misses"]) if one else None


@pytest.mark.parametrize(
    ("content", "headers", "status"),
    [
        (b"tag=x", FORM, 415),
        (b'{"tag":"x"}', FORM, 415),
        (b'{"tag":"x"}', {"content-type": "text/plain"}, 415),
        (b'{"tag":"x"}', {"content-type": "application/json, text/plain"}, 415),
        (b'{"tag":"x"}', {}, 415),
        (b"{", {"content-type": "application/json"}, 400),
        (b"", {"content-type": "application/json"}, 400),
        (b'"' + b"x" * LARGEST_BODY + b'"', {"content-type": "application/json"}, 413),
        (b"[" * 10_000, {"content-type": "application/json"}, 400),
        (b'{"tag":"x"}', {"content-type": "application/json; charset=utf-8", "host": "evil.test"}, 403),
    ],
)
async def test_what_a_page_of_another_origin_could_send_purges_nothing(
    running: Any, content: bytes, headers: dict[str, str], status: int
) -> None:
    """A form, plain text, no type at all; and what is too much, or nonsense."""
    state, client = running

    response = await client.post("/api/cache/purge", content=content, headers=headers)

    assert (response.status_code, response.headers["content-type"]) == (status, "application/problem+json")
    assert "PurgesState(0 scopes)" in repr(state.board.purges)


@pytest.mark.parametrize("method", ["GET", "HEAD", "PUT", "DELETE", "OPTIONS"])
async def test_only_a_post_purges(running: Any, method: str) -> None:
    """What may be sent by a link, or asked about, changes nothing."""
    state, client = running

    response = await client.request(method, "/api/cache/purge", params={"tag": "x"})

    assert (response.status_code, response.headers["allow"]) == (405, "POST")
    assert "PurgesState(0 scopes)" in repr(state.board.purges)


async def test_while_nothing_runs_there_is_nothing_to_show() -> None:
    """Before the gateway has started, and when it stops."""
    made = Gateway.from_text(CONFIG)
    wire = httpx.ASGITransport(make_admin(made, Access()))

    async with httpx.AsyncClient(transport=wire, base_url="http://localhost") as client:
        answers = [await client.get("/api/cache"), await client.post("/api/cache/purge", json={"tag": "x"})]

    assert [answer.status_code for answer in answers] == [503, 503]


async def test_a_body_that_does_not_come_is_not_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody can hold the admin side by sending nothing."""
    monkeypatch.setattr(reading, "PATIENCE", 0.01)
    scope = {"type": "http", "headers": [(b"content-type", b"application/json")]}

    with pytest.raises(Refused) as refused:
        await reading.read_json(Request(scope, receive=asyncio.Event().wait))  # type: ignore[arg-type]

    assert refused.value.problem.status == 408


async def test_a_client_that_leaves_is_no_bug() -> None:
    """Nothing is purged, and nothing logged."""
    scope = {"type": "http", "headers": [(b"content-type", b"application/json")]}

    async def leave() -> Any:
        return {"type": "http.disconnect"}

    with pytest.raises(Refused):
        await reading.read_json(Request(scope, receive=leave))

"""How many series there are: as many as the config has it, whatever clients think of."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from random import Random
from typing import Any

import httpx

from gateway import Gateway
from gateway.metrics.exposition import expose
from gateway.metrics.figures import Snapshot
from gateway.metrics.state import MetricsState
from gateway.plan import Plan
from gateway.telemetry import SpanType, Trace

MADE_UP = "zq"
"""What every word of a client's begins with; no word of ours does."""

CONFIG = """
version: 1
upstreams: { users: { url: "http://users.test", cache: { ttl: 1m } } }
endpoints:
  - path: /a/{id}
    inputs: { limit: { in: query, type: integer, default: 5 } }
    steps:
      user: { get: "users /users/{path.id}", forward: { headers: [accept-language], query: [sort] } }
      more: { get: "users /more/{path.id}", when: "query.limit == `5`", optional: true }
  - { path: "/kept/{id}", cache: { ttl: 1m }, steps: { user: { get: "users /users/{path.id}" } } }
  - { path: "/by/{name}", passthrough: true, steps: { user: { get: "users /by/{path.name}" } } }
  - { path: /orders, method: POST, steps: { order: { post: users /orders } } }
"""
CALL = SpanType("GET /users/{path.id}", "client", {"gateway.upstream.name": "users", "url.template": "/users/{path.id}"})


def series(snapshot: Snapshot) -> set[Any]:
    """All there are."""
    return {(name, labels) for name, of in snapshot.values.items() for labels in of}


def made_up(chance: Random, count: int) -> Iterator[dict[str, Any]]:
    """Requests, as ASGI has them, of which as much is a client's own idea as can be."""

    def word() -> str:
        return f"{MADE_UP}{chance.getrandbits(40):x}"

    for _ in range(count):
        path = chance.choice(("/a/{}", "/a/{}/{}", "/kept/{}", "/by/{}", "/orders", "/{}", "/{}/{}", "/a/", "//{}", "/livez/{}"))
        target = path.format(word(), word())
        query = chance.choice(("", "limit=5", "limit={}", "{}={}", "fields={}", "sort={}&{}")).format(word(), word())
        names = ("host", "user-agent", "accept", "accept-language", "traceparent", "cache-control", "prefer", "cookie", word())
        yield {
            "type": "http",
            "method": chance.choice(("GET", "HEAD", "POST", "DELETE", word().upper())),
            "path": target,
            "raw_path": target.encode(),
            "query_string": query.encode(),
            "headers": [(chance.choice(names).encode(), word().encode()) for _ in range(4)],
            "client": (f"10.0.{chance.randrange(256)}.{chance.randrange(256)}", 7),
            "server": ("127.0.0.1", 80),
            "http_version": chance.choice(("1.0", "1.1")),
            "scheme": "http",
            "root_path": "",
        }


async def test_requests_of_any_kind_leave_the_series_there_are() -> None:
    """Paths, methods, hosts, queries and headers that nobody has seen: after some hundred of them there are those that there were."""
    wire = httpx.MockTransport(lambda _: httpx.Response(200, json={}))
    gateway = Gateway.from_text(CONFIG, transport=wire, sinks=[lambda _: None])  # so that everything is recorded

    async def receive() -> Any:
        return {"type": "http.request", "body": b"", "more_body": False}

    async def send(message: Any) -> None:
        statuses.add(message.get("status"))

    async with gateway.lifespan():
        found, statuses = [], set[Any]()
        assert gateway.running
        for seed in (1, 2):
            for scope in made_up(Random(seed), 1000):
                await gateway.app({**scope, "app": gateway.app, "state": {}}, receive, send)
            found.append(gateway.running.metrics.snapshot())

    assert statuses >= {200, 404, 405, 400}
    assert len(series(found[0])) > 20
    assert series(found[1]) == series(found[0])
    assert MADE_UP not in expose(found[1], "")[0].decode().lower()


def test_a_hundred_thousand_records_leave_the_series_there_are(
    state: MetricsState, plans: tuple[Plan, ...], finished: Callable[..., Trace]
) -> None:
    """Whatever stands in a record of paths, hosts and users."""
    trace = finished((plans[0].steps[0].span, {"gateway.step.outcome": "ok"}), (CALL, {"http.response.status_code": 200}))

    def note(number: int) -> None:
        trace.root.own.update({"url.path": f"/a/{number}", "server.address": f"h{number}", "user_agent.original": f"u{number}"})
        trace.spans[2].own["url.full"] = f"http://users.test/users/{number}"
        state.note(trace)

    note(0)
    before = series(state.snapshot())
    for number in range(100_000):
        note(number)

    assert series(state.snapshot()) == before

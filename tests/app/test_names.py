"""Every span, attribute and metric that the pages name is left behind by requests, and none that they do not name.

The pages are `docs/reference/tracing.md` and `metrics.md`: what viewers, charts and alerts are made with.
"""

from __future__ import annotations

import asyncio
import os
import re
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

import httpx
import looptime
import pytest
from opentelemetry.sdk.trace import SpanProcessor, TracerProvider
from opentelemetry.sdk.trace.sampling import ALWAYS_OFF

from gateway import Gateway
from gateway.export import Tracing
from gateway.story import role_of
from gateway.telemetry import METRICS, Trace

PAGE = (Path(__file__).parents[2] / "docs/reference/tracing.md").read_text()
BAD_DAY = """
version: 1
telemetry: { keep_failed: true }
upstreams:
  users: { url: "http://users.test" }
  kept: { url: "http://kept.test", cache: { ttl: 1ms, stale_while_revalidate: 1m } }
  flaky: { url: "http://flaky.test", retry: { attempts: 3, backoff: 1ms, budget: 1% } }
  asks: { url: "http://asks.test", retry: { attempts: 2, pause: 5s } }
  slow: { url: "http://slow.test", hedge: { at_least: 10ms, extra: 100% } }
  full: { url: "http://full.test", bulkhead: { permits: 1, queue: 5, wait: 1s } }
  broken: { url: "http://broken.test", breaker: { consecutive: 2, least: 2 } }
  busy: { url: "http://busy.test", throttle: { least: 1 } }
  hurt: { url: "http://hurt.test", inject: { status: 503 } }
endpoints:
  - path: /all/{id}
    steps:
      user: { get: "users /users/{path.id}" }
      kept: { get: "kept /things/{path.id}" }
      more: { for_each: user.items, get: "users /items/{item}" }
      flaky: { get: flaky /x, optional: true }
      asks: { get: asks /x, optional: true }
      full: { get: full /x }
      again: { get: full /x }
      broken: { get: broken /x, optional: true, fallback: { get: users /users/7 } }
      busy: { get: busy /x, optional: true, fallback: [] }
      hurt: { get: hurt /x, optional: true }
      never: { get: users /never, when: user.never }
  - { path: "/slow/{seconds}", steps: { slow: { get: "slow /{path.seconds}" } } }
  - { path: "/kept/{id}", cache: { ttl: 1m }, steps: { user: { get: "users /users/{path.id}" } } }
  - { path: /upload, method: POST, passthrough: true, steps: { file: { post: users /upload } } }
  - path: /orders
    method: POST
    steps:
      order: { post: users /orders, undo: { delete: "broken /orders/{order.id}" } }
      pay: { post: "users /fails/{order.id}" }
"""
GOOD_DAY = """
version: 1
upstreams: { users: { url: "http://127.0.0.1:%d", cache: { ttl: 1m }, breaker: {} } }
endpoints:
  - path: /a/{id}
    steps: { user: { get: "users /users/{path.id}" }, more: { get: users /fails, optional: true } }
    response: { sum: { transform: "hooks_of_names:later", of: user } }
  - { path: /fails, steps: { user: { get: users /fails } } }
"""
HOOKS = """
import gateway

@gateway.off_loop
def later(user):
    return user
"""


_NAME = re.compile(r"`([^`]+)`")
_ROLES = {"attempt": "client"}
"""The page's word for a span's part in a request, where it is another."""


async def reply(request: httpx.Request) -> httpx.Response:
    """An upstream, by its name and by what it is asked."""
    host, path = request.url.host.removesuffix(".test"), request.url.path
    await asyncio.sleep({"slow": float(path[1:]) if host == "slow" else 0.0, "full": 0.1}.get(host, 0.0))
    if host == "asks":
        return httpx.Response(503, headers={"retry-after": "1"})
    if host in ("broken", "busy", "flaky") or "fails" in path:
        return httpx.Response(503)
    return httpx.Response(200, json={"id": 7, "items": [1, 2]})


async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """An upstream on a real socket."""
    with suppress(asyncio.IncompleteReadError):
        while True:
            status = b"503 No" if b"/fails" in await reader.readuntil(b"\r\n\r\n") else b"200 OK"
            writer.write(b"HTTP/1.1 %b\r\nContent-Length: 2\r\n\r\n{}" % status)
    writer.close()
    await writer.wait_closed()


@dataclass
class Left:
    """What requests have left behind."""

    traces: list[Trace] = field(default_factory=list)
    labels: dict[str, set[str]] = field(default_factory=dict)
    """Of each metric that has a value, those of all its series."""

    def note(self, gateway: Gateway) -> None:
        """What has been counted."""
        assert gateway.running
        for name, series in gateway.running.metrics.snapshot().values.items():
            self.labels.setdefault(name, set()).update(name for of in series for name, _ in of)


async def bad_day(left: Left) -> None:
    """Whatever can go wrong does."""
    sampler = TracerProvider(sampler=ALWAYS_OFF, shutdown_on_exit=False)
    tracing = Tracing(sampler, processors=[SpanProcessor()], sinks=[left.traces.append])
    gateway = Gateway.from_text(BAD_DAY, transport=httpx.MockTransport(reply), inject=True, tracing=tracing)
    wire = httpx.ASGITransport(gateway.app, raise_app_exceptions=False)
    async with gateway.lifespan(), httpx.AsyncClient(transport=wire, base_url="http://gateway.test:8080") as client:
        for path in [*["/all/7"] * 6, *["/slow/0.001"] * 110, "/slow/1"]:
            await client.get(path)
        await asyncio.sleep(90)
        for path in ("/all/7", "/kept/7", "/kept/7"):
            await client.get(path)
        await client.post("/upload", content=b"12345")
        await client.post("/orders", json={})
        await asyncio.sleep(5)
        left.note(gateway)


async def good_day(left: Left) -> None:
    """Over real connections, and with a thread."""
    async with await asyncio.start_server(answer, "127.0.0.1", 0) as server:
        config = GOOD_DAY % server.sockets[0].getsockname()[1]
        gateway = Gateway.from_text(config, sinks=[left.traces.append])
        wire = httpx.ASGITransport(gateway.app, raise_app_exceptions=False)
        async with gateway.lifespan(), httpx.AsyncClient(transport=wire, base_url="http://gateway.test") as client:
            for path in ("/a/7", "/fails"):
                await client.get(path)
            left.note(gateway)
        await asyncio.gather(*asyncio.all_tasks() - {asyncio.current_task()})


@pytest.fixture(scope="module")
def left(tmp_path_factory: pytest.TempPathFactory) -> Left:
    """What both days have left behind; hours of the bad one pass in no time."""
    found, folder = Left(), tmp_path_factory.mktemp("names")
    (folder / "hooks_of_names.py").write_text(HOOKS)
    with pytest.MonkeyPatch.context() as patch:
        for name in [name for name in os.environ if name.startswith("OTEL_")]:
            patch.delenv(name)
        patch.syspath_prepend(folder)
        with asyncio.Runner(loop_factory=looptime.new_event_loop) as virtual:
            virtual.run(bad_day(found))
        asyncio.run(good_day(found))
    return found


def rows(title: str) -> list[list[str]]:
    """The table under a title, but for its head: of each cell the names in it, or else its words."""
    section = PAGE.partition(f"## {title}\n")[2].partition("\n## ")[0]
    cells = [line.strip("|").split(" | ") for line in section.splitlines() if line.startswith("| `")]
    return [[cell.strip() for cell in row] for row in cells]


def test_every_attribute_is_left_where_the_page_says(left: Left) -> None:
    """On the spans that the page says, and on no others."""
    told = {
        (name, on)
        for names, ons, _ in rows("Attributes")
        for name in _NAME.findall(names)
        for on in ons.replace("`", "").split(", ")
    }

    seen = {
        (name, _ROLES.get(role_of(span), role_of(span)))
        for trace in left.traces
        for span in trace.spans
        for name in span.attributes
    }

    anywhere = {name for name, on in told if on == "any"}
    assert {name for name, _ in told} == {name for name, _ in seen}
    assert {one for one in seen if one[0] not in anywhere} == {one for one in told if one[0] not in anywhere}


def test_every_kind_of_span_is_left(left: Left) -> None:
    """Calls by their method; what is the gateway's own by its first word."""
    told = {(kind, name.strip("`").split()[0]) for name, kind, _ in rows("Spans")}

    seen = {(span.kind, span.name.split()[0]) for trace in left.traces for span in trace.spans}

    assert {*map(_without_method, seen)} == {*map(_without_method, told)}


def _without_method(span: tuple[str, str]) -> tuple[str, str]:
    kind, name = span
    return kind, name if kind == "internal" else ""


def test_every_metric_is_counted_with_all_that_tells_its_series_apart(left: Left) -> None:
    """The page's own table is made of these (`tests/docs`)."""
    assert left.labels == {metric.name: {*metric.attributes} for metric in METRICS}

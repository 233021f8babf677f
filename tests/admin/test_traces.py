"""Traces on the admin side: found, told, exported; live; and what is said when there are none."""

from __future__ import annotations

import asyncio
import json
import zlib
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from google.protobuf.json_format import ParseDict
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from gateway import Gateway, __version__
from gateway.admin import live
from gateway.admin.live import Listening
from gateway.journal.file import JournalFile
from gateway.journal.search import Search
from gateway.journal.telling import read_record, tell_record
from gateway.metrics import looks

CONFIG = """
version: 1
upstreams: { users: { url: "http://users.test", retry: { attempts: 2, backoff: 1ms } } }
endpoints:
  - path: /a/{id}
    steps:
      user: { get: "users /users/{path.id}" }
      orders: { get: "users /orders/{user.name}", optional: true }
"""


def wire(request: httpx.Request) -> httpx.Response:
    """An upstream whose orders always fail, and that has no user 404."""
    if "orders" in request.url.path:
        return httpx.Response(503)
    return httpx.Response(404 if "404" in request.url.path else 200, json={"name": "ada"})


@pytest.fixture
async def gateway(tmp_path: Path) -> AsyncIterator[Gateway]:
    """One that keeps its traces."""
    made = Gateway.from_text(CONFIG, transport=httpx.MockTransport(wire), journal=tmp_path / "journal.sqlite")
    async with made.lifespan():
        yield made


@pytest.fixture
async def admin(gateway: Gateway, reach: Any) -> httpx.AsyncClient:
    """A client of its admin side."""
    client: httpx.AsyncClient = await reach(gateway)
    return client


async def ask(gateway: Gateway, *paths: str, **headers: str) -> list[str]:
    """Make requests and have them written; their trace ids."""
    async with httpx.AsyncClient(transport=httpx.ASGITransport(gateway.app), base_url="http://localhost") as client:
        answers = [await client.get(path, headers=headers) for path in paths]
    assert gateway.journal
    await until_written(gateway.journal, len(paths))
    return [answer.headers["traceparent"].split("-")[1] for answer in answers]


async def until_written(path: Path, count: int) -> None:
    """So many rows are there."""
    file = JournalFile(path)
    async with asyncio.timeout(20):
        while len(file.search(Search())) < count:  # noqa: ASYNC110 - a thread has no event for it
            await asyncio.sleep(0.01)
    file.close()


async def test_traces_are_listed_the_newest_first(gateway: Gateway, admin: httpx.AsyncClient) -> None:
    """With what they are found by; paging goes on before the last one."""
    first, second, third = await ask(gateway, "/a/1", "/a/404", "/a/3")

    page = (await admin.get("/api/traces", params={"limit": 2})).json()
    rest = (await admin.get("/api/traces", params={"before": page["before"]})).json()
    found = (await admin.get("/api/traces", params={"status": "404", "step": "user:failed"})).json()

    assert [one["id"] for one in page["traces"]] == [third, second]
    assert ([one["id"] for one in rest["traces"]], rest["before"]) == ([first], None)
    assert [one["id"] for one in found["traces"]] == [second]
    assert page["traces"][0].keys() == {
        *("seq", "id", "span", "at", "method", "path", "target", "status", "complete"),
        *("duration_ms", "steps", "process", "stands_for"),
    }
    assert page["traces"][0]["steps"] == {"user": "ok", "orders": "failed"}


async def test_a_trace_tells_its_story(gateway: Gateway, admin: httpx.AsyncClient) -> None:
    """Its head, its spans with their parts, what waited for what, the critical path, and why each step ran."""
    (trace,) = await ask(gateway, "/a/7")

    told = (await admin.get(f"/api/traces/{trace}")).json()

    assert (told["id"], told["method"], told["path"], told["target"]) == (trace, "GET", "/a/{id}", "/a/7")
    assert (told["status"], told["complete"]) == (200, False)
    assert (told["service"]["version"], told["service"]["revision"]) == (__version__, gateway.revision)
    assert [(span["role"], span.get("step")) for span in told["spans"]] == [
        ("server", None),
        ("step", "user"),
        ("attempt", "user"),
        ("step", "orders"),
        ("attempt", "orders"),
        ("attempt", "orders"),
        ("shape", None),
    ]
    assert told["edges"] == [{"from": "user", "to": "orders"}]
    assert told["critical"] == [span["id"] for span in told["spans"][1:]]
    assert (told["explain"]["orders"]["why"], told["explain"]["orders"]["outcome"]) == ("after user", "failed")
    assert told["explain"]["orders"]["waits"]["backoff_ms"] > 0
    assert told["spans"][0]["parent"] is None
    assert told["spans"][0]["start_ms"] == 0
    assert told["spans"][0]["duration_ms"] == told["duration_ms"]


async def test_what_is_told_can_be_read_again(gateway: Gateway, admin: httpx.AsyncClient) -> None:
    """By `gateway trace`: the same spans below the client's own, the same path, the same words."""
    (trace,) = await ask(gateway, "/a/7", traceparent=f"00-{5:032x}-{6:016x}-01")
    told = (await admin.get(f"/api/traces/{trace}")).json()

    record = read_record(told)

    assert tell_record(record) == told
    assert (record.trace.id, record.trace.remote_parent, record.trace.root.parent) == (5, 6, 6)


async def test_a_trace_is_had_as_otlp(gateway: Gateway, admin: httpx.AsyncClient) -> None:
    """As OTLP's JSON has it: ids in hexadecimal, times as decimal strings, and nothing that its messages do not know."""
    (trace,) = await ask(gateway, "/a/7")
    told = (await admin.get(f"/api/traces/{trace}")).json()

    given = (await admin.get(f"/api/traces/{trace}/otlp")).json()

    (group,) = given["resourceSpans"]
    spans = group["scopeSpans"][0]["spans"]
    assert [(span["traceId"], span["spanId"], span["name"]) for span in spans] == [
        (trace, span["id"], span["name"]) for span in told["spans"]
    ]
    assert spans[1]["parentSpanId"] == spans[0]["spanId"]
    assert isinstance(spans[0]["startTimeUnixNano"], str)
    assert {"key": "service.name", "value": {"stringValue": "fanin"}} in group["resource"]["attributes"]
    ParseDict(given, ExportTraceServiceRequest())  # raises where a member is none of theirs


@pytest.mark.parametrize(
    ("path", "status", "detail"),
    [
        ("/api/traces?status=odd", 400, "status: should be"),
        ("/api/traces?sort=at", 400, "sort: no such parameter"),
        ("/api/traces?q=a&q=b", 400, "a parameter is there twice"),
        ("/api/traces/xyz", 400, "32 hexadecimal digits"),
        (f"/api/traces/{1:032x}?span=1", 400, "one of 16"),
        (f"/api/traces/{1:032x}", 404, "no such trace"),
        (f"/api/traces/{1:032x}/otlp", 404, "no such trace"),
    ],
)
async def test_what_there_is_not_is_a_problem(admin: httpx.AsyncClient, path: str, status: int, detail: str) -> None:
    """That says what would do."""
    answer = await admin.get(path)

    assert (answer.status_code, answer.headers["content-type"]) == (status, "application/problem+json")
    assert detail in answer.json()["detail"]


async def test_without_a_journal_that_is_said(manage: Any) -> None:
    """Of every one of these."""
    client = await manage()

    answers = [await client.get(path) for path in ("/api/traces", f"/api/traces/{1:032x}", "/api/live")]

    assert [answer.status_code for answer in answers] == [404, 404, 404]
    assert all("keeps no journal" in answer.json()["detail"] for answer in answers)


async def test_a_journal_that_cannot_be_read_is_a_problem(
    gateway: Gateway, admin: httpx.AsyncClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    """And no trace of it in the answer."""
    (trace,) = await ask(gateway, "/a/7")
    monkeypatch.setattr(JournalFile, "find", lambda *_: b"no record")

    answer = await admin.get(f"/api/traces/{trace}")

    assert (answer.status_code, answer.json()["detail"]) == (503, "the journal cannot be read")


# -- bodies --------------------------------------------------------------------------------------------------------------

BODIES = """
version: 1
console: { bodies: true }
upstreams:
  users: { url: "http://users.test", retry: { attempts: 2, backoff: 1ms } }
endpoints:
  - path: /a/{id}
    steps:
      user:
        get: "users /users/{path.id}"
        query: { limit: "5", access_token: "${CANARY}", hint: "${CANARY}" }
      order: { post: "users /orders", body: { name: "{user.name}", password: "{user.password}" }, optional: true }
"""


def talking(request: httpx.Request) -> httpx.Response:
    """A user with a password and much to say, and orders that are refused."""
    if "orders" in request.url.path:
        return httpx.Response(503, json={"detail": "later", "session_token": "canary-of-a-session"})
    told = {"name": "ada", "password": "canary-of-a-user", "echo": request.url.params["hint"], "more": "x" * 5000}
    return httpx.Response(200, json=told)


async def asked_with_bodies(tmp_path: Path, reach: Any, config: str) -> dict[str, Any]:
    """A trace of a request, and what the file has of it."""
    gateway = Gateway.from_text(config, transport=httpx.MockTransport(talking), journal=tmp_path / "journal.sqlite")
    admin = await reach(gateway)
    async with gateway.lifespan():
        (trace,) = await ask(gateway, "/a/7")
        told: dict[str, Any] = (await admin.get(f"/api/traces/{trace}")).json()
        otlp = (await admin.get(f"/api/traces/{trace}/otlp")).text
        file = JournalFile(tmp_path / "journal.sqlite")
        kept = zlib.decompress(file.find(trace) or b"")
        file.close()
    assert "later" not in otlp
    return {"text": json.dumps(told) + kept.decode(), "attempts": [one for one in told["spans"] if one["role"] == "attempt"]}


async def test_bodies_are_kept_where_the_config_says_so(tmp_path: Path, reach: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of each attempt what it asked for, what it sent and what came back, the beginning of it; without a secret, in the file too."""
    monkeypatch.setenv("CANARY", "canary-of-the-config")

    told = await asked_with_bodies(tmp_path, reach, BODIES)

    user, refused, *_ = (one["exchange"] for one in told["attempts"])
    assert user["target"] == "/users/7?limit=5&access_token=…&hint=…"
    assert (user["sent"], user["came"]["type"]) == (None, "application/json")
    assert user["came"]["size"] > 5000 > len(user["came"]["text"]) > 4000
    assert user["came"]["text"].startswith('{"name":"ada","password":"…","echo":"${CANARY}","more":"xxx')
    assert refused["sent"]["text"] == '{"name":"ada","password":"…"}'
    assert refused["came"]["text"] == '{"detail":"later","session_token":"…"}'
    assert "canary" not in told["text"]


async def test_bodies_are_not_kept_unless_the_config_says_so(tmp_path: Path, reach: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nor what is in a query."""
    monkeypatch.setenv("CANARY", "canary-of-the-config")

    told = await asked_with_bodies(tmp_path, reach, BODIES.replace("bodies: true", "bodies: false"))

    assert all("exchange" not in one for one in told["attempts"])
    assert "limit=5" not in told["text"]
    assert "later" not in told["text"]


# -- live ----------------------------------------------------------------------------------------------------------------


def listen(gateway: Gateway, seq: int | None = None) -> Listening:
    """A listener."""
    assert gateway.running
    assert gateway.running.journal
    return Listening(gateway.running.journal, gateway.running, seq)


def parsed(event: bytes) -> tuple[str, int, dict[str, Any]]:
    """Its name, id and data."""
    name, number, data = (line.partition(": ")[2] for line in event.decode().strip().split("\n"))
    return name, int(number), json.loads(data)


async def first(listening: Listening, name: str) -> dict[str, Any]:
    """The data of the first such event."""
    events = listening.events()
    async with asyncio.timeout(20):
        async for event in events:
            if parsed(event)[0] == name:
                await events.aclose()  # type: ignore[attr-defined]  # it is a generator
                return parsed(event)[2]
    raise AssertionError(name)


async def test_a_listener_hears_of_requests_as_they_end(gateway: Gateway) -> None:
    """Of none that ended before, and of each as a list has it."""
    await ask(gateway, "/a/1")
    listening = listen(gateway)
    heard = asyncio.create_task(first(listening, "request"))
    while listening.seq is None:  # noqa: ASYNC110 - nobody tells when it has begun
        await asyncio.sleep(0.01)

    async with httpx.AsyncClient(transport=httpx.ASGITransport(gateway.app), base_url="http://localhost") as client:
        answer = await client.get("/a/2")

    told = await heard
    assert told["id"] == answer.headers["traceparent"].split("-")[1]
    assert (told["target"], told["status"]) == ("/a/2", 200)


async def test_a_listener_that_comes_back_hears_what_it_missed(gateway: Gateway) -> None:
    """From the last id that it had."""
    await ask(gateway, "/a/1", "/a/2")

    told = await first(listen(gateway, seq=1), "request")

    assert told["target"] == "/a/2"


async def test_figures_are_told_at_once_and_every_second(gateway: Gateway) -> None:
    """What a second event has; the first one, before anything has been heard, has nothing in it."""
    told = await first(listen(gateway), "second")

    assert told["rate"] == 0
    assert told.keys() == {
        *("at", "rate", "errors", "partial", "p50_ms", "p99_ms", "cache_hit_rate", "endpoints", "upstreams", "workers"),
    }


async def test_what_calls_and_the_cache_come_to_is_told_of_a_while(gateway: Gateway, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody knows at first; then it is what has come since."""
    monkeypatch.setattr(live, "SECOND", 0.01)
    monkeypatch.setattr(looks, "FRESH", 0.0)
    events = listen(gateway).events()
    seconds = (told async for event in events if (told := parsed(event))[0] == "second")
    before = (await anext(seconds))[2]

    await ask(gateway, "/a/1")
    after = before
    while not after["upstreams"][0]["calls"]:
        after = (await anext(seconds))[2]
    await events.aclose()  # type: ignore[attr-defined]  # it is a generator

    assert (before["upstreams"][0]["name"], before["upstreams"][0]["calls"], before["cache_hit_rate"]) == ("users", None, None)
    assert after["upstreams"][0]["calls"] > 0


async def test_listeners_end_when_the_gateway_is_about_to_stop(gateway: Gateway) -> None:
    """A server waits for answers that are on their way; these would never end."""
    heard = [event async for event in _until_leaving(gateway)]

    assert parsed(heard[0])[0] == "second"


async def _until_leaving(gateway: Gateway) -> AsyncIterator[bytes]:
    async with asyncio.timeout(20):
        async for event in listen(gateway).events():
            yield event
            gateway.leave()


async def test_so_many_may_listen(gateway: Gateway, reach: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each costs something; who leaves makes room."""
    monkeypatch.setattr(live, "MOST_LISTENERS", 0)
    client = await reach(gateway)

    answer = await client.get("/api/live")

    assert (answer.status_code, answer.headers["retry-after"]) == (503, "5")


async def test_events_are_had_over_http(gateway: Gateway, reach: Any) -> None:
    """As a browser takes them."""
    client = await reach(gateway)
    asyncio.get_running_loop().call_later(0.2, gateway.leave)

    answer = await client.get("/api/live")

    assert answer.headers["content-type"] == "text/event-stream; charset=utf-8"
    assert answer.text.startswith("event: second\n")

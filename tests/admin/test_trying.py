"""Trying an endpoint from the admin side: asked as any client would, answered as any client is."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import httpx
import pytest

from gateway.admin import trying

CONFIG = """
version: 1
upstreams: { users: { url: "http://users.test", forward: { headers: [x-team] } } }
endpoints:
  - { path: "/a/{id}", steps: { user: { get: "users /users/{path.id}" } } }
  - { path: "/a", method: POST, steps: { user: { post: "users /users", body: "{body}" } } }
"""


@pytest.fixture
async def attempt(manage: Any) -> Any:
    """Order a request; the upstream answers with what it was asked."""
    asked: list[httpx.Request] = []

    def wire(request: httpx.Request) -> httpx.Response:
        asked.append(request)
        return httpx.Response(200, json={"path": request.url.path, "body": request.content.decode()})

    admin = await manage(CONFIG, transport=httpx.MockTransport(wire))

    async def order(**parts: Any) -> httpx.Response:
        response: httpx.Response = await admin.post("/api/try", json=parts)
        return response

    order.asked = asked  # type: ignore[attr-defined]
    return order


async def test_an_endpoint_answers_as_it_answers_clients(attempt: Any) -> None:
    """Status, header fields, body, and the trace to look up."""
    told = (await attempt(path="/a/7?x=1", headers=[["X-Team", "blue"]])).json()

    headers = dict(told["headers"])
    assert (told["status"], told["complete"], told["is_cut"]) == (200, True, False)
    assert told["body"] == '{"user":{"path":"/users/7","body":""}}'
    assert told["size"] == len(told["body"]) == int(headers["content-length"])
    assert told["trace"] == headers["traceparent"].split("-")[1]
    assert attempt.asked[0].headers["x-team"] == "blue"


async def test_a_body_goes_along(attempt: Any) -> None:
    """As JSON, unless a header says otherwise."""
    told = (await attempt(method="POST", path="/a", body='{"name":"Ada"}')).json()

    assert told["status"] == 200
    assert attempt.asked[0].content == b'{"name":"Ada"}'


@pytest.mark.parametrize(("path", "status"), [("/nowhere", 404), ("/a/%2e%2e/b", 400), ("/a/x%2fy", 400)])
async def test_what_a_client_would_be_refused_is_refused(attempt: Any, path: str, status: int) -> None:
    """The guard stands before the endpoints here too."""
    assert (await attempt(path=path)).json()["status"] == status


@pytest.mark.parametrize(
    "order",
    [
        {"path": "http://evil.test/"},
        {"path": "/a b"},
        {"path": 7},
        {"path": "/a", "method": "CONNECT"},
        {"path": "/a", "body": {}},
        {"path": "/a", "headers": {"a": "b"}},
        {"path": "/a", "headers": [["a"]]},
        {"path": "/a", "headers": [["a", 1]]},
        {"path": "/a", "headers": [["a b", "c"]]},
        {"path": "/a", "headers": [["a", "b\r\nc: d"]]},
        {"path": "/a", "headers": [["Host", "evil.test"]]},
        {"path": "/a", "headers": [["transfer-encoding", "chunked"]]},
        {"path": "/a", "more": 1},
    ],
)
async def test_what_is_no_request_is_refused(attempt: Any, order: Any) -> None:
    """With what would be one, and nothing asked of anybody."""
    answer = await attempt(**order)

    assert (answer.status_code, answer.headers["content-type"]) == (400, "application/problem+json")
    assert answer.json()["detail"]
    assert attempt.asked == []


# -- faults --------------------------------------------------------------------------------------------------------------

SWITCHED = """
version: 1
upstreams: { users: { url: "http://users.test" }, plain: { url: "http://plain.test" } }
endpoints: [{ path: /a, steps: { user: { get: "users /users" }, other: { get: "plain /" } } }]
"""


@pytest.fixture
async def demo(manage: Any, monkeypatch: pytest.MonkeyPatch) -> Any:
    """The admin side of a demo with a service that has a switch, and another that has none; and what was done to them."""
    monkeypatch.setenv("GATEWAY_TRY_FAULTS", "1")
    done: list[Any] = []
    setting: dict[str, Any] = {"error_rate": 0.25}

    def wire(request: httpx.Request) -> httpx.Response:
        if request.url.host == "plain.test":
            return httpx.Response(404 if request.url.path == "/_chaos" else 200, json={})
        if request.method == "PUT":
            setting.clear()
            setting.update(json.loads(request.content))
            done.append(dict(setting))
            return httpx.Response(200, json={"error_rate": None, **setting})
        done.append(request.url.path)
        return httpx.Response(200, json=setting if request.url.path == "/_chaos" else {})

    admin = await manage(SWITCHED, transport=httpx.MockTransport(wire))
    return admin, done


async def test_a_fault_is_for_one_request(demo: Any) -> None:
    """It is switched on before and off after it, and what was there before is there again."""
    admin, done = demo

    answer = await admin.post("/api/try", json={"path": "/a", "faults": {"users": "503"}})

    assert answer.json()["status"] == 200
    assert done == ["/_chaos", {"error_rate": 1}, "/users", {"error_rate": 0.25}]


@pytest.mark.parametrize("faults", [{"users": "flood"}, {"none": "503"}, {"plain": "503"}, {"users": {}}, ["users"]])
async def test_faults_are_those_there_are_of_upstreams_that_take_them(demo: Any, faults: Any) -> None:
    """Everything else is refused, and nothing is asked for."""
    admin, done = demo

    answer = await admin.post("/api/try", json={"path": "/a", "faults": faults})

    assert (answer.status_code, "/users" in done) == (400, False)


async def test_faults_are_offered_where_there_are_switches(demo: Any) -> None:
    """With what the switches are set to, so that it can be done without the console."""
    admin, _ = demo

    told = (await admin.get("/api/try/faults")).json()

    assert told["upstreams"] == {"users": ["http://users.test"]}
    assert told["faults"]["503"] == {"error_rate": 1}


async def test_nothing_but_a_demo_breaks_its_upstreams(demo: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever may see what goes on may not do that."""
    monkeypatch.delenv("GATEWAY_TRY_FAULTS")
    admin, done = demo

    answer = await admin.post("/api/try", json={"path": "/a", "faults": {"users": "503"}})
    offered = (await admin.get("/api/try/faults")).json()

    assert (answer.status_code, offered, done) == (400, {"faults": {}, "upstreams": {}}, [])


async def test_a_service_is_mended_when_whoever_broke_it_leaves(demo: Any) -> None:
    """Before the answer has come."""
    admin, done = demo
    broken = asyncio.create_task(admin.post("/api/try", json={"path": "/a", "faults": {"users": "503"}}))
    while {"error_rate": 1} not in done:  # noqa: ASYNC110 - the service has no event for it
        await asyncio.sleep(0)

    broken.cancel()
    await asyncio.gather(broken, return_exceptions=True)
    async with asyncio.timeout(5):
        while done[-1] != {"error_rate": 0.25}:  # noqa: ASYNC110
            await asyncio.sleep(0.001)

    assert done.count({"error_rate": 0.25}) == 1


async def test_a_long_answer_is_cut(attempt: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is shown as far as there is room, and said how long it is."""
    monkeypatch.setattr(trying, "LARGEST_ANSWER", 10)

    told = (await attempt(path="/a/7")).json()

    assert (told["body"], told["is_cut"]) == ('{"user":{"', True)
    assert told["size"] > 10


async def test_an_answer_that_does_not_end_is_shown_as_far_as_it_came(manage: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody waits forever, and the upstream's call ends."""
    monkeypatch.setattr(trying, "PATIENCE", 0.05)
    ended = asyncio.Event()

    async def wire(_: httpx.Request) -> httpx.Response:
        try:
            await asyncio.sleep(3600)
        finally:
            ended.set()
        raise AssertionError

    admin = await manage(CONFIG, transport=httpx.MockTransport(wire))

    told = (await admin.post("/api/try", json={"path": "/a/7"})).json()

    assert (told["status"], told["is_cut"], told["trace"]) == (None, True, None)
    assert ended.is_set()

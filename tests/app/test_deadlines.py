"""Deadlines that clients bring: never later than the endpoint's own, told to upstreams, and nothing goes on after them."""

from __future__ import annotations

import asyncio
from typing import Any

import httpx
import pytest
import respx

CONFIG = """
version: 1
upstreams: { users: { url: http://users.test, retry: { attempts: 3 } } }
endpoints:
  - path: /me
    timeout: 2s
    steps:
      me: { get: users /me }
  - path: /maybe
    timeout: 2s
    steps:
      me: { get: users /me, optional: true }
  - path: /me
    method: POST
    timeout: 2s
    idempotency: true
    steps:
      me: { post: users /me, body: "{body}" }
  - path: /files
    timeout: 2s
    passthrough: true
    steps:
      file: { get: users /files }
"""


def kind(answer: httpx.Response) -> tuple[int, str]:
    """Status and type of a problem."""
    return answer.status_code, answer.json()["type"].removeprefix("urn:problem:fanin:")


async def hang(_: httpx.Request) -> httpx.Response:
    """An upstream that never answers."""
    return await asyncio.Event().wait()  # type: ignore[return-value]


@pytest.mark.looptime
@pytest.mark.parametrize(
    ("header", "ends"),
    [({"x-request-timeout": "0.5"}, 0.5), ({"grpc-timeout": "700m"}, 0.7), ({"x-request-timeout": "60"}, 2), ({}, 2)],
    ids=["seconds", "gRPC", "longer than the endpoint's", "none"],
)
async def test_a_client_s_deadline_is_kept_where_it_is_the_earlier_one(
    serve: Any, upstreams: respx.Router, header: dict[str, str], ends: float
) -> None:
    """The answer is there when the client, or the endpoint, waits no longer."""
    upstreams.route().mock(side_effect=hang)
    client = await serve(CONFIG)

    answer = await client.get("/me", headers=header)

    assert kind(answer) == (504, "deadline")
    assert asyncio.get_running_loop().time() == pytest.approx(ends, abs=0.011)


@pytest.mark.parametrize("header", [{"x-request-timeout": "0"}, {"x-request-timeout": "-1"}, {"grpc-timeout": "0m"}])
@pytest.mark.parametrize("path", ["/me", "/maybe", "/files"])
async def test_a_client_without_time_is_answered_at_once(
    serve: Any, upstreams: respx.Router, header: dict[str, str], path: str
) -> None:
    """Nothing is called for nobody, not even what is optional."""
    route = upstreams.route().respond(json={})
    client = await serve(CONFIG)

    answer = await client.get(path, headers=header)

    assert kind(answer) == (504, "deadline")
    assert not route.called


@pytest.mark.parametrize("header", [{"x-request-timeout": "soon"}, {"x-request-timeout": "500ms"}, {"grpc-timeout": "2"}])
@pytest.mark.parametrize("path", ["/me", "/files"])
async def test_a_deadline_that_cannot_be_read_is_refused(
    serve: Any, upstreams: respx.Router, header: dict[str, str], path: str
) -> None:
    """A client that was not understood would believe that it is. It learns how to say it."""
    route = upstreams.route().respond(json={})
    client = await serve(CONFIG)

    answer = await client.get(path, headers=header)

    assert kind(answer) == (400, "timeout-invalid")
    assert "such as" in answer.json()["detail"]
    assert not route.called


@pytest.mark.looptime
@pytest.mark.parametrize(
    ("written", "name", "told"),
    [
        ("", "x-request-timeout", "0.500"),
        (", deadline_header: GRPC-Timeout", "grpc-timeout", "500m"),
        (", deadline_header: X-Budget", "x-budget", "0.500"),
        (", deadline_header: false", "x-request-timeout", None),
    ],
    ids=["unless written", "gRPC", "another name", "none"],
)
@pytest.mark.parametrize("path", ["/me", "/files"])
async def test_an_upstream_is_told_what_is_left_as_it_wants_to_hear_it(
    serve: Any, upstreams: respx.Router, written: str, name: str, told: str | None, path: str
) -> None:
    """Of the client's time, in one header."""
    route = upstreams.route().respond(json={})
    client = await serve(CONFIG.replace("url: http://users.test", f"url: http://users.test{written}"))

    await client.get(path, headers={"x-request-timeout": "0.5"})

    sent = route.calls.last.request.headers
    assert sent.get(name) == told
    assert len({"x-request-timeout", "grpc-timeout", "x-budget"} & sent.keys()) == (told is not None)


@pytest.mark.looptime
async def test_no_wait_before_a_retry_outlasts_a_client_s_deadline(serve: Any, upstreams: respx.Router) -> None:
    """An upstream asks for a second, the client has half of one: it is told at once."""
    route = upstreams.route().respond(503, headers={"retry-after": "1"})
    client = await serve(CONFIG)

    answer = await client.get("/me", headers={"x-request-timeout": "0.5"})

    assert (answer.status_code, route.call_count) == (502, 1)
    assert asyncio.get_running_loop().time() == 0


async def test_a_repetition_may_have_less_time(serve: Any, upstreams: respx.Router) -> None:
    """Who repeats a request has less of it every time; it is the same request."""
    route = upstreams.route().respond(json={})
    client = await serve(CONFIG)
    key = {"idempotency-key": "k-1"}

    first = await client.post("/me", json={}, headers={**key, "x-request-timeout": "2"})
    second = await client.post("/me", json={}, headers={**key, "x-request-timeout": "1.5", "grpc-timeout": "1S"})

    assert (first.status_code, second.status_code, route.call_count) == (200, 200, 1)
    assert second.headers["idempotency-replayed"] == "true"


@pytest.mark.slow
@pytest.mark.parametrize(
    "script",
    [
        ["read", "hang"],
        [b"HTTP/1.1 200 OK\r\n", "hang"],
        [b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n{", "hang"],
        [b"HTTP/1.1 200 OK\r\n", (b"X: y\r\n", 0.02)],
        [b"HTTP/1.1 200 OK\r\nContent-Length: 99999\r\n\r\n[1", (b" ", 0.02)],
        [b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", (b"1\r\n \r\n", 0.02)],
    ],
    ids=["hang", "half a head", "head and silence", "trickled head", "trickled body", "trickled chunks"],
)
async def test_no_upstream_outlasts_a_client_s_deadline(serve: Any, wire: Any, script: list[Any]) -> None:
    """Whatever it does on a real connection, for as long as it likes: the client is answered, and the connection closed."""
    wire.plays(script)
    client = await serve(CONFIG.replace("http://users.test", wire.url).replace("timeout: 2s", "timeout: 1h"), transport=None)

    async with asyncio.timeout(20):
        answer = await client.get("/me", headers={"x-request-timeout": "0.2"})
        await asyncio.wait(wire.tasks)

    assert kind(answer) == (504, "deadline")
    assert wire.connections == 1

"""Upstreams that are left alone: what clients are told meanwhile, and how soon they are asked again."""

from __future__ import annotations

import asyncio
from typing import Any

import httpx
import pytest

pytestmark = pytest.mark.looptime

CONFIG = """
version: 1
upstreams:
  users: {{ {where}, {policies} }}
endpoints:
  - path: /users/{{id}}
    steps: {{ user: {{ get: "users /users/{{path.id}}" }} }}
  - path: /also/{{id}}
    steps: {{ user: {{ get: "users /also/{{path.id}}", optional: true, fallback: nobody }} }}
"""


def config(policies: str, where: str = "url: http://users.test") -> str:
    """Two endpoints that call the same upstream."""
    return CONFIG.format(policies=policies, where=where)


async def test_an_open_breaker_is_a_503_that_says_when_to_come_back(serve: Any, upstreams: Any) -> None:
    """With the problem and the word for it, from every endpoint that calls that upstream; nothing is sent."""
    client = await serve(config("breaker: {consecutive: 2}"))
    route = upstreams.route(host="users.test").respond(500)
    failed = [await client.get("/users/1") for _ in range(2)]

    response = await client.get("/users/1")
    partial = await client.get("/also/1")

    assert [one.status_code for one in failed] == [502, 502]
    assert (response.status_code, response.json()["type"]) == (503, "urn:problem:fanin:breaker-open")
    assert response.headers["retry-after"] in ("1", "2")
    assert "error=destination_unavailable" in response.headers["proxy-status"]
    assert (partial.status_code, partial.json()["user"]) == (200, "nobody")
    assert partial.json()["errors"][0]["type"] == "urn:problem:fanin:breaker-open"
    assert route.call_count == 2


async def test_an_upstream_that_is_well_again_is_asked_within_its_open_time(serve: Any, upstreams: Any) -> None:
    """By the first client that comes then; from there on by all of them."""
    client = await serve(config("breaker: {consecutive: 2}"))
    route = upstreams.route(host="users.test").respond(500)
    for _ in range(3):
        await client.get("/users/1")

    route.respond(200, json={"name": "Ada"})
    await asyncio.sleep(1.5)
    responses = await asyncio.gather(*(client.get("/users/1") for _ in range(3)))
    after = await client.get("/users/1")

    assert sorted(response.status_code for response in responses)[0] == 200
    assert after.status_code == 200


async def test_clients_in_a_hurry_do_not_open_a_breaker_for_the_others(serve: Any, upstreams: Any) -> None:
    """An endpoint whose time is too short for its upstream is its own trouble."""
    client = await serve(config("breaker: {consecutive: 2}").replace("path: /also/{id}", "path: /also/{id}\n    timeout: 100ms"))
    upstreams.route(host="users.test").mock(side_effect=slowly)
    for _ in range(10):
        await client.get("/also/1")

    response = await client.get("/users/1")

    assert response.status_code == 200


async def slowly(_request: httpx.Request) -> httpx.Response:
    """A reply that takes its time."""
    await asyncio.sleep(0.3)
    return httpx.Response(200, json={})


async def test_one_host_that_is_down_costs_two_answers(serve: Any, upstreams: Any) -> None:
    """Then its breaker is open, and the other host is asked."""
    client = await serve(config("breaker: {consecutive: 2}", "urls: [http://a.test, http://b.test]"))
    upstreams.route(host="a.test").mock(side_effect=httpx.ConnectError("refused"))
    upstreams.route(host="b.test").respond(200, json={})

    statuses = [(await client.get("/users/1")).status_code for _ in range(60)]

    assert (statuses.count(502), statuses.count(200)) == (2, 58)


async def test_a_host_that_is_out_costs_no_more_answers(serve: Any, upstreams: Any) -> None:
    """For as long as it is out."""
    client = await serve(config("eject: {consecutive: 2}", "urls: [http://a.test, http://b.test]"))
    upstreams.route(host="a.test").respond(500)
    upstreams.route(host="b.test").respond(200, json={})

    statuses = [(await client.get("/users/1")).status_code for _ in range(60)]

    assert (statuses.count(502), statuses.count(200)) == (2, 58)


async def test_an_upstream_that_turns_away_is_asked_less(serve: Any, upstreams: Any) -> None:
    """Most clients are told so at once, with the problem for it."""
    client = await serve(config("throttle: {}"))
    route = upstreams.route(host="users.test").respond(503)

    responses = [await client.get("/users/1") for _ in range(300)]

    throttled = [one for one in responses if one.json()["type"] == "urn:problem:fanin:throttled"]
    assert len(throttled) > 200
    assert {(one.status_code, one.headers["retry-after"]) for one in throttled} == {(503, "1")}
    assert route.call_count == 300 - len(throttled)


async def test_each_start_begins_anew(serve: Any, upstreams: Any) -> None:
    """What is known of an upstream is known to one process, while it runs."""
    upstreams.route(host="users.test").respond(500)
    clients = [await serve(config("breaker: {consecutive: 1}")) for _ in range(2)]

    statuses = [(await client.get("/users/1")).status_code for client in (clients[0], clients[0], clients[1])]

    assert statuses == [502, 503, 502]

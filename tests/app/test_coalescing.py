"""Crowds at the whole gateway: those who want the same share a call, and nobody gets what is another's."""

from __future__ import annotations

import asyncio
from typing import Any

import httpx
import pytest

from gateway.telemetry import CACHE_STATUS, Link

CROWD = 1000

TURNS = 50
"""Of the loop, in which a request that waits for nobody has come to its upstream."""

CONFIG = """
version: 1
upstreams:
  users: { url: http://users.test, cache: { ttl: 30s }, forward: { headers: [authorization] } }
  plain: { url: http://plain.test, coalesce: true }
endpoints:
  - { path: /me, timeout: 60s, steps: { user: { get: users /me } } }
  - { path: "/users/{id}", timeout: 60s, steps: { user: { get: "users /users/{path.id}" } } }
  - { path: /plain, timeout: 60s, steps: { user: { get: plain / } } }
"""


class Users:
    """An upstream that takes its time, and answers each with what he sent."""

    def __init__(self, status: int = 200) -> None:
        self.asked: list[httpx.Request] = []
        self.go = asyncio.Event()
        self.status = status

    async def __call__(self, request: httpx.Request) -> httpx.Response:
        self.asked.append(request)
        await self.go.wait()
        return httpx.Response(self.status, json=[request.url.path, request.headers.get("authorization")])


async def crowd(client: httpx.AsyncClient, upstream: Users, requests: list[tuple[str, str]]) -> list[httpx.Response]:
    """The answers to requests for a path with a token, all of which have come in before the upstream says anything."""
    tasks = [asyncio.create_task(client.get(path, headers={"authorization": token})) for path, token in requests]
    for _ in range(TURNS):
        await asyncio.sleep(0)
    upstream.go.set()
    return await asyncio.gather(*tasks)


@pytest.fixture
def users() -> Users:
    return Users()


@pytest.fixture
async def client(serve: Any, users: Users) -> httpx.AsyncClient:
    """A gateway in front of it."""
    return await serve(CONFIG.replace("endpoints:", "shed: false\nendpoints:"), transport=httpx.MockTransport(users))


async def test_a_thousand_who_want_the_same_are_one_call(client: httpx.AsyncClient, users: Users) -> None:
    """And all have its reply."""
    answers = await crowd(client, users, [("/users/7", "Bearer alice")] * CROWD)

    assert len(users.asked) == 1
    assert {answer.text for answer in answers} == {'{"user":["/users/7","Bearer alice"]}'}


async def test_a_thousand_users_with_a_thousand_tokens_are_a_thousand_calls(client: httpx.AsyncClient, users: Users) -> None:
    """On one path: each has his own, and nobody another's."""
    tokens = [f"Bearer {number}" for number in range(CROWD)]

    answers = await crowd(client, users, [("/me", token) for token in tokens])

    assert len(users.asked) == CROWD
    assert [answer.json()["user"] for answer in answers] == [["/me", token] for token in tokens]


async def test_a_token_that_reaches_no_upstream_is_nothing_to_tell_clients_by(client: httpx.AsyncClient, users: Users) -> None:
    """What is sent is the same for all of them."""
    answers = await crowd(client, users, [("/plain", f"Bearer {number}") for number in range(CROWD)])

    assert len(users.asked) == 1
    assert {answer.text for answer in answers} == {'{"user":["/",null]}'}


async def test_a_failing_call_fails_a_thousand_times_and_is_made_once(serve: Any) -> None:
    """None of those who wait asks again."""
    users = Users(503)
    client = await serve(CONFIG.replace("endpoints:", "shed: false\nendpoints:"), transport=httpx.MockTransport(users))

    answers = await crowd(client, users, [("/users/7", "Bearer alice")] * CROWD)

    assert {answer.status_code for answer in answers} == {502}
    assert len(users.asked) == 1


async def test_the_traces_of_those_who_join_lead_to_the_one_that_asks(
    client: httpx.AsyncClient, users: Users, traces: list[Any]
) -> None:
    """One step has an attempt below it; the other ones link to it."""
    await crowd(client, users, [("/users/7", "Bearer alice")] * 3)

    steps = [trace.spans[1] for trace in traces]
    (leader,) = [step for step in steps if not step.links]
    assert [span.kind for span in leader.trace.spans] == ["server", "internal", "client", "internal"]
    for step in steps:
        if step is not leader:
            assert step.links == (Link(leader.trace.id, leader.id, leader.trace.sampled),)
            assert step.own[CACHE_STATUS] == "collapsed"
            assert [span.kind for span in step.trace.spans] == ["server", "internal", "internal"]

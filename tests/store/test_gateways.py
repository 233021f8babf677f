"""Whole gateways that share a Redis."""

from __future__ import annotations

import asyncio
from contextlib import AsyncExitStack
from typing import Any

import httpx
import pytest

from gateway import Gateway
from gateway.caching.clock import now

pytestmark = pytest.mark.slow

CONFIG = """
version: 1
cache: {{ redis: {{ url: "{url}", prefix: "{prefix}", timeout: 1s }} }}
upstreams: {{ users: {{ url: "http://users.test", cache: {{ ttl: 1m, tags: [everybody] }} }} }}
endpoints: [{{ path: "/users/{{id}}", steps: {{ user: {{ get: "users /users/{{path.id}}" }} }} }}]
"""


class Upstream:
    """Plays the upstream: a reply takes its time, and has a number."""

    asked = 0

    async def __call__(self, request: httpx.Request) -> httpx.Response:
        self.asked += 1
        number = self.asked
        await asyncio.sleep(0.2)
        return httpx.Response(200, json=number)


async def begun(stack: AsyncExitStack, upstream: Upstream, url: str, prefix: str) -> tuple[Gateway, httpx.AsyncClient]:
    text = CONFIG.format(url=url, prefix=prefix)
    gateway = Gateway.from_text(text, transport=httpx.MockTransport(upstream))
    await stack.enter_async_context(gateway.lifespan())
    wire = httpx.ASGITransport(gateway.app)
    return gateway, await stack.enter_async_context(httpx.AsyncClient(transport=wire, base_url="http://gateway.test"))


async def test_four_gateways_ask_once(shared_server: Any, prefix: str, up: Any, eventually: Any) -> None:
    """A crowd comes to all of them at one time for what nobody has; and after a purge at one of them it is asked for once more."""
    upstream = Upstream()
    async with AsyncExitStack() as stack:
        begun_ones = [await begun(stack, upstream, shared_server.url, prefix) for _ in range(4)]
        gateways, clients = zip(*begun_ones, strict=True)
        await up(*(gateway.running.store for gateway in gateways))

        async def crowd() -> set[str]:
            answers = await asyncio.gather(*(client.get("/users/7") for client in clients for _ in range(25)))
            assert {answer.status_code for answer in answers} == {200}
            return {answer.text for answer in answers}

        async def all_know() -> bool:
            return not any([await gateway.running.store.get(hot.key) for gateway in gateways])

        assert (await crowd(), upstream.asked) == ({'{"user":1}'}, 1)
        await clients[0].get("/users/7")
        (hot,) = gateways[0].running.store.hottest(1)
        gateways[0].running.board.tell("tag:everybody", now())
        await eventually(gateways[0].running.board.told)
        await eventually(all_know)

        assert (await crowd(), upstream.asked) == ({'{"user":2}'}, 2)


async def test_without_its_redis_a_gateway_starts_answers_and_stops(prefix: str) -> None:
    """It is nobody's business whether it is there."""
    async with AsyncExitStack() as stack:
        _, client = await begun(stack, upstream := Upstream(), "redis://127.0.0.1:1", prefix)

        answers = [await client.get("/users/7") for _ in range(3)]

        assert [answer.status_code for answer in answers] == [200] * 3
        assert (await client.get("/readyz")).status_code == 200
        assert upstream.asked == 1

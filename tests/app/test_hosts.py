"""The app's upkeep of hosts: begun and ended with its lifespan, whatever carries the calls."""

from __future__ import annotations

import asyncio
from typing import Any

import httpx
import pytest

from gateway import Gateway
from gateway.plan.recipe import Upstream
from gateway.policy import DiscoverPolicy
from gateway.upstream import make_client, make_sender

pytestmark = pytest.mark.looptime

CONFIG = """
version: 1
upstreams: {{ users: {{ {upstream} }} }}
endpoints: [ {{ path: /who, steps: {{ who: {{ get: users /who }} }} }} ]
"""


@pytest.mark.parametrize("found", ["a: users.internal, port: 81", "srv: _http._tcp.users.internal"])
async def test_whoever_brings_a_transport_is_given_the_name(serve: Any, upstreams: Any, found: str) -> None:
    """Nothing is looked up: where the name leads is that transport's to say."""
    upstreams.route(host="users.internal").respond(json="here")
    client = await serve(CONFIG.format(upstream=f"discover: {{ {found} }}"))

    answer = await client.get("/who")

    assert answer.json() == {"who": "here"}


async def test_checks_begin_and_end_with_the_gateway(upstreams: Any) -> None:
    """And nothing of them is left."""
    checks = upstreams.get("/livez").respond(200)
    config = CONFIG.format(upstream="url: http://users.test, health: { path: /livez, every: 1s }")
    app = Gateway.from_text(config, transport=httpx.MockTransport(upstreams.async_handler)).app
    before = asyncio.all_tasks()

    async with app.router.lifespan_context(app):
        await asyncio.sleep(5)
        during = checks.call_count
    await asyncio.sleep(5)

    assert 4 <= during <= 6
    assert (checks.call_count, asyncio.all_tasks()) == (during, before)


async def test_whoever_sends_to_a_host_no_more_keeps_no_connections(make_call: Any) -> None:
    """They are its name's, at its own address."""
    upstream = Upstream("users", "http://users.internal", "", 1000, {}, discover=DiscoverPolicy(a="users.internal"))
    async with make_client() as client:
        sender = make_sender(upstream, client, host="http://[fd00::1]:81")
        assert client.wire is not None
        origins = [(origin.host, origin.at) for origin in client.wire.pools]

        sender.close()

        assert origins == [("users.internal", ("fd00::1", 81))]
        assert not client.wire.pools


async def test_readiness_does_not_depend_on_upstreams(serve: Any, upstreams: Any) -> None:
    """A gateway whose hosts are all unhealthy still takes requests: others would fare no better."""
    upstreams.get("/livez").respond(503)
    upstreams.get("/who").respond(json="here")
    client = await serve(CONFIG.format(upstream="urls: [http://a.test, http://b.test], health: { path: /livez, every: 1s }"))
    await asyncio.sleep(10)

    assert (await client.get("/readyz")).status_code == 200
    assert (await client.get("/who")).json() == {"who": "here"}

"""What a request leaves behind: nothing that reference counting does not free."""

from __future__ import annotations

import asyncio
import gc
from collections.abc import Iterator
from typing import Any

import pytest

from gateway import Gateway
from gateway.inbound.visit import Visit
from gateway.transport.reading import Reading

REPLY = b'HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 12\r\n\r\n{"name":"a"}'

SLOW = """
version: 1
upstreams: {{shop: {{url: "{url}"}}}}
endpoints: [{{path: "/home/{{id}}", timeout: 150ms, steps: {{user: {{get: "shop /users/{{path.id}}"}}}}}}]
"""

CONFIG = """
version: 1
upstreams: {{shop: {{url: "{url}", timeout: 1s, retry: {{attempts: 3}}}}}}
endpoints:
  - path: /home/{{id}}
    steps:
      user: {{get: "shop /users/{{path.id}}"}}
      orders: {{get: "shop /orders/{{user.name}}", cache: {{ttl: 1m}}}}
"""


@pytest.fixture
def _no_collector() -> Iterator[None]:
    """What is not freed at once is there to be counted."""
    gc.collect()
    gc.disable()
    yield
    gc.enable()


async def answered(app: Any, status: int = 200) -> None:
    """One request, as a server hands it over; the client stays until it is answered."""
    told: list[Any] = []
    heard, stays = iter([True]), asyncio.Event()

    async def receive() -> Any:
        if not next(heard, False):
            await stays.wait()
        return {"type": "http.request", "body": b"", "more_body": False}

    async def send(message: Any) -> None:
        told.append(message)

    headers = [(b"host", b"gateway.test"), (b"user-agent", b"test")]
    scope = {"type": "http", "method": "GET", "path": "/home/1", "raw_path": b"/home/1", "query_string": b"", "headers": headers}
    await app(
        {**scope, "http_version": "1.1", "scheme": "http", "client": ("127.0.0.1", 1), "server": ("gateway.test", 80)},
        receive,
        send,
    )
    assert told[0]["status"] == status


@pytest.mark.usefixtures("_no_collector")
async def test_an_answer_leaves_nothing_to_the_garbage_collector(wire: Any) -> None:
    """No ring of references: a gateway looks for garbage rarely, and must not grow by that."""
    wire.plays([REPLY] * 1000)
    app = Gateway.from_text(CONFIG.format(url=wire.url)).app

    async with app.router.lifespan_context(app):
        for _ in range(20):
            await answered(app)
        gc.collect()
        for _ in range(50):
            await answered(app)
        left = gc.collect()

    assert left < 50


@pytest.mark.usefixtures("_no_collector")
async def test_a_request_that_takes_long_leaves_no_more(wire: Any) -> None:
    """It is watched whether its client leaves, and the connection that it is in vain for is closed: to look for what a thousand of these
    left took a quarter of a second, in which nobody was answered.
    """

    def are_left() -> int:
        return sum(isinstance(one, Visit | Reading) for one in gc.get_objects())

    before = are_left()
    wire.plays(["read", "hang"])
    app = Gateway.from_text(SLOW.format(url=wire.url)).app

    async with app.router.lifespan_context(app):
        await asyncio.gather(*(answered(app, 504) for _ in range(10)))
        async with asyncio.timeout(20):
            while are_left() != before:  # noqa: ASYNC110 - nobody tells when the last one has left
                await asyncio.sleep(0.05)

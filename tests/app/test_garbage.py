"""What a request leaves behind: nothing that reference counting does not free."""

from __future__ import annotations

import asyncio
import gc
from collections import Counter
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


LACKING = """
version: 1
upstreams: {{shop: {{url: "{url}", timeout: 1s, retry: {{attempts: 2, backoff: 1ms, budget: 100%}}}}}}
endpoints:
  - path: /home/{{id}}
    steps:
      user: {{get: "shop /users/{{path.id}}", optional: true}}
      orders: {{get: "shop /orders/{{path.id}}", optional: true, fallback: []}}
"""

SORRY = [b"HTTP/1.1 503 Sorry\r\nContent-Length: 0\r\n\r\n"] * 1000
SORRY_ONCE = [SORRY[0], REPLY] * 500
NO_JSON = [b"HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\n<p>"] * 1000
CUT = [b"HTTP/1.1 200 OK\r\nContent-Length: 30\r\n\r\n{"]
RESET = ["read", "reset"]


@pytest.fixture
def _no_collector() -> Iterator[None]:
    """What is not freed at once is there to be counted."""
    gc.collect()
    gc.disable()
    yield
    gc.set_debug(0)
    gc.garbage.clear()
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
@pytest.mark.parametrize("upstream", [SORRY, SORRY_ONCE, NO_JSON, CUT, RESET], ids=["503", "503 once", "no JSON", "cut", "reset"])
async def test_a_failure_leaves_nothing_to_the_garbage_collector(wire: Any, upstream: Any) -> None:
    """Nor does one that was retried: what was raised on the way has the frames it has passed, and with them the request."""
    wire.plays(upstream)
    app = Gateway.from_text(LACKING.format(url=wire.url)).app

    async with app.router.lifespan_context(app):
        for _ in range(10):
            await answered(app)
        await asyncio.sleep(0.01)
        gc.collect()
        gc.set_debug(gc.DEBUG_SAVEALL)
        for _ in range(20):
            await answered(app)
        await asyncio.sleep(0.01)
        gc.collect()
        left = Counter(type(one).__name__ for one in gc.garbage if type(one).__module__.startswith("gateway"))

    assert left == {}


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
            while are_left() > before:  # noqa: ASYNC110 - nobody tells when the last one has left
                await asyncio.sleep(0.05)

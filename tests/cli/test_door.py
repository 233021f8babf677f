"""Requests turned away at the door: by the head alone, in the order they came, on real connections."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass

import httpx
import pytest
import uvicorn

from gateway import Gateway
from gateway.cli.serve import options
from gateway.inbound import admission

CONFIG = """
version: 1
shed: { in_flight: 2 }
upstreams: { users: { url: http://users.test } }
endpoints:
  - { path: "/{any}", timeout: 9s, steps: { a: { get: users / } } }
  - { path: "/{any}", method: POST, timeout: 9s, steps: { a: { post: users /, body: "{body}" } } }
"""
GET = b"GET /a HTTP/1.1\r\nHost: gateway\r\n\r\n"
POST = b"POST /a HTTP/1.1\r\nHost: gateway\r\nContent-Type: application/json\r\nContent-Length: 4\r\n\r\n"


@dataclass
class Full:
    """A gateway on a port of its own, with no place left until it is let go."""

    port: int
    gateway: Gateway
    let_go: asyncio.Event

    async def asked(self, *parts: bytes) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        """A connection by which this is sent, each part apart."""
        reader, writer = await asyncio.open_connection("127.0.0.1", self.port)
        for part in parts:
            writer.write(part)
            await asyncio.sleep(0.02)
        return reader, writer


async def answer(reader: asyncio.StreamReader) -> tuple[int, bytes, bytes]:
    """Status, head and body of the next answer."""
    async with asyncio.timeout(5):
        head = (await reader.readuntil(b"\r\n\r\n")).lower()
        length = int(head.partition(b"content-length: ")[2].split()[0])
        return int(head.split()[1]), head, await reader.readexactly(length)


@pytest.fixture
async def open_gateway() -> AsyncIterator[Callable[..., Awaitable[Full]]]:
    """Makes a gateway whose requests wait until they are let go."""
    let_go, ends = asyncio.Event(), []

    async def upstream(_: httpx.Request) -> httpx.Response:
        await let_go.wait()
        return httpx.Response(200, json={})

    async def opened(middleware: type | None = None) -> Full:
        gateway = Gateway.from_text(CONFIG, transport=httpx.MockTransport(upstream))
        if middleware:
            gateway.app.add_middleware(middleware)
        listener = socket.create_server(("127.0.0.1", 0))
        server = uvicorn.Server(uvicorn.Config(gateway.app, **options()))
        serving = asyncio.ensure_future(server.serve(sockets=[listener]))
        ends.append((server, serving))
        made = Full(listener.getsockname()[1], gateway, let_go)
        # It has started when it answers; the socket has been listening all along.
        reader, writer = await made.asked(GET.replace(b"/a", b"/livez"))
        assert (await answer(reader))[0] == 200
        writer.close()
        return made

    yield opened
    let_go.set()
    for server, serving in ends:
        server.should_exit = True
        await serving


@pytest.fixture
async def full(open_gateway: Callable[..., Awaitable[Full]]) -> AsyncIterator[Full]:
    """A gateway that has as much to do as it may."""
    gateway = await open_gateway()
    holders = [await gateway.asked(GET) for _ in range(2)]
    yield gateway
    gateway.let_go.set()
    assert [(await answer(reader))[0] for reader, _ in holders] == [200, 200]
    for _, writer in holders:
        writer.close()


async def test_a_head_is_enough_and_the_connection_stays(full: Full) -> None:
    """One is turned away after the other, and answered in the end: with a date, and with when to come again."""
    reader, writer = await full.asked()
    answers = []
    for _ in range(2):
        writer.write(GET)
        answers.append(await answer(reader))
    full.let_go.set()
    await asyncio.sleep(0.05)
    writer.write(GET)
    good, _, _ = await answer(reader)

    assert [status for status, _, _ in answers] == [503, 503]
    assert all(b"\r\nretry-after: 1\r\n" in head and b"\r\ndate: " in head for _, head, _ in answers)
    assert b'"urn:problem:fanin:overloaded"' in answers[0][2]
    assert good == 200
    writer.close()


async def test_a_body_is_dropped(full: Full) -> None:
    """What comes after the head belongs to the request that had its answer, and the next one begins behind it."""
    reader, writer = await full.asked(POST)
    first = await answer(reader)
    writer.write(b"nu")
    writer.write(b"ll" + GET)

    assert (first[0], (await answer(reader))[0]) == (503, 503)
    writer.close()


@pytest.mark.parametrize("head", [GET.replace(b"1.1", b"1.0"), GET[:-2] + b"Connection: close\r\n\r\n"], ids=["1.0", "close"])
async def test_a_connection_that_is_not_to_stay_is_closed(full: Full, head: bytes) -> None:
    """As after any other answer."""
    reader, writer = await full.asked(head)
    status, said, _ = await answer(reader)

    assert (status, b"\r\nconnection: close\r\n" in said) == (503, True)
    assert await reader.read() == b""
    writer.close()


async def test_answers_come_in_the_order_of_the_requests(open_gateway: Callable[..., Awaitable[Full]]) -> None:
    """A request behind one that is still waited for is not answered before it."""
    full = await open_gateway()
    others = [await full.asked(GET), await full.asked(GET)]
    reader, writer = await full.asked(GET[:-2] + b"X: 1\r\n\r\n")
    assert (await answer(reader))[0] == 503
    held, _ = others[0]
    others[0][1].write(GET)
    await asyncio.sleep(0.05)
    full.let_go.set()

    assert [(await answer(held))[0] for _ in range(2)] == [200, 200]
    for _, one in (*others, (reader, writer)):
        one.close()


async def test_what_is_about_the_gateway_passes(full: Full) -> None:
    """Though an endpoint has any path there is."""
    reader, writer = await full.asked(GET.replace(b"/a", b"/livez"))

    assert (await answer(reader))[0] == 200
    writer.close()


async def test_those_who_come_at_once_are_counted(open_gateway: Callable[..., Awaitable[Full]]) -> None:
    """Who has been let in takes a place before his request has begun: of ten that are there at the same moment, two come in."""
    full = await open_gateway()
    judged: list[bool] = []
    door = full.gateway.app.state.door
    judged = [door("GET", b"/a?x=1") for _ in range(10)]
    await asyncio.sleep(0)
    after = door("HEAD", b"/a")

    assert judged == [False] * 2 + [True] * 8
    assert after is False


async def test_who_passed_the_door_is_not_judged_twice(open_gateway: Callable[..., Awaitable[Full]]) -> None:
    """Of a share that is to be turned away, that share is."""
    full = await open_gateway()
    full.let_go.set()
    full.gateway._running.shedding.share = 0.5  # type: ignore[union-attr]
    reader, writer = await full.asked()
    statuses = []
    for _ in range(4):
        writer.write(GET)
        statuses.append((await answer(reader))[0])

    assert statuses == [200, 503, 200, 503]
    writer.close()


async def test_middleware_has_its_word(open_gateway: Callable[..., Awaitable[Full]]) -> None:
    """A user's own, such as CORS, says something of every answer: then nobody is turned away before it."""

    class Marked:
        def __init__(self, app: object) -> None:
            self.app = app

        async def __call__(self, scope: dict[str, object], receive: object, send: object) -> None:
            async def marked(message: dict[str, list[object]]) -> None:
                if message["type"] == "http.response.start":
                    message["headers"].append((b"x-marked", b"yes"))
                await send(message)  # type: ignore[operator]

            await self.app(scope, receive, marked)  # type: ignore[operator]

    full = await open_gateway(Marked)
    holders = [await full.asked(GET) for _ in range(2)]
    reader, writer = await full.asked(GET)
    status, head, _ = await answer(reader)

    assert (status, b"\r\nx-marked: yes\r\n" in head) == (503, True)
    for _, one in (*holders, (reader, writer)):
        one.close()


async def test_the_log_hears_of_it(full: Full, caplog: pytest.LogCaptureFixture) -> None:
    """Once in a while, with how many they were."""
    with caplog.at_level("WARNING", admission.__name__):
        reader, writer = await full.asked(GET)
        await answer(reader)

    assert [record.message for record in caplog.records] == ["turned away: 1 since this was said last; 2 in flight"]
    writer.close()

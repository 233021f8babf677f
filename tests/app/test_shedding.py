"""Requests turned away at the front: when there is no place, cheaply, the least important first, and never those about the gateway itself."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import httpx
import pytest
import respx

from gateway import Gateway
from gateway.upkeep.pulse import BEAT, Pulse, allowed_memory, resident_memory

CONFIG = """
version: 1
shed: { in_flight: 10 }
upstreams: { users: { url: http://users.test } }
endpoints:
  - { path: /normal, timeout: 9s, steps: { a: { get: users / } } }
  - { path: /low, timeout: 9s, priority: low, steps: { a: { get: users / } } }
  - { path: /file, timeout: 9s, passthrough: true, steps: { a: { get: users / } } }
  - { path: /normal, method: POST, timeout: 9s, steps: { a: { post: users /, body: "{body}" } } }
"""
CRITICAL = "  - { path: /critical, timeout: 9s, priority: critical, steps: { a: { get: users / } } }\n"


@pytest.fixture
def let_go(upstreams: respx.Router) -> asyncio.Event:
    """Until it is set, the upstream answers nobody."""
    event = asyncio.Event()

    async def answer(_: httpx.Request) -> httpx.Response:
        await event.wait()
        return httpx.Response(200, json={})

    upstreams.route().mock(side_effect=answer)
    return event


@asynccontextmanager
async def in_flight(client: httpx.AsyncClient, *paths: str) -> AsyncIterator[list[asyncio.Task[httpx.Response]]]:
    """These requests, all of them begun; at the end, ended."""
    tasks = [asyncio.ensure_future(client.get(path)) for path in paths]
    for _ in range(50):
        await asyncio.sleep(0)
    yield tasks
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)


async def test_a_request_too_many_is_turned_away(serve: Any, let_go: asyncio.Event, traces: list[Any]) -> None:
    """With a problem and when to come again; it is no trace of anything, and the others are answered."""
    client = await serve(CONFIG)
    async with in_flight(client, *["/normal"] * 10) as others:
        answer = await client.get("/normal")
        let_go.set()
        statuses = [(await task).status_code for task in others]

    assert (answer.status_code, answer.headers["retry-after"]) == (503, "1")
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.json()["type"] == "urn:problem:fanin:overloaded"
    assert (answer.headers["gateway-complete"], answer.headers["cache-control"]) == ("false", "no-store")
    assert statuses == [200] * 10
    assert len(traces) == 10


@pytest.mark.parametrize("path", ["/livez", "/readyz", "/docs", "/openapi.json"])
async def test_what_is_about_the_gateway_is_always_answered(serve: Any, let_go: asyncio.Event, path: str) -> None:
    """Who would take a process that has much to do for a dead one makes it worse for the others."""
    client = await serve(CONFIG)
    async with in_flight(client, *["/normal"] * 10):
        assert (await client.get(path)).status_code == 200


async def test_the_least_important_is_turned_away_first(serve: Any, let_go: asyncio.Event) -> None:
    """Low at four fifths; normal at nine tenths, since the last place is for what is critical; that, only when all are taken."""
    client = await serve(CONFIG + CRITICAL)
    refused = {}
    for taken in (7, 8, 9, 10):
        async with in_flight(client, *["/critical"] * taken):
            tasks = {path: asyncio.ensure_future(client.get(path, timeout=1)) for path in ("/low", "/normal", "/critical")}
            for task in tasks.values():  # one after the other, so that none takes another's place
                await asyncio.wait([task], timeout=0.01)
                if not task.done():
                    task.cancel()
                    await asyncio.wait([task])
            refused[taken] = [path for path, task in tasks.items() if not task.cancelled()]

    assert refused == {
        7: [],
        8: ["/low"],
        9: ["/low", "/normal"],
        10: ["/low", "/normal", "/critical"],
    }


@pytest.mark.parametrize("how", ["answered", "failed", "refused", "left"])
async def test_a_place_is_free_however_a_request_ends(
    serve: Any, upstreams: respx.Router, let_go: asyncio.Event, how: str
) -> None:
    """With an answer, a problem, or nobody to give one to."""
    client = await serve(CONFIG.replace("in_flight: 10", "in_flight: 1"))
    path = "/normal?x=%ff" if how == "refused" else "/normal"
    if how != "left":
        let_go.set()
    if how == "failed":
        upstreams.route().respond(500)

    async with in_flight(client, path):
        pass
    let_go.set()

    assert (await client.get("/normal")).json()["type" if how == "failed" else "a"] in ({}, "urn:problem:fanin:upstream-error")


async def test_passthroughs_are_counted(serve: Any, let_go: asyncio.Event) -> None:
    """For as long as they go on."""
    client = await serve(CONFIG)

    async with in_flight(client, *["/file"] * 10):
        assert (await client.get("/file")).status_code == 503


@pytest.mark.parametrize(("size", "is_free"), [(60_000, True), (70_000, False)])
async def test_a_large_answer_has_its_place_until_it_is_taken(
    serve: Any, upstreams: respx.Router, size: int, is_free: bool
) -> None:
    """Else any number of slow readers could have any number of them waiting here."""
    upstreams.route().respond(json="x" * size)
    client = await serve(CONFIG.replace("in_flight: 10", "in_flight: 1"))
    taken = asyncio.Event()

    async def take(message: Any) -> None:
        if message["type"] == "http.response.body" and not message["body"]:
            await taken.wait()

    slow = asyncio.ensure_future(client._transport.app(_scope("/normal"), asyncio.Event().wait, take))
    await asyncio.wait([slow], timeout=0.05)
    statuses = [(await client.get("/normal")).status_code]
    taken.set()
    await slow
    statuses.append((await client.get("/normal")).status_code)

    assert statuses == [200 if is_free else 503, 200]


async def test_a_body_is_not_read_of_who_is_turned_away(serve: Any, let_go: asyncio.Event) -> None:
    """A megabyte that nobody looks at would be work."""
    client = await serve(CONFIG)
    read = False

    async def body() -> AsyncIterator[bytes]:
        nonlocal read
        read = True
        yield b"{}"

    async with in_flight(client, *["/normal"] * 10):
        answer = await client.post("/normal", content=body(), headers={"content-type": "application/json"})

    assert (answer.status_code, read) == (503, False)


async def test_nobody_is_turned_away_where_that_is_off(serve: Any, let_go: asyncio.Event) -> None:
    """`shed: false`: who wants to be called by everybody at once, is."""
    client = await serve(CONFIG.replace("shed: { in_flight: 10 }", "shed: false"))
    async with in_flight(client, *["/normal"] * 30) as tasks:
        let_go.set()
        statuses = {(await task).status_code for task in tasks}

    assert statuses == {200}


async def test_under_strain_a_share_is_turned_away(upstreams: respx.Router, caplog: pytest.LogCaptureFixture) -> None:
    """Of the normal ones some, of the low ones all; the log says that it happens."""
    upstreams.route().respond(json={})
    config = CONFIG.replace("in_flight: 10", "lag: 50ms") + CRITICAL
    gateway = Gateway.from_text(config, transport=httpx.MockTransport(upstreams.async_handler))
    wire = httpx.ASGITransport(gateway.app)
    async with gateway.lifespan(), httpx.AsyncClient(transport=wire, base_url="http://gateway.test") as client:
        gateway._running.shedding.share = 0.5  # type: ignore[union-attr]
        with caplog.at_level(logging.WARNING, "gateway"):
            got = {path: [(await client.get(path)).status_code for _ in range(4)] for path in ("/low", "/normal", "/critical")}

    assert got == {"/low": [503] * 4, "/normal": [200, 503, 200, 503], "/critical": [200] * 4}
    assert [record.message for record in caplog.records] == ["turned away: 1 since this was said last; 0 in flight"]


@pytest.mark.looptime
async def test_the_pulse_looks_at_the_process_on_every_beat() -> None:
    """How much of its memory it has, and the time; afterwards there is no timer left."""
    looks: list[tuple[float, float, float]] = []

    with Pulse(lambda *look: looks.append(look)):
        await asyncio.sleep(6.6 * BEAT)
    await asyncio.sleep(9)

    assert [now for _, _, now in looks] == pytest.approx([BEAT * number for number in range(1, 7)])
    assert all(0 < memory < 1 for _, memory, _ in looks)


@pytest.mark.looptime
async def test_the_pulse_tells_how_late_it_is() -> None:
    """A beat that comes after its time: the loop had something else to do."""
    late: list[float] = []
    pulse = Pulse(lambda *look: late.append(look[0]))

    with pulse:
        await asyncio.sleep(BEAT * 0.9)
        pulse._timer.cancel()
        pulse._beat(asyncio.get_running_loop().time() - 0.2)

    assert late == pytest.approx([0.2])


def test_memory_is_what_the_kernel_says() -> None:
    """A Python process has some, and not more than there is."""
    assert 1024**2 < resident_memory() < allowed_memory()


def _scope(path: str) -> dict[str, Any]:
    head = {"type": "http", "http_version": "1.1", "method": "GET", "scheme": "http", "query_string": b""}
    return {**head, "path": path, "raw_path": path.encode(), "headers": [(b"host", b"gateway.test")]}

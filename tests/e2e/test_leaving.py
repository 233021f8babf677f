"""Clients who leave: what was in flight for them ends, at once and everywhere."""

from __future__ import annotations

import asyncio
import socket
import struct
from typing import Any

import pytest

pytestmark = pytest.mark.slow


@pytest.mark.parametrize("how", ["close", "reset"])
async def test_a_client_that_leaves_ends_its_calls(served: Any, services: Any, how: str) -> None:
    """The hung upstream sees its caller leave within a second; the record ends without an error; no task is left."""
    await services["recommendations"].chaos(mode="hang")
    await services["orders"].chaos(mode="hang")
    before = asyncio.all_tasks()
    _, writer = await served.connect("/v1/home/42")
    assert await services["recommendations"].becomes(in_flight=1)
    assert await services["orders"].becomes(in_flight=1)

    if how == "reset":
        writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    writer.close()

    assert await services["recommendations"].becomes(in_flight=0, abandoned=1)
    assert await services["orders"].becomes(in_flight=0, abandoned=1)
    async with asyncio.timeout(20):
        trace = await served.traces.get()
    assert all(span.end for span in trace.spans)
    assert not any(span.error for span in trace.spans)
    assert "http.response.status_code" not in trace.root.attributes
    await _settled(before)


async def test_a_client_that_leaves_does_not_disturb_another(served: Any, services: Any) -> None:
    """Two ask for the same; one leaves, the other gets its whole answer."""
    await services["recommendations"].chaos(latency_ms=400)
    staying = asyncio.ensure_future(served.home())
    _, writer = await served.connect("/v1/home/42")
    assert await services["recommendations"].becomes(in_flight=2)

    writer.close()

    assert await services["recommendations"].becomes(in_flight=1, abandoned=1)
    assert (await staying).headers["gateway-complete"] == "true"


async def _settled(before: set[asyncio.Task[Any]]) -> None:
    """Wait until no task is left that was not there before; fail after five seconds."""
    async with asyncio.timeout(5):
        while left := asyncio.all_tasks() - before - {asyncio.current_task()}:
            await asyncio.wait(left, timeout=0.05)


@pytest.mark.parametrize(
    "sent",
    [
        [f"GET /v1/home/{user} HTTP/1.1\r\nHost: gateway\r\n\r\n" for user in (41, 42)] + ["GET /end HTTP/1.0\r\n\r\n"],
        ["".join(f"GET /v1/home/{user} HTTP/1.1\r\nHost: gateway\r\n\r\n" for user in (41, 42)) + "GET /end HTTP/1.0\r\n\r\n"],
        ["GET /v1/home/41 HTTP/1.1\r\nHost: a\r\nContent-Length: 9\r\n\r\nunas", "ked!!GET /v1/home/42 HTTP/1.0\r\n\r\n"],
    ],
    ids=["one by one", "pipelined", "with a body"],
)
async def test_a_client_who_sends_more_meanwhile_has_not_left(served: Any, services: Any, sent: list[str]) -> None:
    """Every answer comes, in order, however long the first one took and whatever came in during that time."""
    reader, writer = await asyncio.open_connection("127.0.0.1", served.port)

    for part in sent:
        writer.write(part.encode())
        await asyncio.sleep(0.15)

    async with asyncio.timeout(20):
        answers = await reader.read()
    writer.close()
    assert answers.count(b"\r\ngateway-complete: true\r\n") == 2
    assert answers.index(b'{"id":41,') < answers.index(b'{"id":42,')

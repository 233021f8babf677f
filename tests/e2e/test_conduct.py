"""Clients that send slowly or do not read, on real connections: the others notice nothing, and nothing of them is kept."""

from __future__ import annotations

import asyncio
import socket
from typing import Any

import pytest

from gateway.cli import conduct, listener

pytestmark = pytest.mark.slow

CROWD = 1000


@pytest.fixture(autouse=True)
def _soon(monkeypatch: pytest.MonkeyPatch) -> None:
    """The limits, so short that they can be waited for."""
    monkeypatch.setattr(conduct, "HEAD", 1.0)
    monkeypatch.setattr(conduct, "STALL", 1.0)
    monkeypatch.setattr(listener, "ROUND", 0.1)


async def test_a_crowd_of_slow_heads_does_not_disturb_another(served: Any, services: Any) -> None:
    """A thousand begin a request and do not go on: who asks meanwhile is answered, and in the end each of them is told that it is too late."""
    crowd = [await asyncio.open_connection("127.0.0.1", served.port) for _ in range(CROWD)]
    for _, writer in crowd:
        writer.write(b"GET /v1/home/42 HTTP/1.1\r\nHost: gate")

    statuses = {(await served.home()).status_code for _ in range(5)}
    async with asyncio.timeout(30):
        answers = {await reader.readline() for reader, _ in crowd}

    assert statuses == {200}
    assert answers == {b"HTTP/1.1 408 Request Timeout\r\n"}
    assert (await services["users"].stats())["received"] == 5
    for _, writer in crowd:
        writer.close()


async def test_a_client_that_reads_nothing_is_cut_off(served: Any) -> None:
    """It asks for one answer after the other until there is no room for more; then it is given up, and the server has nothing left of it."""
    before = asyncio.all_tasks()
    with socket.socket() as client:
        client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1024)
        client.connect(("127.0.0.1", served.port))
        client.setblocking(False)

        async with asyncio.timeout(30):
            with pytest.raises(ConnectionError):
                await _ask_without_end(client)
            while left := asyncio.all_tasks() - before:
                await asyncio.wait(left, timeout=0.05)

    assert (await served.home()).status_code == 200


async def _ask_without_end(client: socket.socket) -> None:
    while True:
        await asyncio.get_running_loop().sock_sendall(client, b"GET /openapi.json HTTP/1.1\r\nHost: gateway\r\n\r\n" * 50)
        await asyncio.sleep(0.01)

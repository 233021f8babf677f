"""Several workers that share a store: what none of them has is asked for by one."""

from __future__ import annotations

import asyncio
import json
import shutil
import socket
import subprocess
from collections.abc import Iterator
from contextlib import AsyncExitStack
from pathlib import Path

import pytest

from bench.processes import Children
from faults import replies
from faults.gateway import running
from faults.server import served

pytestmark = pytest.mark.slow

PROGRAM = shutil.which("redis-server") or shutil.which("valkey-server")
REQUEST = b"GET /users/%d HTTP/1.1\r\nHost: gateway\r\nConnection: close\r\n\r\n"
CROWD = 400


@pytest.fixture
def redis() -> Iterator[str]:
    """A Redis of this test's own."""
    if PROGRAM is None:
        pytest.skip("NO REDIS HERE: install redis-server or valkey-server")
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    started = subprocess.Popen([PROGRAM, "--port", str(port), "--save", "", "--appendonly", "no"], stdout=subprocess.DEVNULL)
    yield f"redis://127.0.0.1:{port}"
    started.terminate()
    started.wait(20)


async def test_four_workers_on_one_redis_ask_twice_at_most(redis: str, tmp_path: Path) -> None:
    """Whichever worker a request comes to: one holds the lease, and the others find what it has kept. The first crowd has them connect."""
    async with AsyncExitStack() as stack:
        upstream = await stack.enter_async_context(served())
        upstream.always((0.3, replies.KEPT))
        config = {
            "version": 1,
            "cache": {"redis": {"url": redis, "timeout": "1s"}},
            "upstreams": {"users": {"url": upstream.url, "cache": {"ttl": "1m"}}},
            "endpoints": [{"path": "/users/{id}", "timeout": "10s", "steps": {"user": {"get": "users /{path.id}"}}}],
        }
        file = tmp_path / "gateway.yaml"
        file.write_text(json.dumps(config))
        gateway = await stack.enter_async_context(
            running(file, stack.enter_context(Children()), {"GATEWAY_WORKERS": "4", "GATEWAY_ADMIN_PORT": "0"})
        )
        host, _, port = gateway.url.removeprefix("http://").partition(":")

        async def answered(connection: socket.socket) -> bytes:
            reader, writer = await asyncio.open_connection(sock=connection)
            answer = await reader.read()
            writer.close()
            return answer

        calls = []
        for number in range(5):
            hits = upstream.hits
            connections = [socket.create_connection((host, int(port))) for _ in range(CROWD)]
            for connection in connections:
                connection.sendall(REQUEST % number)
            answers = await asyncio.gather(*map(answered, connections))
            assert {answer[9:12] for answer in answers} == {b"200"}
            calls.append(upstream.hits - hits)

    assert max(calls[1:]) <= 2, calls

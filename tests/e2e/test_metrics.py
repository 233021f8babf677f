"""`/metrics` of several workers: of all of them, whichever answers."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import socket
from contextlib import AsyncExitStack
from pathlib import Path

import httpx
import pytest
from prometheus_client.parser import text_string_to_metric_families

from bench.processes import Children
from faults import replies
from faults.gateway import running
from faults.server import served

pytestmark = pytest.mark.slow

WORKERS = 3


async def look(url: str) -> tuple[int, list[int]]:
    """Requests that were counted, and the processes that did."""
    async with httpx.AsyncClient() as client:
        text = (await client.get(f"{url}/metrics", timeout=20)).text
    samples = [one for family in text_string_to_metric_families(text) for one in family.samples]
    counted = sum(int(one.value) for one in samples if one.name == "http_server_request_duration_seconds_count")
    return counted, [int(one.labels["process_pid"]) for one in samples if one.name == "gateway_workers"]


async def test_the_figures_are_of_all_workers_and_never_fall(tmp_path: Path) -> None:
    """Each request is counted once, whoever answered it; also of a worker that was killed, once it had told of it."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        admin = free.getsockname()[1]
    async with AsyncExitStack() as stack:
        upstream = await stack.enter_async_context(served())
        upstream.always(replies.KEPT)
        endpoint = {"path": "/users/{id}", "steps": {"user": {"get": "users /{path.id}"}}}
        config = {"version": 1, "upstreams": {"users": {"url": upstream.url}}, "endpoints": [endpoint]}
        file = tmp_path / "gateway.yaml"
        file.write_text(json.dumps(config))
        variables = {"GATEWAY_WORKERS": str(WORKERS), "GATEWAY_ADMIN_PORT": str(admin)}
        gateway = await stack.enter_async_context(running(file, stack.enter_context(Children()), variables))
        url, seen = f"http://127.0.0.1:{admin}", [0]

        async def ask(times: int) -> None:
            for number in range(times):
                async with httpx.AsyncClient() as client:
                    await client.get(f"{gateway.url}/users/{number}", timeout=20)

        async def until(count: int, gone: int = 0) -> list[int]:
            async with asyncio.timeout(30):
                while True:
                    counted, processes = await look(url)
                    seen.append(counted)
                    if counted >= count and len({*processes} - {gone}) == WORKERS:
                        return processes
                    await asyncio.sleep(0.1)

        await ask(30)
        processes = await until(30)
        os.kill(processes[0], signal.SIGKILL)
        await asyncio.sleep(1)
        await ask(20)
        again = await until(50, gone=processes[0])

        assert seen[-1] == 50
        assert seen == sorted(seen)
        assert len({*processes, *again}) == WORKERS + 1

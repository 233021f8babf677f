"""A collector that takes nothing: what that costs a gateway that serves."""

from __future__ import annotations

import asyncio
import json
import re
import socket
from contextlib import AsyncExitStack
from pathlib import Path

import httpx
import pytest

from bench.processes import Children, free_port
from faults import replies
from faults.gateway import running
from faults.server import served

pytestmark = pytest.mark.slow

WAITING = 20
"""Spans that may wait."""

LOST = re.compile(r'^gateway_telemetry_lost_total\{gateway_telemetry_signal="spans"\} (\d+)', re.MULTILINE)


async def lost(admin: int) -> int:
    """Spans, as `/metrics` has it."""
    async with httpx.AsyncClient() as client:
        text = (await client.get(f"http://127.0.0.1:{admin}/metrics", timeout=20)).text
    return int(LOST.findall(text)[0])


@pytest.mark.parametrize("collector", ["refuses", "hangs"])
async def test_a_collector_that_takes_nothing_costs_its_spans_alone(tmp_path: Path, collector: str) -> None:
    """Every request is answered; what there is no room for is lost and counted; and the end does not wait for what waits."""
    async with AsyncExitStack() as stack:
        upstream = await stack.enter_async_context(served())
        upstream.always(replies.KEPT)
        endpoint = {"path": "/users/{id}", "steps": {"user": {"get": "users /{path.id}"}}}
        file = tmp_path / "gateway.yaml"
        file.write_text(json.dumps({"version": 1, "upstreams": {"users": {"url": upstream.url}}, "endpoints": [endpoint]}))
        listener = stack.enter_context(socket.create_server(("127.0.0.1", 0)))
        variables = {
            "GATEWAY_ADMIN_PORT": str(admin := free_port()),
            "OTEL_EXPORTER_OTLP_ENDPOINT": f"http://127.0.0.1:{listener.getsockname()[1]}",
            "OTEL_EXPORTER_OTLP_TIMEOUT": "600",
            "OTEL_BSP_MAX_QUEUE_SIZE": str(WAITING),
            "OTEL_BSP_MAX_EXPORT_BATCH_SIZE": "4",
        }
        if collector == "refuses":
            listener.close()
        gateway = await stack.enter_async_context(running(file, stack.enter_context(Children()), variables))

        statuses = [(await gateway.ask(f"/users/{number}")).status for number in range(30)]
        spans = 4 * len(statuses)
        counted = await lost(admin)
        gateway.child.terminate()
        ended = await asyncio.to_thread(gateway.child.wait, 60)

        assert {*statuses} == {200}
        assert spans - WAITING - 4 <= counted < spans
        assert ended == 0
        assert "spans lost until the gateway stopped" in gateway.children.said(gateway.child)

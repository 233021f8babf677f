"""Injected faults through the whole gateway: what clients get, and that whoever serves is told."""

from __future__ import annotations

import logging
from typing import Any

import httpx
import pytest

from gateway import telemetry

pytestmark = pytest.mark.looptime

CONFIG = """
version: 1
upstreams: { users: { url: http://users.test, inject: { status: 503 } }, orders: { url: http://orders.test } }
endpoints:
  - path: /profile
    steps:
      user: { get: users /u }
      orders: { get: orders /o, optional: true, fallback: [], inject: { mode: garbage } }
  - path: /file
    passthrough: true
    steps: { file: { get: users /f } }
"""


async def test_nothing_happens_unless_the_process_was_told(serve: Any, upstreams: Any, caplog: Any) -> None:
    """A config with faults in it serves as one without, and says loudly that nobody rehearses anything."""
    upstreams.get().respond(json={})
    with caplog.at_level(logging.WARNING):
        client = await serve(CONFIG)

    response = await client.get("/profile")

    assert response.json() == {"user": {}, "orders": {}}
    assert "calls to users, orders, and nothing of it happens" in caplog.text


async def test_a_process_that_was_told_breaks_calls(serve: Any, upstreams: Any, traces: Any, caplog: Any) -> None:
    """A required step's fault is the client's 502, no upstream is asked, the spans say that it was on purpose, and the log does."""
    upstreams.get().respond(json={})
    with caplog.at_level(logging.WARNING):
        client = await serve(CONFIG, inject=True)

    response = await client.get("/profile")

    assert (response.status_code, response.json()["type"]) == (502, "urn:problem:fanin:upstream-error")
    assert not upstreams.calls
    assert "503" in {span.own.get(telemetry.INJECTED) for span in traces[0].spans}
    assert "FAULTS ARE INJECTED: calls to users, orders" in caplog.text


async def test_a_status_goes_by_as_a_real_one(serve: Any, upstreams: Any) -> None:
    """Where bodies go by, so does a status that was injected, with nothing behind it."""
    client: httpx.AsyncClient = await serve(CONFIG, inject=True)

    response = await client.get("/file")

    assert (response.status_code, response.content) == (503, b"")
    assert not upstreams.calls

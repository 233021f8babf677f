"""After every fault the gateway is what it was: no task, no descriptor more."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest

pytestmark = pytest.mark.slow

OPEN = Path("/proc/self/fd")
IDLE = 4.0
"""Seconds that a connection may be kept for the next call."""


def descriptors() -> int:
    """How many this process has open."""
    return sum(1 for _ in OPEN.iterdir())


@pytest.mark.skipif(not OPEN.exists(), reason="only Linux tells a process what it has open")
async def test_after_every_fault_nothing_is_left(served: Any, services: Any) -> None:
    """Ten requests at once into each fault, at a required and at an optional upstream: all are answered, and nothing stays behind."""
    tasks, opened = asyncio.all_tasks(), descriptors()

    for mode in ("hang", "reset", "garbage", "html", "trickle"):
        for name in ("users", "recommendations"):
            await services[name].chaos(mode=mode)
            answers = await asyncio.gather(*(served.raw("/v1/home/42") for _ in range(10)))
            await services[name].heal()

            assert {answer[:12] for answer in answers} == {b"HTTP/1.1 200" if name == "recommendations" else _refused(mode)}
            async with asyncio.timeout(5):
                while left := asyncio.all_tasks() - tasks - {asyncio.current_task()}:
                    await asyncio.wait(left, timeout=0.05)

    async with asyncio.timeout(IDLE + 2):
        while descriptors() > opened:  # noqa: ASYNC110 - nobody tells when one is closed
            await asyncio.sleep(0.1)


def _refused(mode: str) -> bytes:
    return b"HTTP/1.1 504" if mode in ("hang", "trickle") else b"HTTP/1.1 502"

"""A Redis behind a proxy that breaks its connections: nothing fails, nothing is had that is another's, and it is back by itself."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from faults.proxy import Mode, proxied

pytestmark = pytest.mark.slow

KEYS = [f"key-{number}" for number in range(30)]

PATIENCE = 60.0
"""Seconds for it to be back: nothing here is about speed."""


@pytest.mark.parametrize(
    ("mode", "measure"),
    [
        (Mode.REFUSE, 0),
        (Mode.HANG, 0),
        (Mode.SLOW, 0.2),
        (Mode.FLAP, 0.2),
        (Mode.RESET, 0),
        *((Mode.CUT, at) for at in (0, 1, 20, 700, 3000)),
    ],
)
async def test_what_breaks_costs_hits_and_nothing_else(
    opened: Any, shared_server: Any, make_entry: Any, up: Any, mode: Mode, measure: float
) -> None:
    """Whatever is asked meanwhile is answered: with what is kept under that very key, or with nothing."""
    async with (
        proxied(shared_server.port) as proxy,
        opened(f"redis://127.0.0.1:{proxy.port}", size=0, timeout="20ms") as (store, board),
    ):
        await up(store)
        kept = {key: make_entry(f"the value of {key} ".encode() * 20) for key in KEYS}
        async with asyncio.timeout(PATIENCE):
            while not await store.multi_set(tuple(kept.items()), ttl=60.0):
                await up(store)

        async def ask(times: int) -> None:
            for number in range(times):
                key = KEYS[number % len(KEYS)]
                assert await store.get(key) in (None, kept[key])
                assert [one for one in await store.multi_get(KEYS[:3]) if one] in ([], [kept[name] for name in KEYS[:3]])
                await store.set(key, kept[key], ttl=60.0)
                async with store.lease(key):
                    await asyncio.sleep(0.001)

        asking = [asyncio.create_task(ask(60)) for _ in range(5)]
        await asyncio.sleep(0.02)
        await proxy.become(mode, measure)
        await asyncio.gather(*asking)
        board.tell("tag:a", 1.0)
        await asyncio.sleep(0.3)
        await proxy.become(Mode.PASS)

        async with asyncio.timeout(PATIENCE):
            # Where the machine is busy a reply is late again, and everything a miss at once.
            while None in (got := await store.multi_get(KEYS)):
                assert all(one in (None, kept[key]) for key, one in zip(KEYS, got, strict=True))
                await up(store)
            assert got == list(kept.values())
            while not await board.told():
                pass


async def test_cancelled_calls_leave_no_reply_to_others(opened: Any, make_entry: Any, up: Any) -> None:
    """Half of those who ask leave while they wait; everybody else has what he asked for."""
    async with opened(size=0) as (store, _):
        await up(store)
        kept = {key: make_entry(key.encode()) for key in KEYS}
        for key in KEYS:
            await store.set(key, kept[key], ttl=60.0)

        for number in range(200):
            tasks = {key: asyncio.create_task(store.get(key)) for key in KEYS}
            for _ in range(number % 7):
                await asyncio.sleep(0)
            for key in KEYS[::2]:
                tasks[key].cancel()
            await asyncio.wait(tasks.values())

            assert [tasks[key].result() for key in KEYS[1::2]] == [kept[key] for key in KEYS[1::2]]

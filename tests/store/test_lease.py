"""Leases: one process at a time makes what all share, and one that dies keeps nobody waiting for long."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from gateway.store import lease as leases

pytestmark = pytest.mark.slow


class Work:
    """What processes do under a lease."""

    def __init__(self) -> None:
        self.at_once = self.most = 0
        self.done: list[str] = []

    async def do(self, store: Any, name: str, seconds: float = 0.1, *, fails: bool = False) -> bool:
        async with store.lease("a") as is_ours:
            if is_ours:
                self.at_once += 1
                self.most = max(self.most, self.at_once)
                try:
                    await asyncio.sleep(seconds)
                finally:
                    self.at_once -= 1
                    self.done.append(name)
                if fails:
                    raise ValueError(name)
            return is_ours


async def test_one_makes_it_and_the_others_wait(opened: Any, up: Any) -> None:
    """They go on at once when it is done, and none of them makes it again."""
    async with opened() as (one, _), opened() as (second, _), opened() as (third, _):
        await up(one, second, third)
        work = Work()

        got = await asyncio.gather(*(work.do(store, name) for store, name in ((one, "1"), (second, "2"), (third, "3"))))

        assert sorted(got) == [False, False, True]
        assert len(work.done) == 1


async def test_one_takes_the_place_of_who_failed(opened: Any, up: Any) -> None:
    """And only one at a time; when that one fails too, nobody waits for a third."""
    async with opened() as (one, _), opened() as (second, _):
        await up(one, second)
        work = Work()
        first = asyncio.create_task(work.do(one, "1", fails=True))
        await asyncio.sleep(0.05)

        got = await asyncio.gather(first, work.do(second, "2"), work.do(second, "3"), return_exceptions=True)

        assert isinstance(got[0], ValueError)
        assert sorted(map(bool, got[1:])) == [False, True]
        assert work.most == 1


async def test_who_is_cancelled_gives_it_back(opened: Any, up: Any) -> None:
    """A call whose client has gone keeps nobody waiting."""
    async with opened() as (one, _), opened() as (other, _):
        await up(one, other)
        work = Work()
        holder = asyncio.create_task(work.do(one, "1", 3600))
        await asyncio.sleep(0.1)
        waiting = asyncio.create_task(work.do(other, "2"))
        await asyncio.sleep(0.1)

        holder.cancel()

        async with asyncio.timeout(2):  # sooner than it would expire
            assert await waiting is True


async def test_it_is_renewed_as_long_as_it_is_held(opened: Any, up: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """Work that takes longer than a lease lasts is still one process's."""
    monkeypatch.setattr(leases, "LASTS", 0.6)
    async with opened() as (one, _), opened() as (other, _):
        await up(one, other)
        work = Work()
        first = asyncio.create_task(work.do(one, "1", 2.0))
        await asyncio.sleep(0.1)

        assert await work.do(other, "2") is False
        assert work.done == ["1"]
        assert await first is True


async def test_who_has_died_has_lost_it(opened: Any, shared_server: Any, prefix: str, up: Any) -> None:
    """It expires, and whoever waits takes it."""
    async with opened() as (store, _):
        await up(store)
        shared_server.client.set(f"{prefix}lease:a", "somebody", px=300)

        assert await Work().do(store, "1") is True


async def test_nobody_waits_for_ever(
    opened: Any, shared_server: Any, prefix: str, up: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whoever has waited so long goes on without; and takes away nothing of the holder's."""
    monkeypatch.setattr(leases, "PATIENCE", 0.2)
    async with opened() as (store, _):
        await up(store)
        shared_server.client.set(f"{prefix}lease:a", "somebody")

        assert await Work().do(store, "1") is False

    assert shared_server.client.get(f"{prefix}lease:a") == b"somebody"


async def test_what_is_done_is_soon_to_be_had_again(opened: Any, up: Any) -> None:
    """Whoever comes later makes it anew: what was made may not have been kept."""
    async with opened() as (one, _), opened() as (other, _):
        await up(one, other)
        work = Work()

        assert [await work.do(one, "1", 0), await work.do(other, "2", 0)] == [True, True]


async def test_without_redis_it_is_nobodys(opened: Any) -> None:
    """Everybody goes on, at once."""
    async with opened("redis://127.0.0.1:1") as (store, _), asyncio.timeout(1), store.lease("a") as is_ours:
        assert is_ours is False


async def test_a_foreign_value_in_its_place_is_no_lease(opened: Any, shared_server: Any, prefix: str, up: Any) -> None:
    """Nobody waits for a list."""
    shared_server.client.rpush(f"{prefix}lease:a", "x")
    async with opened() as (store, _):
        await up(store)

        assert await Work().do(store, "1") is False

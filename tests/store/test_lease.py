"""Leases: one process at a time makes what all share, and one that dies keeps nobody waiting for long."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from gateway.store import lease as leases

pytestmark = pytest.mark.slow


class Work:
    """What processes do under a lease: look once more, and make what is not there."""

    def __init__(self, entry: Any = None) -> None:
        self.entry = entry
        self.at_once = self.most = 0
        self.done: list[str] = []

    async def do(self, store: Any, name: str, seconds: float = 0.1, *, fails: bool = False) -> bool:
        """Whether the lease was its own."""
        async with store.lease("a") as is_ours:
            if await store.get("a"):
                return False
            self.at_once += 1
            self.most = max(self.most, self.at_once)
            try:
                await asyncio.sleep(seconds)
            finally:
                self.at_once -= 1
                self.done.append(name)
            if fails:
                raise ValueError(name)
            if self.entry:
                await store.set("a", self.entry, ttl=30.0)
            return bool(is_ours)


async def test_one_makes_it_and_the_others_find_it(opened: Any, make_entry: Any, up: Any) -> None:
    """None of those who waited makes it again."""
    async with opened() as (one, _), opened() as (second, _), opened() as (third, _):
        await up(one, second, third)
        work = Work(make_entry())

        await asyncio.gather(*(work.do(store, name) for store, name in ((one, "1"), (second, "2"), (third, "3"))))

        assert len(work.done) == 1


async def test_what_cannot_be_kept_is_made_by_all_at_once(opened: Any, up: Any) -> None:
    """When the first is done the others do not queue up, each for the one before him."""
    async with opened() as (one, _), opened() as (second, _), opened() as (third, _), opened() as (fourth, _):
        await up(one, second, third, fourth)
        work = Work()

        await asyncio.gather(*(work.do(store, "x", 0.5) for store in (one, second, third, fourth)))

        assert (len(work.done), work.most) == (4, 3)


async def test_one_takes_the_place_of_who_failed(opened: Any, make_entry: Any, up: Any) -> None:
    """One, and not all of those who waited."""
    async with opened() as (one, _), opened() as (second, _), opened() as (third, _):
        await up(one, second, third)
        work = Work(make_entry())
        first = asyncio.create_task(work.do(one, "1", 0.3, fails=True))
        await asyncio.sleep(0.1)

        got = await asyncio.gather(first, work.do(second, "2"), work.do(third, "3"), return_exceptions=True)

        assert isinstance(got[0], ValueError)
        assert (len(work.done), work.most) == (2, 1)


async def test_who_is_cancelled_gives_it_back(opened: Any, up: Any, eventually: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """A call whose client has gone keeps nobody waiting until it would expire."""
    monkeypatch.setattr(leases, "LASTS", 3600.0)
    async with opened() as (one, _), opened() as (other, _):
        await up(one, other)
        work = Work()
        holder = asyncio.create_task(work.do(one, "1", 3600))
        await eventually(lambda: work.at_once)
        waiting = asyncio.create_task(work.do(other, "2", 0))
        await asyncio.sleep(0.1)

        holder.cancel()

        assert await waiting is True
        assert work.done == ["1", "2"]


async def test_it_is_renewed_as_long_as_it_is_held(
    opened: Any, make_entry: Any, up: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Work that takes longer than a lease lasts is still one process's."""
    monkeypatch.setattr(leases, "LASTS", 0.6)
    async with opened() as (one, _), opened() as (other, _):
        await up(one, other)
        work = Work(make_entry())
        first = asyncio.create_task(work.do(one, "1", 2.0))
        await asyncio.sleep(0.1)

        await asyncio.gather(first, work.do(other, "2"))

        assert work.done == ["1"]


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

        async with asyncio.timeout(10):
            await (work := Work()).do(store, "1")

    assert work.done == ["1"]
    assert shared_server.client.get(f"{prefix}lease:a") == b"somebody"


async def test_what_is_done_is_soon_to_be_had_again(opened: Any, up: Any) -> None:
    """Whoever comes later makes it anew: what was made may not have been kept."""
    async with opened() as (one, _), opened() as (other, _):
        await up(one, other)
        work = Work()

        await work.do(one, "1", 0)
        async with asyncio.timeout(leases.PATIENCE / 2):
            await work.do(other, "2", 0)

        assert work.done == ["1", "2"]


async def test_without_redis_it_is_nobodys(opened: Any) -> None:
    """Everybody goes on, at once."""
    async with opened("redis://127.0.0.1:1") as (store, _), asyncio.timeout(leases.PATIENCE / 2), store.lease("a") as is_ours:
        assert is_ours is False


async def test_a_foreign_value_in_its_place_is_no_lease(opened: Any, shared_server: Any, prefix: str, up: Any) -> None:
    """Nobody waits for a list."""
    shared_server.client.rpush(f"{prefix}lease:a", "x")
    async with opened() as (store, _):
        await up(store)

        async with asyncio.timeout(leases.PATIENCE / 2):
            assert await Work().do(store, "1", 0) is False

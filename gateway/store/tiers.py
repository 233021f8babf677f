"""Two tiers: a memory of one's own in front of what all share."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field

from gateway.caching import Counts, Entry, Hot
from gateway.caching.clock import now
from gateway.store.memory import MemoryStore
from gateway.store.redis import Found, RedisStore


@dataclass(frozen=True, slots=True)
class Tiers:
    """A fresh entry is had from memory, and asks nobody. Of one that is not, another process may have a newer one: the later of the two counts.

    Nothing is in memory for longer than it would be in Redis, and both look at the same purges.
    """

    memory: MemoryStore
    shared: RedisStore
    clock: Callable[[], float] = field(default=now, repr=False)

    async def get(self, key: str) -> Entry | None:
        """What is kept under this key."""
        near: Entry | None = await self.memory.get(key)
        if near is not None and self._is_fresh(near):
            return near
        (far,) = await self.shared.fetch([key])
        return await self._later(key, near, far)

    async def multi_get(self, keys: Sequence[str]) -> list[Entry | None]:
        """What is kept under each of these keys; for all that memory lacks one trip."""
        found: list[Entry | None] = await self.memory.multi_get(keys)
        asked = [index for index, near in enumerate(found) if near is None or not self._is_fresh(near)]
        if asked:
            far = await self.shared.fetch([keys[index] for index in asked])
            for index, one in zip(asked, far, strict=True):
                found[index] = await self._later(keys[index], found[index], one)
        return found

    async def set(self, key: str, value: Entry, ttl: float) -> None:
        """Keep it here, and for all."""
        await self.memory.set(key, value, ttl=ttl)
        await self.shared.set(key, value, ttl=ttl)

    async def multi_set(self, pairs: Sequence[tuple[str, Entry]], ttl: float) -> None:
        """The same for several, in one trip."""
        await self.memory.multi_set(pairs, ttl=ttl)
        await self.shared.multi_set(pairs, ttl=ttl)

    async def delete(self, key: str) -> None:
        """Keep nothing under this key, here nor for all."""
        await self.memory.delete(key)
        await self.shared.delete(key)

    def lease(self, key: str) -> AbstractAsyncContextManager[bool | None]:
        """The right to make what is to be kept under this key, among all processes."""
        return self.shared.lease(key)

    def counts(self) -> Sequence[Counts]:
        """What each of them has come to."""
        return [*self.memory.counts(), *self.shared.counts()]

    def hottest(self, most: int) -> Sequence[Hot]:
        """The keys that were hit most often here."""
        return self.memory.hottest(most)

    def _is_fresh(self, entry: Entry) -> bool:
        return entry.at + entry.lifetime > self.clock()

    async def _later(self, key: str, near: Entry | None, far: Found | None) -> Entry | None:
        if far is None or (near is not None and near.at >= far.entry.at):
            return near
        if far.left > 0:
            await self.memory.set(key, far.entry, ttl=far.left)
        return far.entry

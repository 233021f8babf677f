"""The shared store: entries in Redis, or Valkey, for all processes that have the same.

Values are bytes that say what they are: a format, the key they are kept under, their length. What is foreign, torn or of an older release is
nobody's. Keys are digests behind a prefix, and every one expires. In trouble it has nothing and keeps nothing, at once.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from contextlib import AbstractAsyncContextManager
from typing import Any, NamedTuple

from aiocache.base import BaseCache
from aiocache.serializers import NullSerializer

from gateway.caching import Counts, Entry, Hot
from gateway.caching.entry import unpack
from gateway.caching.purging import PurgesState
from gateway.store.lease import lease
from gateway.store.link import Link, reason_of

_log = logging.getLogger("gateway.store")


class Found(NamedTuple):
    """An entry, and the seconds for which it will still be there."""

    entry: Entry
    left: float


class RedisStore(BaseCache):  # type: ignore[misc]  # aiocache ships no types
    """Entries by key. aiocache's interface, but for what would have to look at all keys (`clear`)."""

    NAME = "redis"

    def __init__(self, link: Link, prefix: str, purges: PurgesState) -> None:
        # The limit is the link's: aiocache's own would leave the connection with a reply that is somebody else's by then.
        super().__init__(serializer=NullSerializer(), timeout=None)
        self._link, self._prefix, self._purges = link, prefix, purges
        self._hits = self._misses = 0
        self._refused: str | None = None

    def __repr__(self) -> str:
        return f"RedisStore({self._link})"

    async def get(self, key: str, default: Any = None) -> Any:
        """What is kept under this key."""
        (found,) = await self.fetch([key])
        return found.entry if found else default

    async def multi_get(self, keys: Sequence[str]) -> list[Entry | None]:
        """What is kept under each of these keys, in one trip."""
        return [found and found.entry for found in await self.fetch(keys)]

    async def multi_set(self, pairs: Sequence[tuple[str, Entry]], ttl: float) -> bool:
        """Keep each of these under its key for so many seconds, in one trip: whether they are."""
        if ttl <= 0:
            return False
        milliseconds = max(1, int(ttl * 1000))
        replies = await self._link.ask(
            *(("SET", self._prefix + key, entry.pack(key), "PX", milliseconds) for key, entry in pairs)
        )
        for reply in replies or ():
            self._note(reply)
        return bool(replies) and self._refused is None

    async def fetch(self, keys: Sequence[str]) -> list[Found | None]:
        """The same, each with how long it will be kept."""
        names = [self._prefix + key for key in keys]
        replies = await self._link.ask(*(command for name in names for command in (("GET", name), ("PTTL", name))))
        pairs = zip(replies[::2], replies[1::2], strict=True) if replies else ((None, None) for _ in keys)
        found = [self._found(key, *pair) for key, pair in zip(keys, pairs, strict=True)]
        self._hits += (hits := sum(one is not None for one in found))
        self._misses += len(found) - hits
        return found

    def lease(self, key: str) -> AbstractAsyncContextManager[bool | None]:
        """The right to make what is to be kept under this key, among all processes."""
        return lease(self._link, f"{self._prefix}lease:{key}")

    def counts(self) -> Sequence[Counts]:
        """What it has come to for this process."""
        return [Counts(self.NAME, self._hits, self._misses, is_well=self._link.is_up and self._refused is None)]

    def hottest(self, _most: int) -> list[Hot]:
        """Nobody counts for each key there."""
        return []

    def _found(self, key: str, value: Any, left: Any) -> Found | None:
        entry = unpack(key, value)
        if entry is None or self._purges.voids(entry):
            return None
        return Found(entry, max(0, left) / 1000 if isinstance(left, int) else 0.0)

    async def _set(self, key: str, value: Entry, ttl: float, _cas_token: Any = None, _conn: Any = None) -> bool:
        return await self.multi_set([(key, value)], ttl)

    async def _delete(self, key: str, _conn: Any = None) -> int:
        replies = await self._link.ask(("DEL", self._prefix + key))
        return replies[0] if replies and isinstance(replies[0], int) else 0

    async def _exists(self, key: str, _conn: Any = None) -> bool:
        return await self.get(key) is not None

    def _note(self, reply: Any) -> None:
        """Say it once when Redis takes nothing any more, full or read-only, and when it does again."""
        refused = reason_of(reply) if isinstance(reply, Exception) else None
        if refused and not self._refused:
            _log.warning(
                "redis keeps nothing (%s): what it has is served, what is new is kept by each process for itself", refused
            )
        elif self._refused and not refused:
            _log.warning("redis keeps again")
        self._refused = refused

"""The memory store: what is kept in this process, within a number of bytes and of entries.

aiocache's own memory backend has no bound and runs a timer per key. This one holds what nobody changes (entries, bytes), drops what was used
longest ago when it is full, and looks at the clock when it is read. With aiocache's own switch, `AIOCACHE_DISABLE=1` in the environment,
nothing is kept.
"""

from __future__ import annotations

import heapq
import time
from collections import OrderedDict
from collections.abc import AsyncIterator, Callable, Sequence, Sized
from contextlib import asynccontextmanager
from dataclasses import dataclass
from itertools import islice
from typing import Any

from aiocache.base import BaseCache
from aiocache.serializers import NullSerializer

from gateway.caching import Counts, Hot
from gateway.caching.purging import PurgesState

OVERHEAD = 300
"""Bytes an entry costs besides key and value: its record, the table's slot, the headers of the objects."""

LATEST = 2_000
"""Entries that are looked at for the hottest."""

MOST = 100_000
"""Entries it may hold, unless told otherwise."""


@dataclass(slots=True, eq=False)
class _Kept:
    value: Any
    expires: float
    weight: int
    hits: int = 0


class MemoryStore(BaseCache):  # type: ignore[misc]  # aiocache ships no types
    """Values by key. The length of a value is the bytes that it takes."""

    NAME = "memory"

    def __init__(
        self,
        size: int,
        entries: int = MOST,
        purges: PurgesState | None = None,
        *,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        # No timeout: nothing here waits, and aiocache's costs 7 µs an operation.
        super().__init__(serializer=NullSerializer(), timeout=None)
        self.size = size
        """Bytes it may hold."""
        self.used = 0
        """Bytes it holds."""
        self._most = entries
        self._purges = purges
        self._clock = clock
        self._entries: OrderedDict[str, _Kept] = OrderedDict()
        self._hits = self._misses = 0

    def __repr__(self) -> str:
        return f"MemoryStore({len(self._entries)} entries, {self.used} of {self.size} bytes)"

    # These two are what hits cost: aiocache's own go through four wrappers, six microseconds that say nothing here.

    async def get(self, key: str, default: Any = None, *, namespace: str = "") -> Any:
        """What is kept under this key."""
        return self._read(namespace + key, default)

    async def multi_get(self, keys: Sequence[str], *, namespace: str = "") -> list[Any]:
        """What is kept under each of these keys."""
        return [self._read(namespace + key, None) for key in keys]

    @asynccontextmanager
    async def lease(self, _key: str) -> AsyncIterator[None]:
        """Nobody else has this memory."""
        yield None

    def counts(self) -> Sequence[Counts]:
        """What it has come to."""
        return [Counts(self.NAME, self._hits, self._misses, len(self._entries), self.used)]

    def hottest(self, most: int) -> list[Hot]:
        """The keys that were hit most often of those that were read or written last: what is not among these is not hot any more, and looking
        at all of them would hold up everybody.
        """
        latest = islice(reversed(self._entries.items()), LATEST)
        found = (Hot(key, kept.hits, getattr(kept.value, "scopes", ())) for key, kept in latest if kept.hits)
        return heapq.nlargest(most, found, key=lambda one: one.hits)

    def _read(self, key: str, default: Any) -> Any:
        kept = self._find(key)
        if kept is None:
            self._misses += 1
            return default
        self._hits += 1
        kept.hits += 1
        return kept.value

    def _find(self, key: str) -> _Kept | None:
        kept = self._entries.get(key)
        if kept is None:
            return None
        if kept.expires <= self._clock() or (self._purges is not None and self._purges.voids(kept.value)):
            self._drop(key)
            return None
        self._entries.move_to_end(key)
        return kept

    async def _set(self, key: str, value: Sized, ttl: float | None = None, _cas_token: Any = None, _conn: Any = None) -> bool:
        # A newer one of the same is as hot.
        hits = old.hits if (old := self._entries.get(key)) else 0
        self._drop(key)
        weight = len(key) + len(value) + OVERHEAD
        if weight > self.size:
            return False
        self._entries[key] = _Kept(value, self._clock() + ttl if ttl is not None else float("inf"), weight, hits)
        self.used += weight
        while self.used > self.size or len(self._entries) > self._most:
            self._drop(next(iter(self._entries)))
        return True

    async def _multi_set(self, pairs: Sequence[tuple[str, Sized]], ttl: float | None = None, _conn: Any = None) -> bool:
        return all([await self._set(key, value, ttl) for key, value in pairs])

    async def _exists(self, key: str, _conn: Any = None) -> bool:
        return self._find(key) is not None

    async def _delete(self, key: str, _conn: Any = None) -> int:
        return self._drop(key)

    async def _clear(self, namespace: str | None = None, _conn: Any = None) -> bool:
        for key in [key for key in self._entries if key.startswith(namespace or "")]:
            self._drop(key)
        return True

    def _drop(self, key: str) -> int:
        kept = self._entries.pop(key, None)
        if kept is None:
            return 0
        self.used -= kept.weight
        return 1

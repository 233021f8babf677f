"""Where cached replies are kept: aiocache's interface over a memory of ours.

aiocache's own memory backend has no bound and runs a timer per key. This one holds what nobody changes (entries, bytes), drops what was used longest ago when it is full, and looks at the clock when it is read. aiocache's own switch holds for it too: with
`AIOCACHE_DISABLE=1` in the environment nothing is kept, and every read is a miss.
"""

from __future__ import annotations

import time
from collections import OrderedDict
from collections.abc import AsyncIterator, Callable, Sized
from contextlib import asynccontextmanager
from typing import Any

from aiocache.base import BaseCache
from aiocache.serializers import NullSerializer

OVERHEAD = 200
"""Bytes an entry costs besides key and value: the tuple, the table's slot, the headers of two objects."""


class MemoryStore(BaseCache):  # type: ignore[misc]  # aiocache ships no types
    """Values by key, within a number of bytes in all. The length of a value is the bytes that it takes."""

    NAME = "memory"

    def __init__(self, size: int, clock: Callable[[], float] = time.monotonic) -> None:
        # No timeout: nothing here waits, and aiocache's costs 7 µs an operation.
        super().__init__(serializer=NullSerializer(), timeout=None)
        self.size = size
        """Bytes it may hold."""
        self.used = 0
        """Bytes it holds."""
        self._clock = clock
        self._entries: OrderedDict[str, tuple[Sized, float]] = OrderedDict()

    def __repr__(self) -> str:
        return f"MemoryStore({len(self._entries)} entries, {self.used} of {self.size} bytes)"

    @asynccontextmanager
    async def lease(self, _key: str) -> AsyncIterator[bool]:
        """Nobody else has this memory."""
        yield True

    async def _get(self, key: str, encoding: Any = None, _conn: Any = None) -> Sized | None:  # noqa: ARG002 - aiocache passes it
        entry = self._entries.get(key)
        if entry is None:
            return None
        value, expires = entry
        if expires <= self._clock():
            self._drop(key)
            return None
        self._entries.move_to_end(key)
        return value

    async def _set(self, key: str, value: Sized, ttl: float | None = None, _cas_token: Any = None, _conn: Any = None) -> bool:
        self._drop(key)
        weight = _weight(key, value)
        if weight > self.size:
            return False
        self._entries[key] = (value, self._clock() + ttl if ttl is not None else float("inf"))
        self.used += weight
        while self.used > self.size:
            self._drop(next(iter(self._entries)))
        return True

    async def _exists(self, key: str, _conn: Any = None) -> bool:
        return await self._get(key) is not None

    async def _delete(self, key: str, _conn: Any = None) -> int:
        return self._drop(key)

    async def _clear(self, namespace: str | None = None, _conn: Any = None) -> bool:
        for key in [key for key in self._entries if key.startswith(namespace or "")]:
            self._drop(key)
        return True

    def _drop(self, key: str) -> int:
        entry = self._entries.pop(key, None)
        if entry is None:
            return 0
        self.used -= _weight(key, entry[0])
        return 1


def _weight(key: str, value: Sized) -> int:
    return len(key) + len(value) + OVERHEAD

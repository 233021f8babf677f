"""Counts over the last seconds, cheap enough for every call: what is older is forgotten a tenth of the time at once."""

from __future__ import annotations

from collections.abc import Sequence

TENTHS = 10
"""Parts of a window that are forgotten at once."""


class WindowState:
    """Several counts, each of what came within the last `seconds`, give or take a tenth."""

    __slots__ = ("_buckets", "_sums", "_tick", "_width")

    def __init__(self, seconds: float, kinds: int) -> None:
        self._width = seconds / TENTHS
        self._buckets = [[0] * kinds for _ in range(TENTHS)]
        self._sums = [0] * kinds
        self._tick = 0

    def add(self, now: float, *amounts: int) -> Sequence[int]:
        """Add so much to each count; gives the counts."""
        self.read(now)
        bucket = self._buckets[self._tick % TENTHS]
        for kind, amount in enumerate(amounts):
            bucket[kind] += amount
            self._sums[kind] += amount
        return self._sums

    def read(self, now: float) -> Sequence[int]:
        """The counts."""
        tick = int(now / self._width)
        if tick != self._tick:
            for past in range(max(self._tick, tick - TENTHS) + 1, tick + 1):
                self._forget(self._buckets[past % TENTHS])
            self._tick = tick
        return self._sums

    def _forget(self, bucket: list[int]) -> None:
        for kind, amount in enumerate(bucket):
            self._sums[kind] -= amount
            bucket[kind] = 0

    def __repr__(self) -> str:
        return f"WindowState({', '.join(map(str, self._sums))})"

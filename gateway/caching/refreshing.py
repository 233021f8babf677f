"""Which entries are being fetched anew, so that a thousand hits of a stale one are one call."""

from __future__ import annotations

MOST = 1024
"""Keys, from which on those are looked for that nobody waits for any more."""

PAUSE = 1.0
"""Seconds after a refresh that failed before the next one: an upstream that is down is not asked by every hit."""


class RefreshesState:
    """The keys that are being fetched anew in this process, or have been in vain a moment ago; each until a time, so that one whose task is
    ended before it begins is not held for ever.
    """

    __slots__ = ("_until",)

    def __init__(self) -> None:
        self._until: dict[str, float] = {}

    def __len__(self) -> int:
        return len(self._until)

    def begin(self, key: str, now: float, until: float) -> bool:
        """Take it on; false when somebody else has."""
        if self._until.get(key, now) > now:
            return False
        if len(self._until) >= MOST:
            self._until = {one: time for one, time in self._until.items() if time > now}
        self._until[key] = until
        return True

    def end(self, key: str) -> None:
        """It has been done."""
        self._until.pop(key, None)

    def put_off(self, key: str, now: float) -> None:
        """It has failed."""
        self._until[key] = now + PAUSE

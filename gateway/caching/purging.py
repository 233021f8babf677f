"""What is void although it is still kept: entries by their scopes, from a moment back.

Nothing is looked for and deleted, which would take as long as there is much, and would miss what is on its way. A purge says when; whoever
reads an entry that was asked for no later has nothing.
"""

from __future__ import annotations

import math

from gateway.caching.entry import Entry

EVERYTHING = "*"
"""The scope of all entries."""

MOST = 50_000
"""Scopes whose purges are remembered, about 10 MB of them."""


class PurgesState:
    """When each scope was purged last. What it forgets, because there is too much of it, voids everything that is no newer: a miss too many,
    and never an entry that was purged.
    """

    __slots__ = ("_at", "_most", "floor", "latest")

    def __init__(self, most: int = MOST) -> None:
        self._most = most
        self._at: dict[str, float] = {}
        self.floor = -math.inf
        """What was asked for until then is void, whatever its scopes."""
        self.latest = -math.inf
        """When the last of the purges was: what was asked for later is good, and costs one comparison."""

    def __repr__(self) -> str:
        return f"PurgesState({len(self._at)} scopes)"

    def purge(self, scope: str, at: float) -> None:
        """Void what has this scope and was asked for at this time, by the clock of entries, or before. Any order of purges comes to the same."""
        self.latest = max(self.latest, at)
        if scope == EVERYTHING:
            self.floor = max(self.floor, at)
            return
        # The newest last: the first of them is the one to forget.
        self._at[scope] = max(self._at.pop(scope, at), at)
        if len(self._at) > self._most:
            self.floor = max(self.floor, self._at.pop(next(iter(self._at))))

    def voids(self, entry: Entry) -> bool:
        """It was purged since it was asked for."""
        asked = entry.at
        if asked > self.latest:
            return False
        return asked <= self.floor or any(asked <= self._at.get(scope, -math.inf) for scope in entry.scopes)

"""How long a client may keep a connection waiting: pure, given what has become of it since it was last looked at."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, TypeAlias

HEAD = 5.0
"""Seconds without a request in progress: for the first one, for the next one, and for one whose head comes bit by bit."""

STALL = 30.0
"""Seconds in which a client takes nothing of what waits for it."""

Fault: TypeAlias = Literal["silent", "stalled"]


@dataclass(slots=True)
class ConductState:
    """One connection."""

    since: float
    """Loop time from which a request is waited for."""

    taken_at: float
    """Loop time at which the client last took something, or had everything."""

    request: object = None
    """The last one that had a whole head."""

    taken: int = 0
    """Bytes that the client has taken."""

    def look(self, now: float, request: object, *, in_progress: bool, taken: int, waiting: int) -> Fault | None:
        """What is wrong with it; `waiting` bytes have been written and not taken."""
        if not waiting or taken > self.taken:
            self.taken_at = now
        if in_progress or waiting or request is not self.request:
            self.since = now
        self.request, self.taken = request, taken
        if now - self.taken_at >= STALL:
            return "stalled"
        return "silent" if now - self.since >= HEAD else None

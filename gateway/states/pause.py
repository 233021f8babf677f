"""An upstream that asks to be left alone, and until when it is."""

from __future__ import annotations

from dataclasses import dataclass
from math import inf

from gateway.call import Call, Reply

TOO_MANY = 429
"""The status that speaks of the whole upstream, whichever of its hosts says it."""


@dataclass(slots=True)
class PauseState:
    """The pause of an upstream, in this process."""

    until: float = -inf
    """Loop time at which it ends, or has ended."""

    def ask(self, seconds: float, now: float) -> None:
        """It is to be left alone for so long. Who asks for less later has not asked for less."""
        self.until = max(self.until, now + seconds)

    def left(self, now: float) -> float:
        """Seconds to its end; nothing when there is none."""
        return max(0.0, self.until - now)


def retry_after(call: Call, reply: Reply) -> str | None:
    """What a reply says of when to come back. A host among several that is busy, or down for a while, speaks for itself alone: the next
    attempt goes to another one.
    """
    return None if call.tried and reply.status != TOO_MANY else reply.header("retry-after")

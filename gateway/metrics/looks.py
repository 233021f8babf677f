"""What has been seen of a gateway a moment ago and a minute ago: what happens is told by how figures have changed since.

Nobody looks unless somebody wants to know, and once a second however many do.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field

from gateway.metrics.conditions import Condition
from gateway.metrics.figures import Snapshot

FRESH = 0.9
"""Seconds for which a look is good enough for whoever asks next."""

APART = 10.0
"""Seconds between two looks that are kept to compare with."""

LONG = 70.0
"""Seconds for which they are."""


@dataclass(frozen=True, slots=True)
class Look:
    """What all processes of a gateway have told."""

    snapshot: Snapshot = field(default_factory=Snapshot, repr=False)
    upstreams: Sequence[Condition] = ()
    workers: int = 1
    at: float = 0.0
    """Loop time."""


@dataclass(frozen=True, slots=True)
class Change:
    """What has been counted between two looks."""

    snapshot: Snapshot
    seconds: float


class LooksState:
    """The latest look, and those of a minute."""

    def __init__(self) -> None:
        self._looks: list[Look] = []
        self._looking = asyncio.Lock()

    async def look(self, ask: Callable[[float], Awaitable[Look]]) -> Look:
        """The latest, by asking for it unless somebody just has; `ask` is given the loop's time."""
        async with self._looking:
            now = asyncio.get_running_loop().time()
            if not self._looks or now - self._looks[-1].at >= FRESH:
                self._keep(await ask(now))
            return self._looks[-1]

    def change(self, look: Look, seconds: float) -> Change | None:
        """What has happened up to this look, for so many seconds and a few more; less where nobody has looked for so long. None: this
        is the first.
        """
        earlier = [one for one in self._looks if one.at < look.at]
        then = next((one for one in reversed(earlier) if look.at - one.at >= seconds), earlier[0] if earlier else None)
        return None if then is None else Change(look.snapshot - then.snapshot, look.at - then.at)

    def _keep(self, look: Look) -> None:
        kept = [one for one in self._looks if look.at - one.at <= LONG]
        if len(kept) > 1 and kept[-1].at - kept[-2].at < APART:
            kept.pop()
        self._looks = [*kept, look]

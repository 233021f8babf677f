"""A row of the matrix, and the plainest way to play one: the upstream answers so, and the client must get that."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any, TypeAlias

from faults.claims import require
from faults.config import DEADLINE
from faults.stage import Stage

Play: TypeAlias = Callable[[Stage], Awaitable[str]]
"""Plays a fault and says what was seen. Raises `Unmet`, `Unplayable`."""

LATE = 0.05
"""Seconds that a deadline may be exceeded by."""

AT_ONCE = 0.25
"""Seconds within which something is answered that nobody has to wait for."""


@dataclass(frozen=True)
class Row:
    """A fault, what is required, and how it is played."""

    number: str
    fault: str
    required: str
    plays: tuple[Play, ...]
    afterwards: str = "/plain"
    """What must answer again when the fault is over."""

    recovers: float = 2.0
    """Seconds in which it must."""

    longest: float = 45.0
    """Seconds that it may take."""

    tries: int = 1
    """How often it is played before it has failed: what is of figures may meet a bad moment of the machine."""


@dataclass(frozen=True)
class Gets:
    """Of an upstream that answers so the client gets this."""

    answer: Any
    status: int
    slug: str = ""
    path: str = "/plain"
    method: str = "GET"
    hits: int = 1
    """Calls that the upstream gets."""

    abandoned: int = 0
    """Those of them that the gateway gives up."""

    between: tuple[float, float] = (0.0, AT_ONCE)
    """Seconds that the client waits, at least and at most."""

    async def __call__(self, stage: Stage) -> str:
        """Play it."""
        server = stage.server
        hits, abandoned = server.hits, server.abandoned
        server.always(self.answer)
        got = await stage.ask(self.path, self.method)
        said = f"{got} in {got.seconds * 1000:.0f} ms"
        require((got.status, got.slug) == (self.status, self.slug), said)
        require(self.between[0] <= got.seconds <= self.between[1] + stage.slack, said)
        require(server.hits - hits == self.hits, f"{said}, {server.hits - hits} calls")
        if self.abandoned:
            await server.until(lambda: server.abandoned - abandoned == self.abandoned)
        return said


AT_THE_DEADLINE = (DEADLINE, DEADLINE + LATE)

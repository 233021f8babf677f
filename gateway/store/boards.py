"""Boards: where a purge is told, so that it holds in every process that keeps the same things."""

from __future__ import annotations

import asyncio
import math
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from gateway.caching.clock import now
from gateway.caching.purging import EVERYTHING, PurgesState

if TYPE_CHECKING:
    from gateway.store.link import Command, Link, Trip

KEPT = 10_000
"""Purges that a stream remembers, about."""

PAGE = 500
"""Purges that are read at a time when there are many: the loop has others to serve in between."""

UNTOLD = 1_000
"""Purges that wait for Redis to be back; more are one of everything."""

PATIENCE = 1.0
"""Seconds that somebody waits who wants to know whether a purge was told."""

AGAIN = 1.0
"""Seconds until what Redis has refused is told once more."""

_BEGINNING = ""
"""The scope of a stream's first message, which purges nothing: nobody knows what was purged before it."""

_NEVER = b"0-0"


@dataclass(frozen=True, slots=True)
class LocalBoard:
    """The board of one process, which has nobody to tell."""

    purges: PurgesState

    def tell(self, scope: str, at: float) -> None:
        """It is purged here."""
        self.purges.purge(scope, at)

    async def told(self) -> bool:
        """There is nobody else."""
        return True


class StreamBoard:
    """A stream in Redis that all add to, and read with every trip: what is had from Redis is had by who has heard of every purge before it.

    Whoever begins without knowing the stream distrusts what is older than its oldest message, and whom it was trimmed past all that
    he keeps from before.
    """

    def __init__(self, link: Link, stream: str, purges: PurgesState, clock: Callable[[], float] = now) -> None:
        self._link, self._stream, self._purges, self._clock = link, stream, purges, clock
        self._untold: dict[str, float] = {}
        self._sent: Sequence[tuple[str, float]] = ()
        self._not_before = -math.inf
        self._last = _NEVER
        self._all_told = asyncio.Event()
        self._all_told.set()

    def __repr__(self) -> str:
        return f"StreamBoard({len(self._untold)} untold)"

    def tell(self, scope: str, at: float) -> None:
        """It is purged here; the others hear of it with their next trip, or when Redis is back."""
        self._purges.purge(scope, at)
        self._untold[scope] = max(at, self._untold.get(scope, at))
        if len(self._untold) > UNTOLD:
            self._untold = {EVERYTHING: max(self._untold.values())}
        self._all_told.clear()
        self._link.wake()

    async def told(self) -> bool:
        """Wait until the stream has all of it, a second at most."""
        with suppress(TimeoutError):
            async with asyncio.timeout(PATIENCE):
                await self._all_told.wait()
        return not self._untold

    async def catch_up(self, trip: Trip) -> None:
        """Read what was told in the meantime, or begin the stream."""
        (oldest,) = await trip([("XRANGE", self._stream, "-", "+", "COUNT", 1)])
        if not oldest or isinstance(oldest, Exception):
            # It is new, was lost, or is not a stream. Who may not write has none, and no reason to trust what he finds.
            await trip([("DEL", self._stream), self._message(_BEGINNING, self._clock())])
            (oldest,) = await trip([("XRANGE", self._stream, "-", "+", "COUNT", 1)])
        self._doubt(oldest)
        page = PAGE
        while page == PAGE:
            (news,) = await trip([("XREAD", "COUNT", PAGE, "STREAMS", self._stream, self._last)])
            page = self._learn(news)

    def commands(self) -> Sequence[Command]:
        """What is untold, and the question what else is."""
        self._sent = tuple(self._untold.items()) if self._clock() >= self._not_before else ()
        return [*(self._message(*one) for one in self._sent), ("XREAD", "STREAMS", self._stream, self._last)]

    def hear(self, replies: Sequence[Any]) -> None:
        """Raises what Redis says where there is no stream any more."""
        *taken, news = replies
        for (scope, at), reply in zip(self._sent, taken, strict=True):
            if isinstance(reply, Exception):
                self._not_before = self._clock() + AGAIN
            elif self._untold.get(scope) == at:
                del self._untold[scope]
        if not self._untold:
            self._all_told.set()
        self._learn(news)

    def _message(self, scope: str, at: float) -> Command:
        return ("XADD", self._stream, "MAXLEN", "~", KEPT, "*", "scope", scope, "at", repr(at))

    def _doubt(self, oldest: Any) -> None:
        """What is older than the oldest message may have been purged by one before it."""
        if not oldest or isinstance(oldest, Exception):
            self._purges.purge(EVERYTHING, self._clock())
            return
        ((name, fields),) = oldest
        scope, at = _read(fields) or (EVERYTHING, self._clock())
        # A stream that was begun anew has been read to its end by who knew it, but for the last moment.
        if self._last == _NEVER or (_order(name) > _order(self._last) and scope != _BEGINNING):
            self._purges.purge(EVERYTHING, min(at, self._clock()))

    def _learn(self, news: Any) -> int:
        """Purge what others have; how many messages there were."""
        if isinstance(news, Exception):
            raise news
        messages = news[0][1] if news else ()
        for name, fields in messages:
            self._last = name
            if (message := _read(fields)) and message[0] != _BEGINNING:
                # Nothing is purged for the time to come, whatever somebody's clock says.
                self._purges.purge(message[0], min(message[1], self._clock()))
        return len(messages)


def _read(fields: Sequence[bytes]) -> tuple[str, float] | None:
    """A message's scope and time; None when it is not one of ours."""
    found = dict(zip(fields[::2], fields[1::2], strict=False))
    try:
        scope, at = found[b"scope"].decode(), float(found[b"at"])
    except (KeyError, ValueError):
        return None
    return (scope, at) if math.isfinite(at) else None


def _order(name: bytes) -> tuple[int, int]:
    milliseconds, _, number = name.partition(b"-")
    return int(milliseconds), int(number)

"""What happens, as it happens: server-sent events of all processes of the gateway, for as long as somebody listens.

    request   a finished request that was kept, as a list of traces has it
    second    figures of the last second

Requests are read from the journal, by who listens: a slow listener misses some and holds nothing.
"""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import AsyncIterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from starlette.requests import Request
from starlette.responses import Response, StreamingResponse
from starlette.routing import Route

from gateway.admin.looking import RECENT, look, upstreams
from gateway.admin.running import journal_of, running
from gateway.app import Gateway
from gateway.inbound.events import EVENTS
from gateway.inbound.request import Refused
from gateway.journal.figures import figures
from gateway.journal.file import Unusable
from gateway.journal.record import Summary
from gateway.journal.state import JournalState
from gateway.journal.telling import tell_summary
from gateway.metrics.figures import Snapshot
from gateway.metrics.looks import Change, Look
from gateway.metrics.reading import hit_rate, hit_rates
from gateway.problem import of_status
from gateway.running import RunningState

EVERY = 0.25
"""Seconds between two looks at the journal."""

SECOND = 1.0
"""Seconds between two `second` events."""

MOST_LISTENERS = 16
"""In a process: each has the journal read four times a second."""

MOST_AT_ONCE = 500
"""Requests of one look; of more, the newest."""

_HEADERS = {"x-accel-buffering": "no"}
"""nginx would otherwise keep what is to be seen at once."""


def routes(gateway: Gateway) -> Sequence[Route]:
    """What there is of what happens on the admin side."""
    listeners: set[Listening] = set()

    async def live(request: Request) -> Response:
        """Tells requests as they end, and figures every second, as server-sent events."""
        listening = Listening(journal_of(gateway), running(gateway), _last_id(request))
        if len(listeners) >= MOST_LISTENERS:
            raise Refused(of_status(503, "Service Unavailable", "too many listen already", {"retry-after": "5"}))
        return StreamingResponse(_counted(listening, listeners), media_type=EVENTS.content_type.decode(), headers=_HEADERS)

    return [Route("/api/live", live)]


@dataclass(slots=True, eq=False)
class Listening:
    """One listener."""

    journal: JournalState
    state: RunningState
    """Says when the gateway is about to stop: nobody is kept waiting for an end that would not come."""

    seq: int | None
    """The last row that was told; None: from now on."""

    since: list[Summary] = field(default_factory=list)
    """What came since the last figures."""

    async def events(self) -> AsyncIterator[bytes]:
        """Events, until the gateway stops."""
        loop = asyncio.get_running_loop()
        told_at = loop.time()
        if self.seq is None:
            self.seq = await self._look_for_last()
        yield await self._second(SECOND)
        while not self.state.leaving.is_set():
            for one in await self._new():
                yield EVENTS.write("request", str(one.seq), tell_summary(one))
            if (passed := loop.time() - told_at) >= SECOND:
                told_at += passed
                yield await self._second(passed)
            with suppress(TimeoutError):
                async with asyncio.timeout(EVERY):
                    await self.state.leaving.wait()

    async def _new(self) -> list[Summary]:
        last = self.seq or 0
        with suppress(sqlite3.Error, Unusable):
            found = await self.journal.ask(lambda file: file.since(last, MOST_AT_ONCE))
            self.seq = found[-1].seq if found else last
            self.since += found
            return [one for one in found if one.method]
        return []

    async def _second(self, seconds: float) -> bytes:
        found, self.since = self.since, []
        at = datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
        seen = await look(self.state)
        told = await asyncio.to_thread(_told, figures(found, seconds), seen, self.state.looks.change(seen, RECENT))
        return EVENTS.write("second", str(self.seq or 0), {"at": at, **told})

    async def _look_for_last(self) -> int:
        with suppress(sqlite3.Error, Unusable):
            return await self.journal.ask(lambda file: file.last())
        return 0


def _told(of_requests: dict[str, Any], seen: Look, change: Change | None) -> dict[str, Any]:
    """Requests are those of the second; what calls to upstreams and the cache came to, that of some seconds."""
    snapshot = change.snapshot if change else Snapshot()
    rates = hit_rates(snapshot)
    endpoints = {name: {**one, "cache_hit_rate": rates.get(name)} for name, one in of_requests["endpoints"].items()}
    told = {**of_requests, "cache_hit_rate": hit_rate(snapshot), "endpoints": endpoints}
    return {**told, "upstreams": upstreams(seen, change), "workers": seen.workers}


async def _counted(listening: Listening, listeners: set[Listening]) -> AsyncIterator[bytes]:
    listeners.add(listening)
    try:
        async for event in listening.events():
            yield event
    finally:
        listeners.discard(listening)


def _last_id(request: Request) -> int | None:
    """A browser that comes back says what it had last."""
    told = request.headers.get("last-event-id", "")
    return int(told) if told.isascii() and told.isdigit() and len(told) < 16 else None

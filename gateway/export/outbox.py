"""Finished traces on their way out: they wait in a bounded queue, and leave in batches.

1  a trace is put in, encoded; when there is no room for it, it is lost
2  a batch leaves when it is full, or when its oldest trace has waited long enough
3  one batch at a time; what a collector does not take is lost
4  what is lost is counted, and told in the log once a minute at most

Spans are lost rather than a request be held up, or memory be filled.
"""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from contextlib import suppress
from dataclasses import dataclass, field

from gateway.events import SPANS_LOST
from gateway.export.collector import Collector, Lost
from gateway.export.otlp import Envelope, encode
from gateway.export.settings import BatchPolicy
from gateway.telemetry import Trace

TELL_EVERY = 60.0
"""Seconds between two lines in the log about what is lost."""

_log = logging.getLogger(__name__)


@dataclass(slots=True)
class OutboxState:
    """The queue of one worker, and the task that empties it."""

    policy: BatchPolicy
    collector: Collector
    envelope: Envelope = field(repr=False)
    waiting: deque[tuple[bytes, int]] = field(default_factory=deque, repr=False)
    """Encoded traces, and how many spans each has."""

    spans: int = 0
    """How many spans wait."""

    lost: int = 0
    """Spans lost since it began."""

    _untold: int = field(default=0, repr=False)
    """Those that the log has not been told of."""

    _told: float | None = field(default=None, repr=False)
    """Loop time at which it was last told."""

    _is_closing: bool = field(default=False, repr=False)
    _due: asyncio.Event = field(default_factory=asyncio.Event, repr=False)
    _sending: asyncio.Task[None] | None = field(default=None, repr=False)

    def start(self) -> None:
        """Begin to send; needs a running loop."""
        self._sending = asyncio.create_task(self._send_all())

    def put(self, trace: Trace) -> None:  # 1
        """Queue a finished trace. It costs who calls its encoding and no more, and not even that when there is no room."""
        count = len(trace.spans)
        if self.spans + count > self.policy.waiting:
            self._lose(count, "they come faster than they are taken")
            return
        self.waiting.append((encode(trace), count))
        self.spans += count
        if self.spans >= self.policy.size:
            self._due.set()

    async def stop(self) -> None:
        """Let what waits leave, without another try for what is not taken. Cancelled, it lets go of everything."""
        self._is_closing = True
        self._due.set()
        self.collector.leave()
        try:
            if self._sending is not None:
                await self._sending
        finally:
            await self.collector.close()
            if left := self._untold + self.spans:
                told = SPANS_LOST.of(count=left, reason="the gateway stopped")
                _log.warning("%d spans lost until the gateway stopped", left, extra=told)

    async def _send_all(self) -> None:
        while not self._is_closing or self.waiting:
            await self._until_due()  # 2
            if self.waiting:
                await self._send(*self._take())  # 3

    async def _until_due(self) -> None:
        self._due.clear()
        if self.spans < self.policy.size and not self._is_closing:
            with suppress(TimeoutError):
                async with asyncio.timeout(self.policy.delay):
                    await self._due.wait()

    def _take(self) -> tuple[list[bytes], int]:
        """A batch, and how many spans it has: whole traces, as many as there is room for, and one at least."""
        traces: list[bytes] = []
        spans = 0
        while self.waiting and (not traces or spans + self.waiting[0][1] <= self.policy.size):
            trace, count = self.waiting.popleft()
            traces.append(trace)
            spans += count
        self.spans -= spans
        return traces, spans

    async def _send(self, traces: list[bytes], spans: int) -> None:
        try:
            await self.collector.take(self.envelope.around(traces))
        except Lost as lost:
            self._lose(spans, f"{self.collector.policy.place}: {lost}")
        except asyncio.CancelledError:
            self._count(spans)
            raise
        except Exception:
            # A bug of ours must not be the end of all exporting.
            self.lost += spans
            _log.exception("a batch of %d spans is lost", spans)

    def _lose(self, spans: int, why: str) -> None:  # 4
        self._count(spans)
        now = asyncio.get_running_loop().time()
        if self._told is None or now - self._told >= TELL_EVERY:
            within = "" if self._told is None else f" within {now - self._told:.0f} s"
            told = SPANS_LOST.of(count=self._untold, reason=why)
            _log.warning("%d spans lost%s: %s", self._untold, within, why, extra=told)
            self._untold, self._told = 0, now

    def _count(self, spans: int) -> None:
        self.lost += spans
        self._untold += spans

"""Timeout: an attempt ends when its own limit or the deadline of the whole answer comes, whichever is first.

Where bodies go by these are limits of the reply's head, and begin with the last byte of the client's body. While parts go up or down the
limit is that of silence, and only the upstream's: a client takes the time it takes.

Innermost, so that what it ends is one send, body included, and everything above sees a failed attempt. Raises `AttemptTimeout` or
`CallTimeout`, and cancels what it ends, so that a hung connection is closed and not merely forgotten.

There is no second limit around all attempts: a layer above that waits for something itself waits no longer than `call.deadline`.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterable
from dataclasses import dataclass, field, replace
from functools import partial
from math import inf

from gateway.call import Call, Caller, Reply
from gateway.errors import AttemptTimeout, CallTimeout
from gateway.limit import Limit, LimitsState
from gateway.passage import Passage
from gateway.policy import show_duration


@dataclass(frozen=True, slots=True)
class Timeout:
    """One attempt takes `call.timeout` seconds at most, and nothing goes on after `call.deadline`."""

    limits: LimitsState = field(default_factory=LimitsState, repr=False, compare=False)

    def __call__(self, caller: Caller) -> Caller:
        """A caller that gives up in time."""
        return partial(self._attempt, caller)

    async def _attempt(self, caller: Caller, call: Call) -> Reply:
        now = self.limits.loop.time()
        if now >= call.deadline:
            # A limit lets what it bounds run up to its first wait, and that is long enough to send something.
            raise CallTimeout("the deadline has passed")
        own = now + (call.timeout or inf)
        attempt = call.varied(call.span, own, call.attempt) if own < call.deadline else call
        limit = Limit(self.limits, attempt.deadline)
        timed = _Timed(call.passage, limit, attempt.deadline - now) if call.passage else None
        if timed:
            attempt = replace(attempt, passage=timed)
        try:
            with limit:
                return await caller(attempt)
        except TimeoutError:
            # Someone else's TimeoutError is a bug of theirs, not our limit.
            if not limit.expired:
                raise
            if timed and not timed.awaits_head:
                raise AttemptTimeout(f"silent for {show_duration(timed.flow.idle)}") from None
            if attempt.deadline == call.deadline:
                raise CallTimeout("the deadline has passed") from None
            raise AttemptTimeout(f"no reply within {show_duration(call.timeout or inf)}") from None


class _Timed:
    """A passage on which an upstream has so long when it is its turn."""

    def __init__(self, passage: Passage, limit: Limit, patience: float) -> None:
        self.flow = passage.flow
        self.awaits_head = True
        """The next that is to come is the reply's head; else it is a part, of whichever body."""

        self._passage = passage
        self._limit = limit
        self._patience = patience
        """Seconds for the head."""

    async def body(self) -> AsyncIterator[bytes]:
        """The client's body, which the upstream is to take."""
        self._limit.move(inf)
        async for part in self._passage.body():
            self._wait_for(self.flow.idle)
            yield part
            self._limit.move(inf)
        self._wait_for(self.flow.idle if self.flow.status else self._patience, head=not self.flow.status)

    async def begin(self, status: int, headers: Iterable[tuple[bytes, bytes]]) -> None:
        """The reply's head."""
        self._limit.move(inf)
        await self._passage.begin(status, headers)
        self._wait_for(self.flow.idle)

    async def take(self, part: bytes) -> None:
        """The next part of its body."""
        self._limit.move(inf)
        await self._passage.take(part)
        self._wait_for(self.flow.idle)

    def _wait_for(self, seconds: float, *, head: bool = False) -> None:
        self.awaits_head = head
        self._limit.move(seconds)

"""Timeout: an attempt ends when its own limit or the deadline of the whole answer comes, whichever is first.

Innermost, so that what it ends is one send, body included, and everything above sees a failed attempt. Raises `AttemptTimeout` or
`CallTimeout`, and cancels what it ends, so that a hung connection is closed and not merely forgotten.

There is no second limit around all attempts: a layer above that waits for something itself waits no longer than `call.deadline`.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import partial
from math import inf

from gateway.call import Call, Caller, Reply
from gateway.errors import AttemptTimeout, CallTimeout
from gateway.limit import Limit, LimitsState
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
        try:
            with limit:
                return await caller(attempt)
        except TimeoutError:
            # Someone else's TimeoutError is a bug of theirs, not our limit.
            if not limit.expired:
                raise
            if attempt is call:
                raise CallTimeout("the deadline has passed") from None
            raise AttemptTimeout(f"no reply within {show_duration(call.timeout or inf)}") from None

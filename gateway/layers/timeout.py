"""Timeouts: two limits, named by what they cover.

`Deadline` ends the whole call, its attempts and the waits between them; it stands above retry. `Timeout` ends one attempt; it is
innermost, so that what it ends is one send, body included, and everything above sees it as a failed attempt.

Raise `CallTimeout` and `AttemptTimeout`. Both cancel what they end, so that a hung connection is closed and not merely forgotten.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from functools import partial
from math import inf

from gateway.call import Call, Caller, Reply
from gateway.errors import AttemptTimeout, CallTimeout
from gateway.limit import LimitsState
from gateway.policy import show_duration


@dataclass(frozen=True, slots=True)
class Deadline:
    """Nothing goes on after the call's deadline."""

    limits: LimitsState = field(default_factory=LimitsState, repr=False)

    def __call__(self, caller: Caller) -> Caller:
        """A caller that has ended when the deadline has passed."""
        return partial(self._call, caller)

    async def _call(self, caller: Caller, call: Call) -> Reply:
        if asyncio.get_running_loop().time() >= call.deadline:
            # A timeout lets what it bounds run up to its first wait, and that is long enough to send something.
            raise CallTimeout("the deadline has passed")
        limit = self.limits.until(call.deadline)
        try:
            with limit:
                return await caller(call)
        except TimeoutError:
            # Someone else's TimeoutError is a bug of theirs, not our deadline.
            if not limit.expired:
                raise
            raise CallTimeout("the deadline has passed") from None


@dataclass(frozen=True, slots=True)
class Timeout:
    """One attempt ends within `call.timeout` seconds."""

    limits: LimitsState = field(default_factory=LimitsState, repr=False)

    def __call__(self, caller: Caller) -> Caller:
        """A caller that gives up on an attempt in time for another."""
        return partial(self._attempt, caller)

    async def _attempt(self, caller: Caller, call: Call) -> Reply:
        own = asyncio.get_running_loop().time() + (call.timeout or inf)
        if own >= call.deadline:
            # What ends first is the deadline, and it has its own name.
            return await caller(call)
        limit = self.limits.until(own)
        try:
            with limit:
                return await caller(call.with_deadline(own))
        except TimeoutError:
            if not limit.expired:
                raise
            raise AttemptTimeout(f"no reply within {show_duration(call.timeout or inf)}") from None

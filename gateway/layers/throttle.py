"""Throttle: ask an upstream less that turns calls away.

Above the bulkhead, so that what is not to be sent takes no permit, and above balance: all hosts of an upstream are asked less. Below
retry: what is turned away here is not tried again. Raises `Throttled`, at once and without anything sent.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from functools import partial

from gateway import telemetry
from gateway.call import Call, Caller, Reply
from gateway.errors import CallError, Throttled
from gateway.states.throttling import ThrottleState
from gateway.verdict import is_refusal, is_refusing


@dataclass(frozen=True, slots=True)
class Throttle:
    """Turns away a share of the calls that grows with what the upstream turns away."""

    state: ThrottleState

    def __call__(self, caller: Caller) -> Caller:
        """A caller that turns calls away."""
        return partial(self._call, caller)

    async def _call(self, caller: Caller, call: Call) -> Reply:
        loop = asyncio.get_running_loop()
        began = loop.time()
        share = self.state.share(began)
        if self.state.draw(share, began):
            call.span.own[telemetry.THROTTLE_SHARE] = round(share, 2)
            raise Throttled("the upstream turns calls away")
        try:
            reply = await caller(call)
        except CallError as error:
            refused = is_refusal(error, hasty=call.deadline - began < self.state.policy.patience)
            if refused is not None:
                self.state.record(loop.time(), taken=not refused)
            raise
        self.state.record(loop.time(), taken=not is_refusing(reply.status))
        return reply

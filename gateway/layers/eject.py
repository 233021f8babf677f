"""Eject: a host that fails while others do not is out for a while.

One for each host. Above its breaker: what that turns away says nothing of the host, so their order matters to neither. Nothing is turned
away here, it is balance that goes elsewhere. Raises nothing of its own.
"""

from __future__ import annotations

import asyncio
import logging
from dataclasses import dataclass
from functools import partial

from gateway.call import Call, Caller, Reply
from gateway.errors import CallError
from gateway.events import HOST_EJECTED
from gateway.states.ejection import OutlierState
from gateway.verdict import is_failing, is_fault

_log = logging.getLogger("gateway.eject")


@dataclass(frozen=True, slots=True)
class Eject:
    """Counts a host's failures, and puts it out."""

    state: OutlierState

    def __call__(self, caller: Caller) -> Caller:
        """A caller whose failures are counted."""
        return partial(self._call, caller)

    async def _call(self, caller: Caller, call: Call) -> Reply:
        loop = asyncio.get_running_loop()
        began = loop.time()
        try:
            reply = await caller(call)
        except CallError as error:
            self._end(loop.time(), is_fault(error, hasty=call.deadline - began < self.state.policy.patience))
            raise
        self._end(loop.time(), is_failing(reply.status))
        return reply

    def _end(self, now: float, failed: bool | None) -> None:
        if failed is not None and self.state.record(now, failed=failed):
            host, wait = self.state.host.url, self.state.host.out_until - now
            _log.warning("%s gets no calls for %.0f s", host, wait, extra=HOST_EJECTED.of(host=host, seconds=round(wait, 3)))

"""Breaker: leave a host alone that fails, until one call has told that it is well again.

One for each host, below balance, which avoids a host whose breaker is open. Above the attempt's limit, so that it sees what took too
long. Raises `BreakerOpen`, at once and without anything sent.
"""

from __future__ import annotations

import asyncio
import logging
from dataclasses import dataclass, replace
from functools import partial

from gateway import events, telemetry
from gateway.call import Call, Caller, Reply
from gateway.errors import BreakerOpen, CallError
from gateway.passage import Heard
from gateway.states.breaking import Admission, BreakerState
from gateway.verdict import is_failing, is_fault

_log = logging.getLogger("gateway.breaker")


@dataclass(frozen=True, slots=True)
class Breaker:
    """Calls go through while it is closed; when it has been open for long enough one of them is the probe."""

    url: str
    """The host's, for the log."""

    state: BreakerState

    def __call__(self, caller: Caller) -> Caller:
        """A caller that turns calls away."""
        return partial(self._call, caller)

    async def _call(self, caller: Caller, call: Call) -> Reply:
        loop = asyncio.get_running_loop()
        began = loop.time()
        admission = self._admit(call, began)
        if call.passage:
            call = replace(call, passage=Heard(call.passage, partial(self._hear, admission)))
        try:
            reply = await caller(call)
        except CallError as error:
            hasty = call.deadline - began < self.state.policy.patience
            self._end(admission, began, is_fault(error, hasty=hasty))
            raise
        except BaseException:
            # Whoever cancels a call has no use for its reply, and neither have we.
            self.state.withdraw(admission, loop.time())
            raise
        self._end(admission, began, is_failing(reply.status))
        return reply

    def _admit(self, call: Call, now: float) -> Admission:
        admission = self.state.admit(now)
        if admission is None:
            call.span.own[telemetry.BREAKER_STATE] = self.state.condition
            raise BreakerOpen("its breaker is open", self.state.wait(now))
        if admission.is_probe:
            call.span.own[telemetry.BREAKER_STATE] = self.state.condition
        return admission

    def _hear(self, admission: Admission, status: int) -> None:
        """What goes by is judged by its head: its body takes as long as the client does."""
        self._end(admission, asyncio.get_running_loop().time(), is_failing(status))

    def _end(self, admission: Admission, began: float, failed: bool | None) -> None:
        now = asyncio.get_running_loop().time()
        if failed is None:
            self.state.withdraw(admission, now)
            return
        before = self.state.condition
        self.state.record(admission, now - began, now, failed=failed)
        if self.state.condition == before:
            return
        if self.state.condition == "open":
            wait = self.state.wait(now)
            opened = events.BREAKER_OPENED.of(host=self.url, seconds=round(wait, 3))
            _log.warning("the breaker of %s is open, for %.1f s", self.url, wait, extra=opened)
        else:
            _log.warning("the breaker of %s is closed again", self.url, extra=events.BREAKER_CLOSED.of(host=self.url))

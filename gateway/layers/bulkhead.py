"""Bulkhead: so many calls of an upstream at a time, and no more.

Below retry: nobody holds a permit while backing off. Below trace, so that the span of an attempt has the wait for its permit too. Above
balance and the hosts' own layers: a full house is no host's fault. Whoever has a permit has it until the reply is through, its body
included. Raises `BulkheadFull` when there is no place to wait or the wait has been too long, `CallTimeout` at the deadline.
"""

from __future__ import annotations

import asyncio
from asyncio import Future
from dataclasses import dataclass, field
from functools import partial

from gateway import telemetry
from gateway.call import Call, Caller, Reply
from gateway.errors import BulkheadFull, CallTimeout, TimedOut
from gateway.policy import BulkheadPolicy, show_duration
from gateway.states.gradient import PATIENCE, GradientState
from gateway.states.permits import PermitsState


@dataclass(frozen=True, slots=True)
class Bulkhead:
    """A call takes a permit, waits a little for one, or is turned away."""

    policy: BulkheadPolicy
    permits: PermitsState[Future[bool]] = field(repr=False, compare=False)
    """What a waiter comes to: it has its permit, or has waited long enough."""

    gradient: GradientState | None = field(default=None, repr=False, compare=False)
    """Finds out how many permits there are, where that is wanted."""

    @classmethod
    def of(cls, policy: BulkheadPolicy) -> Bulkhead:
        """The bulkhead of one upstream, with nobody in it."""
        adaptive = policy.adaptive
        gradient = GradientState(adaptive.least, policy.permits, adaptive.tolerance) if adaptive else None
        return cls(policy, PermitsState(adaptive.least if adaptive else policy.permits, policy.queue), gradient)

    def __call__(self, caller: Caller) -> Caller:
        """A caller that has a permit for each call."""
        return partial(self._call, caller)

    async def _call(self, caller: Caller, call: Call) -> Reply:
        if not self.permits.take():
            await self._wait(call)
        try:
            return await (self._observed(caller, call, self.gradient) if self.gradient else caller(call))
        finally:
            self._give_back()

    async def _observed(self, caller: Caller, call: Call, gradient: GradientState) -> Reply:
        """The reply, once the gradient knows how long it took. A refusal may take no time at all and says nothing."""
        loop = asyncio.get_running_loop()
        began = loop.time()
        try:
            reply = await caller(call)
        except TimedOut:
            self._learn(gradient, loop.time() - began)
            raise
        self._learn(gradient, loop.time() - began)
        return reply

    def _learn(self, gradient: GradientState, seconds: float) -> None:
        gradient.observe(seconds, self.permits.held)
        self.permits.limit = int(gradient.limit)

    async def _wait(self, call: Call) -> None:
        """Come back with a permit."""
        loop = asyncio.get_running_loop()
        began, place = loop.time(), loop.create_future()
        if not self.permits.queue(place):
            raise BulkheadFull(f"{self.permits.held} calls in flight, {self.policy.queue} waiting")
        timer = loop.call_at(min(began + self._patience(), call.deadline), self._give_up, place)
        try:
            has_permit = await place
        except asyncio.CancelledError:
            self.permits.leave(place)
            # It may have been given one in the same moment.
            if place.done() and not place.cancelled() and place.result():
                self._give_back()
            raise
        finally:
            timer.cancel()
            call.span.own[telemetry.BULKHEAD_DELAY] = loop.time() - began
        if not has_permit:
            if loop.time() >= call.deadline:
                raise CallTimeout("the deadline has passed while waiting for a permit")
            raise BulkheadFull(f"no permit within {show_duration(self._patience())}")

    def _patience(self) -> float:
        """Seconds to wait for a permit at most."""
        baseline = self.gradient.baseline if self.gradient else None
        return self.policy.wait if baseline is None else min(self.policy.wait, baseline * PATIENCE)

    def _give_up(self, place: Future[bool]) -> None:
        if not place.done():
            self.permits.leave(place)
            place.set_result(False)

    def _give_back(self) -> None:
        self.permits.give_back()
        while (place := self.permits.next()) is not None:
            if place.done():
                # Cancelled a moment ago, and not yet gone.
                self.permits.give_back()
            else:
                place.set_result(True)

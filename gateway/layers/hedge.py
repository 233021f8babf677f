"""Hedge: a reply that takes longer than usual is asked for once more, and the first one counts.

Below retry: both copies are one attempt, which has failed when both have. Above the upstream's own stack: the second copy is traced,
counted and limited as any other call, and goes to another host if there is one. Only what reads is sent twice at a time. Raises what the
first copy raised, when both come to nothing; whichever is not needed any more is cancelled.
"""

from __future__ import annotations

import asyncio
from asyncio import Task
from contextlib import suppress
from dataclasses import dataclass, field
from functools import partial
from types import TracebackType

from gateway import telemetry
from gateway.call import Call, Caller, Reply
from gateway.errors import CallError
from gateway.policy import HedgePolicy
from gateway.states.budget import BudgetState
from gateway.states.latency import LatencyState


@dataclass(frozen=True, slots=True)
class Hedge:
    """A second copy after the usual time, as long as there are not too many of them."""

    policy: HedgePolicy
    budget: BudgetState = field(default_factory=BudgetState, repr=False, compare=False)
    """The upstream's."""

    def __call__(self, caller: Caller) -> Caller:
        """A caller that asks twice. How long replies usually take is learned of these calls, and of no others."""
        return partial(self._call, caller, LatencyState(self.policy.percentile / 100))

    async def _call(self, caller: Caller, latency: LatencyState, call: Call) -> Reply:
        if call.passage:
            return await caller(call)
        loop = asyncio.get_running_loop()
        began = loop.time()
        self.budget.earn(self.policy.extra)
        usual = latency.usual
        reply = await (caller(call) if usual is None else self._hedged(caller, call, max(usual, self.policy.at_least)))
        latency.observe(loop.time() - began)
        return reply

    async def _hedged(self, caller: Caller, call: Call, usual: float) -> Reply:
        second, reply = _Second(caller, call, self.budget, usual), None
        try:
            with second:
                reply = await caller(call)
            return reply or await second.reply()
        finally:
            await second.end()


class _Second:
    """The second copy. The first is made within its block, by the task that calls, which is interrupted when the second is answered before it:
    a task for each call would cost five times as much as all else here.

    The block ends well when the first copy is answered, and when it is up to the second.
    """

    __slots__ = ("_after", "_budget", "_call", "_caller", "_cancelling", "_copy", "_failure", "_first", "_has_won", "_timer")

    def __init__(self, caller: Caller, call: Call, budget: BudgetState, after: float) -> None:
        self._caller, self._call, self._budget, self._after = caller, call, budget, after
        self._copy: Task[Reply] | None = None
        self._failure: CallError | None = None
        """What the first copy has come to, if it is up to the second."""

        self._has_won = False

    def __enter__(self) -> None:
        self._first = asyncio.current_task()
        assert self._first is not None  # there is no other way to await
        self._cancelling = self._first.cancelling()
        self._timer = self._first.get_loop().call_later(self._after, self._send, self._first.get_loop())

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> bool:
        self._timer.cancel()
        first, self._first = self._first, None
        if self._has_won and first is not None:
            # Who else has cancelled the task wants an end of both.
            return first.uncancel() <= self._cancelling and isinstance(error, asyncio.CancelledError)
        if self._copy is None or not isinstance(error, CallError):
            return False
        self._failure = error
        return True

    async def reply(self) -> Reply:
        """What it comes to. Raises what the first copy has come to when neither is any good."""
        assert self._copy is not None
        with suppress(CallError):
            reply = await self._copy
            self._call.span.own[telemetry.HEDGE] = "won"
            return reply
        assert self._failure is not None
        raise self._failure

    async def end(self) -> None:
        """Nobody waits for it any more, or looks at what it came to."""
        if self._copy is not None:
            self._copy.cancel()
            await asyncio.gather(self._copy, return_exceptions=True)
            # An error that is raised has the frames that have us.
            self._copy = self._failure = None

    def _send(self, loop: asyncio.AbstractEventLoop) -> None:
        if self._budget.pay(loop.time()):
            self._call.span.own[telemetry.HEDGE] = "sent"
            self._copy = asyncio.ensure_future(self._caller(self._call))
            self._copy.add_done_callback(self._ended)

    def _ended(self, copy: Task[Reply]) -> None:
        if self._first is not None and not copy.cancelled() and not isinstance(copy.exception(), CallError):
            self._has_won = True
            self._first.cancel()

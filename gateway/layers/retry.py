"""Retry: send again what failed in passing.

Above an upstream's own stack, so that every attempt is traced, counted and limited on its own. No wait is begun that would end after the
deadline, or before an attempt that the upstream's budget does not have. Raises what the last attempt raised.

tenacity runs the loop. It is asked only after a first failure (one of its loops costs more than the rest of the stack together: 9 to
25 µs), and a new one each time, since one shared by concurrent calls mixes up their attempts (jd/tenacity #93).
"""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from itertools import count

from tenacity import AsyncRetrying, RetryCallState, retry_if_exception

from gateway import telemetry
from gateway.call import Call, Caller, Reply
from gateway.errors import CallError, StatusRefused
from gateway.policy import RetryPolicy
from gateway.states.budget import BudgetState, Extras
from gateway.states.pause import retry_after
from gateway.syntax import seconds_asked
from gateway.verdict import Verdict, classify


@dataclass(frozen=True, slots=True)
class Retry:
    """Attempts until one is good, all are used up, or neither the deadline nor the budget leaves room for another."""

    policy: RetryPolicy
    chance: Callable[[], float] = field(default=random.random, repr=False)
    """Gives numbers from 0 up to 1; injected, so that a test knows them."""

    wall_time: Callable[[], float] = field(default=time.time, repr=False)  # noqa: TID251 - an HTTP date is wall time
    """Seconds since the epoch, to read `Retry-After` when it is a date."""

    budget: BudgetState = field(default_factory=BudgetState, repr=False, compare=False)
    """The upstream's."""

    def __call__(self, caller: Caller) -> Caller:
        """A caller that tries again."""
        return partial(self._call, caller)

    async def _call(self, caller: Caller, call: Call) -> Reply:
        self.budget.earn(self.policy.budget)
        try:
            reply = await caller(call)
        except CallError as error:
            if not self._is_worth_it(call, error):
                raise
            with Extras(self.budget) as extras:
                reply = await self._again(caller, call, error, extras)
        if self.budget.lost:
            self.budget.pay_back()
        return reply

    async def _again(self, caller: Caller, call: Call, first: CallError, extras: Extras) -> Reply:
        numbers, made = count(1), [first]
        del first

        async def attempt() -> Reply:
            # The first attempt has been made; tenacity is told how it went and takes over from there.
            number = next(numbers)
            if number == 1:
                raise made[0]
            return await caller(call.varied(call.span, call.deadline, number))

        loop = self._loop(call, extras)
        try:
            return await loop(attempt)
        except CallError as last:
            raise last.with_traceback(None) from None
        finally:
            # What it has yet to do holds it, and it holds that.
            loop.iter_state.reset()
            # Frames of tenacity hold errors, and errors the frames they have passed: what they came with, megabytes at times, would stay
            # until somebody looks for garbage.
            made.pop().with_traceback(None)

    def _loop(self, call: Call, extras: Extras) -> AsyncRetrying:
        return AsyncRetrying(
            sleep=asyncio.sleep,
            stop=partial(self._is_over, call, extras),
            wait=partial(self._wait, call),
            # Not `retry_if_not_exception_type`: that one retries a cancellation (jd/tenacity #529).
            retry=retry_if_exception(partial(self._is_worth_it, call)),
            before_sleep=partial(_note, call),
            reraise=True,
        )

    def _is_worth_it(self, call: Call, error: BaseException) -> bool:
        if not isinstance(error, CallError) or classify(call, error) is not Verdict.RETRYABLE:
            return False
        asked = _asked(call, error)
        # An upstream that asks for a wait we cannot read wants to be left alone.
        return asked is None or seconds_asked(asked, self.wall_time()) is not None

    def _is_over(self, call: Call, extras: Extras, state: RetryCallState) -> bool:
        """All attempts are used up, the wait would end after the deadline, or the budget has no more: better to answer at once."""
        now = asyncio.get_running_loop().time()
        if state.attempt_number >= self.policy.attempts or now + state.upcoming_sleep >= call.deadline:
            return True
        if extras.allow(now):
            return False
        call.span.own[telemetry.RETRY_OVER_BUDGET] = True
        return True

    def _wait(self, call: Call, state: RetryCallState) -> float:
        """What the upstream asks for, else a time drawn from a window that doubles (full jitter)."""
        assert state.outcome is not None
        asked = _asked(call, state.outcome.exception())
        if asked is not None and (seconds := seconds_asked(asked, self.wall_time())) is not None:
            return seconds
        window = min(self.policy.max_backoff, self.policy.backoff * 2.0 ** (state.attempt_number - 1))
        return self.chance() * window


def _asked(call: Call, error: BaseException | None) -> str | None:
    return retry_after(call, error.reply) if isinstance(error, StatusRefused) else None


def _note(call: Call, state: RetryCallState) -> None:
    waited = call.span.own.get(telemetry.RETRY_DELAY, 0.0)
    call.span.own[telemetry.RETRY_DELAY] = float(waited) + state.upcoming_sleep

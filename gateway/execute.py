"""Run a plan: every step as soon as what it needs is there, all others at once; outcomes, not exceptions, between them.

1  a task per step; it waits for the tasks of the steps it needs, and for nothing else
2  a step whose need came to nothing does not run: it is skipped, or has failed, as its need
3  `when` decides whether it runs; the call is rendered and sent through the step's stack
4  the reply is given its meaning: `on_status`, else `select`; then it is held to its type
5  what failed or was skipped gets its fallback; a required step that failed ends the run
6  however the run ends, no task outlives it
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from gateway import telemetry
from gateway.call import Caller, Failed, Outcome, Reply, Skipped, value_type
from gateway.errors import BadReply, CallError, NeedFailed
from gateway.plan import Plan, Recipe, Step
from gateway.reference import Fields, Unresolved
from gateway.render import render_call, resolve
from gateway.search import holds
from gateway.telemetry import Span


@value_type
class Ran:
    """What running a plan came to."""

    outcomes: Mapping[str, Outcome]
    """By step, as far as they got."""

    scope: Mapping[str, Any] = field(repr=False)
    """The request's values and every step's."""

    spans: Mapping[str, Span] = field(repr=False)
    """The span of each step that began."""

    broken: str | None = None
    """The required step that failed, and so ended the run."""


@dataclass(slots=True)
class _RunState:
    """One run in progress."""

    plan: Plan
    callers: Mapping[str, Caller]
    deadline: float
    span: Span
    scope: dict[str, Any]
    over: asyncio.Future[str | None]
    """Set when every step has ended, or to the required one that failed. One future to wait for: `asyncio.gather` adds 5 µs to three tasks."""

    tasks: dict[str, asyncio.Task[None]] = field(default_factory=dict)
    outcomes: dict[str, Outcome] = field(default_factory=dict)
    spans: dict[str, Span] = field(default_factory=dict)
    replaced: set[str] = field(default_factory=set)
    """Steps that came to nothing and whose fallback stands in for them."""

    async def step(self, step: Step) -> None:
        try:
            for need in step.needs:  # 1
                await self.tasks[need]
            if self.over.done():
                return
            with self.span.child(step.span) as span:
                self.spans[step.name] = span
                outcome = (self._blocked(step) if step.needs else None) or await self._outcome(step, span)
                self._conclude(step, span, outcome)
            if isinstance(outcome, Failed) and not step.optional:
                self._end(step.name)
            elif len(self.outcomes) == len(self.plan.steps):
                self._end(None)
        except asyncio.CancelledError:
            # Had the run cancelled it, it would be over; it must not wait for ever for who was cancelled by somebody else.
            self.over.cancel()
            raise
        except Exception as error:
            # A bug, whosever it is.
            self._end(error)

    def _end(self, how: str | Exception | None) -> None:
        if self.over.done():
            return
        if isinstance(how, Exception):
            self.over.set_exception(how)
        else:
            self.over.set_result(how)

    def _blocked(self, step: Step) -> Outcome | None:
        """How the step ends when one it needs came to nothing and nothing stands in for it."""  # 2
        missing = {need: self.outcomes[need] for need in step.needs if need not in self.replaced | step.spares}
        # Skipped comes before failed: what would not have run anyway has not failed.
        for need, outcome in missing.items():
            if isinstance(outcome, Skipped):
                return Skipped(f"needs {need}, which was skipped")
        for need, outcome in missing.items():
            if isinstance(outcome, Failed):
                return Failed(NeedFailed(need, outcome.error))
        return None

    async def _outcome(self, step: Step, span: Span) -> Outcome:
        try:
            if step.when and not holds(resolve(step.when, self.scope)):  # 3
                return Skipped(f"not {step.when}")
            recipe = step.recipe
            reply = await self.callers[recipe.key](render_call(recipe, self.scope, self.deadline, span))
            return self._meaning(recipe, reply)  # 4
        except CallError as error:
            return Failed(error)
        except Unresolved as error:
            return Failed(BadReply(str(error)))

    def _meaning(self, recipe: Recipe, reply: Reply) -> Outcome:
        if reply.status in recipe.on_status:
            meaning = recipe.on_status[reply.status]
            if not meaning:
                return Skipped(f"status {reply.status}")
            reply = reply.with_value(meaning(self.scope))
        elif recipe.select:
            reply = reply.with_value(recipe.select(reply.value))
        return reply.with_value(recipe.validate(reply.value)) if recipe.validate else reply

    def _conclude(self, step: Step, span: Span, outcome: Outcome) -> None:
        self.outcomes[step.name] = outcome
        if isinstance(outcome, Reply):
            value, word = outcome.value, "ok"
            if step.name in self.plan.reads_replies:
                self.scope["steps"][step.name] = {"status": outcome.status, "headers": Fields.of(outcome.headers)}
        else:
            value, word = self._fallback(step, outcome)  # 5
            span.own[telemetry.STEP_REASON] = outcome.because if isinstance(outcome, Skipped) else str(outcome.error)
        self.scope[step.name] = value
        span.own[telemetry.STEP_OUTCOME] = word
        if word == "failed" and isinstance(outcome, Failed):
            span.fail(telemetry.error_type(outcome.error))

    def _fallback(self, step: Step, outcome: Failed | Skipped) -> tuple[Any, str]:
        word = "skipped" if isinstance(outcome, Skipped) else "failed"
        if step.fallback is None or (word == "failed" and not step.optional):
            return None, word
        try:
            value = step.fallback(self.scope)
            value = step.validate(value) if step.validate else value
        except (Unresolved, BadReply):
            return None, word
        self.replaced.add(step.name)
        return value, word if word == "skipped" else "fallback"


async def run(plan: Plan, callers: Mapping[str, Caller], request: Mapping[str, Any], deadline: float, span: Span) -> Ran:
    """Run a plan on the values of a request (`path query headers body`) and say how every step ended.

    The deadline is absolute loop time. Cancelling the run cancels every call that is in flight.
    """
    loop = asyncio.get_running_loop()
    state = _RunState(plan, callers, deadline, span, {**request, "steps": {}}, loop.create_future())
    state.tasks = {step.name: loop.create_task(state.step(step)) for step in plan.steps}
    try:
        broken = await state.over
    finally:  # 6
        if unfinished := [task for task in state.tasks.values() if not task.done()]:
            for task in unfinished:
                task.cancel()
            await asyncio.gather(*unfinished, return_exceptions=True)
    return Ran(state.outcomes, state.scope, state.spans, broken)

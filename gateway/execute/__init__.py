"""Run a plan: every step as soon as what it needs is there, all others at once; outcomes, not exceptions, between them.

1  a task per step; it waits for the tasks of the steps it needs, and for nothing else
2  a step whose need came to nothing does not run: it is skipped, or has failed, as its need
3  `when` decides whether it runs
4  its call is asked for, or a loop of them; when that fails, the calls that its `fallback` names, one after the other
5  a reply may end the whole answer, and a required step that failed ends the run
6  what failed or was skipped gets the value of its fallback
7  what a loop brought is joined into the values that its items came from
8  however the run ends, no task outlives it but writes that can be taken back
9  when it came to nothing, those are waited for and taken back
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, TypeAlias

from gateway import telemetry
from gateway.call import Callers, Ended, Failed, Outcome, Reply, Skipped, value_type
from gateway.errors import BadReply, CallError, NeedFailed
from gateway.execute.asking import Ask
from gateway.execute.ending import end
from gateway.execute.loop import Round
from gateway.execute.undo import WritesState
from gateway.execute.values import ValuesState, make_values, with_own
from gateway.expressions.reference import Unresolved
from gateway.expressions.search import holds
from gateway.plan import End, Plan, Step
from gateway.render import resolve
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
    """The step that ended the run: a required one that failed, or one that decides the answer."""

    undone: Mapping[str, bool] | None = None
    """Of a run that came to nothing: each write that was to be taken back, the last first, and whether it has been."""


OnEnd: TypeAlias = Callable[[Ran], None]
"""Told, whenever a step has ended and the run goes on, what it has come to so far: a view that grows."""


@dataclass(slots=True)
class _RunState:
    """One run in progress."""

    plan: Plan
    ask: Ask
    span: Span
    values: ValuesState
    over: asyncio.Future[bool]
    """Set when every step has ended, or to true when one has ended the run. One future to wait for: `asyncio.gather` adds 5 µs to three tasks."""

    on_end: OnEnd | None = None
    tasks: dict[str, asyncio.Task[None]] = field(default_factory=dict)
    outcomes: dict[str, Outcome] = field(default_factory=dict)
    spans: dict[str, Span] = field(default_factory=dict)
    writes: WritesState | None = None
    """Where there are any that can be taken back."""

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
                scope = self.values.seen_by(step)
                outcome = (self._blocked(step) if step.needs else None) or await self._outcome(step, scope, span)
                if step.others and isinstance(outcome, Failed):
                    outcome = await self._instead(step, outcome, scope, span)
                if step.end and isinstance(outcome, Reply):
                    outcome = _unless_it_ends(step, step.end, outcome, scope)  # 5
                self._conclude(step, span, outcome)
            if not isinstance(outcome, Reply) and step.decides(outcome):
                self._end(True)
            elif len(self.outcomes) == len(self.plan.steps):
                self._end(False)
            elif self.on_end:
                self.on_end(Ran(self.outcomes, self.values.joined, self.spans))
        except asyncio.CancelledError:
            # Had the run cancelled it, it would be over; it must not wait for ever for who was cancelled by somebody else.
            self.over.cancel()
            raise
        except Exception as error:
            # A bug, whosever it is.
            self._end(error)

    def has_failed(self) -> bool:
        """There is no answer: a step that it cannot do without has failed or said so, or nobody waits for it any more."""
        if self.over.cancelled() or self.over.exception():
            return True
        broken = self.outcomes.get(self.plan.decided_by(self.outcomes) or "")
        return isinstance(broken, Failed) or (isinstance(broken, Ended) and not broken.is_answer)

    async def settle(self, writes: WritesState) -> Mapping[str, bool] | None:
        """Take back what has been written, when there is no answer."""
        if self.has_failed():
            return await writes.take_back(self.values.joined)
        await writes.let_go()
        return None

    def _end(self, how: bool | Exception) -> None:
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

    async def _outcome(self, step: Step, scope: Mapping[str, Any], span: Span) -> Outcome:
        try:
            if step.when and not holds(resolve(step.when, scope)):  # 3
                return Skipped(f"not {step.when}")
        except CallError as error:
            return Failed(error)
        if step.loop:
            return await Round(step.loop, step.recipe, self.ask, scope, span, step.validate)()
        if step.undo and self.writes:
            return await self.writes.write(step, step.undo, self.ask, scope, span)
        return await self.ask(step.recipe, scope, span)  # 4

    async def _instead(self, step: Step, failed: Failed, scope: Mapping[str, Any], span: Span) -> Outcome:
        """What the first of the other calls that does not fail comes to. When all do, the step has failed as its own call has."""
        for recipe in step.others:
            outcome = await self.ask(recipe, scope, span)
            if not isinstance(outcome, Failed):
                span.own[telemetry.STEP_INSTEAD] = recipe.key
                return outcome
        return failed

    def _conclude(self, step: Step, span: Span, outcome: Outcome) -> None:
        self.outcomes[step.name] = outcome
        if isinstance(outcome, Reply):
            value, word = outcome.value, "ok"
        elif isinstance(outcome, Ended):
            value, word = None, "ended"
        else:
            value, word = self._fallback(step, outcome)  # 6
            span.own[telemetry.STEP_REASON] = outcome.because if isinstance(outcome, Skipped) else str(outcome.error)
        self.values.put(step, value, self.outcomes)  # 7
        span.own[telemetry.STEP_OUTCOME] = word
        if word == "failed" and isinstance(outcome, Failed):
            span.fail(telemetry.error_type(outcome.error))

    def _fallback(self, step: Step, outcome: Failed | Skipped) -> tuple[Any, str]:
        word = "skipped" if isinstance(outcome, Skipped) else "failed"
        if step.fallback is None or (word == "failed" and not step.optional):
            return None, word
        try:
            value = step.fallback(self.values.seen_by(step))
            value = step.validate(value) if step.validate else value
        except (Unresolved, BadReply):
            return None, word
        self.replaced.add(step.name)
        return value, word if word == "skipped" else "fallback"


def _unless_it_ends(step: Step, end: End, reply: Reply, scope: Mapping[str, Any]) -> Outcome:
    """The reply, unless it brings about what ends the whole answer."""
    here = with_own(scope, step.name, reply)
    try:
        if not holds(resolve(end.when, here)):
            return reply
        return Ended(end.status, end.value(here), is_answer=True) if end.value else Ended(end.status)
    except CallError as error:
        return Failed(error)
    except Unresolved as error:
        return Failed(BadReply(str(error)))


async def run(
    plan: Plan, callers: Callers, request: Mapping[str, Any], deadline: float, span: Span, on_end: OnEnd | None = None
) -> Ran:
    """Run a plan on the values of a request (`path query headers body`) and say how every step ended.

    The deadline is absolute loop time. Cancelling the run cancels every call that is in flight; what it has written is taken back first.
    """
    loop = asyncio.get_running_loop()
    state = _RunState(plan, Ask(callers, deadline), span, make_values(plan, request), loop.create_future(), on_end)
    state.tasks = {step.name: loop.create_task(state.step(step)) for step in plan.steps}
    if plan.has_undo:
        state.writes = WritesState(callers, span)
    if not plan.steps:
        state.over.set_result(False)  # what is wanted of the answer takes no call
    undone: Mapping[str, bool] | None = None
    try:
        # Of several that came in the same moment the first as written, so that it does not matter which of them was looked at first.
        broken = plan.decided_by(state.outcomes) if await state.over else None
    finally:
        try:
            await end(state.tasks.values())  # 8
        finally:
            if state.writes:
                undone = await state.settle(state.writes)  # 9
    return Ran(state.outcomes, state.values.joined, state.spans, broken, undone)

"""Writes taken back: when a run comes to nothing, what it has written before is undone, the last first.

1  a write that can be taken back goes on when its step is cancelled: only who knows how it ended can take it back
2  when the run has failed, those still in flight are waited for; the deadline of the run is theirs. When it has not, nobody takes
   anything back, and they are cancelled like any call
3  each undo has its own time; one that fails does not keep the others from being made
4  it goes on when nobody waits for it any more: when the client has left, or the server stops
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field

from gateway import telemetry
from gateway.call import Callers, Failed, Outcome, Reply
from gateway.execute.asking import Ask
from gateway.execute.ending import end
from gateway.execute.values import with_own
from gateway.expressions.reference import Scope
from gateway.plan import Step, Undo
from gateway.telemetry import Span


@dataclass(slots=True)
class WritesState:
    """The writes of one run that can be taken back."""

    callers: Callers
    span: Span
    """The request's."""

    flying: list[asyncio.Task[Outcome]] = field(default_factory=list)
    written: list[tuple[Step, Undo, Reply]] = field(default_factory=list)
    """Those that went well, in the order in which they did."""

    async def write(self, step: Step, undo: Undo, ask: Ask, scope: Scope, span: Span) -> Outcome:
        """What the call of the step comes to."""
        call = asyncio.ensure_future(self._noted(step, undo, ask, scope, span))
        self.flying.append(call)
        return await asyncio.shield(call)  # 1

    async def _noted(self, step: Step, undo: Undo, ask: Ask, scope: Scope, span: Span) -> Outcome:
        outcome = await ask(step.recipe, scope, span)
        if isinstance(outcome, Reply) and step.recipe.expects.takes(outcome.status):
            self.written.append((step, undo, outcome))
        return outcome

    async def let_go(self) -> None:
        """End what is in flight, since nobody will undo it."""  # 2
        await end(self.flying)

    async def take_back(self, scope: Scope) -> dict[str, bool]:
        """Undo everything, and say of each write whether that went well."""
        work = asyncio.ensure_future(self._take_back(scope))
        self.callers.left.add(work)
        work.add_done_callback(self.callers.left.discard)
        return await asyncio.shield(work)  # 4

    async def _take_back(self, scope: Scope) -> dict[str, bool]:
        await asyncio.gather(*self.flying, return_exceptions=True)  # 2
        return {step.name: await self._undone(step, undo, reply, scope) for step, undo, reply in reversed(self.written)}

    async def _undone(self, step: Step, undo: Undo, reply: Reply, scope: Scope) -> bool:
        ask = Ask(self.callers, asyncio.get_running_loop().time() + undo.within)  # 3
        with self.span.child(undo.span) as span:
            outcome = await ask(undo.recipe, with_own(scope, step.name, reply), span)
            span.own[telemetry.STEP_OUTCOME] = "failed" if isinstance(outcome, Failed) else "ok"
            if isinstance(outcome, Failed):
                span.own[telemetry.STEP_REASON] = str(outcome.error)
                span.fail(telemetry.error_type(outcome.error))
            return not isinstance(outcome, Failed)

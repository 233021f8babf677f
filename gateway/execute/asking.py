"""One recipe, asked: rendered, sent, and its reply given its meaning."""

from __future__ import annotations

from gateway.call import Callers, Ended, Failed, Outcome, Reply, Skipped, value_type
from gateway.errors import BadReply, CallError
from gateway.expressions.reference import Scope, Unresolved
from gateway.plan.recipe import Recipe
from gateway.render import render_call
from gateway.telemetry import Span


@value_type
class Ask:
    """Sends what recipes make, each through its own stack, within one deadline."""

    callers: Callers
    deadline: float
    """Absolute loop time."""

    async def __call__(self, recipe: Recipe, scope: Scope, span: Span) -> Outcome:
        """What came of it. Nothing that an upstream does is raised."""
        try:
            reply = await self.callers.of[recipe.key](render_call(recipe, scope, self.deadline, span))
            return _meant(recipe, reply, scope)
        except CallError as error:
            return Failed(error)
        except Unresolved as error:
            return Failed(BadReply(str(error)))


def _meant(recipe: Recipe, reply: Reply, scope: Scope) -> Outcome:
    if reply.status in recipe.on_status:
        meaning = recipe.on_status[reply.status]
        if isinstance(meaning, str):
            return Skipped(f"status {reply.status}") if meaning == "skip" else Ended(reply.status)
        reply = reply.with_value(meaning(scope))
    elif recipe.select:
        reply = reply.with_value(recipe.select(reply.value))
    return reply.with_value(recipe.validate(reply.value)) if recipe.validate else reply

"""The values at hand while a plan runs: the request's, and every finished step's, as it came and with what is joined into it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from gateway.call import Gathered, Outcome, Reply
from gateway.execute.items import finder, join
from gateway.expressions.reference import Fields, Scope
from gateway.plan import Join, Plan, Step


@dataclass(slots=True)
class ValuesState:
    """What steps see of each other."""

    plan: Plan
    scope: dict[str, Any]
    """Each value as it came."""

    joined: dict[str, Any]
    """The same with what is joined into them; the same object where nothing is."""

    complete: set[str] = field(default_factory=set)
    """Steps into which everything is joined that is."""

    def seen_by(self, step: Step) -> Scope:
        """What a step sees."""
        return self.joined if step.sees_joined else self.scope

    def put(self, step: Step, value: Any, outcomes: Mapping[str, Outcome]) -> None:
        """The value of a step that has ended, and with it whatever has all its parts by now."""
        self.scope[step.name] = value
        if step.name in self.plan.reads_replies and isinstance(reply := outcomes[step.name], Reply):
            self.scope["steps"][step.name] = as_read(reply)
        if self.plan.joins:
            self.joined[step.name] = value
            self._join(outcomes)

    def _join(self, outcomes: Mapping[str, Outcome]) -> None:
        for into, parts in self.plan.joins.items():
            if into not in self.complete and into in outcomes and parts <= outcomes.keys():
                self.complete.add(into)
                for step in self.plan.steps:
                    if step.loop and step.loop.join and step.loop.join.into == into:
                        self._join_in(step.loop.join, self.joined[step.name], outcomes[step.name])

    def _join_in(self, by: Join, values: Any, outcome: Outcome) -> None:
        # What stands in for a loop that failed belongs to no item.
        find = finder(outcome.items, values, by.on) if isinstance(outcome, Gathered) else finder((), (), by.on)
        self.joined[by.into] = join(self.joined[by.into], by.path, by.member, find)


def make_values(plan: Plan, request: Mapping[str, Any]) -> ValuesState:
    """What is at hand when nothing has run."""
    scope = {**request, "steps": {}}
    return ValuesState(plan, scope, {**scope} if plan.joins else scope)


def with_own(scope: Scope, name: str, reply: Reply) -> Scope:
    """What a step sees, and its own reply too."""
    return {**scope, name: reply.value, "steps": {**scope["steps"], name: as_read(reply)}}


def as_read(reply: Reply) -> Mapping[str, Any]:
    """What `steps.NAME` is."""
    return {"status": reply.status, "headers": Fields.of(reply.headers)}

"""What steps wait for, for whoever tells the story of a trace (`gateway.story`) and has no plan at hand."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from gateway.plan import Plan


def needs_of(plans: Iterable[Plan]) -> Mapping[str, Mapping[str, tuple[str, ...]]]:
    """What the steps of each plan need, by the name that its requests have in a trace."""
    return {f"{plan.method} {plan.path}": {step.name: step.needs for step in plan.steps} for plan in plans}

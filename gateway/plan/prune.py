"""A plan and what a client wants of its answer → the plan that makes that, and calls nothing for the rest. Pure.

These run whatever is wanted: a step that writes, which clients ask for by calling the endpoint at all; one that may end the answer; and
one whose value nobody ever asks for, neither the answer nor another step, since it can only be there to fail when it must.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Any

from gateway.answer.selection import BadSelection, Selection
from gateway.answer.shape import Shape, nodes
from gateway.expressions.reference import Expression, Structure
from gateway.plan import Plan, Step


def prune(plan: Plan, selection: Selection) -> Plan:
    """The plan for what is wanted of its answer. Raises `BadSelection` when the answer has no such members."""
    shape = _pruned(plan.shape, selection)
    kept = _with_needs(_named(plan, shape) | plan.decisive | _always(plan), {step.name: step for step in plan.steps})
    return replace(plan, steps=tuple(step for step in plan.steps if step.name in kept), shape=shape)


def _pruned(shape: Shape, selection: Selection) -> Shape:
    # What is said of failures is there whenever it has to be, asked for or not.
    always = () if shape.errors is None else (shape.errors,)
    if shape.response is None:
        members = dict.fromkeys(shape.steps)
        _check(members, selection, always)
        return replace(shape, steps=tuple(name for name, _, _ in selection.of(members)), selection=selection)
    _check(shape.response.data, selection, always)
    data = _chosen(shape.response.data, selection)
    return replace(
        shape, response=Structure(data, tuple(node for node in nodes(data) if isinstance(node, Expression))), selection=selection
    )


def _check(node: Any, selection: Selection, always: Iterable[str] = ()) -> None:
    """What the config writes is known; what upstreams send is not, and any name may be in it."""
    if not isinstance(node, dict):
        return
    if any(name not in node and name not in always for name, _ in selection.names):
        among = f"; there are {', '.join(node)}" if node else ""
        raise BadSelection(f"should name members of the answer{among}")
    for _, child, below in selection.of(node):
        if below:
            _check(child, below)


def _chosen(node: Any, selection: Selection | None) -> Any:
    """The template without what is not wanted, as far as it says itself what its members are."""
    if not selection:
        return node
    if isinstance(node, dict):
        return {name: _chosen(child, below) for name, child, below in selection.of(node)}
    return [_chosen(child, selection) for child in node] if isinstance(node, list) else node


def _named(plan: Plan, shape: Shape) -> set[str]:
    """The steps that an answer of this shape names."""
    return plan.behind({name for part in shape.parts for name in part.steps})


def _always(plan: Plan) -> set[str]:
    named = _named(plan, plan.shape).union(*(step.needs for step in plan.steps))
    return {step.name for step in plan.steps if step.name not in named or step.writes}


def _with_needs(names: set[str], steps: Mapping[str, Step]) -> set[str]:
    """These steps and all that they wait for."""
    kept: set[str] = set()
    ahead = list(names)
    while ahead:
        name = ahead.pop()
        if name not in kept:
            kept.add(name)
            ahead += steps[name].needs
    return kept

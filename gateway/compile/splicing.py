"""Splicing: which steps' replies nobody looks into, so that what came goes into the answer as it is, checked and never decoded."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import replace
from typing import Any

from gateway.answer.head import Head
from gateway.answer.merge import Merge
from gateway.answer.shape import children
from gateway.answer.transform import Transform
from gateway.expressions.reference import Expression, Structure
from gateway.formats import JSON, SPLICED
from gateway.plan import Step
from gateway.plan.recipe import Recipe


def spliced(steps: Iterable[Step], response: Structure | None, head: Head | None) -> tuple[Step, ...]:
    """The same steps, each told whether its value is only ever passed on as a whole."""
    steps = tuple(steps)
    looking = [expression for step in steps if step.sees_joined for expression in step.reads()]
    looking += _looking(response.data) if response else ()
    looking += head.expressions if head else ()
    looked_into = _with_what_is_joined(_heads(looking), steps)
    looked_into |= _heads(expression for step in steps if not step.sees_joined for expression in step.reads())
    looked_into |= {step.loop.join.into for step in steps if step.loop and step.loop.join}
    return tuple(step if step.name in looked_into else _told(step) for step in steps)


def _heads(expressions: Iterable[Expression]) -> set[str]:
    return {name[0] for expression in expressions for name in expression.names}


def _with_what_is_joined(names: set[str], steps: Iterable[Step]) -> set[str]:
    """These steps, and those that are joined into them: who looks into the one sees the other."""
    joins = [(step.name, step.loop.join.into) for step in steps if step.loop and step.loop.join]
    while further := {name for name, into in joins if into in names} - names:
        names = names | further
    return names


def _told(step: Step) -> Step:
    return replace(step, recipe=_as_spliced(step.recipe), others=tuple(map(_as_spliced, step.others)))


def _as_spliced(recipe: Recipe) -> Recipe:
    if recipe.select or recipe.expects.format is not JSON:
        return recipe
    return replace(recipe, expects=replace(recipe.expects, format=SPLICED))


def _looking(node: Any, *, looked_into: bool = False) -> Iterator[Expression]:
    """Expressions of an answer whose value somebody looks into: they themselves, or a merge that they are a part of."""
    if isinstance(node, Expression) and (looked_into or node.names != ((node.text,),)):
        yield node
    if isinstance(node, Transform):
        # It decodes for itself what its function is given.
        looked_into = False
    elif isinstance(node, Merge):
        looked_into = looked_into or node.looks_inside
    for child in children(node):
        yield from _looking(child, looked_into=looked_into)

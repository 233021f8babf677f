"""Splicing: which steps' replies nobody looks into, so that what came goes into the answer as it is, checked and never decoded."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

from gateway.formats import JSON, SPLICED
from gateway.head import Head
from gateway.plan import Step
from gateway.recipe import Recipe
from gateway.reference import Structure


def spliced(steps: Iterable[Step], response: Structure | None, head: Head | None) -> tuple[Step, ...]:
    """The same steps, each told whether its value is only ever passed on as a whole."""
    steps = tuple(steps)
    leaves = response.expressions if response else ()
    looking = [expression for step in steps for expression in step.reads()]
    looking += [leaf for leaf in leaves if leaf.names != ((leaf.text,),)]
    looking += head.expressions if head else ()
    looked_into = {step.loop.join.into for step in steps if step.loop and step.loop.join}
    looked_into |= {name[0] for expression in looking for name in expression.names}
    return tuple(step if step.name in looked_into else _told(step) for step in steps)


def _told(step: Step) -> Step:
    # The type of a loop's value is that of the whole list.
    if step.loop and step.validate:
        return step
    return replace(step, recipe=_as_spliced(step.recipe), others=tuple(map(_as_spliced, step.others)))


def _as_spliced(recipe: Recipe) -> Recipe:
    if recipe.select or recipe.expects.format is not JSON:
        return recipe
    return replace(recipe, expects=replace(recipe.expects, format=SPLICED))

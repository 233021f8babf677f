"""Splicing: which steps' replies nobody looks into, so that what came goes into the answer as it is, checked and never decoded."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import replace

from gateway.plan import Step
from gateway.reference import Expression, Structure


def spliced(steps: Iterable[Step], response: Structure | None) -> tuple[Step, ...]:
    """The same steps, each told whether its value is only ever passed on as a whole."""
    steps = tuple(steps)
    leaves = response.expressions if response else ()
    looking = [expression for step in steps for expression in _expressions(step)]
    looking += [leaf for leaf in leaves if leaf.names != ((leaf.text,),)]
    looked_into = {name[0] for expression in looking for name in expression.names}
    return tuple(_told(step, step.name not in looked_into and not step.select) for step in steps)


def _told(step: Step, is_spliced: bool) -> Step:
    return replace(step, expects=replace(step.expects, spliced=is_spliced))


def _expressions(step: Step) -> Iterator[Expression]:
    """Everything in a step that reads the values at hand; `select` reads its own reply."""
    yield from step.target.path.expressions
    for _, template in step.headers:
        yield from template.expressions
    structures = (*(value for _, value in step.target.query), step.body, step.fallback, *step.on_status.values())
    for structure in structures:
        if structure:
            yield from structure.expressions
    if step.when:
        yield step.when

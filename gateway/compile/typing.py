"""Types: what has a type is held to it, what is written in the config now and what upstreams say later."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace

from gateway.compile.report import Report
from gateway.errors import BadReply
from gateway.expressions.reference import Structure
from gateway.finding import Path
from gateway.plan import Step
from gateway.plan.recipe import Recipe
from gateway.typed import ValueType

_REMEDY = "write 'TYPE | None', or give it a fallback without references"


def typed(steps: Iterable[Step], types: Mapping[str, ValueType], path: Path, report: Report) -> tuple[Step, ...]:
    """The same steps, those that have a type told so. `path` is that of the steps in the config."""
    steps = tuple(steps)
    if not types:
        return steps
    typing = _Typing({step.name: step for step in steps}, path, report)
    return tuple(typing.told(step, types[step.name]) if step.name in types else step for step in steps)


@dataclass(frozen=True, slots=True)
class _Typing:
    """The types of one endpoint being checked."""

    steps: Mapping[str, Step]
    path: Path
    report: Report

    def told(self, step: Step, kind: ValueType) -> Step:
        place = (*self.path, step.name)
        if step.fallback:
            self._check(step.fallback, kind, (*place, "fallback"))
        if (why := self._why_null(step)) and not kind.takes(None):
            self.report.add(place, f"may be null: it {why}; {_REMEDY}", at_key=True)
        recipe = self._looped(step, kind, place) if step.loop else self._told(step.recipe, kind, place)
        others = tuple(self._told(other, kind, place) for other in step.others)
        return replace(step, recipe=recipe, others=others, validate=kind, schema=kind.schema)

    def _told(self, recipe: Recipe, kind: ValueType, place: Path) -> Recipe:
        for status, meaning in recipe.on_status.items():
            if not isinstance(meaning, str):
                self._check(meaning, kind, (*place, "on_status", str(status)))
        return replace(recipe, validate=kind)

    def _looped(self, step: Step, kind: ValueType, place: Path) -> Recipe:
        """The call of an item, held to the type of an element: one that does not fit is that item's failure."""
        skips = any("skip" in recipe.on_status.values() for recipe in (step.recipe, step.recipes[0]))
        if (not step.loop or step.loop.items != "required" or skips) and not kind.takes([None]):
            why = "may be skipped" if skips else "may not be there; or say items: required"
            self.report.add(place, f"may have null in its list, as an item {why}; write 'list[TYPE | None]'", at_key=True)
        return self._told(step.recipe, kind.element, place) if kind.element else step.recipe

    def _check(self, structure: Structure, kind: ValueType, place: Path) -> None:
        """Report a value that is written out and does not fit. One with references is known, and held to the type, when it is used."""
        if not structure.expressions:
            try:
                kind(structure({}))
            except BadReply as error:
                self.report.add(place, str(error))

    def _why_null(self, step: Step) -> str | None:
        """How its value may come to be null, None if it cannot."""
        if _stands_in(step):
            return None
        return "is optional" if step.optional else self._why_skipped(step, frozenset())

    def _why_skipped(self, step: Step, before: frozenset[str]) -> str | None:
        if step.when:
            return "runs only when its condition holds"
        if not step.loop and "skip" in (meaning for recipe in step.recipes for meaning in recipe.on_status.values()):
            return "is skipped for a status"
        for need in (self.steps[name] for name in step.needs if name in self.steps and name not in before | step.spares):
            if not _stands_in(need) and self._why_skipped(need, before | {step.name}):
                return f"needs {need.name}, which may be skipped"
        return None


def _stands_in(step: Step) -> bool:
    """Its fallback is a value whatever happens."""
    return step.fallback is not None and not step.fallback.expressions

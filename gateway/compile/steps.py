"""Steps: when each runs, what it waits for, and what stands in when there is no reply."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from gateway import telemetry
from gateway.compile.loops import compile_loop
from gateway.compile.recipes import Surroundings, compile_recipe
from gateway.compile.report import Reading, Report
from gateway.compile.undo import compile_undo
from gateway.expressions.reference import Structure, did_you_mean
from gateway.finding import Path
from gateway.plan import End, Step
from gateway.plan.recipe import Recipe
from gateway.plan.worst import calls_of
from gateway.spec import METHODS, EndSpec, FallbackSpec, StepSpec
from gateway.telemetry import SpanType

_NO_BODY = (204, 205, 304)
"""Statuses of answers that have none."""


def compile_step(name: str, spec: StepSpec, path: Path, among: Surroundings) -> Step | None:
    """One step; None when it cannot be made. What is wrong with it is reported."""
    report, names = among.report, among.names
    given = "item" if spec.for_each is not None or report.lacks(spec, "for_each", path) else None
    reading, spare = Reading(report, names), Reading(report, names)
    own, own_spare = Reading(report, names, reading.needs, given), Reading(report, names, spare.needs, given)
    recipe = compile_recipe(name, spec, path, own, own_spare, among)
    loop = compile_loop(name, spec, path, reading, among)
    if recipe and spec.for_each is not None and not (own.uses_given or spec.batch):
        report.add(
            (*path, "for_each"), "'item' stands nowhere in the call, so that all would be the same; write {item}", at_key=True
        )
    when = reading.expression(spec.when, (*path, "when")) if spec.when else None
    others, fallback = _fallbacks(name, spec, path, spare, among)
    end = _end(name, spec.end, (*path, "end"), reading) if spec.end else None
    undo = compile_undo(name, spec, path, spare, among)
    _check_fallback(spec, path, report)
    for need in _needs(spec, path, among):
        reading.needs.setdefault(need)
    if not recipe:
        return None
    return Step(
        name=name,
        recipe=recipe,
        needs=tuple(need for need in names.steps if need in reading.needs | spare.needs),
        spares=frozenset(spare.needs) - frozenset(reading.needs),
        when=when,
        optional=spec.optional,
        fallback=fallback,
        others=others,
        loop=loop,
        end=end,
        undo=undo,
        span=_span(name, recipe.upstream.name, spec),
    )


def _span(name: str, upstream: str, spec: StepSpec) -> SpanType:
    attributes: dict[str, telemetry.Attribute] = {
        telemetry.STEP_NAME: name,
        telemetry.STEP_OPTIONAL: spec.optional,
        telemetry.UPSTREAM_NAME: upstream,
    }
    return SpanType(f"step {name}", attributes=attributes)


def _fallbacks(
    name: str, spec: StepSpec, path: Path, spare: Reading, among: Surroundings
) -> tuple[tuple[Recipe, ...], Structure | None]:
    """The calls to make instead, one after the other, and the value at the end of them."""
    others: list[Recipe] = []
    at: StepSpec | FallbackSpec = spec
    key = name
    while isinstance(at.fallback, FallbackSpec):
        at, path, key = at.fallback, (*path, "fallback"), f"{key}.fallback"
        if other := compile_recipe(key, at, path, spare, spare, among):
            others.append(other)
    written = "fallback" in at.model_fields_set
    return tuple(others), spare.structure(at.fallback, (*path, "fallback")) if written else None


def _check_fallback(spec: StepSpec, path: Path, report: Report) -> None:
    """Report a fallback that can have no effect: nobody writes that on purpose."""
    skips = spec.when is not None or "skip" in spec.on_status.values()
    may_be_skipped = skips or any(report.lacks(spec, word, path) for word in ("optional", "when", "on_status"))
    at: StepSpec | FallbackSpec = spec
    while isinstance(at.fallback, FallbackSpec):
        at, path = at.fallback, (*path, "fallback")
        may_be_skipped = may_be_skipped or "skip" in at.on_status.values()
    if isinstance(at.fallback, list) and any(isinstance(one, dict) and {*METHODS} & {*one} for one in at.fallback):
        report.add(
            (*path, "fallback"), "a list is a value; for another call after this one, give this one a fallback", at_key=True
        )
    if "fallback" in at.model_fields_set and not spec.optional and not may_be_skipped:
        report.add(
            (*path, "fallback"), "is never used: the step is neither optional nor ever skipped; add 'optional: true'", at_key=True
        )


def _end(name: str, spec: EndSpec, path: Path, reading: Reading) -> End | None:
    """What ends the run; the step sees its own value there, which it does not wait for."""
    own = Reading(reading.report, reading.names)
    when = own.expression(spec.when, (*path, "when"))
    has_value = "value" in spec.model_fields_set
    value = own.structure(spec.value, (*path, "value")) if has_value else None
    if not has_value and spec.status < 400:
        reading.report.add((*path, "status"), "a problem has a status from 400 on; write a 'value' for the answer")
    if has_value and spec.status in _NO_BODY:
        reading.report.add((*path, "value"), f"an answer with status {spec.status} has no body", at_key=True)
    reading.needs |= {need: None for need in own.needs if need != name}
    return End(when, spec.status, value) if when else None


def _needs(spec: StepSpec, path: Path, among: Surroundings) -> Iterator[str]:
    for index, need in enumerate(spec.needs):
        if need in among.names.steps:
            yield need
        else:
            among.report.add((*path, "needs", index), f"unknown step {need!r}{did_you_mean(need, among.names.steps)}")


def check_calls(steps: Iterable[Step], most: int, path: Path, report: Report) -> None:
    """Report an endpoint whose requests could come to more upstream calls than they may."""
    calls = {step.name: calls_of([step]) for step in steps}
    if (total := sum(calls.values())) > most:
        by_step = ", ".join(f"{name} {count}" for name, count in sorted(calls.items(), key=lambda item: -item[1])[:3])
        report.add(
            (*path, "steps"),
            f"one request may come to {total} upstream calls, retries included, and max_calls is {most} ({by_step}); lower a loop's"
            " 'limit', fetch in a 'batch', or raise max_calls",
            at_key=True,
        )

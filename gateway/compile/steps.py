"""Steps: when each runs, what it waits for, and what stands in when there is no reply."""

from __future__ import annotations

from collections.abc import Iterator

from gateway import telemetry
from gateway.compile.recipes import Surroundings, compile_recipe
from gateway.compile.report import Reading, Report
from gateway.finding import Path
from gateway.plan import Step
from gateway.reference import did_you_mean
from gateway.spec import StepSpec
from gateway.telemetry import SpanType


def compile_step(name: str, spec: StepSpec, path: Path, among: Surroundings) -> Step | None:
    """One step; None when it cannot be made. What is wrong with it is reported."""
    reading, spare = Reading(among.report, among.names), Reading(among.report, among.names)
    recipe = compile_recipe(name, spec, path, reading, spare, among)
    when = reading.expression(spec.when, (*path, "when")) if spec.when else None
    fallback = spare.structure(spec.fallback, (*path, "fallback")) if "fallback" in spec.model_fields_set else None
    _check_fallback(spec, path, among.report)
    for need in _needs(spec, path, among):
        reading.needs.setdefault(need)
    if not recipe:
        return None
    return Step(
        name=name,
        recipe=recipe,
        needs=tuple(need for need in among.names.steps if need in reading.needs | spare.needs),
        spares=frozenset(spare.needs) - frozenset(reading.needs),
        when=when,
        optional=spec.optional,
        fallback=fallback,
        span=_span(name, recipe.upstream.name, spec),
    )


def _span(name: str, upstream: str, spec: StepSpec) -> SpanType:
    attributes: dict[str, telemetry.Attribute] = {
        telemetry.STEP_NAME: name,
        telemetry.STEP_OPTIONAL: spec.optional,
        telemetry.UPSTREAM_NAME: upstream,
    }
    return SpanType(f"step {name}", attributes=attributes)


def _needs(spec: StepSpec, path: Path, among: Surroundings) -> Iterator[str]:
    for index, need in enumerate(spec.needs):
        if need in among.names.steps:
            yield need
        else:
            among.report.add((*path, "needs", index), f"unknown step {need!r}{did_you_mean(need, among.names.steps)}")


def _check_fallback(spec: StepSpec, path: Path, report: Report) -> None:
    """Report a fallback that can have no effect: nobody writes that on purpose."""
    skips = spec.when is not None or "skip" in spec.on_status.values()
    may_be_skipped = skips or any(report.lacks(spec, word, path) for word in ("optional", "when", "on_status"))
    if "fallback" in spec.model_fields_set and not spec.optional and not may_be_skipped:
        report.add(
            (*path, "fallback"), "is never used: the step is neither optional nor ever skipped; add 'optional: true'", at_key=True
        )

"""Undoing: the calls that take writes back."""

from __future__ import annotations

from gateway import telemetry
from gateway.compile.recipes import Surroundings, compile_recipe
from gateway.compile.report import Reading
from gateway.finding import Path
from gateway.plan import Undo
from gateway.spec import StepSpec, UndoSpec
from gateway.telemetry import SpanType


def compile_undo(name: str, spec: StepSpec, path: Path, spare: Reading, among: Surroundings) -> Undo | None:
    """What takes a step's write back, None where nothing does. It sees the step's own value, which the step does not wait for."""
    if not spec.undo:
        return None
    place, report = (*path, "undo"), among.report
    if spec.get:
        report.add(place, "a GET writes nothing that could be taken back", at_key=True)
    if spec.for_each:
        report.add(place, "a loop has no undo: it would have to know which of its calls went well", at_key=True)
    if spec.undo.get:
        report.add((*place, "get"), "an undo is a call that writes", at_key=True)
    own = Reading(report, among.names)
    recipe = compile_recipe(f"{name}.undo", spec.undo, place, own, own, among)
    _check_meaning(spec.undo, place, among)
    spare.needs |= {need: None for need in own.needs if need != name}
    if not recipe:
        return None
    attributes: dict[str, telemetry.Attribute] = {telemetry.STEP_NAME: name, telemetry.UPSTREAM_NAME: recipe.upstream.name}
    return Undo(recipe, spec.undo.within, SpanType(f"undo {name}", attributes=attributes))


def _check_meaning(spec: UndoSpec, path: Path, among: Surroundings) -> None:
    """Report what would make something of its reply: nobody reads that."""
    if spec.select:
        among.report.add((*path, "select"), "nobody reads what comes back of an undo", at_key=True)
    for status, meaning in spec.on_status.items():
        if meaning != "skip":
            place = (*path, "on_status", str(status))
            among.report.add(place, "should be 'skip', which takes it for good: nobody reads what comes back of an undo")

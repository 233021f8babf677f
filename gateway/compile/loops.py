"""Loops: what a step goes through, what it fetches at once, and where its values are put."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import replace

from gateway.compile.recipes import Surroundings, compile_recipe
from gateway.compile.report import Reading
from gateway.expressions.reference import did_you_mean
from gateway.finding import Path
from gateway.plan import Batch, Join, Loop
from gateway.plan.recipe import Recipe
from gateway.spec import BatchSpec, JoinSpec, LimitSpec, StepSpec

_OF_LOOPS = ("concurrency", "limit", "items", "batch", "join")

_INTO = re.compile(r"([A-Za-z_][A-Za-z0-9_]*)((?:\[\])*(?:\.[A-Za-z_][A-Za-z0-9_]*(?:\[\])*)*)")
_PART = re.compile(r"\[\]|[A-Za-z0-9_]+")


def compile_loop(name: str, spec: StepSpec, path: Path, reading: Reading, among: Surroundings) -> Loop | None:
    """What the step goes through; None where it is no loop, or none can be made. What is wrong with it is reported."""
    report = among.report
    if spec.for_each is None:
        for word in _OF_LOOPS:
            if word in spec.model_fields_set and not report.lacks(spec, "for_each", path):
                report.add((*path, word), f"{word!r} is for a loop; add 'for_each', the list to go through", at_key=True)
        return None
    over = reading.expression(spec.for_each, (*path, "for_each"))
    limit = _limit(spec.limit, (*path, "limit"), among)
    batch = _batch(name, spec, spec.batch, path, reading, among) if spec.batch else None
    join = _join(name, spec.join, (*path, "join"), reading, among) if spec.join else None
    if not over or (spec.batch and not batch) or (spec.join and not join):
        return None
    return Loop(over, spec.concurrency, limit, spec.limit.first is not None, spec.items, batch, join)


def _limit(spec: LimitSpec, path: Path, among: Surroundings) -> int:
    if (spec.most is None) == (spec.first is None):
        among.report.add(path, "write one of 'most' (above it the step fails) and 'first' (the others are left out)")
    return spec.most or spec.first or 1


def _batch(name: str, step: StepSpec, spec: BatchSpec, path: Path, whole: Reading, among: Surroundings) -> Batch | None:
    report = among.report
    for word in ("accept", "on_status"):
        if word in step.model_fields_set:
            report.add((*path, word), f"{word!r} is never used: it is the batch that is sent; write it there", at_key=True)
    path = (*path, "batch")
    if "items" in among.names.steps:
        report.add((*path[:-2], "items"), "'items' is what the batches here ask for; name the step otherwise", at_key=True)
    reading = Reading(report, among.names, whole.needs, given="items")
    recipe = compile_recipe(f"{name}.batch", _limited(spec, step), path, reading, reading, among)
    if recipe and not reading.uses_given:
        report.add(path, "'items' stands nowhere in it, so that all its calls would be the same; write {items}", at_key=True)
    if "cache" in spec.model_fields_set:
        report.add((*path, "cache"), "what is kept is each item's, so that 'cache' belongs to the step", at_key=True)
    key = reading.own(spec.key, (*path, "key")) if spec.key else None
    return Batch(_uncached(recipe), spec.size, key, _sends_more(recipe)) if recipe else None


def _limited(spec: BatchSpec, step: StepSpec) -> BatchSpec:
    """With what the step says of its attempts, where the batch says nothing of its own."""
    words = {"timeout", "retry", "coalesce", "hedge"} & step.model_fields_set - spec.model_fields_set
    return spec.model_copy(update={word: getattr(step, word) for word in words})


def _uncached(recipe: Recipe) -> Recipe:
    """Without the upstream's cache: what a reply has is kept item by item."""
    return replace(recipe, policies=replace(recipe.policies, cache=None), label=None)


def _sends_more(recipe: Recipe) -> bool:
    """A write carries its request's `Idempotency-Key`; no reply is about that."""
    names = {name[0] for expression in recipe.sends() for name in expression.names if name[1:] != ("idempotency_key",)}
    return bool(names - {"items"} or recipe.forward_headers or recipe.forward_query)


def _join(name: str, spec: JoinSpec, path: Path, reading: Reading, among: Surroundings) -> Join | None:
    report, steps = among.report, among.names.steps
    on = reading.own(spec.on, (*path, "on"))
    match = _INTO.fullmatch(spec.into)
    if not match:
        report.add((*path, "into"), "not a path of names and lists; write STEP[].NAME[]")
        return None
    into = match[1]
    if into == name:
        report.add((*path, "into"), "a step is joined into another one, not into itself")
    elif into not in steps:
        report.add((*path, "into"), f"unknown step {into!r}{did_you_mean(into, steps)}")
    else:
        reading.needs.setdefault(into)
    return Join(into, tuple(_ways(match[2])), on, spec.as_, spec.into) if on else None


def _ways(text: str) -> Iterator[str | None]:
    """`[].items[]` as None, `items`, None."""
    for part in _PART.findall(text):
        yield None if part == "[]" else part

"""Plans as data: all that a plan is made of, for `gateway plan --format json`.

Every member is always there, null or empty where there is nothing, but for one: a `value` stands only where one is written, since null is
one too. Names are those of the config where it has one. Durations are seconds.
"""

from __future__ import annotations

from collections.abc import Mapping
from math import isfinite
from typing import Any

from gateway.answer.merge import Deep, Keyed, Merge, Shallow
from gateway.answer.transform import Transform
from gateway.expressions.reference import Expression, Structure, Template
from gateway.inputs import Input
from gateway.plan import End, Loop, Passthrough, Plan, Step
from gateway.plan.keeping import Keeping
from gateway.plan.recipe import Recipe
from gateway.plan.worst import Worst, worst_of
from gateway.policy import Policy


def as_data(plan: Plan) -> dict[str, Any]:
    """The plan as JSON has it."""
    head = plan.head
    return {
        "method": plan.method,
        "path": plan.path,
        "summary": plan.summary,
        "description": plan.description,
        "tags": list(plan.tags),
        "timeout": plan.timeout,
        "priority": plan.priority,
        "worst": _worst(worst_of(plan)),
        "inputs": [_input(one) for one in plan.inputs],
        "fields": _input(plan.fields) if plan.fields else None,
        "reads": {
            "headers": sorted(plan.headers),
            "body": plan.reads_body,
            "takes_body": plan.takes_body,
            "replies": sorted(plan.reads_replies),
        },
        "idempotency": _policy(plan.idempotency),
        "cache": _keeping(plan.keeping) if plan.keeping else None,
        "passthrough": _passthrough(plan.passthrough) if plan.passthrough else None,
        "steps": [_step(step) for step in plan.steps],
        "joins": {into: sorted(parts) for into, parts in plan.joins.items()},
        "status": _written(head.status) if head else 200,
        "headers": {name: _written(template) for name, template in head.fields} if head else {},
        "response": _structure(plan.shape.response),
        "errors": plan.shape.errors,
    }


def _step(step: Step) -> dict[str, Any]:
    """A step has the members of its own call."""
    return {
        **_recipe(step.recipe),
        "needs": list(step.needs),
        "spares": sorted(step.spares),
        "when": _written(step.when),
        "optional": step.optional,
        "loop": _loop(step.loop) if step.loop else None,
        "fallback": [*map(_recipe, step.others), *([_value(step.fallback)] if step.fallback else [])],
        "end": _end(step.end) if step.end else None,
        "undo": {**_recipe(step.undo.recipe), "within": step.undo.within} if step.undo else None,
        "sees_joined": step.sees_joined,
        "schema": step.schema,
    }


def _recipe(recipe: Recipe) -> dict[str, Any]:
    """A call: what is sent, what its reply means, and the policies it runs under."""
    expects, policies = recipe.expects, recipe.policies
    return {
        "name": recipe.key,
        "upstream": recipe.upstream.name,
        "method": recipe.method,
        "target": recipe.target.text,
        "query": [{"name": name, **_value(value)} for name, value in recipe.target.query],
        "headers": {name: _written(template) for name, template in recipe.headers},
        "forward": {"headers": list(recipe.forward_headers), "query": list(recipe.forward_query)},
        "body": _structure(recipe.body),
        "encode": recipe.encoding.name,
        "decode": expects.format.name,
        "select": _written(recipe.select),
        "accept": sorted(expects.accept) if expects.accept else None,
        "on_status": {str(status): _written(meaning) for status, meaning in recipe.on_status.items()},
        "timeout": policies.timeout,
        "retry": _policy(policies.retry),
        "cache": _policy(policies.cache),
        "coalesce": policies.coalesce,
        "hedge": _policy(policies.hedge),
        "throttle": _policy(recipe.upstream.throttle),
        "bulkhead": _policy(recipe.upstream.bulkhead),
        "breaker": _policy(recipe.upstream.breaker),
        "eject": _policy(recipe.upstream.eject),
        "health": _policy(recipe.upstream.health),
        "discover": _policy(recipe.upstream.discover),
        "inject": _policy(policies.inject),
    }


def _loop(loop: Loop) -> dict[str, Any]:
    batch, join = loop.batch, loop.join
    return {
        "for_each": _written(loop.over),
        "concurrency": loop.concurrency,
        "limit": loop.limit,
        "takes_first": loop.takes_first,
        "items": loop.items,
        "batch": (
            {**_recipe(batch.recipe), "size": batch.size, "key": _written(batch.key), "sends_more": batch.sends_more}
            if batch
            else None
        ),
        "join": {"step": join.into, "into": join.text, "on": _written(join.on), "as": join.member} if join else None,
    }


def _end(end: End) -> dict[str, Any]:
    return {"when": _written(end.when), "status": end.status, **(_value(end.value) if end.value else {})}


def _keeping(keeping: Keeping) -> dict[str, Any]:
    told = {"path": list(keeping.path), "query": list(keeping.query), "headers": list(keeping.headers)}
    return {**keeping.policy.model_dump(mode="json"), "told_apart_by": told, "scopes": list(keeping.scopes)}


def _passthrough(passthrough: Passthrough) -> dict[str, Any]:
    keeps = sorted(name.decode() for name in passthrough.keeps)
    return {"headers": list(passthrough.named), "keeps": keeps, "idle": passthrough.idle}


def _input(one: Input) -> dict[str, Any]:
    return {
        "name": one.name,
        "in": one.where,
        "required": one.required,
        "default": one.default,
        "schema": one.schema,
        "description": one.description,
    }


def _worst(worst: Worst) -> dict[str, Any]:
    return {
        "calls": worst.calls,
        "seconds": worst.seconds,
        "slowest": _finite(worst.slowest),
        "way": [{"step": name, "seconds": _finite(seconds)} for name, seconds in worst.way],
        "endless": list(worst.endless),
        "undoing": worst.undoing,
        "to_head": worst.to_head,
    }


def _policy(policy: Policy | None) -> dict[str, Any] | None:
    return policy.model_dump(mode="json") if policy else None


def _finite(seconds: float) -> float | None:
    return seconds if isfinite(seconds) else None


def _value(structure: Structure) -> dict[str, Any]:
    return {"value": _written(structure.data)}


def _structure(structure: Structure | None) -> Any:
    return _written(structure.data) if structure else None


def _written(node: Any) -> Any:
    """What stands in the config, references as their text."""
    if isinstance(node, Mapping):
        return {name: _written(child) for name, child in node.items()}
    if isinstance(node, list):
        return [_written(child) for child in node]
    if isinstance(node, Structure):
        return _written(node.data)
    if isinstance(node, Merge):
        return _merge(node)
    if isinstance(node, Transform):
        return {"transform": node.hook.name, "of": _written(node.of)}
    return str(node) if isinstance(node, Expression | Template) else node


def _merge(merge: Merge) -> dict[str, Any]:
    how = merge.how
    name = f"keyed({how.key})" if isinstance(how, Keyed) else type(how).__name__.lower()
    collisions = how.collisions if isinstance(how, Shallow | Deep | Keyed) else None
    return {"merge": [_written(part) for part in merge.parts], "how": name, "collisions": collisions}

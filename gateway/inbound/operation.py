"""Endpoints as OpenAPI operations: what plans say of themselves to whoever wants to call them."""

from __future__ import annotations

import re
from collections.abc import Container, Iterable
from itertools import chain, count
from operator import attrgetter
from typing import Any

from gateway.inputs import Input
from gateway.plan import Plan

_PROBLEM = {
    "type": "object",
    "description": "A problem (RFC 9457).",
    "properties": {
        "type": {"type": "string", "format": "uri"},
        "title": {"type": "string"},
        "status": {"type": "integer"},
        "detail": {"type": "string"},
    },
    "required": ["type", "title", "status"],
}
_OF_AN_ARRAY = {"minLength": "minItems", "maxLength": "maxItems"}
_COMPLETE = {"description": "Whether every step was good or skipped.", "schema": {"type": "boolean"}}
_FAILURES = {
    "4XX": "The request cannot be answered as it is, or a required upstream says so",
    "502": "A required upstream failed",
    "504": "A required upstream took too long",
}


def document_paths(plans: Iterable[Plan]) -> dict[str, dict[str, Any]]:
    """The `paths` of an OpenAPI document: an operation for each plan, each with a name of its own."""
    paths: dict[str, dict[str, Any]] = {}
    names: set[str] = set()
    for plan in sorted(plans, key=attrgetter("specificity")):
        names.add(name := _operation_id(plan, names))
        paths.setdefault(plan.path, {})[plan.method.lower()] = {"operationId": name, **_operation(plan)}
    return paths


def _operation_id(plan: Plan, taken: Container[str]) -> str:
    """`get_v1_home_user_id`; numbered where another path, such as `/v1/home/user_id`, has taken that."""
    plain = re.sub(r"\W+", "_", f"{plan.method.lower()}{plan.path}").strip("_")
    return next(name for name in chain([plain], (f"{plain}_{number}" for number in count(2))) if name not in taken)


def _operation(plan: Plan) -> dict[str, Any]:
    """What only the plan knows of an operation: its inputs, and what may be missing. How it is called inside is nobody's business."""
    operation: dict[str, Any] = {
        "summary": plan.summary or f"{plan.method} {plan.path}",
        "parameters": [_parameter(one) for one in (*plan.inputs, plan.fields) if one],
        "responses": _responses(plan),
    }
    if spared := [step.name for step in plan.steps if step.optional]:
        operation["description"] = (
            f"An answer may come without: {', '.join(spared)}. `Gateway-Complete` says whether it has everything."
        )
    if plan.takes_body:
        kind = "application/json" if plan.reads_body else "*/*"
        operation["requestBody"] = {"required": plan.reads_body, "content": {kind: {"schema": {}}}}
    return operation


def _parameter(one: Input) -> dict[str, Any]:
    schema = dict(one.schema)
    if schema["type"] == "array":
        # The config has one word for both; JSON Schema counts characters and values by different ones.
        schema = {_OF_AN_ARRAY.get(word, word): value for word, value in schema.items()}
    parameter: dict[str, Any] = {"name": one.name, "in": one.where, "required": one.required, "schema": schema}
    if one.description:
        parameter["description"] = one.description
    return parameter


def _answer(plan: Plan) -> dict[str, Any]:
    """The answer's schema as far as the plan decides it: its members, which are always there unless the client wants only some of them.

    What they hold the upstreams decide.
    """
    data = plan.shape.response.data if plan.shape.response else dict.fromkeys(plan.shape.steps)
    if not isinstance(data, dict):
        return {}
    members: dict[str, Any] = {name: {} for name in data}
    if plan.shape.errors:
        members[plan.shape.errors] = {"type": "array", "items": _PROBLEM, "description": "What is missing, and why."}
    return {"type": "object", "properties": members, **({} if plan.fields else {"required": list(data)})}


def _responses(plan: Plan) -> dict[str, dict[str, Any]]:
    problems = {"application/problem+json": {"schema": _PROBLEM}}
    failures: dict[str, dict[str, Any]] = {
        status: {"description": text, "content": problems} for status, text in _FAILURES.items()
    }
    answer = {"application/json": {"schema": _answer(plan)}}
    return {_status(plan): {"description": "The answer", "headers": _said(plan), "content": answer}, **failures}


def _status(plan: Plan) -> str:
    """The status of a good answer, or the range that it is in."""
    if plan.head is None:
        return "200"
    return str(plan.head.status) if isinstance(plan.head.status, int) else "2XX"


def _said(plan: Plan) -> dict[str, Any]:
    named = {name.title(): {"schema": {"type": "string"}} for name, _ in plan.head.fields} if plan.head else {}
    return {"Gateway-Complete": _COMPLETE, **named}

"""Endpoints as OpenAPI operations: what plans say of themselves to whoever wants to call them."""

from __future__ import annotations

import re
from collections.abc import Container, Iterable, Mapping
from itertools import chain, count
from operator import attrgetter
from typing import Any

from gateway.inbound.events import PARTS
from gateway.inbound.failures import FAILURE, HEADERS, RESPONSES, SCHEMAS, headers, response
from gateway.inbound.parameter import is_documented, key_parameter, parameter
from gateway.openapi.answer import Answers
from gateway.openapi.chosen import chosen
from gateway.openapi.components import ComponentsState
from gateway.openapi.document import Document
from gateway.openapi.schema import Schema, Schemas
from gateway.plan import Plan

_DESCRIBED = frozenset({"GET", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})
"""Methods that OpenAPI has a word for."""

_WITHOUT_BODY = ("204", "205", "304")

_IN_PARTS = {kind: {"schema": {"type": "string", "description": text}} for kind, text in PARTS.items()}
"""What a client may ask for in place of JSON. There is no schema for one event after the other before OpenAPI 3.2."""

_GOES_BY = {
    "default": {"description": "What the upstream answers, as it comes, or a problem", "content": {"*/*": {"schema": {}}}}
}
"""Of a passthrough nobody can say more: any status may be its upstream's own."""


def describe(own: Mapping[str, Any], plans: Iterable[Plan], documents: Mapping[str, Document]) -> dict[str, Any]:
    """The OpenAPI document of all endpoints, and of whatever the app has of its own.

    `documents` are those of the upstreams, by name: what is known of their replies.
    """
    plans = tuple(plans)
    components = ComponentsState((*own.get("components", {}).get("schemas", {}), *SCHEMAS))
    paths = _paths(plans, Answers(documents, components))
    named = components.used_in(paths)
    if any(plan.fields for plan in plans):
        named = {name: chosen(schema) for name, schema in named.items()}
    ours = {"schemas": {**SCHEMAS, **named}, "responses": RESPONSES, "headers": HEADERS}
    theirs = own.get("components", {})
    return {
        **own,
        "paths": {path: {**own["paths"].get(path, {}), **paths.get(path, {})} for path in {**paths, **own["paths"]}},
        "components": {**theirs, **{kind: {**theirs.get(kind, {}), **made} for kind, made in ours.items()}},
    }


def _paths(plans: Iterable[Plan], answers: Answers) -> dict[str, dict[str, Any]]:
    """An operation for each plan, each with a name of its own."""
    paths: dict[str, dict[str, Any]] = {}
    names: set[str] = set()
    described = (plan for plan in plans if plan.method in _DESCRIBED)
    for plan in sorted(described, key=attrgetter("specificity")):
        names.add(name := _operation_id(plan, names))
        paths.setdefault(plan.path, {})[plan.method.lower()] = {"operationId": name, **_operation(plan, answers)}
    return paths


def _operation_id(plan: Plan, taken: Container[str]) -> str:
    """`get_v1_home_user_id`; numbered where another path, such as `/v1/home/user_id`, has taken that."""
    plain = re.sub(r"\W+", "_", f"{plan.method.lower()}{plan.path}").strip("_")
    return next(name for name in chain([plain], (f"{plain}_{number}" for number in count(2))) if name not in taken)


def _operation(plan: Plan, answers: Answers) -> dict[str, Any]:
    """What is known of an operation: its inputs, its answer, and what may be missing. How it is called inside is nobody's business."""
    operation: dict[str, Any] = {"summary": plan.summary or f"{plan.method} {plan.path}"}
    if plan.tags:
        operation["tags"] = list(plan.tags)
    if description := "\n\n".join(filter(None, (plan.description, _what_may_be_missing(plan)))):
        operation["description"] = description
    operation["parameters"] = [parameter(one) for one in (*plan.inputs, plan.fields) if one and is_documented(one)]
    if plan.idempotency:
        operation["parameters"].append(key_parameter(plan.idempotency))
    if plan.takes_body:
        kind = "application/json" if plan.reads_body else "*/*"
        operation["requestBody"] = {"required": plan.reads_body, "content": {kind: {"schema": {}}}}
    operation["responses"] = _GOES_BY if plan.passthrough else _responses(plan, answers)
    return operation


def _what_may_be_missing(plan: Plan) -> str | None:
    spared = [step.name for step in plan.steps if step.optional]
    if not spared:
        return None
    return f"An answer may come without: {', '.join(spared)}. `Gateway-Complete` says whether it has everything."


def _responses(plan: Plan, answers: Answers) -> dict[str, Any]:
    promise = answers.of(plan)
    responses: dict[str, Any] = {"400": response("BadRequest")}
    if plan.idempotency:
        responses |= {"409": response("KeyInUse"), "422": response("InvalidInput")}
    if plan.fields or any(one.check or (one.required and one.where != "path") for one in plan.inputs):
        responses["422"] = response("InvalidInput")
    if any(not step.optional for step in plan.steps):
        responses |= {"404": response("NotFound"), "504": response("GatewayTimeout")}
    responses |= {"502": response("BadGateway"), "4XX": response("Refused"), "5XX": response("Failed")}
    good = _with_errors(promise.answer, plan.shape.errors, answers.schemas)
    values = [(_status(plan), good), *((str(status), value) for status, value in promise.endings)]
    for status in dict.fromkeys(status for status, _ in values):
        schemas = [value for one, value in values if one == status and value is not None]
        responses[status] = _answer(plan, answers.schemas.union(*schemas)) if schemas else response("Ended")
    responses[_status(plan)]["content"] |= _IN_PARTS
    if _status(plan) in _WITHOUT_BODY:
        # What is missing has to be said somewhere.
        responses |= {_status(plan): {**_answer(plan, good), "content": {}}, "200": _answer(plan, good)}
    if plan.method == "GET" and responses.keys() & {"200", "2XX"}:
        responses["304"] = response("NotModified")
    return dict(sorted(responses.items()))


def _answer(plan: Plan, schema: Schema) -> dict[str, Any]:
    named = {name.title(): {"schema": {"type": "string"}} for name, _ in plan.head.fields} if plan.head else {}
    content = {"application/json": {"schema": chosen(schema) if plan.fields else schema}}
    said = headers(*(["Idempotency-Replayed"] if plan.idempotency else []), *(["ETag"] if plan.method == "GET" else []))
    # Names of header fields have no case: what the config says of one stands once, in its place.
    said = {name: value for name, value in said.items() if name.title() not in named}
    return {"description": "The answer", "headers": {**said, **named}, "content": content}


def _status(plan: Plan) -> str:
    """The status of a good answer, or the range that it is in."""
    if plan.head is None:
        return "200"
    return str(plan.head.status) if isinstance(plan.head.status, int) else "2XX"


def _with_errors(schema: Schema, member: str | None, schemas: Schemas) -> Schema:
    """The answer's schema, with the member that lists what is missing where the answer is an object."""
    if not member or not schema or not schemas.kinds(schema) & {"object", None}:
        return schema
    errors = {
        "type": "array",
        "items": {"$ref": f"#/components/schemas/{FAILURE}"},
        "description": "What is missing, and why; absent where nothing is.",
    }
    if "properties" in schema and schema.get("additionalProperties") is not False:
        return {**schema, "properties": {**schema["properties"], member: errors}}
    return schemas.union(schema, {"type": "object", "properties": {member: errors}, "required": [member]})

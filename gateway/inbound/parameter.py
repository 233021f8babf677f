"""Inputs as OpenAPI parameters: what a client may give, and how it is written, as `gateway.inputs` reads it."""

from __future__ import annotations

from typing import Any

from gateway.idempotency import LONGEST
from gateway.inputs import Input
from gateway.policy import IdempotencyPolicy

_IGNORED = ("accept", "authorization", "content-type")
"""Header fields that OpenAPI wants described by other means (3.1, Parameter Object)."""

_SEGMENT = {"minLength": 1, "pattern": r"^[^/\\\u0000-\u001f\u007f-\u009f]*$", "not": {"enum": [".", ".."]}}
"""What one segment of a path may be; all else is refused before there is an endpoint for it."""


def is_documented(one: Input) -> bool:
    """Whether OpenAPI has it among the parameters."""
    return one.where != "header" or one.name not in _IGNORED


def parameter(one: Input) -> dict[str, Any]:
    """The parameter of an input."""
    made: dict[str, Any] = {"name": one.name, "in": one.where, "required": one.required, "schema": _schema(one)}
    if one.schema["type"] == "array":
        # A repeated query parameter is read too, each of them cut at its commas.
        made |= {"style": "form", "explode": False} if one.where == "query" else {"style": "simple", "explode": False}
    if one.description:
        made["description"] = one.description
    return made


def key_parameter(policy: IdempotencyPolicy) -> dict[str, Any]:
    """The parameter of an `Idempotency-Key`; quoted ones are taken too."""
    schema = {"type": "string", "minLength": 1, "maxLength": LONGEST, "pattern": r"^[!#-+.-:<-~-]+$"}
    said = "Names the request: sent again with the same key, it runs once."
    return {"name": "Idempotency-Key", "in": "header", "required": policy.required, "schema": schema, "description": said}


def _schema(one: Input) -> dict[str, Any]:
    schema = one.value_schema
    if schema["type"] == "array":
        schema["items"] = {"pattern": "^[^,]*$", **schema["items"]}
    if one.where == "path" and schema["type"] == "string" and "enum" not in schema:
        own = schema.pop("pattern", None)
        schema = {**schema, **_SEGMENT, "minLength": max(1, schema.get("minLength", 1))}
        if own:
            schema["allOf"] = [{"pattern": own}]
    return schema

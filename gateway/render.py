"""A step and the values at hand → the call to send. Pure; whatever a value holds, it stays where the config put it.

A value in a path is percent-encoded as one segment: it can neither climb (`..`), nor split (`/`), nor begin a query, nor name a host.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any
from urllib.parse import quote

from pydantic_core import PydanticSerializationError, to_json

from gateway.call import Call, Expectation, Headers
from gateway.errors import Unrendered
from gateway.plan import Step
from gateway.reference import Expression, Scope, Structure, Template, Unresolved, as_text
from gateway.telemetry import Span

LONGEST_TARGET = 16 * 1024
"""Bytes of path and query; servers refuse more."""

_CONTROL = re.compile(r"[\x00-\x1f\x7f]")
_LITERAL = "/%:@!$&'()*+,;=~"
"""What the config's own text may have in a path without being encoded; compiling has checked it."""

_OF_THE_REQUEST = ("path", "query", "headers", "body")


def render_call(step: Step, scope: Scope, deadline: float, span: Span) -> Call:
    """The call of a step. Raises `Unrendered` when a value is absent or does not fit where it stands."""
    target = _path(step, scope)
    if query := "&".join(_query(step, scope)):
        target = f"{target}?{query}"
    if len(target) > LONGEST_TARGET:
        raise Unrendered(f"the target is longer than {LONGEST_TARGET} bytes")
    body = _body(step.body, scope)
    return Call(
        upstream=step.upstream.name,
        method=step.method,
        target=target,
        deadline=deadline,
        span=span,
        template=step.target.path.text,
        headers=_headers(step, scope, has_body=bool(body)),
        body=body,
        expects=Expectation(step.accept, frozenset(step.on_status)),
        timeout=step.policies.timeout,
    )


def _path(step: Step, scope: Scope) -> str:
    template = step.target.path
    path = step.upstream.prefix + "".join(
        _segment(part, scope) if isinstance(part, Expression) else quote(part, safe=_LITERAL) for part in template.parts
    )
    # A dot cannot be percent-encoded so that it stays a dot and no longer climbs; the only safe way is not to send it.
    if {".", ".."} & set(path.split("/")):
        raise Unrendered(f"{template} gives a dot segment", by_client=_by_client(template))
    return path


def _segment(expression: Expression, scope: Scope) -> str:
    value = _resolve(expression, scope)
    by_client = _by_client(expression)
    if value is None or value == "":
        raise Unrendered(f"{expression} is absent or empty", by_client=by_client)
    if isinstance(value, list | dict) or _CONTROL.search(text := as_text(value)):
        raise Unrendered(f"{expression} is not a single value of plain text", by_client=by_client)
    return _quoted(text, by_client=by_client)


def _query(step: Step, scope: Scope) -> Iterator[str]:
    """`name=value` pairs: those of the target, then those forwarded. An absent value leaves its pair out."""
    for name, structure in step.target.query:
        value = _resolve(structure, scope)
        for one in value if isinstance(structure.data, list) else (value,):
            if one is not None:
                yield f"{quote(name, safe='')}={_query_value(name, one)}"
    given = scope["query"]
    for name in step.forward_query:
        value = given.get(name)
        for one in value if isinstance(value, list) else (value,):
            if one is not None:
                yield f"{quote(name, safe='')}={_query_value(name, one)}"


def _query_value(name: str, value: Any) -> str:
    """A list is its values with commas between them, each encoded, so that a comma inside one is told from one between two."""
    try:
        return ",".join(_quoted(as_text(one)) for one in (value if isinstance(value, list) else (value,)))
    except Unresolved as error:
        raise Unrendered(f"query parameter {name}: {error}") from error


def _headers(step: Step, scope: Scope, *, has_body: bool) -> Headers:
    headers = {"accept": "application/json"}
    if has_body:
        headers["content-type"] = "application/json"
    given = scope["headers"]
    for name in step.forward_headers:
        if (value := given.get(name)) is not None:
            headers[name] = _header_value(name, ", ".join(value) if isinstance(value, list) else value)
    headers |= step.upstream.headers
    for name, template in step.headers:
        if (value := _resolve(template, scope)) is not None:
            headers[name] = _header_value(name, value, by_client=_by_client(template))
    return tuple(sorted(headers.items()))


def _header_value(name: str, value: Any, *, by_client: bool = True) -> str:
    try:
        text = as_text(value)
    except Unresolved as error:
        raise Unrendered(f"header {name}: {error}", by_client=by_client) from error
    if _CONTROL.search(text):
        raise Unrendered(f"header {name} would have a control character", by_client=by_client)
    return text


def _body(structure: Structure | None, scope: Scope) -> bytes:
    if structure is None:
        return b""
    try:
        return to_json(_resolve(structure, scope), inf_nan_mode="null")
    except (PydanticSerializationError, ValueError, RecursionError) as error:
        raise Unrendered("the body has a value that JSON has no form for") from error


def _resolve(reference: Expression | Template | Structure, scope: Scope) -> Any:
    try:
        return reference(scope)
    except Unresolved as error:
        raise Unrendered(str(error), by_client=_by_client(reference)) from error


def _by_client(reference: Expression | Template | Structure) -> bool:
    """Everything it names was the client's to give."""
    expressions = (reference,) if isinstance(reference, Expression) else reference.expressions
    return all(name[0] in _OF_THE_REQUEST for expression in expressions for name in expression.names)


def _quoted(text: str, *, by_client: bool = False) -> str:
    try:
        return quote(text, safe="")
    except UnicodeEncodeError as error:
        raise Unrendered("a value has half a surrogate pair in it", by_client=by_client) from error

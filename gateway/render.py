"""A recipe and the values at hand → the call to send. Pure; whatever a value holds, it stays where the config put it.

A value in a path is percent-encoded as one segment: it can neither climb (`..`), nor split (`/`), nor begin a query, nor name a host.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from typing import Any, TypeAlias
from urllib.parse import quote

from gateway.bodies import Encoding
from gateway.caching import LONGEST_TAG, NOWHERE, Place
from gateway.call import Call, Headers
from gateway.errors import Unrendered
from gateway.expressions.reference import REQUEST, Expression, Scope, Structure, Template, Unresolved, as_text
from gateway.formats.encode import Unencodable
from gateway.plan.recipe import Label, Recipe
from gateway.syntax import CONTROL, NOT_IN_A_HEADER, has_dot_segment
from gateway.telemetry import Span

LONGEST_TARGET = 16 * 1024
"""Bytes of path and query; servers refuse more."""

_PLAIN = re.compile(r"[A-Za-z0-9_~-]+")
"""Text that is a segment as it is: most ids. Seeing that costs 0.2 µs, encoding 2."""

_ITEMS = (("items",),)
"""What a batch asks for: the one list that a segment may have, with commas between its values."""

Reference: TypeAlias = Expression | Template | Structure


def render_call(recipe: Recipe, scope: Scope, deadline: float, span: Span) -> Call:
    """The call of a recipe. Raises `Unrendered` when a value is absent or does not fit where it stands."""
    target = _path(recipe, scope)
    if (recipe.target.query or recipe.forward_query) and (query := "&".join(_query(recipe, scope))):
        target = f"{target}?{query}"
    if len(target) > LONGEST_TARGET:
        by_client = is_by_client(recipe.target.path, *(structure for _, structure in recipe.target.query))
        raise Unrendered(f"the target would be longer than {LONGEST_TARGET} bytes", by_client=by_client)
    headers = _headers(recipe, scope) if recipe.forward_headers or recipe.headers else recipe.base_headers
    body = _body(recipe.body, recipe.encoding, scope) if recipe.body else b""
    return Call(
        recipe.upstream.name,
        recipe.method,
        target,
        deadline,
        span,
        recipe.target.path.text,
        headers,
        body,
        recipe.expects,
        recipe.policies.timeout,
        inject=recipe.policies.inject,
        place=render_place(recipe.label, scope) if recipe.label else None,
    )


def render_place(label: Label, scope: Scope) -> Place:
    """What the config says of where the reply is kept. What is not to be told is no fault of the call: its reply is not kept."""
    try:
        key = [as_text(value) for value in label.key.values(scope)] if label.key else None
        tags = [as_text(value) for value in (tag(scope) for tag in label.tags) if value is not None]
    except Unresolved:
        return NOWHERE
    if (key and not all(key)) or max(map(len, tags), default=0) > LONGEST_TAG:
        return NOWHERE
    return Place(named=tuple(key) if key else None, tags=tuple(tags))


def _path(recipe: Recipe, scope: Scope) -> str:
    path = "".join([part if isinstance(part, str) else _segment(part, scope) for part in recipe.target.segments])
    # A dot cannot be percent-encoded so that it stays a dot and no longer climbs; the only safe way is not to send it.
    if "." in path and has_dot_segment(path):
        template = recipe.target.path
        raise Unrendered(f"{_named(template)} would make a dot segment", by_client=is_by_client(template))
    return path


def _segment(expression: Expression, scope: Scope) -> str:
    value = resolve(expression, scope)
    if isinstance(value, str) and _PLAIN.fullmatch(value):
        return value
    if isinstance(value, list) and expression.names == _ITEMS:
        return ",".join(_single(one, expression) for one in value)
    return _single(value, expression)


def _single(value: Any, expression: Expression) -> str:
    by_client = is_by_client(expression)
    if value is None or value == "":
        raise Unrendered(f"{expression} is absent or empty", by_client=by_client)
    try:
        text = as_text(value)
    except Unresolved as error:
        raise Unrendered(f"{expression}: {error}", by_client=by_client) from error
    if isinstance(value, list) or CONTROL.search(text):
        raise Unrendered(f"{expression} is not a single value of plain text", by_client=by_client)
    return _quoted(text, by_client=by_client)


def _query(recipe: Recipe, scope: Scope) -> Iterator[str]:
    """`name=value` pairs: those of the target, then those forwarded. An absent value leaves its pair out."""
    for name, structure in recipe.target.query:
        value = resolve(structure, scope)
        for one in _spread(value) if isinstance(structure.data, list) else (value,):
            if one is not None:
                yield f"{name}={_query_value(one, structure)}"
    given = scope["query"]
    for name in recipe.forward_query:
        value = given.get(name)
        for one in value if isinstance(value, list) else (value,):
            if one is not None:
                yield f"{quote(name, safe='')}={quote(as_text(one), safe='')}"


def _spread(values: Iterable[Any]) -> Iterator[Any]:
    """The values of a list of templates; one that is itself a list is as many."""
    for value in values:
        yield from value if isinstance(value, list) else (value,)


def _query_value(value: Any, reference: Structure) -> str:
    """A list is its values with commas between them, each encoded, so that a comma inside one is told from one between two."""
    by_client = is_by_client(reference)
    try:
        return ",".join(_quoted(as_text(one), by_client=by_client) for one in (value if isinstance(value, list) else (value,)))
    except Unresolved as error:
        raise Unrendered(f"{_named(reference)}: {error}", by_client=by_client) from error


def _headers(recipe: Recipe, scope: Scope) -> Headers:
    headers = dict(recipe.base_headers)
    given = scope["headers"]
    for name in recipe.forward_headers:
        # The config's own words are not the client's to change.
        if name not in recipe.upstream.headers and (value := given.get(name)) is not None:
            headers[name] = _header_value(
                ", ".join(value) if isinstance(value, list) else value, f"headers.{name}", by_client=True
            )
    for name, template in recipe.headers:
        if (value := resolve(template, scope)) is not None:
            headers[name] = _header_value(value, _named(template), by_client=is_by_client(template))
    return tuple(sorted(headers.items()))


def _header_value(value: Any, reference: str, *, by_client: bool) -> str:
    try:
        text = as_text(value)
        text.encode()
    except (Unresolved, UnicodeEncodeError) as error:
        raise Unrendered(f"{reference} has no form as a header", by_client=by_client) from error
    if NOT_IN_A_HEADER.search(text):
        raise Unrendered(f"{reference} would put a control character into a header", by_client=by_client)
    # Blanks around a value are not part of it (RFC 9110, section 5.5), and not every parser lets them pass.
    return text.strip(" \t")


def _body(structure: Structure, encoding: Encoding, scope: Scope) -> bytes:
    try:
        return encoding.write(resolve(structure, scope))
    except Unencodable as error:
        raise Unrendered(f"the body has {error}", by_client=is_by_client(structure)) from error


def resolve(reference: Reference, scope: Scope) -> Any:
    """The value of a reference. Raises `Unrendered` when it does not fit the values at hand."""
    try:
        return reference(scope)
    except Unresolved as error:
        raise Unrendered(str(error), by_client=is_by_client(reference)) from error


def is_by_client(*references: Reference) -> bool:
    """Everything they name was the client's to give. What names nothing is the config's."""
    names = [name for reference in references for expression in _expressions(reference) for name in expression.names]
    return bool(names) and all(name[0] in REQUEST for name in names)


def _named(reference: Reference) -> str:
    """The reference for a message that a client may read: neither a path nor a name that only the upstream knows."""
    return ", ".join(str(expression) for expression in _expressions(reference)) or "a value"


def _expressions(reference: Reference) -> tuple[Expression, ...]:
    return (reference,) if isinstance(reference, Expression) else reference.expressions


def _quoted(text: str, *, by_client: bool) -> str:
    try:
        return quote(text, safe="")
    except UnicodeEncodeError as error:
        raise Unrendered("a value has half a surrogate pair in it", by_client=by_client) from error

"""What a call's reply promises: the schema of the value that a recipe makes of it, as far as the upstream's document says."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from gateway.call import Expectation
from gateway.expressions.reference import Expression
from gateway.openapi.components import ComponentsState
from gateway.openapi.document import REFERENCE, Document
from gateway.openapi.schema import ANY, NULL, Schema, Schemas
from gateway.plan.recipe import Recipe, Target

_TEXT: Schema = {"type": ["string", "null"]}
_OF_FORMAT: Mapping[str, Schema] = {"text": _TEXT, "bytes": _TEXT, "jsonl": {"type": ["array", "null"]}, "xml": ANY}
"""What a reply is whatever a document says, by `decode`; null where it has no body."""

_NO_BODY = ("204", "205")


def reply_schema(recipe: Recipe, documents: Mapping[str, Document], components: ComponentsState) -> Schema:
    """What is in the replies that a recipe takes; anything, where nobody says it of one of them."""
    format_of = _OF_FORMAT.get(recipe.expects.format.name)
    document = documents.get(recipe.upstream.name)
    if format_of is not None or document is None:
        return format_of or ANY
    operation = document.operation(recipe.method, template_of(recipe.target), recipe.upstream.prefix)
    responses = operation.get("responses") if operation else None
    if not isinstance(responses, dict):
        return ANY
    found = [_response_schema(one, status, document, components) for status, one in _taken(responses, recipe.expects)]
    return Schemas(components.resolve).union(*found) if found else ANY


def template_of(target: Target) -> str:
    """The path of a call below its upstream's url, `REFERENCE` for each reference."""
    return "".join(REFERENCE if isinstance(part, Expression) else part for part in target.segments[1:])


def _taken(responses: Mapping[str, Any], expects: Expectation) -> Iterator[tuple[str, Any]]:
    """The responses that belong to a status the step takes; the default one where nothing else does."""
    wanted = expects.accept
    if wanted is not None:
        for status in sorted(wanted):
            yield str(status), responses.get(str(status), responses.get(f"{status // 100}XX", responses.get("default")))
        return
    handled = set(map(str, expects.handled))
    good = [(status, one) for status, one in responses.items() if status.startswith("2") and status not in handled]
    yield from good or [("default", responses.get("default"))]


def _response_schema(response: Any, status: str, document: Document, components: ComponentsState) -> Schema:
    if isinstance(response, dict) and isinstance(ref := response.get("$ref"), str):
        response = document.source.at(ref)
    content = response.get("content") if isinstance(response, dict) else None
    if not content:
        return NULL if status in _NO_BODY else ANY
    kinds = content if isinstance(content, dict) else {}
    media = next((kinds[kind] for kind in kinds if _is_json(kind)), None)
    return components.read(media.get("schema", True), document.source) if isinstance(media, dict) else ANY


def _is_json(media_type: str) -> bool:
    kind = media_type.partition(";")[0].strip().lower()
    return kind in ("application/json", "*/*", "application/*") or kind.endswith("+json")

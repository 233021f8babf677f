"""The words of a config as keywords, so that editors complete them; what each means is said once, beside its field in `gateway/spec`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Literal, TypedDict


class StepWords(TypedDict, total=False):
    """What may be said of a step besides its call: the fields of `StepSpec`."""

    query: Mapping[str, Any]
    headers: Mapping[str, str]
    body: Any
    encode: Literal["json", "form", "text"]
    decode: Literal["json", "xml", "text", "bytes", "jsonl"]
    forward: Mapping[str, Any]
    select: str
    accept: Sequence[int]
    on_status: Mapping[int, Any]
    timeout: str
    retry: Mapping[str, Any] | Literal[False]
    cache: Mapping[str, Any] | Literal[False]
    coalesce: bool
    inject: Mapping[str, Any] | Literal[False]
    hedge: Mapping[str, Any] | Literal[False]
    needs: Sequence[str]
    when: str
    optional: bool
    fallback: Any
    end: Mapping[str, Any]
    undo: Mapping[str, Any]
    for_each: str
    concurrency: int
    limit: int | Mapping[str, int]
    items: Literal["required", "optional"]
    batch: Mapping[str, Any]
    join: Mapping[str, str]


class EndpointWords(TypedDict, total=False):
    """What may be said of an endpoint: the fields of `EndpointSpec`, but for its steps."""

    path: str
    method: Literal["GET", "POST", "PUT", "PATCH", "DELETE"]
    summary: str
    description: str
    tags: Sequence[str]
    timeout: str
    priority: Literal["critical", "normal", "low"]
    inputs: Mapping[str, Mapping[str, Any]]
    idempotency: bool | Mapping[str, Any]
    response: Any
    status: str | int
    headers: Mapping[str, str]
    cache: Mapping[str, Any]
    passthrough: bool | Mapping[str, Any]

"""Upstreams' OpenAPI documents that have to be asked for. Nothing depends on them but what `/openapi.json` says of replies."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Iterable

import httpx

from gateway.openapi.document import LARGEST, BadDocument, Document, read_document
from gateway.openapi.reply import template_of
from gateway.plan.recipe import Recipe, Upstream

SECONDS = 10
"""How long a document may take."""

_log = logging.getLogger("gateway.openapi")


async def ask_document(upstream: Upstream, client: httpx.AsyncClient) -> Document | None:
    """The document that an upstream's config names by its URL; None, and a warning in the log, when it cannot be had."""
    assert upstream.document_url is not None
    try:
        async with asyncio.timeout(SECONDS):
            data = await _fetch(upstream.document_url, client)
        # Reading a large one takes a second, in which every request would wait.
        return await asyncio.to_thread(read_document, upstream.name, data)
    except (BadDocument, httpx.HTTPError, httpx.InvalidURL, TimeoutError) as error:
        reason = str(error) if isinstance(error, BadDocument) else type(error).__name__
        _log.warning("no OpenAPI document of %s, so that its replies are described as anything: %s", upstream.name, reason)
        return None


def warn_of_drift(recipes: Iterable[Recipe], document: Document) -> None:
    """Warn of each call that the document does not have: it came too late for `gateway check` to say so."""
    for recipe in recipes:
        template = template_of(recipe.target)
        if recipe.upstream.name == document.upstream and not document.operation(recipe.method, template, recipe.upstream.prefix):
            hint = document.hint(recipe.method, template, recipe.target.path.text, recipe.upstream.prefix)
            _log.warning(
                "the OpenAPI document of %s has no %s %s%s", document.upstream, recipe.method, recipe.target.path.text, hint
            )


async def _fetch(url: str, client: httpx.AsyncClient) -> bytes:
    data = bytearray()
    async with client.stream("GET", url, headers={"accept": "application/json, application/yaml;q=0.9, */*;q=0.5"}) as reply:
        if reply.status_code != 200:
            raise BadDocument(f"status {reply.status_code}")
        async for part in reply.aiter_bytes():
            data += part
            if len(data) > LARGEST:
                raise BadDocument(f"larger than {LARGEST // 1024**2} MiB")
    return bytes(data)

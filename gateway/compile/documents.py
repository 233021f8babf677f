"""Upstreams' OpenAPI documents: files are read now, a URL is asked when serving starts, so that checking needs no network."""

from __future__ import annotations

from pathlib import Path as FilePath
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from gateway.compile.report import Report
from gateway.finding import Path
from gateway.openapi.document import LARGEST, BadDocument, Document, read_document
from gateway.openapi.reply import template_of
from gateway.syntax import CONTROL

if TYPE_CHECKING:
    from gateway.plan.recipe import Recipe

_SCHEMES = ("http://", "https://")


def compile_document(name: str, written: str | None, path: Path, report: Report) -> tuple[Document | None, str | None]:
    """An upstream's document, or the URL to ask for it; neither when there is none. What is wrong with it is reported."""
    if written is None:
        return None, None
    if written.lower().startswith(_SCHEMES):
        if complaint := _complaint(written):
            report.add(path, complaint)
        return None, written
    try:
        return read_document(name, _read(FilePath(report.source.file).parent / written)), None
    except BadDocument as error:
        report.add(path, str(error))
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or "not the name of a file"
        report.add(path, f"cannot read this file: {reason}; its path begins where the config is")
    return None, None


def check_operation(recipe: Recipe, path: Path, report: Report) -> None:
    """Report a call that the upstream's own document does not have."""
    upstream = recipe.upstream
    document, template = upstream.document, template_of(recipe.target)
    if document and document.operation(recipe.method, template, upstream.prefix) is None:
        hint = document.hint(recipe.method, template, recipe.target.path.text, upstream.prefix)
        report.add(path, f"the OpenAPI document of {upstream.name!r} has no {recipe.method} {recipe.target.path.text}{hint}")


def _read(file: FilePath) -> bytes:
    """The file, and not more of it than a document may have: a device has no end."""
    with file.open("rb") as stream:
        return stream.read(LARGEST + 1)


def _complaint(url: str) -> str | None:
    wrong = "neither a file nor a URL; write https://HOST/openapi.json, or a path beside the config"
    try:
        parts = urlsplit(url)
        if not parts.hostname or parts.port == 0 or CONTROL.search(url) or " " in url:
            return wrong
    except ValueError:
        return wrong
    if parts.username is not None or parts.password is not None:
        return "credentials do not belong in a URL, which is logged in many places; keep a copy of the document as a file"
    return None

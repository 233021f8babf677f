"""An upstream's OpenAPI document: read from JSON or YAML, and asked what a call is answered with."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any
from urllib.parse import unquote, urlsplit

from gateway.expressions.reference import did_you_mean
from gateway.formats.decode import Undecodable, decode_json
from gateway.load.nodes import NotYaml, read_plain
from gateway.openapi.components import Source
from gateway.spec import METHODS

LARGEST = 16 * 1024**2
"""Bytes a document may have in JSON."""

LARGEST_YAML = 1024**2
"""Bytes a document may have in YAML, which takes a hundred times as long to read."""

DEEPEST = 200
MOST_VALUES = 500_000

REFERENCE = "\0"
"""Stands in a path for a reference, whose value nobody knows yet; no path has a NUL."""

_PARAMETER = re.compile(r"\{[^/{}]*\}")
_VERSION = re.compile(r"3\.(\d+)(\.\d+)?(-.*)?")


class BadDocument(ValueError):
    """It is no document that we read; the message says why, and what would help."""


@dataclass(frozen=True)
class Document:
    """An upstream's own description of itself."""

    upstream: str
    source: Source

    def operation(self, method: str, path: str, prefix: str) -> Mapping[str, Any] | None:
        """The operation that answers a call; None where the document has none.

        The path has `REFERENCE` in place of each reference. `prefix` is what the upstream's url has before it: a document may count that
        as a part of its paths, or of its `servers`, or not know of it.
        """
        found = (item.get(method.lower()) for item in self._items(path, prefix))
        return next((operation for operation in found if isinstance(operation, dict)), None)

    def hint(self, method: str, path: str, written: str, prefix: str) -> str:
        """The end of a message about an operation that is not there: what may have been meant."""
        if there := [one.upper() for item in self._items(path, prefix) for one in METHODS if one in item]:
            return f"; it has this path for {', '.join(dict.fromkeys(there))}"
        known = [f"{one.upper()} {path}" for path, item, _ in self._paths for one in METHODS if one in item]
        return did_you_mean(f"{method} {written}", known)

    def _items(self, path: str, prefix: str) -> list[Mapping[str, Any]]:
        """What the document has at this path, plain text before a parameter."""
        return next((items for spelling in self._spellings(path, prefix) if (items := self._fitting(spelling))), [])

    def _spellings(self, path: str, prefix: str) -> Iterator[str]:
        """The paths that the document may have for it, the likeliest first."""
        whole = prefix + path
        for base in self._bases:
            if whole.startswith(f"{base}/"):
                yield whole[len(base) :]
        yield path

    def _fitting(self, path: str) -> list[Mapping[str, Any]]:
        segments = [unquote(segment) for segment in path.split("/")]
        return [item for _, item, pattern in self._paths if _fits(segments, pattern)]

    @cached_property
    def _bases(self) -> tuple[str, ...]:
        """The paths that its servers' urls end with, the longest first, and none."""
        servers = self.source.tree.get("servers")
        paths = {_base_path(server) for server in (servers if isinstance(servers, list) else ())}
        return tuple(sorted({*paths, ""}, key=len, reverse=True))

    @cached_property
    def _paths(self) -> list[tuple[str, Mapping[str, Any], tuple[re.Pattern[str] | str, ...]]]:
        """Path, what stands there, and the pattern of each segment."""
        items = ((path, self._item(item)) for path, item in self.source.tree["paths"].items())
        paths = [(path, item, tuple(map(_pattern, path.split("/")))) for path, item in items if item]
        return sorted(paths, key=lambda one: [not isinstance(segment, str) for segment in one[2]])

    def _item(self, item: Any) -> Mapping[str, Any]:
        if isinstance(item, dict) and isinstance(ref := item.get("$ref"), str):
            item = self.source.at(ref)
        return item if isinstance(item, dict) else {}


def read_document(upstream: str, data: bytes) -> Document:
    """The document in these bytes. Raises `BadDocument`."""
    tree = _read(data)
    if not isinstance(tree, dict) or not {"openapi", "swagger"} & tree.keys():
        raise BadDocument("not an OpenAPI document: it has no 'openapi' with a version")
    if "openapi" not in tree:
        raise BadDocument("Swagger 2.0, and OpenAPI 3.0 or 3.1 is needed; convert it, as swagger2openapi does")
    found = _VERSION.fullmatch(str(tree["openapi"]))
    if not found:
        raise BadDocument(f"OpenAPI {str(tree['openapi'])[:20]!r}, and 3.0 or 3.1 is needed")
    if not isinstance(tree.get("paths"), dict):
        raise BadDocument("an OpenAPI document without 'paths'")
    return Document(upstream, Source(tree, f"{upstream}.", nullable=found[1] == "0"))


def _read(data: bytes) -> Any:
    if len(data) > LARGEST:
        raise BadDocument(f"larger than {LARGEST // 1024**2} MiB")
    if data.lstrip()[:1] in (b"{", b"["):
        try:
            return decode_json(data)
        except Undecodable as error:
            raise BadDocument("not JSON, although it begins like it") from error
    if len(data) > LARGEST_YAML:
        raise BadDocument(f"larger than {LARGEST_YAML // 1024**2} MiB of YAML; in JSON it may have {LARGEST // 1024**2} MiB")
    try:
        return read_plain(data.decode(), DEEPEST, MOST_VALUES)
    except UnicodeDecodeError as error:
        raise BadDocument("neither JSON nor YAML: it is not UTF-8 text") from error
    except NotYaml as error:
        raise BadDocument(f"neither JSON nor YAML; line {error.place.line}, column {error.place.column}: {error}") from error


def _pattern(segment: str) -> re.Pattern[str] | str:
    """What fits a segment of a path: its text, or a pattern where it has a parameter."""
    texts = _PARAMETER.split(segment)
    return unquote(segment) if len(texts) == 1 else re.compile(".+".join(map(re.escape, texts)), re.DOTALL)


def _fits(segments: list[str], pattern: tuple[re.Pattern[str] | str, ...]) -> bool:
    return len(segments) == len(pattern) and all(
        segment == fits if isinstance(fits, str) else fits.fullmatch(segment)
        for segment, fits in zip(segments, pattern, strict=True)
    )


def _base_path(server: Any) -> str:
    url = server.get("url") if isinstance(server, dict) else None
    if not isinstance(url, str):
        return ""
    variables = server.get("variables")
    for name, variable in (variables if isinstance(variables, dict) else {}).items():
        if isinstance(variable, dict):
            url = url.replace(f"{{{name}}}", str(variable.get("default", "")))
    try:
        return urlsplit(url).path.rstrip("/")
    except ValueError:
        return ""

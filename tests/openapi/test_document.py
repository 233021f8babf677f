"""An upstream's document: read from JSON or YAML, and asked for the operation behind a call."""

from __future__ import annotations

import json
from typing import Any

import pytest

from gateway.openapi.document import LARGEST, LARGEST_YAML, BadDocument, Document, read_document


def document(*paths: str, version: str = "3.1.0", **more: Any) -> Document:
    """One with a GET at each of these paths, which says its own path."""
    items = {path: {"get": {"operationId": path}} for path in paths}
    return read_document("users", json.dumps({"openapi": version, "paths": items, **more}).encode())


def found(read: Document, path: str, prefix: str = "") -> str | None:
    """The path under which the document has this GET; `{}` stands for a reference."""
    operation = read.operation("GET", path.replace("{}", "\0"), prefix)
    return operation and operation["operationId"]


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        ("/users/{}", "/users/{id}"),
        ("/users/me", "/users/me"),
        ("/users/42", "/users/{id}"),
        ("/users/{}/orders", "/users/{id}/orders"),
        ("/files/{}.json", "/files/{name}.json"),
        ("/files/a%20b.json", "/files/{name}.json"),
        ("/users", None),
        ("/users/", None),
        ("/{}/me", None),
        ("/files/{}", None),
    ],
)
def test_a_call_finds_its_operation_by_path(path: str, expected: str | None) -> None:
    """Plain text before a parameter; a reference, whose value nobody knows, fits a parameter only."""
    read = document("/users/{id}", "/users/me", "/users/{id}/orders", "/files/{name}.json")

    assert found(read, path) == expected


@pytest.mark.parametrize(
    ("servers", "prefix"),
    [
        ([], ""),
        ([], "/api"),
        ([{"url": "https://users.test/api"}], "/api"),
        ([{"url": "/api"}, {"url": "/"}], "/api"),
        ([{"url": "{base}/v1", "variables": {"base": {"default": "/api"}}}], "/api/v1"),
        ([{"url": "http://[bad"}, {"no": "url"}, "text"], ""),
    ],
)
def test_the_path_before_every_step_may_be_the_servers(servers: list[Any], prefix: str) -> None:
    """A document counts it among its servers, or does not know of it."""
    assert found(document("/users/{id}", servers=servers), "/users/{}", prefix) == "/users/{id}"


def test_a_servers_path_is_only_left_out_where_it_is_there() -> None:
    """Steps may have it in their own paths; `/apis` does not begin with `/api`."""
    assert found(document("/users/{id}", servers=[{"url": "/api"}]), "/api/users/{}", "") == "/users/{id}"
    assert found(document("/users/{id}", servers=[{"url": "/api"}]), "/apiusers/{}", "") is None
    assert found(document("s/{id}", "/{id}", servers=[{"url": "/user"}]), "/users/{}", "") is None


def test_the_path_before_every_step_may_be_the_documents_own() -> None:
    """One that speaks of whole paths is understood too."""
    assert found(document("/api/users/{id}"), "/users/{}", "/api") == "/api/users/{id}"


def test_a_path_may_stand_elsewhere_in_the_document() -> None:
    """OpenAPI lets a path be a reference."""
    tree = {
        "openapi": "3.1.0",
        "paths": {"/a": {"$ref": "#/x/a"}, "/b": {"$ref": "other.json"}},
        "x": {"a": {"get": {"operationId": "a"}}},
    }

    read = read_document("users", json.dumps(tree).encode())

    assert (found(read, "/a"), found(read, "/b")) == ("a", None)


@pytest.mark.parametrize(
    ("method", "path", "hint"),
    [
        ("GET", "/user/{}", "; did you mean 'GET /users/{id}'?"),
        ("POST", "/users/{}", "; it has this path for GET"),
        ("GET", "/quite/something/else", ""),
    ],
)
def test_a_hint_says_what_may_be_meant(method: str, path: str, hint: str) -> None:
    """A path that resembles, or another method of the same one."""
    read = document("/users/{id}")

    assert read.hint(method, path.replace("{}", "\0"), path.replace("{}", "{path.id}"), "") == hint


def test_yaml_is_read_as_json_would_be() -> None:
    """A status is text although YAML has numbers, and `no` is a word."""
    text = "openapi: 3.0.3\npaths:\n  /a:\n    get: { operationId: no, responses: { 200: { description: 12:30 } } }\n"

    read = read_document("users", text.encode())

    assert read.source.nullable
    assert read.operation("GET", "/a", "") == {"operationId": "no", "responses": {"200": {"description": "12:30"}}}


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"", "not an OpenAPI document"),
        (b"[]", "not an OpenAPI document"),
        (b"{,}", "not JSON"),
        (b"\xff\xfe", "not UTF-8"),
        (b"a: [", "line 1, column 5"),
        (b"a: &a [*a]", "alias inside itself"),
        (b"a: " + b"[" * 300, "nested deeper"),
        (b'{"swagger": "2.0"}', "swagger2openapi"),
        (b'{"openapi": "4.0"}', "'4.0', and 3.0 or 3.1 is needed"),
        (b'{"openapi": 3}', "'3', and"),
        (b'{"openapi": "3.1.0"}', "without 'paths'"),
        (b'{"a": ' * 5000, "not JSON"),
        (b"#" * (LARGEST_YAML + 1), "1 MiB of YAML"),
        (b" " * (LARGEST + 1), "larger than 16 MiB"),
    ],
)
def test_what_is_no_document_is_refused_with_a_reason(data: bytes, message: str) -> None:
    """Whatever the bytes: the message says what they are and what would help."""
    with pytest.raises(BadDocument, match=message):
        read_document("users", data)

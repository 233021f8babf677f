"""The JSON Schema that editors read."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from gateway.load import load_text
from gateway.spec import GatewaySpec

ROOT = Path(__file__).parents[2]
SCHEMA = GatewaySpec.model_json_schema()
RIGHT = """
version: 1
answer: { errors: false }
upstreams: { a: { url: "http://a", timeout: 1s, headers: { X-Key: a } } }
endpoints:
  - path: /
    steps: { a: { get: a /, retry: false, on_status: { 404: skip }, fallback: [] } }
"""


def mistakes(config: str) -> list[str]:
    """Where the schema objects, as an editor would underline it."""
    tree = load_text(config, environ={}).source.tree
    return [error.json_path for error in jsonschema.Draft202012Validator(SCHEMA).iter_errors(tree)]


def test_schema_is_one():
    jsonschema.Draft202012Validator.check_schema(SCHEMA)


def test_the_file_beside_the_configs_is_this_schema():
    """What the first line of the showcase tells editors to use; `make docs` writes it."""
    written = json.loads((ROOT / "config" / "gateway.schema.json").read_text(encoding="utf-8"))

    assert written | SCHEMA | {"title": ""} == written | {"title": ""}


@pytest.mark.parametrize("file", sorted((ROOT / "config").glob("*.yaml")), ids=lambda file: file.name)
def test_configs_of_this_repository_fit(file):
    """An editor underlines nothing in the showcase."""
    assert mistakes(file.read_text(encoding="utf-8")) == []


@pytest.mark.parametrize(
    "file",
    [file for file in sorted((Path(__file__).parent / "golden").glob("plan-*.txt")) if "outside" not in file.name],
    ids=lambda file: file.stem,
)
def test_configs_that_make_plans_fit(file):
    """What the gateway takes, an editor takes."""
    config = file.read_text(encoding="utf-8").partition("\n----\n")[0]
    yes_is_a_boolean_to_the_gateway = config.replace("optional: yes", "optional: true")

    assert mistakes(yes_is_a_boolean_to_the_gateway) == []


@pytest.mark.parametrize(
    ("right", "wrong", "where"),
    [
        ("version: 1", "version: 2", "$.version"),
        ("version: 1", "", "$"),
        ("endpoints:", "endpoint:", "$"),
        ("timeout: 1s", "timeout: 1", "$.upstreams.a.timeout"),
        ("timeout: 1s", "timeout: 1 s", "$.upstreams.a.timeout"),
        ("timeout: 1s", "timeuot: 1s", "$.upstreams.a"),
        ("url:", "ulr:", "$.upstreams.a"),
        ("X-Key:", "X Key:", "$.upstreams.a.headers"),
        ("upstreams: { a:", "upstreams: { a-b:", "$.upstreams"),
        ("errors: false", "errors: true", "$.answer.errors"),
        ("path: /", "pth: /", "$.endpoints[0]"),
        ("steps: { a:", "steps: { 1a:", "$.endpoints[0].steps"),
        ("get: a /", "gte: a /", "$.endpoints[0].steps.a"),
        ("get: a /", "get: a /, post: a /", "$.endpoints[0].steps.a"),
        ("get: a /, ", "", "$.endpoints[0].steps.a"),
        ("retry: false", "retry: true", "$.endpoints[0].steps.a.retry"),
        ("retry: false", "retry: { attempts: 11 }", "$.endpoints[0].steps.a.retry"),
        ("404:", "4xx:", "$.endpoints[0].steps.a.on_status"),
    ],
)
def test_typical_mistake_is_underlined(right, wrong, where):
    """What `gateway check` would say, an editor says while typing."""
    assert mistakes(RIGHT) == []

    assert where in mistakes(RIGHT.replace(right, wrong, 1))


def test_config_without_endpoints_is_underlined():
    assert mistakes("version: 1\nendpoints: []") == ["$.endpoints"]


def properties(schema: dict[str, Any], path: str) -> Iterator[tuple[str, dict[str, Any]]]:
    """Every property of every object in the schema."""
    for name, definition in {path: schema, **schema.get("$defs", {})}.items():
        for key, inner in definition.get("properties", {}).items():
            yield f"{name}.{key}", inner


def test_every_property_is_described():
    """The docstring of a field is its manual; a field without one cannot be looked up."""
    described = dict(properties(SCHEMA, "GatewaySpec"))

    assert len(described) > 50
    assert [name for name, schema in described.items() if not schema.get("description")] == []


def test_every_object_is_described_and_closed():
    """What a spec or a policy is for, and that nothing else may be written in it."""
    objects = {"GatewaySpec": SCHEMA, **SCHEMA["$defs"]}

    assert [name for name, schema in objects.items() if not schema.get("description")] == []
    assert [name for name, schema in objects.items() if schema.get("additionalProperties") is not False] == []


def test_defaults_can_be_written_as_they_are_shown():
    """An editor offers the default: it has to be one that the gateway takes, `2s` and not 2.0."""
    defaults = {name: schema for name, schema in properties(SCHEMA, "GatewaySpec") if schema.get("default") is not None}

    for name, schema in defaults.items():
        validator = jsonschema.Draft202012Validator({**schema, "$defs": SCHEMA["$defs"]})
        assert validator.is_valid(schema["default"]), name
    assert {"EndpointSpec.timeout", "RetryPolicy.backoff", "UpstreamSpec.max_reply"} <= defaults.keys()

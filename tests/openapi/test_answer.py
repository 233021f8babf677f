"""Plans and their upstreams' documents → the schema of the answer."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from gateway.compile import compile_plans
from gateway.load import load_file
from gateway.openapi.answer import Answers, Promise
from gateway.openapi.components import ComponentsState

Promised = Callable[..., Promise]

USER = {"$ref": "#/components/schemas/users.User"}
ORDERS = {"type": "array", "items": {"$ref": "#/components/schemas/users.Order"}}
TEXT = {"type": "string"}
NULL = {"type": "null"}

DOCUMENT = {
    "openapi": "3.1.0",
    "paths": {
        "/users/{id}": {
            "get": {"responses": {"200": {"content": {"application/json": {"schema": {"$ref": "#/components/schemas/User"}}}}}}
        },
        "/orders": {
            "get": {"responses": {"2XX": {"$ref": "#/components/responses/Orders"}, "404": {}}},
            "post": {
                "responses": {
                    "201": {"content": {"application/hal+json": {"schema": {"$ref": "#/components/schemas/Order"}}}},
                    "204": {},
                }
            },
        },
        "/products": {
            "get": {"responses": {"default": {"content": {"*/*": {"schema": {"type": "array", "items": {"type": "object"}}}}}}}
        },
        "/text": {"get": {"responses": {"200": {"content": {"text/plain": {}}}}}},
        "/silent": {"get": {}},
    },
    "components": {
        "schemas": {
            "User": {"type": "object", "properties": {"name": TEXT, "segment": TEXT}, "required": ["name"]},
            "Order": {
                "type": "object",
                "properties": {
                    "id": {"type": "integer"},
                    "lines": {"type": "array", "items": {"$ref": "#/components/schemas/Line"}},
                },
                "required": ["id", "lines"],
            },
            "Line": {"type": "object", "properties": {"sku": TEXT}, "required": ["sku"]},
        },
        "responses": {
            "Orders": {
                "content": {"application/json": {"schema": {"type": "array", "items": {"$ref": "#/components/schemas/Order"}}}}
            }
        },
    },
}


@pytest.fixture
def promised(tmp_path: Path) -> Promised:
    """What the answers of the one endpoint with these steps may be."""

    def read(steps: str, **endpoint: str) -> Promise:
        (tmp_path / "users.json").write_text(json.dumps(DOCUMENT))
        words = ", ".join(
            f"{word}: {value}" for word, value in {"path": "'/a/{id}'", "steps": f"{{ {steps} }}", **endpoint}.items()
        )
        upstreams = "users: { url: http://users.test, openapi: users.json }, other: { url: http://other.test }"
        config = tmp_path / "gateway.yaml"
        config.write_text(f"version: 1\nupstreams: {{ {upstreams} }}\nendpoints: [{{ {words} }}]\n")
        (plan,) = compile_plans(load_file(config))
        documents = {recipe.upstream.name: recipe.upstream.document for recipe in plan.recipes if recipe.upstream.document}
        return Answers(documents, ComponentsState()).of(plan)

    return read


def value_of(promise: Promise) -> Any:
    """What is promised of the step `it`, or of the member `it`."""
    return promise.answer["properties"]["it"]


@pytest.mark.parametrize(
    ("step", "expected"),
    [
        ("get: 'users /users/{path.id}'", USER),
        ("get: 'users /users/{path.id}', select: name", TEXT),
        ("get: 'users /users/{path.id}', optional: true", {"anyOf": [USER, NULL]}),
        ("get: 'users /users/{path.id}', optional: true, fallback: { name: nobody }", USER),
        ("get: 'users /users/{path.id}', optional: true, fallback: nobody", {"anyOf": [USER, {"const": "nobody"}]}),
        ("get: 'users /users/{path.id}', when: path.id", {"anyOf": [USER, NULL]}),
        ("get: 'users /users/{path.id}', on_status: { 404: skip }", {"anyOf": [USER, NULL]}),
        ("get: 'users /users/{path.id}', on_status: { 404: '{path.id}' }", {"anyOf": [USER, TEXT]}),
        ("get: 'users /users/{path.id}', accept: [200, 404]", {}),
        ("get: users /orders, optional: true, fallback: []", ORDERS),
        ("get: users /orders, optional: true, fallback: { get: other /orders, fallback: [] }", {}),
        ("get: users /orders, accept: [203]", ORDERS),
        ("post: users /orders, body: {}", {"anyOf": [{"$ref": "#/components/schemas/users.Order"}, NULL]}),
        ("get: users /products", {"type": "array", "items": {"type": "object"}}),
        ("get: users /text, decode: text", {"type": ["string", "null"]}),
        ("get: users /text, decode: jsonl", {"type": ["array", "null"]}),
        ("get: users /text", {}),
        ("get: users /silent", {}),
        ("get: other /users/1", {}),
    ],
)
def test_a_steps_value_is_what_its_reply_or_whatever_stands_in_for_it_may_be(
    promised: Promised, step: str, expected: Any
) -> None:
    """Null only where nothing stands in; anything where nobody says what it is."""
    assert value_of(promised(f"it: {{ {step} }}")) == expected


@pytest.mark.parametrize(
    ("steps", "expected"),
    [
        (
            "first: { get: other /, when: path.id }, it: { get: users /orders, needs: [first] }",
            {"type": ["array", "null"], "items": ORDERS["items"]},
        ),
        ("first: { get: other /, when: path.id, fallback: 1 }, it: { get: users /orders, needs: [first] }", ORDERS),
        ("first: { get: other /, optional: true }, it: { get: users /orders, needs: [first] }", ORDERS),
    ],
)
def test_what_needs_a_skipped_step_is_skipped_too(promised: Promised, steps: str, expected: Any) -> None:
    """Unless something stands in for that one; what needs a failed step fails with it, and is no answer."""
    assert value_of(promised(steps)) == expected


@pytest.mark.parametrize(
    ("template", "expected"),
    [
        ("user.name", TEXT),
        ("user.segment", {"type": ["string", "null"]}),
        ("orders[].lines[].sku", {"type": "array", "items": TEXT}),
        ("length(orders)", {"type": "integer", "minimum": 0}),
        ("length(user.segment)", {"type": ["integer", "null"], "minimum": 0}),
        ("path.id", TEXT),
        ("query.lang", {"type": ["string", "null"]}),
        ("steps.user.status", {"type": ["integer", "null"]}),
        ("body", {}),
        ("[user.name, 7]", {"type": "array", "prefixItems": [TEXT, {"const": 7}], "items": False, "minItems": 2}),
        ("{ transform: 'json:dumps', of: user }", {}),
        ("{ merge: [user.segment, user.name], how: prefer }", TEXT),
        ("{ merge: ['orders[].id', 'orders[].id'], how: concat }", {"type": "array", "items": {"type": "integer"}}),
        ("{ merge: [orders, user], how: concat }", {"type": ["array", "null"], "items": ORDERS["items"]}),
        ("{ merge: [orders, orders], how: keyed(id), collisions: last }", {"type": "array"}),
        ("{ merge: [user, user], how: deep, collisions: last }", {"type": "object"}),
        (
            "{ merge: ['{a: user.name}', { b: user }], how: shallow }",
            {"type": ["object", "null"], "properties": {"a": TEXT, "b": USER}, "required": ["a", "b"]},
        ),
        (
            "{ merge: ['{a: user.name}', '{a: orders, b: user}'], how: shallow, collisions: last }",
            {"type": "object", "properties": {"a": ORDERS, "b": USER}, "required": ["a", "b"]},
        ),
    ],
)
def test_the_template_is_gone_through(promised: Promised, template: str, expected: Any) -> None:
    """An expression that may not fit is null then; what a function of the user's gives, nobody knows."""
    quoted = template if template[0] in "[{" else f"'{template}'"
    steps = "user: { get: 'users /users/{path.id}?lang={query.lang}' }, orders: { get: users /orders }"

    found = value_of(promised(steps, method="POST", response=f"{{ it: {quoted} }}"))

    assert found == expected


def test_a_loop_gives_a_list_with_a_place_for_each_item(promised: Promised) -> None:
    """Null where an item has nothing, unless every item is required; a batch's reply is looked into."""
    orders = "orders: { get: users /orders }"
    call = "for_each: 'orders[].id', get: 'users /users/{item}'"
    batch = (
        "for_each: 'orders[].lines[].sku', get: 'users /users/{item}', batch: { get: 'users /products?sku={items}', key: sku }"
    )

    found = [value_of(promised(f"{orders}, it: {{ {step} }}")) for step in (call, f"{call}, items: required", batch)]

    assert found == [
        {"type": "array", "items": {"anyOf": [USER, NULL]}},
        {"type": "array", "items": USER},
        {"type": "array", "items": {"type": ["object", "null"]}},
    ]


def test_a_join_adds_a_member(promised: Promised) -> None:
    """In the elements that it goes to, for everybody who sees it; null where an item has nothing."""
    join = "join: { into: 'it[].lines[]', on: sku, as: user }"

    found = value_of(
        promised(f"it: {{ get: users /orders }}, users: {{ for_each: 'it[].lines[].sku', get: 'users /users/{{item}}', {join} }}")
    )

    line = found["items"]["properties"]["lines"]["items"]
    assert line["properties"] == {"sku": TEXT, "user": {"anyOf": [USER, NULL]}}
    assert line["required"] == ["sku", "user"]
    assert found["items"]["required"] == ["id", "lines"]


def test_an_answer_that_ends_early_is_promised_too(promised: Promised) -> None:
    """With its status, and its value if it has one."""
    promise = promised(
        "it: { get: 'users /users/{path.id}', end: { when: it.segment, status: 203, value: '{it.name}' }, on_status: { 404: end } }"
    )

    assert promise.endings == ((404, None), (203, TEXT))


def test_a_type_counts_more_than_a_document(promised: Promised, tmp_path: Path) -> None:
    """What replies are held to is known; what a document says is believed."""
    (tmp_path / "users.json").write_text(json.dumps(DOCUMENT))
    (tmp_path / "gateway.yaml").write_text(
        "version: 1\nupstreams: { users: { url: http://users.test, openapi: users.json } }\n"
        "endpoints: [{ path: /a, steps: { it: { get: users /silent } } }]\n"
    )
    (plan,) = compile_plans(load_file(tmp_path / "gateway.yaml"))
    typed = replace(
        plan, steps=(replace(plan.steps[0], schema={"$ref": "#/$defs/Item", "$defs": {"Item": {"type": "integer"}}}),)
    )

    promise = Answers({}, ComponentsState()).of(typed)

    assert value_of(promise) == {"$ref": "#/components/schemas/Item"}

"""`/openapi.json`: every endpoint with its parameters, its answers and its problems, valid, and true of what is answered."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Callable
from typing import Any

import httpx
import pytest
import respx
from jsonschema import Draft202012Validator
from openapi_spec_validator import OpenAPIV31SpecValidator
from pydantic import BaseModel

from gateway import Endpoint, Gateway, step
from gateway.upkeep import documents as documents_module

CONFIG = """
version: 1
upstreams: { users: { url: http://users.test } }
answer: { fields: false }
endpoints:
  - path: /users/{id}
    summary: One user
    description: Whoever it is.
    tags: [people]
    inputs:
      id: { in: path, type: integer, minimum: 1 }
      limit: { in: query, type: integer, maximum: 50, default: 5, description: How many }
      tags: { in: query, type: array, maxLength: 3 }
      X-Tenant: { in: header, required: true, enum: [a, b] }
      Authorization: { in: header, pattern: "Bearer .+" }
    steps: { user: { get: "users /users/{path.id}", query: { lang: "{query.lang}" } } }
  - path: /users/me
    steps: { user: { get: users /me, optional: true } }
  - path: /users/{id}
    method: PUT
    status: 201
    headers: { Location: "{path.id}" }
    steps: { user: { put: "users /users/{path.id}", body: "{body}", on_status: { 409: end } } }
  - path: /users/id
    status: 204
    steps: { user: { get: users /id } }
  - path: /codes/{code}/{name}
    inputs: { code: { in: path, pattern: "[a-z]+" } }
    steps: { code: { get: "users /codes/{path.code}/{path.name}", end: { when: code.gone, status: 410 } } }
"""

DOCUMENT = {
    "openapi": "3.1.0",
    "paths": {
        "/orders": {
            "get": {
                "responses": {
                    "200": {"content": {"application/json": {"schema": {"type": "array", "items": {"$ref": "#/x/Order"}}}}}
                }
            }
        },
        "/products/{sku}": {
            "get": {"responses": {"200": {"content": {"application/json": {"schema": {"$ref": "#/x/Product"}}}}}}
        },
    },
    "x": {
        "Order": {
            "type": "object",
            "properties": {"id": {"type": "integer"}, "skus": {"type": "array", "items": {"$ref": "#/x/Line"}}},
            "required": ["id", "skus"],
        },
        "Line": {"type": "object", "properties": {"sku": {"type": "string"}}, "required": ["sku"]},
        "Product": {
            "type": "object",
            "properties": {"name": {"type": "string"}, "price": {"type": "number"}},
            "required": ["name"],
        },
    },
}

SHOP = """
version: 1
upstreams: { shop: { url: http://shop.test, openapi: http://docs.test/openapi.json } }
endpoints:
  - path: /shop
    steps:
      orders: { get: shop /orders, optional: true, fallback: [] }
      products:
        for_each: orders[].skus[].sku
        get: shop /products/{item}
        optional: true
        items: optional
        join: { into: "orders[].skus[]", on: sku, as: product }
    response:
      orders: orders
      names: products[].name
      dearest: max_by(products[?price], &price).name
      total: sum(products[].price)
"""


class Mine(BaseModel):
    """A model of the user's."""

    number: int


class Person(BaseModel):
    """What a step of a class is held to."""

    name: str
    mine: list[Mine] = []


class People(Endpoint, path="/people"):
    """Endpoints have types."""

    one: Person = step("users /one")
    others: list[Person] = step("users /others", optional=True, fallback=[])
    maybe: Person | None = step("users /maybe", optional=True)


class Counted(People, path="/counted"):
    """What the answer is, the class says itself."""

    def answer(self) -> dict[str, Mine]:
        return {"people": Mine(number=len(self.others))}


@pytest.fixture(autouse=True)
def users(upstreams: respx.Router) -> None:
    """Says what it was asked for."""
    upstreams.route(host="users.test").mock(side_effect=lambda request: httpx.Response(200, json=request.url.path))


async def document_of(client: httpx.AsyncClient) -> Any:
    return (await client.get("/openapi.json")).json()


async def test_it_describes_every_endpoint(serve: Any) -> None:
    """Version 3.1, one operation an endpoint, each with a name of its own, and none of the gateway's own pages."""
    client = await serve(
        CONFIG + "  - path: /a/b\n    steps: { one: { get: users /a } }\n  - path: /a_b\n    steps: { one: { get: users /b } }\n"
    )

    document = await document_of(client)

    operations = {(method, path): operation for path, item in document["paths"].items() for method, operation in item.items()}
    names = [operation["operationId"] for operation in operations.values()]
    assert document["openapi"].startswith("3.1.")
    assert set(operations) == {
        ("get", "/users/{id}"), ("put", "/users/{id}"), ("get", "/users/me"), ("get", "/users/id"), ("get", "/codes/{code}/{name}"),
        ("get", "/a/b"), ("get", "/a_b"),
    }  # fmt: skip
    assert len(set(names)) == len(names)
    assert all(re.fullmatch(r"[a-z0-9_]+", name) for name in names)
    assert (
        operations["get", "/users/{id}"].items()
        >= {"summary": "One user", "description": "Whoever it is.", "tags": ["people"]}.items()
    )


async def test_it_is_valid(serve: Any) -> None:
    """By the schema of OpenAPI 3.1, and with every reference leading somewhere."""
    document = await document_of(await serve(CONFIG))

    assert list(OpenAPIV31SpecValidator(document).iter_errors()) == []


async def test_it_has_every_input_with_its_bounds(serve: Any) -> None:
    """Declared or only named by a reference, and written as they are read; of `Authorization` OpenAPI wants to hear otherwise."""
    document = await document_of(await serve(CONFIG))

    parameters = document["paths"]["/users/{id}"]["get"]["parameters"]
    assert sorted(parameters, key=lambda one: one["name"]) == [
        {"name": "id", "in": "path", "required": True, "schema": {"type": "integer", "minimum": 1}},
        {"name": "lang", "in": "query", "required": False, "schema": {"type": "string"}},
        {"name": "limit", "in": "query", "required": False, "schema": {"type": "integer", "maximum": 50, "default": 5}, "description": "How many"},
        {
            "name": "tags", "in": "query", "required": False, "style": "form", "explode": False,
            "schema": {"type": "array", "items": {"type": "string", "pattern": "^[^,]*$"}, "maxItems": 3},
        },
        {"name": "x-tenant", "in": "header", "required": True, "schema": {"type": "string", "enum": ["a", "b"]}},
    ]  # fmt: skip
    assert document["paths"]["/users/{id}"]["put"]["requestBody"]["required"] is True


@pytest.mark.parametrize(("value", "fits"), [("a", True), ("a b", True), ("ü", True), ("", False), (".", False), ("..", False), ("a/b", False), ("a\\b", False), ("\x00", False)])  # fmt: skip
async def test_a_segment_of_a_path_is_as_the_document_says(serve: Any, value: str, fits: bool) -> None:
    """What it does not let stand there is refused, and what it does is not."""
    client = await serve(CONFIG)
    quoted = "".join(f"%{byte:02x}" for byte in value.encode())

    schema = (await document_of(client))["paths"]["/codes/{code}/{name}"]["get"]["parameters"][1]["schema"]
    answer = await client.get(f"/codes/a/{quoted}")

    assert Draft202012Validator(schema).is_valid(value) is fits
    assert (answer.status_code == 200) is fits


async def test_a_pattern_is_for_the_whole_text(serve: Any) -> None:
    """As the gateway reads it; in JSON Schema alone it would be for any part."""
    client = await serve(CONFIG)

    schema = (await document_of(client))["paths"]["/codes/{code}/{name}"]["get"]["parameters"][0]["schema"]
    answers = [(await client.get(f"/codes/{code}/x")).status_code for code in ("abc", "abc1")]

    assert [Draft202012Validator(schema).is_valid(code) for code in ("abc", "abc1")] == [True, False]
    assert answers == [200, 422]


async def test_it_has_the_answers_members(serve: Any) -> None:
    """Those that are always there unless a client may choose, and the list of what is missing; how they are fetched is not told."""
    config = """
version: 1
upstreams: { users: { url: http://users.test, retry: { attempts: 4 } } }
endpoints:
  - { path: /a, steps: { user: { get: users / }, more: { get: users /more, optional: true } } }
  - { path: /b, steps: { user: { get: users / } }, response: { name: user.name } }
  - { path: /c, steps: { user: { get: users / } }, response: user.name }
answer: { fields: %s }
"""
    choosing, client = await serve(config % "true"), await serve(config % "false")

    paths = (await document_of(client))["paths"]
    chosen = (await document_of(choosing))["paths"]["/a"]["get"]

    schemas = {path: paths[path]["get"]["responses"]["200"]["content"]["application/json"]["schema"] for path in paths}
    assert schemas["/a"]["required"] == ["user", "more"]
    assert paths["/a"]["get"]["parameters"] == []
    assert "required" not in chosen["responses"]["200"]["content"]["application/json"]["schema"]
    assert [(one["name"], one["style"], one["explode"]) for one in chosen["parameters"]] == [("fields", "form", False)]
    assert "422" in chosen["responses"]
    assert schemas["/b"]["properties"].keys() == {"name", "errors"}
    assert "properties" not in schemas["/c"]
    assert "retry" not in str(paths)


@pytest.mark.parametrize(
    ("path", "method", "statuses"),
    [
        ("/users/{id}", "get", "200 304 400 404 422 4XX 502 504 5XX"),
        ("/users/{id}", "put", "201 400 404 409 4XX 502 504 5XX"),
        ("/users/me", "get", "200 304 400 4XX 502 5XX"),
        ("/users/id", "get", "200 204 304 400 404 4XX 502 504 5XX"),
        ("/codes/{code}/{name}", "get", "200 304 400 404 410 422 4XX 502 504 5XX"),
    ],
)
async def test_it_has_the_problems_that_can_come(serve: Any, path: str, method: str, statuses: str) -> None:
    """A 422 where an input can be wrong, a 404 where something required can be missing; each by reference, so that all say the same."""
    document = await document_of(await serve(CONFIG))

    responses = document["paths"][path][method]["responses"]

    problems = [responses[status] for status in responses if status[0] in "45"]
    assert sorted(responses) == sorted(statuses.split())
    assert all(problem.keys() == {"$ref"} for problem in problems)


async def test_a_key_s_answers_and_problems_are_there(serve: Any) -> None:
    """An outcome that is replayed says so; a key in use is a 409, one of another request a 422."""
    client = await serve(CONFIG.replace("    method: PUT\n", "    method: PUT\n    idempotency: true\n"))

    operation = (await document_of(client))["paths"]["/users/{id}"]["put"]

    assert {"409", "422"} <= operation["responses"].keys()
    assert "Idempotency-Replayed" in operation["responses"]["201"]["headers"]
    assert [one["name"] for one in operation["parameters"] if one["in"] == "header"] == ["Idempotency-Key"]


async def test_a_problem_is_as_it_says(serve: Any, upstreams: respx.Router) -> None:
    """Those of inputs, of upstreams, and of a path that nobody could mean."""
    client = await serve(CONFIG)
    upstreams.route(host="users.test").respond(503)
    validator = await _validator(client, "GatewayProblem")

    answers = [
        await client.get("/users/0"),
        await client.get("/users/9", headers={"x-tenant": "a"}),
        await client.get("/users/%2e%2e/x"),
        await client.get("/nowhere"),
    ]

    assert [answer.status_code for answer in answers] == [422, 502, 400, 404]
    assert [error for answer in answers for error in validator.iter_errors(answer.json())] == []


SCENES: dict[str, Any] = {
    "all is well": {},
    "no orders": {"orders": 503},
    "a product that is not there": {"b": 404},
    "a product that cannot be read": {"b": 500},
    "products without a price": {"a": {"name": "A"}, "b": {"name": "B"}},
}


@pytest.mark.parametrize("scene", SCENES)
async def test_an_answer_is_as_it_says(serve: Any, upstreams: respx.Router, scene: str) -> None:
    """Complete or not, all of it or what a client chooses: upstreams that keep to their documents are put through loops, joins and functions."""
    client = await _shop(serve, upstreams, SCENES[scene], httpx.Response(200, json=DOCUMENT))
    document = await _with_schemas(client, "shop.x_Product")

    answers = [await client.get("/shop", params=params) for params in ({}, {"fields": "orders.skus.product.price,total"})]

    schema = document["paths"]["/shop"]["get"]["responses"]["200"]["content"]["application/json"]["schema"]
    assert list(OpenAPIV31SpecValidator(document).iter_errors()) == []
    assert schema["properties"]["names"] == {"type": ["array", "null"], "items": {"type": "string"}}
    validator = Draft202012Validator({**schema, "components": document["components"]})
    assert [error for answer in answers for error in validator.iter_errors(answer.json())] == []


@pytest.mark.parametrize(
    ("reply", "complaint"),
    [
        (httpx.Response(404), "status 404"),
        (httpx.Response(200, text="{"), "not JSON"),
        (httpx.Response(200, content=b" " * 2000), "larger than"),
        (httpx.ConnectError("no"), "ConnectError"),
        (None, "TimeoutError"),
    ],
)
async def test_a_document_that_cannot_be_had_costs_nothing_else(
    serve: Any,
    upstreams: respx.Router,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
    reply: Any,
    complaint: str,
) -> None:
    """The endpoint answers, its document says nothing of the replies, and the log says why."""
    monkeypatch.setattr(documents_module, "LARGEST", 1000)
    monkeypatch.setattr(documents_module, "SECONDS", 0.02)
    client = await _shop(serve, upstreams, {}, reply)

    await _until(lambda: complaint in caplog.text)
    schema = (await document_of(client))["paths"]["/shop"]["get"]["responses"]["200"]["content"]["application/json"]["schema"]

    assert "no OpenAPI document of shop" in caplog.text
    assert schema["properties"]["names"] == {"type": ["array", "null"]}
    assert (await client.get("/shop")).status_code == 200


async def test_a_call_that_the_document_does_not_have_is_logged(
    serve: Any, upstreams: respx.Router, caplog: pytest.LogCaptureFixture
) -> None:
    """What is asked for when serving starts comes too late for a finding."""
    paths = {"/products/{id}": DOCUMENT["paths"]["/products/{sku}"], "/order": {"get": {}}}

    await _shop(serve, upstreams, {}, httpx.Response(200, json={**DOCUMENT, "paths": paths}))

    await _until(lambda: "has no GET /orders; did you mean 'GET /order'?" in caplog.text)


def test_an_endpoint_with_types_has_their_schemas() -> None:
    """Of its steps, or of what its method returns, null where that fails; models are components, each once."""
    document = Gateway.from_text(CONFIG, endpoints=[People, Counted]).app.openapi()

    people, counted = (
        document["paths"][path]["get"]["responses"]["200"]["content"]["application/json"]["schema"]
        for path in ("/people", "/counted")
    )
    person = {"$ref": "#/components/schemas/Person"}
    assert people["properties"]["others"] == {"type": "array", "items": person}
    assert people["properties"]["maybe"] == {"anyOf": [person, {"type": "null"}]}
    assert people["properties"]["one"]["properties"]["mine"]["items"] == {"$ref": "#/components/schemas/Mine"}
    assert counted["anyOf"][0] == {"type": ["object", "null"], "additionalProperties": {"$ref": "#/components/schemas/Mine"}}
    assert list(OpenAPIV31SpecValidator(document).iter_errors()) == []
    assert {name for name in document["components"]["schemas"] if "Gateway" not in name} == {"Person", "Mine"}


async def test_what_an_app_has_of_its_own_stays() -> None:
    """Its routes and its models, beside the gateway's; the document is made once, until something in it changes."""
    gateway = Gateway.from_text(CONFIG)

    @gateway.app.get("/mine")
    def mine() -> Mine:
        return Mine(number=1)

    document = gateway.app.openapi()

    assert {"/mine", "/users/me"} <= document["paths"].keys()
    assert gateway.app.openapi() is document
    assert document["components"]["schemas"].keys() >= {"Mine", "GatewayProblem", "GatewayFailure"}


async def _shop(serve: Any, upstreams: respx.Router, scene: dict[str, Any], document: Any = None) -> httpx.AsyncClient:
    """A gateway over a shop whose replies are as its document says, but for those of the scene."""
    replies = {
        "orders": [{"id": 1, "skus": [{"sku": "a"}, {"sku": "b"}]}],
        "a": {"name": "A", "price": 1.5},
        "b": {"name": "B", "price": 2},
        **scene,
    }

    def play(request: httpx.Request) -> httpx.Response:
        reply = replies[request.url.path.rpartition("/")[2]]
        return httpx.Response(reply) if isinstance(reply, int) else httpx.Response(200, json=reply)

    async def hang(_: httpx.Request) -> httpx.Response:
        await asyncio.sleep(60)
        raise AssertionError

    upstreams.route(host="shop.test").mock(side_effect=play)
    route = upstreams.get("http://docs.test/openapi.json")
    if document is None:
        route.mock(side_effect=hang)
    else:
        route.mock(**({"return_value": document} if isinstance(document, httpx.Response) else {"side_effect": document}))
    return await serve(SHOP)


async def _with_schemas(client: httpx.AsyncClient, name: str) -> Any:
    """The document, once the upstream's own has come."""
    async with asyncio.timeout(20):
        while True:
            document = await document_of(client)
            if name in document["components"]["schemas"]:
                return document
            await asyncio.sleep(0.01)


async def _until(holds: Callable[[], bool]) -> None:
    async with asyncio.timeout(20):
        while True:
            if holds():
                return
            await asyncio.sleep(0.01)


async def _validator(client: httpx.AsyncClient, component: str) -> Draft202012Validator:
    document = await document_of(client)
    return Draft202012Validator({"$ref": f"#/components/schemas/{component}", "components": document["components"]})


async def test_answers_in_parts_are_documented(serve: Any) -> None:
    """Whoever reads the document learns what else may be asked for; an answer without a body has no parts."""
    client = await serve(
        """
version: 1
upstreams: { users: { url: http://users.test } }
endpoints:
  - { path: /shop, steps: { user: { get: users /user } } }
  - { path: /shop, method: DELETE, status: 204, steps: { gone: { delete: users /user } } }
"""
    )

    operations = (await document_of(client))["paths"]["/shop"]

    assert list(operations["get"]["responses"]["200"]["content"]) == [
        "application/json",
        "text/event-stream",
        "application/jsonl",
    ]
    assert operations["delete"]["responses"]["204"]["content"] == {}

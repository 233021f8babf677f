"""What a client may send: inputs and bodies are checked before anything is called, and refusals never echo a value."""

from __future__ import annotations

import asyncio
from typing import Any

import httpx
import pytest
import respx

CONFIG = """
version: 1
upstreams: { orders: { url: http://orders.test } }
endpoints:
  - path: /orders/{user}
    inputs:
      user: { in: path, type: integer, minimum: 1 }
      limit: { in: query, type: integer, minimum: 1, maximum: 50, default: 5 }
      X-Tenant: { in: header, required: true, pattern: "[a-z]+" }
    steps:
      orders: { get: "orders /orders?user={path.user}&limit={query.limit}" }
  - path: /orders
    method: POST
    timeout: 3s
    steps:
      order: { post: orders /orders, body: { sku: "{body.sku}", note: "{body.note}" } }
"""

LARGEST = 1024 * 1024


@pytest.fixture
def orders(upstreams: respx.Router) -> respx.Route:
    """Takes every order, and gives every list."""
    return upstreams.route(host="orders.test").respond(json={"id": 1})


async def _post(client: httpx.AsyncClient, body: bytes, kind: str | None = "application/json", **more: str) -> httpx.Response:
    return await client.post("/orders", content=body, headers={**({"content-type": kind} if kind else {}), **more})


async def test_typed_inputs_and_defaults_reach_the_upstream(serve: Any, orders: respx.Route) -> None:
    """What is given is read by its type; what is not has its default."""
    client = await serve(CONFIG)

    answer = await client.get("/orders/7", headers={"x-tenant": "acme"})

    assert answer.status_code == 200
    assert str(orders.calls.last.request.url) == "http://orders.test/orders?user=7&limit=5"


@pytest.mark.parametrize(
    ("target", "tenant", "names"),
    [
        ("/orders/s3cret", "acme", [("path", "user")]),
        ("/orders/-7777777", "acme", [("path", "user")]),
        ("/orders/7?limit=7777777", "acme", [("query", "limit")]),
        ("/orders/7?limit=s3cret&limit=2", "acme", [("query", "limit")]),
        ("/orders/7?limit=", "acme", [("query", "limit")]),
        ("/orders/7", "S3CRET", [("header", "x-tenant")]),
        ("/orders/7", None, [("header", "x-tenant")]),
        ("/orders/s3cret?limit=s3cret", "S3CRET", [("path", "user"), ("query", "limit"), ("header", "x-tenant")]),
    ],
    ids=["type", "bound", "query bound", "repeated", "empty", "pattern", "required", "all at once"],
)
async def test_inputs_that_do_not_fit_are_a_422_naming_them(
    serve: Any, orders: respx.Route, target: str, tenant: str | None, names: list[tuple[str, str]]
) -> None:
    """Every one of them with what is wrong, none with its value, and nothing is called."""
    client = await serve(CONFIG)

    answer = await client.get(target, headers={"x-tenant": tenant} if tenant else {})

    assert answer.status_code == 422
    assert answer.headers["content-type"] == "application/problem+json"
    assert [(one["in"], one["name"]) for one in answer.json()["inputs"]] == names
    assert all(one["detail"] for one in answer.json()["inputs"])
    assert not any(value in answer.text.lower() for value in ("s3cret", "7777777"))
    assert not orders.called


@pytest.mark.parametrize("query", [b"a=%ff", b"&".join(b"a=%d" % n for n in range(1001))], ids=["not UTF-8", "too many"])
async def test_a_query_that_cannot_be_read_is_a_400(serve: Any, orders: respx.Route, query: bytes) -> None:
    """Bytes that are no text, or more parameters than anybody means."""
    client = await serve(CONFIG)

    answer = await client.get(httpx.URL("http://gateway.test/orders/7", query=query), headers={"x-tenant": "acme"})

    assert (answer.status_code, answer.json()["type"]) == (400, "urn:problem:fanin:bad-request")
    assert not orders.called


@pytest.mark.parametrize("kind", ["application/json", "Application/JSON; charset=utf-8", "application/merge-patch+json"])
async def test_a_json_body_is_read(serve: Any, orders: respx.Route, kind: str) -> None:
    """By its media type, parameters and case aside; its values keep their type."""
    client = await serve(CONFIG)

    answer = await _post(client, b'{"sku": "tea", "note": {"gift": true, "n": 12345678901234567890}}', kind)

    assert answer.status_code == 200
    assert orders.calls.last.request.content == b'{"sku":"tea","note":{"gift":true,"n":12345678901234567890}}'


@pytest.mark.parametrize(
    ("kind", "more"),
    [
        (None, {}),
        ("text/plain", {}),
        ("application/x-www-form-urlencoded", {}),
        ("text/x+json", {}),
        ("application/json", {"content-encoding": "gzip"}),
    ],
    ids=["none", "text", "form", "json of another tree", "encoded"],
)
async def test_a_body_of_another_kind_is_a_415(serve: Any, orders: respx.Route, kind: str | None, more: dict[str, str]) -> None:
    """JSON, plain, or nothing: no guessing, no decompressing."""
    client = await serve(CONFIG)

    answer = await _post(client, b'{"sku": "tea"}', kind, **more)

    assert (answer.status_code, answer.json()["type"]) == (415, "urn:problem:fanin:unsupported-media-type")
    assert not orders.called


@pytest.mark.parametrize(("size", "status"), [(LARGEST, 200), (LARGEST + 1, 413)], ids=["limit", "limit + 1"])
async def test_a_body_over_the_limit_is_a_413(serve: Any, orders: respx.Route, size: int, status: int) -> None:
    """A mebibyte is taken, one byte more is not."""
    client = await serve(CONFIG)
    frame = b'{"sku": ""}'

    answer = await _post(client, frame[:-2] + b"x" * (size - len(frame)) + frame[-2:])

    assert answer.status_code == status
    assert orders.called == (status == 200)


async def test_a_body_that_nobody_uses_is_not_asked_for(serve: Any, orders: respx.Route) -> None:
    """An endpoint that names no `body` takes none, of whatever kind it is."""
    client = await serve(CONFIG.replace("{body.", "{query."))

    answer = await _post(client, b"not JSON", "text/plain")

    assert answer.status_code == 200
    assert orders.calls.last.request.content == b'{"sku":null,"note":null}'


async def test_a_body_without_an_announced_length_is_measured_too(serve: Any, orders: respx.Route) -> None:
    """Chunks are counted as they come: what is too large is refused long before its end."""
    client = await serve(CONFIG)
    drawn = 0

    async def chunks() -> Any:
        nonlocal drawn
        while drawn < 1000:
            drawn += 1
            yield b"x" * 65_536

    answer = await client.post("/orders", content=chunks(), headers={"content-type": "application/json"})

    assert answer.status_code == 413
    assert drawn == 17


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{",
        b'{"sku": NaN}',
        b'{"sku": Infinity}',
        b'{"sku": "\xff"}',
        b'"\\ud800"',
        b"[" * 5000,
        b"{'sku': 1}",
    ],
    ids=["empty", "cut", "NaN", "Infinity", "not UTF-8", "half a surrogate", "nested", "quotes"],
)
async def test_a_body_that_is_not_json_is_a_400(serve: Any, orders: respx.Route, body: bytes) -> None:
    """By the letter of RFC 8259, and never echoed."""
    client = await serve(CONFIG)

    answer = await _post(client, body)

    assert answer.status_code == 400
    assert answer.json()["detail"] == "the body is not JSON"
    assert not orders.called


@pytest.mark.looptime
async def test_a_body_that_does_not_come_is_a_408(serve: Any, orders: respx.Route) -> None:
    """The endpoint's deadline holds for the request's own body as well."""
    client = await serve(CONFIG)

    async def slow() -> Any:
        yield b"{"
        await asyncio.sleep(60)

    begin = asyncio.get_running_loop().time()
    answer = await client.post("/orders", content=slow(), headers={"content-type": "application/json"})

    assert answer.status_code == 408
    assert asyncio.get_running_loop().time() - begin == pytest.approx(3.0, abs=0.01)
    assert not orders.called


async def test_an_input_that_fits_no_path_is_a_400(serve: Any, upstreams: respx.Router) -> None:
    """A value that cannot be one segment of the upstream's path is the request's fault; nothing is sent."""
    route = upstreams.route(host="orders.test").respond(json={})
    client = await serve(
        """
version: 1
upstreams: { orders: { url: http://orders.test } }
endpoints:
  - path: /orders
    steps: { order: { get: "orders /orders/{query.id}" } }
"""
    )

    answers = [await client.get("/orders", params=params) for params in ({"id": ".."}, {"id": ""}, {"id": "a\nb"}, {})]

    assert [answer.status_code for answer in answers] == [400] * 4
    assert {answer.json()["type"] for answer in answers} == {"urn:problem:fanin:unusable-input"}
    assert not route.called

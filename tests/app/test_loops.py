"""Loops as clients see them: whose fault it is, what is kept for whom, what answers say."""

from __future__ import annotations

import json
from typing import Any

import httpx
import pytest
import respx

LOOP = """
version: 1
upstreams: { shop: { url: http://shop.test } }
endpoints:
  - path: /lists
    method: POST
    steps:
      products:
        for_each: body.skus
        get: shop /products/{item}
"""

BATCH = (
    LOOP
    + """
        batch: { get: "shop /products?sku={items}", key: sku }
"""
)

KEPT = BATCH.replace("http://shop.test", "http://shop.test, cache: { ttl: 60s }")


def _have(upstreams: respx.Router) -> None:
    """The shop has every product, and says for whom it said so."""

    def all_of(request: httpx.Request) -> httpx.Response:
        whom = request.headers.get("x-user") or request.url.params.get("user")
        return httpx.Response(200, json=[{"sku": sku, "for": whom} for sku in request.url.params["sku"].split(",")])

    upstreams.get("http://shop.test/products").mock(side_effect=all_of)
    upstreams.get(url__regex=r"http://shop.test/products/.+").respond(json={})


@pytest.mark.parametrize("config", [LOOP, BATCH], ids=["one by one", "in batches"])
@pytest.mark.parametrize(
    ("skus", "slug", "detail"),
    [
        ("tea", "unusable-input", "body.skus: not a list"),
        ([{"sku": "tea"}], "unusable-input", "an object or null has no form as text"),
        (list(range(101)), "too-many-items", "101 items, and the limit is 100"),
    ],
    ids=["no list", "objects", "too many"],
)
async def test_items_that_a_client_gave_are_its_fault(
    serve: Any, upstreams: respx.Router, config: str, skus: Any, slug: str, detail: str
) -> None:
    """400 with what is wrong with them, and nothing is asked for."""
    client = await serve(config)

    answer = await client.post("/lists", json={"skus": skus})

    assert (answer.status_code, answer.json()["type"]) == (400, f"urn:problem:fanin:{slug}")
    assert answer.json()["detail"].endswith(detail)
    assert not upstreams.calls


@pytest.mark.parametrize(
    ("items", "call"), [("list", "{item}"), ("body.skus", "{item}/{list[0].kind}")], ids=["items", "another value"]
)
async def test_what_an_upstream_gave_is_not_the_clients_fault(serve: Any, upstreams: respx.Router, items: str, call: str) -> None:
    """An item without text, or another value that is missing beside the client's items, is the gateway's trouble."""
    upstreams.get("http://shop.test/list").respond(json=[{}])
    config = LOOP.replace("body.skus", items).replace("{item}", call)
    client = await serve(config.replace("products:", 'list: { get: "shop /list" }\n      products:'))

    answer = await client.post("/lists", json={"skus": ["tea"]})

    assert (answer.status_code, answer.json()["type"]) == (502, "urn:problem:fanin:step-unsendable")


async def test_what_a_loop_leaves_out_is_said(serve: Any, upstreams: respx.Router) -> None:
    """The answer is there, incomplete, with their number."""
    _have(upstreams)
    client = await serve(BATCH + "        limit: { first: 2 }\n")

    answer = await client.post("/lists", json={"skus": ["a", "b", "c", "d", "e"]})

    assert answer.headers["gateway-complete"] == "false"
    assert [product["sku"] for product in answer.json()["products"]] == ["a", "b"]
    assert [(error["step"], error["items"]) for error in answer.json()["errors"]] == [("products", 3)]


@pytest.mark.parametrize(
    "more",
    [
        'headers: { X-User: "{headers.x_user}" }',
        'query: { user: "{headers.x_user}" }',
        "forward: { headers: [x-user] }",
    ],
)
async def test_what_a_batch_brought_for_one_client_is_kept_for_no_other(serve: Any, upstreams: respx.Router, more: str) -> None:
    """The items' own calls are the same for both; what the batch sends besides is not."""
    _have(upstreams)
    client = await serve(KEPT.replace("key: sku", f"key: sku, {more}"))

    answers = [await client.post("/lists", json={"skus": ["a"]}, headers={"x-user": who}) for who in ("ada", "bob", "ada")]

    assert [answer.json()["products"][0]["for"] for answer in answers] == ["ada", "bob", "ada"]
    assert upstreams.calls.call_count == 2


@pytest.mark.parametrize("also", [["a", "b"], ["a"]], ids=["all", "one"])
async def test_what_is_kept_of_a_batch_is_no_whole_reply(serve: Any, upstreams: respx.Router, also: list[str]) -> None:
    """A step that makes the very call of a batch, or of a batch of one, gets the list; what the list lacks is asked for again."""
    asked = upstreams.get("http://shop.test/products").respond(json=[{"sku": "a"}])
    whole = 'whole: { get: "shop /products?sku={body.also}&user={headers.x_user}", needs: [products] }\n      products:'
    config = KEPT.replace("key: sku", 'key: sku, query: { user: "{headers.x_user}" }').replace("products:", whole, 1)
    client = await serve(config)

    for _ in range(2):
        answer = await client.post("/lists", json={"skus": ["a", "b"], "also": also}, headers={"x-user": "ada"})
        assert answer.json() == {"whole": [{"sku": "a"}], "products": [{"sku": "a"}, None], "errors": answer.json()["errors"]}

    assert [call.request.url.params["sku"] for call in asked.calls] == ["a,b", ",".join(also), "b"]


async def test_the_key_of_a_request_keeps_nothing_apart(serve: Any, upstreams: respx.Router) -> None:
    """Searching by POST carries the client's `Idempotency-Key`; what was found is as good for the next request."""
    search = upstreams.post("http://shop.test/search").respond(json=[{"sku": "a"}])
    config = KEPT.replace('get: "shop /products?sku={items}"', 'post: shop /search, body: "{items}"')
    client = await serve(config.replace("method: POST", "method: POST\n    idempotency: true"))

    for key in ("one", "two"):
        answer = await client.post("/lists", json={"skus": ["a"]}, headers={"idempotency-key": key})
        assert answer.json()["products"] == [{"sku": "a"}]

    assert search.call_count == 1


async def test_items_that_are_objects_find_their_own_in_a_batch(serve: Any, upstreams: respx.Router) -> None:
    """`key` is read from them as from the reply's elements: two members together are a key too."""
    rows = [{"shop": "b", "sku": 1, "left": 0}, {"shop": "a", "sku": 1, "left": 5}]
    stock = upstreams.post("http://shop.test/stock").respond(json=rows)
    batch = 'batch: { post: shop /stock, body: "{items}", key: "[shop, sku]" }'
    config = LOOP.replace("{item}", "{item.sku}") + f"        {batch}\n"
    client = await serve(config)

    answer = await client.post(
        "/lists", json={"skus": [{"shop": "a", "sku": 1}, {"shop": "b", "sku": 1}, {"shop": "c", "sku": 1}]}
    )

    assert answer.json()["products"] == [rows[1], rows[0], None]
    assert len(json.loads(stock.calls[0].request.content)) == 3

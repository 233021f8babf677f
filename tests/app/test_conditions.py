"""Answers that a client has already: the tag they are known by, and the 304 in their place."""

from __future__ import annotations

import json
from typing import Any

import httpx
import pytest
import respx

CONFIG = """
version: 1
upstreams: { shop: { url: http://shop.test } }
endpoints:
  - path: /items/{id}
    headers: { X-Kind: "{product.kind}", Content-Location: "/items/{path.id}" }
    steps:
      product: { get: "shop /items/{path.id}" }
      price: { get: "shop /prices/{path.id}", optional: true }
  - path: /tagged/{id}
    headers: { ETag: "{steps.product.headers.etag}" }
    steps: { product: { get: "shop /items/{path.id}" } }
  - path: /created/{id}
    status: 203
    steps: { product: { get: "shop /items/{path.id}" } }
  - path: /ended/{id}
    steps: { product: { get: "shop /items/{path.id}", end: { when: "product.kind == 'tea'", status: 200, value: { is: tea } } } }
  - path: /items
    method: POST
    steps: { product: { post: shop /items, body: "{body}" } }
  - path: /passed/{id}
    passthrough: true
    steps: { product: { get: "shop /items/{path.id}" } }
"""


@pytest.fixture(autouse=True)
def shop(upstreams: respx.Router) -> respx.Route:
    """Has an item, and its price."""
    upstreams.get("http://shop.test/prices/1").respond(json=5)
    upstreams.post("http://shop.test/items").respond(201, json={})
    upstreams.get("http://shop.test/items/2").respond(500)
    return upstreams.get("http://shop.test/items/1").respond(json={"kind": "tea"}, headers={"etag": 'W/"v7"'})


async def again(client: httpx.AsyncClient, path: str, tag: str, **more: Any) -> httpx.Response:
    """The same request from somebody who has what goes by this tag."""
    return await client.get(path, headers={"if-none-match": tag, **more})


async def test_a_client_that_has_the_answer_is_told_so(serve: Any, traces: list[Any]) -> None:
    """304 with the head of the answer but what describes a body, and no body; the request has its own trace and timing."""
    client = await serve(CONFIG)
    first = await client.get("/items/1")

    second = await again(client, "/items/1", f'"other", W/{first.headers["etag"]}')

    assert (first.status_code, second.status_code, second.content) == (200, 304, b"")
    for name in ("etag", "vary", "content-location", "x-kind", "gateway-complete"):
        assert second.headers[name] == first.headers[name]
    assert not {"content-type", "content-length"} & set(second.headers)
    assert second.headers["traceparent"] != first.headers["traceparent"]
    assert [trace.root.own["http.response.status_code"] for trace in traces] == [200, 304]


async def test_what_has_changed_is_sent(serve: Any, shop: respx.Route) -> None:
    """Another answer has another tag, in every byte of it."""
    client = await serve(CONFIG)
    first = await client.get("/items/1")
    shop.respond(json={"kind": "tee"})

    second = await again(client, "/items/1", first.headers["etag"])

    assert (second.status_code, second.json()["product"]) == (200, {"kind": "tee"})
    assert second.headers["etag"] != first.headers["etag"]


async def test_a_head_has_the_tag_and_its_condition(serve: Any) -> None:
    """As a GET has them (RFC 9110, section 9.3.2)."""
    client = await serve(CONFIG)
    tag = (await client.get("/items/1")).headers["etag"]

    heads = [await client.head("/items/1", headers=given) for given in ({}, {"if-none-match": tag})]

    assert [(head.status_code, head.headers["etag"]) for head in heads] == [(200, tag), (304, tag)]


async def test_a_chosen_part_is_known_by_itself(serve: Any) -> None:
    """It is another answer, and who has one has not the other."""
    client = await serve(CONFIG)
    tag = (await client.get("/items/1")).headers["etag"]

    chosen = await again(client, "/items/1?fields=price", tag)

    assert (chosen.status_code, chosen.json()) == (200, {"price": 5})


async def test_the_config_s_own_tag_is_what_counts(serve: Any) -> None:
    """An upstream that knows its versions may say which it is."""
    client = await serve(CONFIG)

    first = await client.get("/tagged/1")

    assert first.headers.get_list("etag") == ['W/"v7"']
    assert (await again(client, "/tagged/1", '"v7"')).status_code == 304


async def test_an_answer_that_a_step_decides_has_a_tag(serve: Any) -> None:
    """It is whole, whoever has decided it."""
    client = await serve(CONFIG)
    first = await client.get("/ended/1")

    assert json.loads(first.content) == {"is": "tea"}
    assert (await again(client, "/ended/1", first.headers["etag"])).status_code == 304


async def test_what_is_not_to_be_kept_has_none(serve: Any, upstreams: respx.Router) -> None:
    """Another status, another method, parts, what goes by, a problem, and an answer that lacks something: `*` is no condition there."""
    client = await serve(CONFIG)
    any_tag = {"if-none-match": "*"}

    answers = [
        await client.get("/created/1", headers=any_tag),
        await client.post("/items", json={}, headers=any_tag),
        await client.get("/items/1", headers={**any_tag, "accept": "application/jsonl"}),
        await client.get("/items/2", headers=any_tag),
    ]
    upstreams.get("http://shop.test/prices/1").respond(503)
    answers.append(await client.get("/items/1", headers=any_tag))

    assert [answer.status_code for answer in answers] == [203, 200, 200, 502, 200]
    assert not any("etag" in answer.headers for answer in answers)


async def test_what_goes_by_keeps_its_own_tag(serve: Any) -> None:
    """Of a passthrough the upstream says what it is known by."""
    client = await serve(CONFIG)

    assert (await client.get("/passed/1")).headers.get_list("etag") == ['W/"v7"']

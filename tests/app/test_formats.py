"""Replies of every format, good and bad, on their way into an answer."""

from __future__ import annotations

from typing import Any

import httpx
import pytest
import respx

from gateway.formats import FORMATS

CONFIG = """
version: 1
upstreams: { shop: { url: http://shop.test } }
endpoints:
  - path: /page
    steps:
      user: { get: shop /user }
      part: { get: shop /part, decode: %s, optional: true, fallback: none, cache: { ttl: 1m } }
"""

GOOD = {
    "json": ("application/json", b'{"a": 1}', {"a": 1}),
    "xml": ("text/xml", "<a b='1'>é</a>".encode(), {"a": {"@b": "1", "#text": "é"}}),
    "text": ("text/plain; charset=iso-8859-1", b"\xe9", "é"),
    "bytes": ("image/png", b"\x89PNG", "iVBORw=="),
    "jsonl": ("application/jsonl", b"1\n2\n", [1, 2]),
}
BAD = {
    "json": [b"NaN", b'"\xff"', b"[" * 100_000, b"<a/>"],
    "xml": [b"<a>", b"<a>\xff</a>", b"<a>" * 100_000, b"<!DOCTYPE a><a/>", b"{}"],
    "text": [b"\xff"],
    "jsonl": [b"1\n{", b"1\nNaN", b'"\xff"', b"[" * 100_000],
}


@pytest.fixture
def shop(upstreams: respx.Router) -> respx.Route:
    """Has a user; its other part is for the test to say."""
    upstreams.get("http://shop.test/user").respond(json={"id": 1})
    return upstreams.get("http://shop.test/part")


@pytest.mark.parametrize("name", GOOD)
async def test_a_reply_is_read_as_the_step_says(serve: Any, shop: respx.Route, name: str) -> None:
    """It is asked for so, and a hit of the cache is read like the reply itself."""
    kind, body, value = GOOD[name]
    shop.respond(content=body, headers={"content-type": kind})
    client = await serve(CONFIG % name)

    first, second = await client.get("/page"), await client.get("/page")

    assert first.json() == second.json() == {"user": {"id": 1}, "part": value}
    assert shop.call_count == 1
    assert shop.calls.last.request.headers["accept"] == FORMATS[name].accept


@pytest.mark.parametrize(
    ("name", "body"), [(name, body) for name, bodies in BAD.items() for body in bodies], ids=lambda part: repr(part)[:20]
)
async def test_a_reply_that_is_not_what_it_should_be_is_a_failed_step(
    serve: Any, shop: respx.Route, name: str, body: bytes
) -> None:
    """Never a 500, and the other parts of the answer stay."""
    shop.respond(content=body)
    client = await serve(CONFIG % name)

    answer = await client.get("/page")

    assert (answer.status_code, answer.json()["user"], answer.json()["part"]) == (200, {"id": 1}, "none")
    assert [error["type"] for error in answer.json()["errors"]] == ["urn:problem:fanin:upstream-invalid-reply"]


async def test_a_call_that_is_read_in_two_ways_is_kept_for_each(serve: Any, shop: respx.Route) -> None:
    """Of one upstream the cache may have the same bytes as JSON, checked, and as text, which is not."""
    config = (
        CONFIG % "text, headers: { Accept: any }"
        + "      raw: { get: shop /part, headers: { Accept: any }, cache: { ttl: 1m } }\n"
    )
    shop.respond(content=b"no JSON")
    client = await serve(config.replace("raw: { get", "raw: { optional: true, needs: [part], get"))

    answer = await client.get("/page")

    assert (answer.json()["part"], answer.json()["raw"]) == ("no JSON", None)
    assert shop.call_count == 2


@pytest.mark.parametrize("body", [b"", b'{"a":1}', b"\x00\xff" * 1000], ids=["none", "json", "bytes"])
async def test_the_clients_body_reaches_the_upstream_as_it_came(serve: Any, upstreams: respx.Router, body: bytes) -> None:
    """Of any kind, compressed or not, to the byte."""
    upstreams.put("http://shop.test/avatar").respond(204)
    client = await serve(FORWARDING)

    answer = await client.put("/avatar", content=body, headers={"content-type": "image/png", "content-encoding": "gzip"})

    sent = upstreams.calls.last.request
    assert answer.status_code == 200
    assert (sent.content, sent.headers["content-type"], sent.headers["content-encoding"]) == (body, "image/png", "gzip")


async def test_a_forwarded_body_has_a_bound(serve: Any, upstreams: respx.Router) -> None:
    """The same as any request's."""
    route = upstreams.put("http://shop.test/avatar").respond(204)
    client = await serve(FORWARDING)

    answers = [await client.put("/avatar", content=b"x" * size) for size in (1024 * 1024, 1024 * 1024 + 1)]

    assert [answer.status_code for answer in answers] == [200, 413]
    assert route.call_count == 1


async def test_a_body_that_is_also_read_is_json(serve: Any, upstreams: respx.Router) -> None:
    """And goes on as it was written."""
    route = upstreams.put("http://shop.test/avatar").respond(204)
    client: httpx.AsyncClient = await serve(FORWARDING.replace("true }", "true }, headers: { X-Name: '{body.name}' }"))

    text = await client.put("/avatar", content=b"x", headers={"content-type": "text/plain"})
    json = await client.put("/avatar", content=b'{ "name": "a" }', headers={"content-type": "application/json"})

    assert (text.status_code, json.status_code, route.call_count) == (415, 200, 1)
    assert (route.calls.last.request.content, route.calls.last.request.headers["x-name"]) == (b'{ "name": "a" }', "a")


FORWARDING = """
version: 1
upstreams: { shop: { url: http://shop.test } }
endpoints:
  - path: /avatar
    method: PUT
    steps:
      avatar: { put: shop /avatar, forward: { body: true } }
"""

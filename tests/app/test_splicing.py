"""Parts of an answer that nobody looks into: the bytes that came, when they are JSON."""

from __future__ import annotations

from typing import Any

import pytest
import respx

CONFIG = """
version: 1
upstreams: { shop: { url: http://shop.test } }
endpoints:
  - path: /spliced
    steps:
      user: { get: shop /user }
      news: { get: shop /news, optional: true, fallback: [none] }
  - path: /decoded
    steps:
      user: { get: shop /user }
      news: { get: shop /news, optional: true, fallback: [none] }
    response: { user: user | @, news: news | @ }
"""


@pytest.mark.parametrize(
    "body",
    [b'{"b":1,"a":2}', b'{ "a" : [ 1.00, 1E2 ],\n"a":"\\u00e9\\/" }', b"12345678901234567890123", b"null", '"é"'.encode()],
    ids=repr,
)
async def test_a_part_that_nobody_looks_into_stays_as_it_came(serve: Any, upstreams: respx.Router, body: bytes) -> None:
    """To the byte; an expression that looks into it makes the same value of it."""
    upstreams.get(url__startswith="http://shop.test/").respond(content=b"\n" + body + b" ")
    client = await serve(CONFIG)

    spliced, decoded = await client.get("/spliced"), await client.get("/decoded")

    assert spliced.content == b'{"user":' + body + b',"news":' + body + b"}"
    assert spliced.json() == decoded.json()


@pytest.mark.parametrize("path", ["/spliced", "/decoded"])
@pytest.mark.parametrize(
    "body",
    [b"", b"{", b'{"a":1,}', b"[NaN]", b'"\xff"', b'"\\ud800"', b"[" * 100_000, b"1 2"],
    ids=lambda body: repr(body[:20]),
)
async def test_a_part_that_is_no_json_is_a_bad_reply(serve: Any, upstreams: respx.Router, path: str, body: bytes) -> None:
    """Whether anybody looks into it or not: no answer is ever spoiled by what is in it."""
    upstreams.get("http://shop.test/user").respond(json={"id": 1})
    upstreams.get("http://shop.test/news").respond(content=body)
    client = await serve(CONFIG)

    answer = await client.get(path)

    assert (answer.json()["user"], answer.json()["news"]) == ({"id": 1}, ["none"])
    assert [error["type"] for error in answer.json()["errors"]] == ["urn:problem:fanin:upstream-invalid-reply"]

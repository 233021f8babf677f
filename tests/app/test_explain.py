"""`Gateway-Explain`: who is told how an answer was made, what he is told, and that nobody else has a part in it."""

from __future__ import annotations

import json
from typing import Any

import httpx
import pytest
import respx

from gateway import Gateway
from gateway.inbound.explain import LONGEST, Explaining

CONFIG = """
version: 1
upstreams: { shop: { url: http://shop.test } }
endpoints:
  - path: /a/{id}
    steps:
      product: { get: "shop /items/{path.id}" }
      price: { get: "shop /prices/{product.sku}", optional: true, cache: { ttl: 30s } }
  - path: /list
    steps: { items: { get: shop /items } }
    response: items
  - path: /own
    steps: { product: { get: shop /items/1 } }
    response: { gateway: product }
  - path: /kept
    cache: { ttl: 30s }
    steps: { product: { get: shop /items/1 } }
  - path: /orders
    method: POST
    idempotency: {}
    steps: { order: { post: shop /orders, body: "{body}" } }
"""
ASKS = {"gateway-explain": "1"}


@pytest.fixture(autouse=True)
def shop(upstreams: respx.Router) -> respx.Router:
    """Has an item, whose number has more digits than Python's floats; no price."""
    upstreams.get("http://shop.test/items/1").respond(text='{"sku": "tea", "weight": 1.10000000000000000001}')
    upstreams.get("http://shop.test/items/2").respond(404)
    upstreams.get("http://shop.test/items").respond(json=[1, 2])
    upstreams.get(path__startswith="/prices").respond(503)
    upstreams.post("http://shop.test/orders").respond(201, json={"id": 7})
    return upstreams


async def test_an_object_has_the_explanation_in_a_member(serve: Any) -> None:
    """Which steps there were, when, why and with what outcome; what the answer waited for. The rest of it is as it would be."""
    client = await serve(CONFIG, sinks=[])
    plain = await client.get("/a/1")

    answer = await client.get("/a/1", headers=ASKS)

    told = answer.json()["gateway"]
    assert answer.content.startswith(plain.content.rstrip()[:-1])
    assert (told["trace"], told["endpoint"]) == (answer.headers["traceparent"].split("-")[1], "GET /a/{id}")
    assert told["critical"] == ["product", "price"]
    assert {name: (step["why"], step["outcome"], step["attempts"]) for name, step in told["steps"].items()} == {
        "product": ("ran at once", "ok", 1),
        "price": ("after product", "failed", 1),
    }
    assert told["steps"]["price"]["reason"] == "status 503"
    assert told["steps"]["price"]["cache"]["status"] == "miss"
    assert 0 < told["steps"]["product"]["duration_ms"] < told["duration_ms"]


async def test_the_request_goes_on_until_its_answer_is_sent(serve: Any, traces: list[Any]) -> None:
    """The explanation is of what was until then, and ends nothing."""
    client = await serve(CONFIG)

    answer = await client.get("/a/1", headers=ASKS)

    assert traces[0].root.seconds * 1000 > answer.json()["gateway"]["duration_ms"]


async def test_an_answer_that_was_kept_says_so(serve: Any) -> None:
    """No step ran for it; what is kept has no explanation of whoever asked first."""
    client = await serve(CONFIG)

    answers = [await client.get("/kept", headers=headers) for headers in (ASKS, ASKS, {})]

    told = [answer.json().get("gateway") for answer in answers]
    assert [(one["cache"], [*one["steps"]]) for one in told[:2]] == [("miss", ["product"]), ("hit", [])]
    assert told[2] is None
    assert answers[2].json() == {"product": {"sku": "tea", "weight": 1.1}}


async def test_what_is_explained_is_for_nobody_to_keep(serve: Any, shop: respx.Router) -> None:
    """No tag, no 304, and the tag of others is what it was."""
    shop.get(path__startswith="/prices").respond(json=3)
    client = await serve(CONFIG)
    before = await client.get("/a/1")

    answer = await client.get("/a/1", headers={**ASKS, "if-none-match": before.headers["etag"]})
    after = await client.get("/a/1")

    assert (answer.status_code, answer.headers["cache-control"]) == (200, "no-store")
    assert "etag" not in answer.headers
    assert int(answer.headers["content-length"]) == len(answer.content)
    assert after.headers["etag"] == before.headers["etag"]


async def test_a_problem_is_explained_too(serve: Any) -> None:
    """It is an object, and wants explaining most."""
    client = await serve(CONFIG)

    answer = await client.get("/a/2", headers=ASKS)

    assert (answer.status_code, answer.headers["content-type"]) == (404, "application/problem+json")
    assert answer.json()["gateway"]["steps"]["product"]["reason"] == "status 404"


@pytest.mark.parametrize("path", ["/list", "/own"], ids=["no object", "the name is taken"])
async def test_where_no_member_can_be_added_it_is_in_a_header(serve: Any, path: str) -> None:
    """And the body is as it would be."""
    client = await serve(CONFIG)
    plain = await client.get(path)

    answer = await client.get(path, headers=ASKS)

    assert answer.content == plain.content
    assert json.loads(answer.headers["gateway-explain"])["critical"]


async def test_a_header_is_of_bounded_length(serve: Any) -> None:
    """With a hundred steps it says how to look the trace up, and that is all."""
    steps = "\n".join(f"      step_{number}: {{ get: shop /items }}" for number in range(100))
    client = await serve(
        f"version: 1\nupstreams: {{ shop: {{ url: http://shop.test }} }}\nendpoints:\n  - path: /many\n    response: step_1\n    steps:\n{steps}"
    )

    answer = await client.get("/many", headers=ASKS)

    assert len(answer.headers["gateway-explain"]) < LONGEST
    assert json.loads(answer.headers["gateway-explain"]).keys() == {"trace", "endpoint", "duration_ms"}


async def test_a_repeated_request_is_told_what_the_first_one_was(serve: Any) -> None:
    """Asking for an explanation makes no other request of it, and the explanation is not kept with its outcome."""
    client = await serve(CONFIG)
    key = {"idempotency-key": '"abc"'}
    first = await client.post("/orders", json={"a": 1}, headers={**key, **ASKS})

    second = await client.post("/orders", json={"a": 1}, headers=key)

    assert (first.json()["order"], second.json()) == ({"id": 7}, {"order": {"id": 7}})
    assert second.headers["idempotency-replayed"] == "true"


async def test_a_key_is_taken_from_anywhere(serve: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """In place of `1`; nobody calls an upstream with it."""
    monkeypatch.setenv("GATEWAY_EXPLAIN_KEY", "tell me")
    client = await serve(CONFIG)
    wire = httpx.ASGITransport(client._transport.app, client=("192.0.2.1", 9))
    async with httpx.AsyncClient(transport=wire, base_url="http://gateway.test") as stranger:
        asked = [await stranger.get("/a/1", headers={"gateway-explain": key}) for key in ("tell me", "1", "tell", "")]

    assert ["gateway" in answer.json() for answer in asked] == [True, False, False, False]


@pytest.mark.parametrize(
    ("client", "given", "more", "expected"),
    [
        (("127.0.0.1", 1), [b"1"], [], True),
        (("::1", 1), [b"1"], [], True),
        (("192.0.2.1", 1), [b"1"], [], False),
        (("unix", 1), [b"1"], [], False),
        (None, [b"1"], [], False),
        (("127.0.0.1", 1), [b"yes"], [], False),
        (("127.0.0.1", 1), [b"1", b"1"], [], False),
        (("127.0.0.1", 1), [b"1"], [(b"x-forwarded-for", b"192.0.2.1")], False),
        (("127.0.0.1", 1), [b"1"], [(b"forwarded", b"for=192.0.2.1")], False),
        (("127.0.0.1", 1), [b"1"], [(b"via", b"1.1 proxy")], False),
        (("192.0.2.1", 1), [b"key"], [(b"via", b"1.1 proxy")], True),
        (("192.0.2.1", 1), [b"key", b"key"], [], False),
        (("192.0.2.1", 1), [b"ke\xff"], [], False),
    ],
)
def test_who_is_told(client: Any, given: list[bytes], more: list[tuple[bytes, bytes]], expected: bool) -> None:
    """Who is on this machine and no proxy of others, or has the key."""
    assert Explaining("key").allows({"client": client, "headers": more}, given) is expected


def test_without_a_key_nobody_has_one() -> None:
    """An empty one is none; and none is printed."""
    elsewhere = {"client": ("192.0.2.1", 1), "headers": []}

    assert not any(Explaining(key).allows(elsewhere, [b""]) for key in (None, ""))
    assert "secret" not in repr(Explaining("secret"))


async def test_nothing_is_recorded_for_who_is_not_told(upstreams: respx.Router) -> None:
    """His request costs what any costs."""
    gateway = Gateway.from_text(CONFIG, transport=httpx.MockTransport(upstreams.async_handler))
    begun: list[bool] = []
    begin = gateway.tracing.begin
    gateway.tracing.begin = lambda *given, **more: begun.append((made := begin(*given, **more)).recorded) or made  # type: ignore[method-assign]
    wire = httpx.ASGITransport(gateway.app, client=("192.0.2.1", 9))
    async with gateway.lifespan(), httpx.AsyncClient(transport=wire, base_url="http://gateway.test") as stranger:
        await stranger.get("/a/1", headers=ASKS)

    assert begun == [False]

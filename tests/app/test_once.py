"""Requests with an `Idempotency-Key`: run once, replayed to who repeats them, and never another one's."""

from __future__ import annotations

import asyncio
from typing import Any

import httpx
import pytest
import respx

CONFIG = """
version: 1
upstreams: { shop: { url: http://shop.test }, mail: { url: http://mail.test } }
endpoints:
  - path: /orders/{shop}
    method: POST
    idempotency: true
    status: 201
    headers: { Set-Cookie: "{steps.order.headers.set_cookie}" }
    steps:
      order: { post: shop /orders, body: "{body}" }
"""
KEY = {"idempotency-key": "k-1"}


@pytest.fixture
def order(upstreams: respx.Router) -> respx.Route:
    """Takes orders, each with a number of its own."""
    route = upstreams.post("http://shop.test/orders")
    cookies = [("set-cookie", "a=1"), ("set-cookie", "b=2")]
    return route.mock(side_effect=lambda _: httpx.Response(201, json={"id": route.call_count}, headers=cookies))


async def ordered(client: httpx.AsyncClient, path: str = "/orders/1", item: Any = 1, **headers: str) -> httpx.Response:
    """An order with a key."""
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return await client.post(path, json=item, headers={**KEY, **named})


def kind(answer: httpx.Response) -> tuple[int, str]:
    """Status and type of a problem."""
    return answer.status_code, answer.json()["type"].removeprefix("urn:problem:fanin:")


async def test_a_repetition_gets_the_first_outcome(serve: Any, order: respx.Route) -> None:
    """Status, headers and body, and a header that says so; nothing is written twice."""
    client = await serve(CONFIG)

    first, second = await ordered(client), await ordered(client)

    assert (second.status_code, second.content, order.call_count) == (201, first.content, 1)
    assert first.headers.get_list("set-cookie") == second.headers.get_list("set-cookie") == ["a=1", "b=2"]
    assert (first.headers.get("idempotency-replayed"), second.headers["idempotency-replayed"]) == (None, "true")
    assert "server-timing" in first.headers
    assert "server-timing" not in second.headers
    assert second.headers["traceparent"] != first.headers["traceparent"]


async def test_requests_without_a_key_all_run(serve: Any, order: respx.Route) -> None:
    """A key is the client's to give, unless it is required."""
    client = await serve(CONFIG)

    for _ in range(2):
        await client.post("/orders/1", json=1)

    assert order.call_count == 2
    assert "idempotency-key" not in order.calls.last.request.headers


@pytest.mark.parametrize("other", [{"path": "/orders/2"}, {"path": "/orders/1?a=1"}, {"item": 2}], ids=["path", "query", "body"])
async def test_a_key_of_another_request_is_a_422(serve: Any, order: respx.Route, other: Any) -> None:
    """Whoever sends something else has made a mistake, and is told."""
    client = await serve(CONFIG)
    await ordered(client)

    assert kind(await ordered(client, **other)) == (422, "idempotency-key-reused")
    assert order.call_count == 1


async def test_another_client_gets_an_outcome_of_its_own(serve: Any, order: respx.Route) -> None:
    """The same key with other credentials is another key."""
    client = await serve(CONFIG)

    answers = [await ordered(client, authorization=who) for who in ("Bearer 1", "Bearer 2", "Bearer 1")]

    assert [answer.json()["order"]["id"] for answer in answers] == [0, 1, 0]


async def test_a_request_in_flight_makes_a_repetition_a_409(serve: Any, order: respx.Route) -> None:
    """And anything else under its key a 422; when it has ended, it is replayed."""
    client = await serve(CONFIG)
    arrived, go_on = asyncio.Event(), asyncio.Event()

    async def reply(_: httpx.Request) -> httpx.Response:
        arrived.set()
        await go_on.wait()
        return httpx.Response(201, json={})

    order.mock(side_effect=reply)
    first = asyncio.ensure_future(ordered(client))
    await arrived.wait()
    busy, other = await ordered(client), await ordered(client, item=2)
    go_on.set()

    assert (kind(busy), busy.headers["retry-after"]) == ((409, "idempotency-key-in-use"), "1")
    assert kind(other) == (422, "idempotency-key-reused")
    assert [(await first).status_code, (await ordered(client)).status_code, order.call_count] == [201, 201, 1]


async def test_a_request_that_is_cut_off_leaves_its_key_free(serve: Any, order: respx.Route) -> None:
    """Nobody knows what became of it, so that the repetition runs, with the same key for the upstream."""
    client = await serve(CONFIG)
    arrived = asyncio.Event()

    async def hang(_: httpx.Request) -> httpx.Response:
        arrived.set()
        await asyncio.sleep(3600)
        raise AssertionError

    order.mock(side_effect=hang)
    first = asyncio.ensure_future(ordered(client))
    await arrived.wait()
    first.cancel()
    await asyncio.gather(first, return_exceptions=True)
    order.mock(return_value=httpx.Response(201, json={"id": 7}))

    again = await ordered(client)

    assert (again.json()["order"], again.headers.get("idempotency-replayed")) == ({"id": 7}, None)
    assert {call.request.headers["idempotency-key"] for call in order.calls} == {"k-1"}


@pytest.mark.parametrize(("status", "calls"), [(201, 1), (404, 1), (422, 1), (409, 2), (429, 2), (500, 2), (400, 2)], ids=str)
async def test_what_is_not_decided_leaves_the_key_free(serve: Any, order: respx.Route, status: int, calls: int) -> None:
    """A 5xx, and what an upstream may think better of."""
    client = await serve(CONFIG)
    order.mock(return_value=httpx.Response(status, json={}))

    first, second = await ordered(client), await ordered(client)

    assert (first.status_code, order.call_count) == (second.status_code, calls)


@pytest.mark.parametrize(
    ("headers", "problem"),
    [({}, (400, "idempotency-key-missing")), ({"idempotency-key": "a b"}, (400, "idempotency-key-invalid"))],
    ids=["none", "bad"],
)
async def test_a_key_that_is_required_is_one(serve: Any, order: respx.Route, headers: dict[str, str], problem: Any) -> None:
    """Nothing is called without it."""
    client = await serve(CONFIG.replace("idempotency: true", "idempotency: { required: true, ttl: 1m }"))

    assert kind(await client.post("/orders/1", json=1, headers=headers)) == problem
    assert not order.called


async def test_a_refused_input_says_nothing_of_the_key(serve: Any, order: respx.Route) -> None:
    """What never ran can be sent again, put right, with the same key."""
    client = await serve(CONFIG)

    wrong = await client.post("/orders/1", content=b"{", headers={**KEY, "content-type": "application/json"})

    assert (wrong.status_code, (await ordered(client)).status_code) == (400, 201)


async def test_each_write_gets_a_key(serve: Any, upstreams: respx.Router, order: respx.Route) -> None:
    """As it came where an upstream gets one write; told apart where it gets several; none for what only reads."""
    routes = [
        upstreams.get("http://shop.test/stock"),
        upstreams.put("http://shop.test/last"),
        upstreams.post("http://mail.test/"),
    ]
    for route in routes:
        route.respond(json={})
    client = await serve(CONFIG + MORE)

    answer = await ordered(client, idempotency_key='"k 1"')

    assert answer.status_code == 201
    sent = [route.calls.last.request.headers.get("idempotency-key") for route in (order, *routes)]
    assert sent == ['"k 1:order"', None, '"k 1:last"', "own"]


MORE = """\
      stock: { get: shop /stock }
      last: { put: shop /last, body: 1 }
      mail: { post: mail /, headers: { Idempotency-Key: own } }
"""

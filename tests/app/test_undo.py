"""Writes taken back, as clients and upstreams see it."""

from __future__ import annotations

import asyncio
from typing import Any

import httpx
import pytest
import respx

from gateway import Gateway
from gateway.telemetry import Trace

CONFIG = """
version: 1
upstreams: { shop: { url: http://shop.test } }
endpoints:
  - path: /orders
    method: POST
    idempotency: true
    steps:
      order: { post: shop /orders, undo: { delete: "shop /orders/{order.id}" } }
      paid: { post: shop /payments, needs: [order] }
"""
KEY = {"idempotency-key": "k"}


@pytest.fixture
def shop(upstreams: respx.Router) -> respx.Router:
    """Takes orders and takes them back; nobody can pay."""
    upstreams.post("http://shop.test/orders").respond(201, json={"id": 7})
    upstreams.delete("http://shop.test/orders/7", name="undo").respond(204)
    upstreams.post("http://shop.test/payments", name="paid").respond(402)
    return upstreams


@pytest.mark.parametrize(("status", "is_undone"), [(204, True), (500, False)])
async def test_a_problem_says_what_has_been_undone(
    serve: Any, shop: respx.Router, traces: list[Trace], status: int, is_undone: bool
) -> None:
    """Each write that was to be taken back, and whether it has been; the problem itself is that of the step that failed."""
    shop["undo"].respond(status)
    client = await serve(CONFIG)

    answer = await client.post("/orders")

    assert (answer.status_code, answer.json()["type"]) == (502, "urn:problem:fanin:upstream-error")
    assert answer.json()["undone"] == [{"step": "order", "undone": is_undone}]
    assert [span.error for span in traces[0].spans if span.name == "undo order"] == [not is_undone]


async def test_a_run_that_undid_something_is_over_for_its_key(serve: Any, shop: respx.Router) -> None:
    """An upstream that knows keys would say again that it has written, and would not have: the repetition gets the problem."""
    client = await serve(CONFIG)

    first, second = [await client.post("/orders", headers=KEY) for _ in range(2)]

    assert (second.content, second.headers["idempotency-replayed"]) == (first.content, "true")
    assert {call.request.headers["idempotency-key"] for call in shop.calls} == {"k:order", "k:order.undo", "k:paid"}
    assert len(shop.calls) == 3


async def test_a_stop_waits_for_what_is_being_undone(shop: respx.Router) -> None:
    """The client has left, and the server is told to stop: the order is cancelled all the same."""
    paying, undoing, go_on = asyncio.Event(), asyncio.Event(), asyncio.Event()

    async def pay(_: httpx.Request) -> httpx.Response:
        paying.set()
        await asyncio.sleep(3600)
        raise AssertionError

    async def undo(_: httpx.Request) -> httpx.Response:
        undoing.set()
        await go_on.wait()
        return httpx.Response(204)

    shop["paid"].mock(side_effect=pay)
    shop["undo"].mock(side_effect=undo)
    app = Gateway.from_text(CONFIG, transport=httpx.MockTransport(shop.async_handler)).app
    async with (
        app.router.lifespan_context(app),
        httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://g") as client,
    ):
        request = asyncio.ensure_future(client.post("/orders"))
        await paying.wait()
        request.cancel()
        await undoing.wait()
        request.cancel()
        await asyncio.gather(request, return_exceptions=True)
        assert not shop["undo"].called
        asyncio.get_running_loop().call_later(0.1, go_on.set)

    assert shop["undo"].calls.last.response.status_code == 204

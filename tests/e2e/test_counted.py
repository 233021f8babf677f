"""What a loop costs, counted by the upstream itself: a placed order of 100 items over 40 products, and the catalog's own statistics."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Coroutine, Iterable
from contextlib import AsyncExitStack
from typing import Any, TypeAlias

import httpx
import pytest

from gateway import Gateway
from services.data import CATALOG

pytestmark = pytest.mark.slow

CONFIG = """
version: 1
upstreams:
  orders: { url: "{orders}" }
  catalog: { url: "{catalog}", cache: { ttl: 60s } }
endpoints:
  - path: /orders
    method: POST
    timeout: 10s
    steps:
      order:
        post: orders /orders
        body: "{body}"
      products:
        for_each: order.items[].sku
        get: catalog /products/{item}
        batch: { get: "catalog /products?sku={items}", size: 50, key: sku }
        join: { into: "order.items[]", on: sku, as: product }
"""
BATCH = next(line for line in CONFIG.splitlines(keepends=True) if "batch" in line)

Order: TypeAlias = Callable[[Iterable[int]], Coroutine[Any, Any, httpx.Response]]
Serve: TypeAlias = Callable[[str], Coroutine[Any, Any, Order]]


@pytest.fixture
async def serve(urls: dict[str, str]) -> AsyncIterator[Serve]:
    """Starts the gateway of a config over the mock services, and gives what places an order of these products with it."""
    async with AsyncExitStack() as stack:

        async def start(config: str) -> Order:
            for name, url in urls.items():
                config = config.replace(f'"{{{name}}}"', url)
            app = Gateway.from_text(config).app
            await stack.enter_async_context(app.router.lifespan_context(app))
            wire = httpx.ASGITransport(app)
            client = await stack.enter_async_context(httpx.AsyncClient(transport=wire, base_url="http://gateway.test"))

            async def order(products: Iterable[int]) -> httpx.Response:
                items = [{"sku": _sku(product), "quantity": 1} for product in products]
                return await client.post("/orders", json={"user": 42, "items": items})

            return order

        yield start


def _sku(number: int) -> str:
    return f"sku-{number:04}"


def _forty(first: int = 1) -> list[int]:
    """A hundred, forty of them different."""
    return [first + index % 40 for index in range(100)]


async def test_a_batch_asks_once_for_all_that_is_not_known(serve: Serve, services: Any) -> None:
    """100 items over 40 products: one call. Again: none. With five others: one, for these five."""
    order = await serve(CONFIG)
    catalog = services["catalog"]

    first = await order(_forty())
    calls_of_the_first = await catalog.stats()
    again = await order(_forty())
    calls_of_both = await catalog.stats()
    await order(_forty(6))

    assert [item["product"]["name"] for item in first.json()["order"]["items"]] == [CATALOG[_sku(i)].name for i in _forty()]
    assert len(first.json()["products"]) == 40
    assert calls_of_the_first["received"] == 1
    assert again.content == first.content
    assert calls_of_both["received"] == 1
    assert await catalog.asked() == [
        "/products?sku=" + ",".join(map(_sku, range(1, 41))),
        "/products?sku=" + ",".join(map(_sku, range(41, 46))),
    ]


async def test_without_a_batch_every_product_is_asked_for_once(serve: Serve, services: Any) -> None:
    """100 items over 40 products: 40 calls and the same answer. Again: none."""
    batched = await (await serve(CONFIG))(_forty())
    await services["catalog"].forget()
    order = await serve(CONFIG.replace(BATCH, ""))

    first, again = await order(_forty()), await order(_forty())

    asked = await services["catalog"].asked()
    assert sorted(asked) == [f"/products/{_sku(number)}" for number in range(1, 41)]
    assert (await services["catalog"].stats())["received"] == 40
    assert first.content == again.content == batched.content


async def test_batches_have_a_size(serve: Serve, services: Any) -> None:
    """40 products by 15 a call are three calls, the last one of ten."""
    order = await serve(CONFIG.replace("size: 50", "size: 15"))

    answer = await order(_forty())

    asked = await services["catalog"].asked()
    assert answer.headers["gateway-complete"] == "true"
    assert sorted(target.count("sku-") for target in asked) == [10, 15, 15]

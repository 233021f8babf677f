"""What each service answers, over a real connection: shapes with their keys in order, and refusals."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from services import PORTS
from services.data import CATALOG

pytestmark = pytest.mark.slow


async def test_users_tells_who_a_user_is(users: Any) -> None:
    """A user has these members in this order, and its id is a number."""
    reply = await users.get("/users/42")

    user = reply.json()
    assert reply.status_code == 200
    assert list(user) == ["id", "name", "email", "segment", "consents"]
    assert user["id"] == 42
    assert user["consents"] == {"personalised": True}


@pytest.mark.parametrize("user_id", ["0", "1001", "abc", "42.0", "%2e%2e", "42%2F"])
async def test_users_answers_404_for_nobody(users: Any, user_id: str) -> None:
    """Whatever is not an id from 1 to 1000 is 404 with a detail."""
    reply = await users.get(f"/users/{user_id}")

    assert reply.status_code == 404
    assert "detail" in reply.json()


async def test_orders_lists_the_newest_five(orders: Any) -> None:
    """Orders have these members in this order, come newest first, and are five unless told otherwise."""
    found = (await orders.get("/orders?user=42")).json()

    assert [list(order) for order in found] == [["id", "user", "total", "items"]] * 5
    assert list(found[0]["items"][0]) == ["sku", "quantity"]
    assert [order["id"] for order in found] == sorted((order["id"] for order in found), reverse=True)
    assert {order["user"] for order in found} == {42}


async def test_orders_limit_cuts_the_list(orders: Any) -> None:
    """A limit gives the first of the longer list."""
    every = (await orders.get("/orders?user=42&limit=100")).json()
    two = (await orders.get("/orders?user=42&limit=2")).json()

    assert len(every) > 5
    assert two == every[:2]


@pytest.mark.parametrize("user", ["1001", "0", "abc", ""])
async def test_orders_of_nobody_are_none(orders: Any, user: str) -> None:
    """A user who does not exist has no orders; that is no error."""
    reply = await orders.get(f"/orders?user={user}")

    assert (reply.status_code, reply.json()) == (200, [])


@pytest.mark.parametrize("query", ["", "?limit=5", "?user=42&limit=0", "?user=42&limit=101", "?user=42&limit=x"])
async def test_orders_refuses_a_bad_query(orders: Any, query: str) -> None:
    """A user must be named, and a limit be from 1 to 100."""
    reply = await orders.get(f"/orders{query}")

    assert reply.status_code == 422


async def test_orders_places_an_order(orders: Any) -> None:
    """201 with the order, its total from the catalog and its address; the same body gives the same bytes."""
    draft = {"user": 42, "items": [{"sku": "sku-0007", "quantity": 3}]}

    first = await orders.client.post("/orders", json=draft)
    again = await orders.client.post("/orders", json=draft)

    order = first.json()
    assert first.status_code == 201
    assert first.headers["location"] == f"/orders/{order['id']}"
    assert order == {"id": order["id"], "total": round(3 * CATALOG["sku-0007"].price, 2)} | draft
    assert first.content == again.content


@pytest.mark.parametrize(
    "draft",
    [
        {},
        {"user": 42},
        {"user": 42, "items": []},
        {"user": "42", "items": [{"sku": "sku-0007", "quantity": 1}]},
        {"user": 1001, "items": [{"sku": "sku-0007", "quantity": 1}]},
        {"user": 42, "items": [{"sku": "sku-9999", "quantity": 1}]},
        {"user": 42, "items": [{"sku": "sku-0007", "quantity": 0}]},
        {"user": 42, "items": [{"sku": "sku-0007", "quantity": 1, "price": 1}]},
    ],
)
async def test_orders_refuses_a_bad_draft(orders: Any, draft: dict[str, object]) -> None:
    """An order needs a user and products that exist, and says nothing it does not know."""
    reply = await orders.client.post("/orders", json=draft)

    assert reply.status_code == 422
    assert "detail" in reply.json()


async def test_orders_takes_a_placed_order_back(orders: Any) -> None:
    """As often as it is asked, since nothing is stored; it is counted like any other call."""
    placed = await orders.client.post("/orders", json={"user": 42, "items": [{"sku": "sku-0001", "quantity": 1}]})

    statuses = [(await orders.client.delete(placed.headers["location"])).status_code for _ in range(2)]

    assert statuses == [204, 204]
    assert (await orders.get("/_stats")).json()["received"] == 3


@pytest.mark.parametrize("order_id", ["4209", "0", "abcdefg", "9" * 5000, "１００００００"])
async def test_orders_that_nobody_placed_cannot_be_taken_back(orders: Any, order_id: str) -> None:
    """Those of `GET /orders` were delivered long ago."""
    assert (await orders.client.delete(f"/orders/{order_id}")).status_code == 404


async def test_catalog_tells_what_a_product_is(catalog: Any) -> None:
    """A product has these members in this order, its price a number."""
    reply = await catalog.get("/products/sku-0042")

    product = reply.json()
    assert list(product) == ["sku", "name", "price"]
    assert isinstance(product["price"], float)


async def test_catalog_answers_404_for_an_unknown_product(catalog: Any) -> None:
    """A sku that is not in the catalog is 404 with a detail."""
    reply = await catalog.get("/products/sku-9999")

    assert reply.status_code == 404
    assert "detail" in reply.json()


async def test_catalog_gives_many_in_the_order_asked(catalog: Any) -> None:
    """Of the skus asked for come those it has, in that order, each once."""
    found = (await catalog.get("/products?sku=sku-0009,nothing,sku-0002,sku-0009,,sku-0003")).json()

    assert [product["sku"] for product in found] == ["sku-0009", "sku-0002", "sku-0003"]
    assert found[1] == (await catalog.get("/products/sku-0002")).json()


@pytest.mark.parametrize(("query", "status"), [("", 422), ("?sku=", 200), ("?sku=nothing", 200)])
async def test_catalog_needs_to_be_told_which(catalog: Any, query: str, status: int) -> None:
    """Without `sku` it is not clear what is asked; with none that exists the list is empty."""
    reply = await catalog.get(f"/products{query}")

    assert reply.status_code == status
    assert status == 422 or reply.json() == []


async def test_recommendations_tells_what_a_segment_may_like(recommendations: Any) -> None:
    """Recommendations have these members in this order."""
    found = (await recommendations.get("/for/gold")).json()

    assert list(found) == ["segment", "model", "items"]
    assert found["segment"] == "gold"
    assert list(found["items"][0]) == ["sku", "score"]


async def test_recommendations_answers_404_for_an_unknown_segment(recommendations: Any) -> None:
    """A segment that nobody is in is 404 with a detail."""
    reply = await recommendations.get("/for/platinum")

    assert reply.status_code == 404
    assert "detail" in reply.json()


@pytest.mark.parametrize("service", PORTS, indirect=True)
async def test_every_service_documents_itself(service: Any) -> None:
    """Each has its endpoints and its switches in an OpenAPI document, under its own title."""
    document = (await service.get("/openapi.json")).json()

    assert document["info"]["title"] in PORTS
    assert {"/livez", "/_chaos", "/_stats", "/_requests"} < document["paths"].keys()


@pytest.mark.parametrize(
    ("service", "path", "usual"),
    [
        ("users", "/users/1", 0.02),
        ("orders", "/orders?user=1", 0.06),
        ("catalog", "/products/sku-0001", 0.03),
        ("recommendations", "/for/new", 0.25),
    ],
    indirect=["service"],
)
async def test_every_service_takes_its_usual_time(service: Any, path: str, usual: float) -> None:
    """No answer comes sooner than usual."""
    clock = asyncio.get_running_loop().time

    begin = clock()
    await service.get(path)

    assert clock() - begin >= usual

"""Joins: what a loop brought, put into the objects that its items came from."""

from __future__ import annotations

from itertools import permutations
from typing import Any

import pytest

from gateway.formats.decode import decode_json
from gateway.formats.encode import encode_json

pytestmark = pytest.mark.looptime

ORDERS = [{"id": 1, "items": [{"sku": "a"}, {"sku": "b"}]}, {"id": 2, "items": [{"sku": "a"}]}, {"id": 3}, "no order"]

STEPS = """
    orders: {get: shop /orders}
    products:
      for_each: orders[].items[].sku
      get: shop /products/{item}
      join: {into: "orders[].items[]", on: sku, as: product}
"""


def shop(home: Any, steps: str = STEPS, orders: Any = ORDERS) -> Any:
    """An endpoint whose products answer with their name."""
    page = home(steps)
    page["orders"].always(page["orders"].reply(orders))
    page["products"].always(lambda call: page["products"].reply({"name": call.target[-1].upper()}))
    return page


def value_of(ran: Any, step: str = "orders") -> Any:
    """The value of a step, decoded."""
    return decode_json(encode_json(ran.scope[step]))


async def test_each_object_gets_the_value_of_its_item(home: Any) -> None:
    """In every place that the item came from; whatever has no items stays as it is."""
    page = shop(home)

    ran = await page.run()

    a, b = {"sku": "a", "product": {"name": "A"}}, {"sku": "b", "product": {"name": "B"}}
    assert value_of(ran) == [{"id": 1, "items": [a, b]}, {"id": 2, "items": [a]}, {"id": 3}, "no order"]
    assert value_of(ran, "products") == [{"name": "A"}, {"name": "B"}]


async def test_an_object_without_a_value_says_so(home: Any) -> None:
    """What is not there is null, and so is what has no item at all."""
    page = shop(home, orders=[{"items": [{"sku": "a"}, {"sku": "gone"}, {"sku": None}, {}]}])
    page["products"].always(lambda call: 404 if "gone" in call.target else page["products"].reply({"name": "A"}))

    ran = await page.run()

    products = [item["product"] for item in value_of(ran)[0]["items"]]
    assert products == [{"name": "A"}, None, None, None]


async def test_a_loop_that_failed_joins_null(home: Any) -> None:
    """Nobody has to ask whether the member is there."""
    page = shop(home, STEPS + "      optional: true\n      fallback: []\n")
    page["products"].always(503)

    ran = await page.run()

    assert [item["product"] for item in value_of(ran)[0]["items"]] == [None, None]


async def test_objects_are_joined_by_what_tells_them_apart(home: Any) -> None:
    """Where items are objects, `on` is read from them too; a number finds its text."""
    steps = """
        orders: {get: shop /orders}
        products:
          for_each: "orders[].{id: id, user: user}"
          get: shop /users/{item.user}/orders/{item.id}
          join: {into: "orders[]", on: id, as: detail}
        """
    page = shop(home, steps, [{"id": 7, "user": "u"}, {"id": 8, "user": "u"}])

    ran = await page.run()

    assert [order["detail"] for order in value_of(ran)] == [{"name": "7"}, {"name": "8"}]


async def test_later_steps_see_what_is_joined(home: Any) -> None:
    """Whoever names the step waits for what is joined into it."""
    page = shop(home, f'{STEPS}    best: {{get: shop /best, query: {{names: "{{orders[].items[].product.name}}"}}}}\n')
    page["products"].always(page["products"].after(0.2, page["products"].reply({"name": "N"})))

    await page.run()

    assert page["best"].times == pytest.approx([0.2])
    assert page["best"].calls[0].target == "/best?names=N,N,N"


async def test_later_steps_run_although_nothing_could_be_joined(home: Any) -> None:
    """They wait for it and do not need it."""
    page = shop(home, f'{STEPS}      optional: true\n    best: {{get: shop /best, query: {{n: "{{length(orders)}}"}}}}\n')
    page["products"].always(503)

    ran = await page.run()

    assert (ran.broken, page["best"].calls[0].target) == (None, "/best?n=4")


async def test_what_joins_sees_everything_as_it_came(home: Any) -> None:
    """Two that join into one step do not wait for each other, and neither depends on which is first."""
    steps = f"""{STEPS}
    stock:
      for_each: orders[].items[].sku
      get: shop /stock/{{item}}?seen={{orders[0].items[0].product.name}}
      join: {{into: "orders[].items[]", on: sku, as: stock}}
"""
    page = shop(home, steps)
    page["stock"].always(page["stock"].after(0.3, page["stock"].reply(5)))

    ran = await page.run()

    assert {call.target for call in page["stock"].calls} == {"/stock/a", "/stock/b"}
    assert value_of(ran)[1] == {"id": 2, "items": [{"sku": "a", "product": {"name": "A"}, "stock": 5}]}


async def test_joins_go_through_each_other(home: Any) -> None:
    """What is joined into products is in the products that are joined into orders, whoever is last."""
    steps = f"""{STEPS}
    makers:
      for_each: products[].name
      get: shop /makers/{{item}}
      join: {{into: "products[]", on: name, as: maker}}
"""
    page = shop(home, steps)
    page["makers"].always(page["makers"].after(0.3, page["makers"].reply("M")))

    ran = await page.run()

    assert value_of(ran)[1]["items"] == [{"sku": "a", "product": {"name": "A", "maker": "M"}}]


@pytest.mark.parametrize("waits", list(permutations((0.0, 0.1, 0.2))))
async def test_the_order_of_arrival_changes_nothing(home: Any, waits: tuple[float, ...]) -> None:
    """The same replies give the same bytes."""
    steps = f"""{STEPS}
    stock: {{for_each: "orders[].items[].sku", get: "shop /stock/{{item}}", join: {{into: "orders[].items[]", on: sku, as: stock}}}}
    slow: {{get: shop /slow}}
    last: {{get: "shop /last?of={{orders[].items[].[product, stock][]}}", needs: [slow]}}
"""
    page = shop(home, steps)
    for wait, step in zip(waits, ("products", "stock", "slow"), strict=True):
        page[step].always(page[step].after(wait, page[step].reply(step)))

    ran = await page.run()

    assert page["last"].calls[0].target == "/last?of=" + ",".join(["products", "stock"] * 3)
    assert list(value_of(ran)[0]["items"][0].items()) == [("sku", "a"), ("product", "products"), ("stock", "stock")]

"""Loops: a step's call once for each item."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from gateway.call import Failed, Gathered
from gateway.errors import BadReply, Disconnected, StatusRefused, TooManyItems, Unrendered
from gateway.formats.decode import decode_json
from gateway.formats.encode import encode_json

pytestmark = pytest.mark.looptime

ORDERS = [{"id": 1, "items": [{"sku": "b"}, {"sku": "a"}]}, {"id": 2, "items": [{"sku": "b"}, {"sku": "c"}]}]

LOOP = """
    orders: {get: shop /orders}
    products:
      for_each: orders[].items[].sku
      get: shop /products/{item}
"""


def shop(home: Any, steps: str = LOOP, orders: Any = ORDERS, **words: Any) -> Any:
    """An endpoint whose products answer with what they were asked for."""
    page = home(steps + "".join(f"      {name}: {value}\n" for name, value in words.items()))
    page["orders"].always(page["orders"].reply(orders))
    if "products" in page.upstreams:
        page["products"].always(lambda call: page["products"].reply({"sku": call.target.rpartition("/")[2]}))
    return page


def asked(page: Any, step: str = "products") -> list[str]:
    """What was asked for, in order."""
    return [call.target.rpartition("/")[2] for call in page[step].calls]


def value_of(ran: Any, step: str = "products") -> Any:
    """The value of a step, decoded."""
    return decode_json(encode_json(ran.scope[step]))


async def test_a_loop_calls_once_for_each_distinct_value(home: Any) -> None:
    """The value is the list of what came back, in the order in which the items first appear."""
    page = shop(home)

    ran = await page.run()

    assert asked(page) == ["b", "a", "c"]
    assert value_of(ran) == [{"sku": "b"}, {"sku": "a"}, {"sku": "c"}]
    assert ran.outcomes["products"].items == ("b", "a", "c")


async def test_a_loop_waits_for_what_it_goes_through_and_for_nothing_else(home: Any, looptime: Any) -> None:
    """Its calls run at once."""
    page = shop(home)
    page["orders"].replies(page["orders"].after(0.1, page["orders"].reply(ORDERS)))
    page["products"].always(page["products"].after(0.2, page["products"].reply({})))

    await page.run()

    assert page["products"].times == pytest.approx([0.1, 0.1, 0.1])
    assert looptime == pytest.approx(0.3)


async def test_a_loop_runs_so_many_calls_at_once(home: Any) -> None:
    """`concurrency` bounds what an upstream gets at once, and nothing waits longer than it must."""
    page = shop(home, concurrency=2)
    page["products"].always(page["products"].after(0.1, page["products"].reply({})))

    await page.run()

    assert page["products"].times == pytest.approx([0.0, 0.0, 0.1])


@pytest.mark.parametrize("orders", [None, [], [{"items": []}], [{}]])
async def test_a_loop_without_items_is_an_empty_list(home: Any, orders: Any) -> None:
    """Nothing to go through is no failure, and nothing is sent."""
    page = shop(home, orders=orders)

    ran = await page.run()

    assert (value_of(ran), page["products"].attempts, ran.broken) == ([], 0, None)


@pytest.mark.parametrize("orders", [{"sku": 1}, "sku", 5, True])
async def test_what_is_no_list_is_no_loop(home: Any, orders: Any) -> None:
    """An upstream that gives something else has given a bad reply."""
    page = shop(home, LOOP.replace("orders[].items[].sku", "orders"), orders)

    ran = await page.run()

    assert ran.broken == "products"
    assert isinstance(ran.outcomes["products"].error, BadReply)


async def test_items_are_one_where_they_would_be_sent_as_one(home: Any) -> None:
    """7 and "7" make the same call; an item that is null makes none."""
    page = shop(home, LOOP.replace("orders[].items[].sku", "orders"), [7, "7", None, 8.5, "8.5", True])

    await page.run()

    assert asked(page) == ["7", "8.5", "true"]


async def test_items_may_be_objects(home: Any) -> None:
    """Then a call names their fields, and each different object is an item."""
    steps = LOOP.replace("orders[].items[].sku", "orders").replace("{item}", "{item.id}")
    page = shop(home, steps, [{"id": 1}, {"id": 1}, {"id": 2}])

    await page.run()

    assert asked(page) == ["1", "2"]


# -- above the limit ---------------------------------------------------------------------------------------------------


async def test_more_items_than_the_limit_fail_the_step(home: Any) -> None:
    """Nobody asked for half of it, so that nothing is sent."""
    page = shop(home, limit=2)

    ran = await page.run()

    assert isinstance(ran.outcomes["products"].error, TooManyItems)
    assert (ran.broken, page["products"].attempts) == ("products", 0)


async def test_the_first_items_are_taken_where_that_is_written(home: Any) -> None:
    """What was left out is said."""
    page = shop(home, limit="{first: 2}")

    ran = await page.run()

    assert asked(page) == ["b", "a"]
    (error,) = ran.outcomes["products"].lacks
    assert (type(error), error.left_out) == (TooManyItems, 1)


async def test_as_many_items_as_the_limit_are_not_too_many(home: Any) -> None:
    """The limit is what is allowed, not the first that is not."""
    page = shop(home, limit=3)

    ran = await page.run()

    assert len(asked(page)) == 3
    assert ran.outcomes["products"].lacks == ()


# -- items that fail ---------------------------------------------------------------------------------------------------


def answers(page: Any, **by_item: Any) -> None:
    """Have some items answered otherwise."""
    usual = page["products"].standing
    page["products"].always(lambda call: by_item.get(call.target.rpartition("/")[2]) or usual(call))


@pytest.mark.parametrize("status", [404, 410])
async def test_an_item_that_is_not_there_is_null_and_said(home: Any, status: int) -> None:
    """One product taken off sale does not cost the list, and nobody has to guess why there is a hole."""
    page = shop(home)
    answers(page, a=status)

    ran = await page.run()

    assert value_of(ran) == [{"sku": "b"}, None, {"sku": "c"}]
    (error,) = ran.outcomes["products"].lacks
    assert error.reply.status == status


async def test_an_item_that_fails_fails_the_step(home: Any, looptime: Any) -> None:
    """At once: what else is in flight is cancelled, and what has not been sent never is."""
    page = shop(home, concurrency=2)
    answers(page, b=page["products"].after(0.1, 503), a=page["products"].hang)

    ran = await page.run()

    assert isinstance(ran.outcomes["products"].error, StatusRefused)
    assert looptime == pytest.approx(0.1)
    assert (asked(page), page["products"].cancelled, page["products"].in_flight) == (["b", "a"], 1, 0)


async def test_required_items_have_to_be_there(home: Any) -> None:
    """With `items: required` a missing one fails the step too."""
    page = shop(home, items="required")
    answers(page, a=404)

    ran = await page.run()

    assert ran.broken == "products"
    assert ran.outcomes["products"].error.reply.status == 404


async def test_optional_items_may_fail(home: Any) -> None:
    """With `items: optional` every failure is a hole that is said."""
    page = shop(home, items="optional")
    answers(page, a=503, b=Disconnected("broke"))

    ran = await page.run()

    assert value_of(ran) == [None, None, {"sku": "c"}]
    assert [type(error) for error in ran.outcomes["products"].lacks] == [Disconnected, StatusRefused]


async def test_what_items_lack_is_in_the_trace(home: Any) -> None:
    """Each trouble once, with how many items have it; a loop that lacks nothing has no reason to give."""
    page = shop(home, items="optional")
    answers(page, a=503, b=503)

    await page.run()

    (span,) = (one for one in page.span.trace.spans if one.name == "step products")
    assert span.own["gateway.step.reason"] == "2 × status 503"


async def test_an_item_that_makes_no_call_has_failed(home: Any) -> None:
    """A value that fits nowhere in a path fails like any other."""
    page = shop(home, LOOP.replace("orders[].items[].sku", "orders"), ["a", "..", "b"], items="optional")

    ran = await page.run()

    assert asked(page) == ["a", "b"]
    assert [type(error) for error in ran.outcomes["products"].lacks] == [Unrendered]


async def test_a_skipped_item_is_null_and_nothing_is_lacking(home: Any) -> None:
    """`on_status: skip` says that it is meant so."""
    page = shop(home, on_status="{404: skip}")
    answers(page, a=404)

    ran = await page.run()

    assert value_of(ran) == [{"sku": "b"}, None, {"sku": "c"}]
    assert ran.outcomes["products"].lacks == ()


async def test_select_and_on_status_are_an_items(home: Any) -> None:
    """They make the value of each call, and know its item."""
    page = shop(home, select="sku", on_status='{404: "no {item}"}')
    answers(page, a=404)

    ran = await page.run()

    assert value_of(ran) == ["b", "no a", "c"]


async def test_when_decides_about_the_whole_loop(home: Any) -> None:
    """A skipped loop has its fallback."""
    page = shop(home, when="query.nothing", fallback="[]")

    ran = await page.run()

    assert (page["products"].attempts, ran.scope["products"]) == (0, [])


async def test_a_failed_loop_has_the_fallback_of_its_step(home: Any) -> None:
    """Optional is the step, whatever its items are."""
    page = shop(home, optional="true", fallback="[none]")
    answers(page, a=503)

    ran = await page.run()

    assert (ran.broken, ran.scope["products"]) == (None, ["none"])
    assert isinstance(ran.outcomes["products"], Failed)


async def test_a_cancelled_loop_leaves_nothing_in_flight(home: Any) -> None:
    """A deadline, or a client who leaves, ends all of its calls."""
    page = shop(home)
    page["products"].always(page["products"].hang)

    ran = await page.run(within=0.5)

    assert ran.broken == "products"
    assert (page["products"].in_flight, page["products"].cancelled) == (0, 3)


async def test_a_cached_item_is_not_fetched_again(home: Any) -> None:
    """Each item is kept by itself, and the loop says `hit` only when all of them were."""
    page = shop(home, cache="{ttl: 60s}")
    await page.run()
    page["orders"].replies(page["orders"].reply([{"items": [{"sku": "a"}, {"sku": "new"}]}]), page["orders"].reply(ORDERS))

    mixed, again = await page.run(), await page.run()

    assert asked(page) == ["b", "a", "c", "new"]
    assert (mixed.outcomes["products"].cache, again.outcomes["products"].cache) == ("miss", "hit")
    assert value_of(mixed) == [{"sku": "a"}, {"sku": "new"}]


async def test_a_loop_says_how_many_items_it_has(home: Any) -> None:
    """The step's span has their number."""
    page = shop(home)

    ran = await page.run()

    assert ran.spans["products"].own["gateway.step.items"] == 3
    assert isinstance(ran.outcomes["products"], Gathered)


async def test_a_loop_that_is_cancelled_while_it_ends_does_nothing_more(home: Any) -> None:
    """One item has failed and the other calls are being ended when the client leaves: there is nobody for whom to try another place."""
    page = home("products: {for_each: path.id, get: 'shop /products/{item}', fallback: {get: shop /spare}, optional: true}")
    page["products"].lingers = 1.0
    page["products"].replies(page["products"].after(0.5, 500), page["products"].hang)
    running = asyncio.ensure_future(page.run(path={"id": ["a", "b"]}, within=9.0))
    await asyncio.sleep(1.0)

    running.cancel()
    await asyncio.gather(running, return_exceptions=True)

    assert running.cancelled()
    assert (page["products"].in_flight, page["products.fallback"].attempts) == (0, 0)

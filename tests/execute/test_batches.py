"""Batches: one call for many items."""

from __future__ import annotations

from typing import Any
from urllib.parse import parse_qs

import pytest

from gateway.call import Failed
from gateway.errors import BadReply, Disconnected, NotThere, StatusRefused
from gateway.formats.decode import decode_json
from gateway.formats.encode import encode_json

pytestmark = pytest.mark.looptime

STEPS = """
    skus: {get: shop /skus}
    products:
      for_each: skus
      get: shop /products/{item}
      batch: {get: "shop /products?sku={items}", size: 2, key: sku}
"""


def shop(home: Any, skus: Any, steps: str = STEPS, **words: Any) -> Any:
    """An endpoint whose products come in batches, from a shop that has all it is asked for."""
    page = home(steps + "".join(f"      {name}: {value}\n" for name, value in words.items()))
    page["skus"].always(page["skus"].reply(skus))
    batch = page["products.batch"]
    batch.always(lambda call: batch.reply([{"sku": sku} for sku in items_of(call)]))
    return page


def items_of(call: Any) -> list[str]:
    """The items that a batch was asked for."""
    return parse_qs(call.target.partition("?")[2])["sku"][0].split(",")


def asked(page: Any) -> list[list[str]]:
    """What each batch was asked for."""
    return [items_of(call) for call in page["products.batch"].calls]


def value_of(ran: Any) -> Any:
    """The value of the products, decoded."""
    return decode_json(encode_json(ran.scope["products"]))


async def test_a_batch_asks_for_many_items_at_once(home: Any) -> None:
    """N items are ⌈N/size⌉ calls, each item once."""
    page = shop(home, ["a", "b", "a", "c", "d", "e"])

    ran = await page.run()

    assert asked(page) == [["a", "b"], ["c", "d"], ["e"]]
    assert value_of(ran) == [{"sku": sku} for sku in "abcde"]


async def test_batches_run_at_once(home: Any, looptime: Any) -> None:
    """As many as `concurrency` allows."""
    page = shop(home, list("abcdef"), concurrency=2)
    batch = page["products.batch"]
    batch.always(batch.after(0.1, lambda call: batch.reply([{"sku": sku} for sku in items_of(call)])))

    await page.run()

    assert batch.times == pytest.approx([0.0, 0.0, 0.1])


async def test_no_items_make_no_batch(home: Any) -> None:
    """Nothing is asked for with an empty list."""
    page = shop(home, [])

    ran = await page.run()

    assert (value_of(ran), page["products.batch"].attempts) == ([], 0)


@pytest.mark.parametrize("reply", [[{"sku": "b"}, {"sku": "x"}, {"sku": "b", "second": True}], [{"sku": "b"}, {}, {"sku": None}]])
async def test_values_belong_to_their_items_whatever_a_reply_has(home: Any, reply: Any) -> None:
    """Neither order nor strangers nor doubles put a value in another's place; what is missing is null and said."""
    page = shop(home, ["a", "b"])
    page["products.batch"].always(page["products.batch"].reply(reply))

    ran = await page.run()

    assert value_of(ran) == [None, {"sku": "b"}]
    assert [type(error) for error in ran.outcomes["products"].lacks] == [NotThere]


async def test_keys_are_told_apart_as_items_are(home: Any) -> None:
    """An item 7 finds the key "7", and the other way round."""
    page = shop(home, [7, "8"])
    page["products.batch"].always(page["products.batch"].reply([{"sku": "7"}, {"sku": 8}]))

    ran = await page.run()

    assert value_of(ran) == [{"sku": "7"}, {"sku": 8}]


async def test_without_a_key_the_reply_is_an_object_by_item(home: Any) -> None:
    """Some services answer so."""
    page = shop(home, ["a", "b"], STEPS.replace(", key: sku", ""))
    page["products.batch"].always(page["products.batch"].reply({"b": 2, "x": 9}))

    ran = await page.run()

    assert value_of(ran) == [None, 2]
    assert [type(error) for error in ran.outcomes["products"].lacks] == [NotThere]


@pytest.mark.parametrize("reply", [{"sku": "a"}, "a", None, 5])
async def test_a_reply_that_is_no_list_is_a_bad_one(home: Any, reply: Any) -> None:
    """Every item of the batch has failed with it."""
    page = shop(home, ["a"])
    page["products.batch"].always(page["products.batch"].reply(reply))

    ran = await page.run()

    assert ran.broken == "products"
    assert isinstance(ran.outcomes["products"].error, BadReply)


async def test_a_batch_that_fails_fails_the_step(home: Any) -> None:
    """And what else is in flight is cancelled."""
    page = shop(home, list("abcd"))
    batch = page["products.batch"]
    batch.replies(batch.after(0.1, 503), batch.hang)

    ran = await page.run()

    assert isinstance(ran.outcomes["products"].error, StatusRefused)
    assert (batch.cancelled, batch.in_flight) == (1, 0)


async def test_with_optional_items_a_batch_that_fails_costs_its_own(home: Any) -> None:
    """Each of them is null, and each is said."""
    page = shop(home, list("abc"), items="optional")
    batch = page["products.batch"]
    batch.replies(Disconnected("broke"), batch.reply([{"sku": "c"}]))

    ran = await page.run()

    assert value_of(ran) == [None, None, {"sku": "c"}]
    assert [type(error) for error in ran.outcomes["products"].lacks] == [Disconnected, Disconnected]


async def test_required_items_must_be_in_the_reply(home: Any) -> None:
    """A shop that lacks one has failed the step."""
    page = shop(home, ["a", "b"], items="required")
    page["products.batch"].always(page["products.batch"].reply([{"sku": "a"}]))

    ran = await page.run()

    assert isinstance(ran.outcomes["products"].error, NotThere)


async def test_select_is_of_each_item(home: Any) -> None:
    """What a batch brings is reshaped like what a call of its own would have brought."""
    page = shop(home, ["a", "b"], select="sku")

    ran = await page.run()

    assert value_of(ran) == ["a", "b"]


async def test_the_select_of_a_batch_is_of_its_whole_reply(home: Any) -> None:
    """The list may be anywhere in it."""
    page = shop(home, ["a"], STEPS.replace("key: sku", "key: sku, select: found"))
    page["products.batch"].always(page["products.batch"].reply({"found": [{"sku": "a"}]}))

    ran = await page.run()

    assert value_of(ran) == [{"sku": "a"}]


async def test_a_batch_may_be_a_body(home: Any) -> None:
    """Items keep their type in it."""
    steps = STEPS.replace('get: "shop /products?sku={items}"', 'post: "shop /lookup", body: {ids: "{items}"}')
    page = shop(home, [1, 2], steps)
    page["products.batch"].always(page["products.batch"].reply([{"sku": 1}, {"sku": 2}]))

    ran = await page.run()

    (call,) = page["products.batch"].calls
    assert (call.method, call.body) == ("POST", b'{"ids":[1,2]}')
    assert value_of(ran) == [{"sku": 1}, {"sku": 2}]


async def test_a_batch_may_be_a_path(home: Any) -> None:
    """The items stand in one segment with commas between them, each encoded, so that none can climb or split."""
    page = shop(home, ["a", "b/../c"], STEPS.replace("/products?sku={items}", "/many/{items}"))
    page["products.batch"].always(page["products.batch"].reply([{"sku": "a"}, {"sku": "b/../c"}]))

    ran = await page.run()

    assert [call.target for call in page["products.batch"].calls] == ["/many/a,b%2F..%2Fc"]
    assert value_of(ran) == [{"sku": "a"}, {"sku": "b/../c"}]


async def test_a_batch_may_repeat_a_parameter(home: Any) -> None:
    """A list of templates repeats it, once for each item."""
    steps = STEPS.replace('get: "shop /products?sku={items}"', 'get: shop /products, query: {sku: ["{items}"]}')
    page = shop(home, ["a", "b,c"], steps)
    page["products.batch"].always(page["products.batch"].reply([]))

    await page.run()

    assert [call.target for call in page["products.batch"].calls] == ["/products?sku=a&sku=b%2Cc"]


# -- what is kept ------------------------------------------------------------------------------------------------------


async def test_a_batch_asks_only_for_what_is_not_kept(home: Any) -> None:
    """Each item is kept by itself, whichever batch it came in."""
    page = shop(home, ["a", "b", "c"], cache="{ttl: 60s}")
    await page.run()
    page["skus"].replies(page["skus"].reply(["c", "d", "a"]), page["skus"].reply(["c", "b", "a"]))

    mixed, kept = await page.run(), await page.run()

    assert asked(page) == [["a", "b"], ["c"], ["d"]]
    assert value_of(mixed) == [{"sku": "c"}, {"sku": "d"}, {"sku": "a"}]
    assert (mixed.outcomes["products"].cache, kept.outcomes["products"].cache) == ("miss", "hit")


async def test_what_a_batch_brought_is_kept_as_if_it_had_been_asked_for_alone(home: Any) -> None:
    """A step that makes an item's call by itself finds it, and what it selects is its own affair."""
    steps = f"""{STEPS}
      cache: {{ttl: 60s}}
      select: sku
    one: {{get: "shop /products/a", cache: {{ttl: 60s}}, needs: [products]}}
"""
    page = shop(home, ["a"], steps)

    ran = await page.run()

    assert page["one"].attempts == 0
    assert decode_json(encode_json(ran.scope["one"])) == {"sku": "a"}


async def test_what_was_missing_is_asked_for_again(home: Any) -> None:
    """Only what came is kept."""
    page = shop(home, ["a", "b"], cache="{ttl: 60s}")
    page["products.batch"].replies(page["products.batch"].reply([{"sku": "a"}]))
    await page.run()

    await page.run()

    assert asked(page) == [["a", "b"], ["b"]]


async def test_what_is_not_to_be_kept_is_not(home: Any) -> None:
    """What the upstream says of the whole reply holds for each item in it."""
    page = shop(home, ["a"], cache="{ttl: 60s}")
    page["products.batch"].always(page["products.batch"].reply([{"sku": "a"}], cache_control="no-store"))

    await page.run()
    await page.run()

    assert asked(page) == [["a"], ["a"]]


async def test_an_item_that_makes_no_call_is_not_looked_for(home: Any) -> None:
    """It has failed like any other item, and costs the others nothing."""
    page = shop(home, ["..", "a"], cache="{ttl: 60s}", items="optional")

    ran = await page.run()

    assert asked(page) == [["a"]]
    assert value_of(ran) == [None, {"sku": "a"}]


async def test_a_batch_looks_for_all_its_items_in_one_trip(home: Any, monkeypatch: Any) -> None:
    """And keeps what came in another; the second time there is nothing to keep."""
    page = shop(home, ["a", "b", "c"], cache="{ttl: 60s}")
    trips: list[tuple[str, int]] = []
    get, put = page.store.multi_get, page.store.multi_set

    async def multi_get(keys: Any) -> Any:
        trips.append(("get", len(keys)))
        return await get(keys)

    async def multi_set(pairs: Any, ttl: float) -> Any:
        trips.append(("set", len(pairs)))
        return await put(pairs, ttl=ttl)

    monkeypatch.setattr(page.store, "multi_get", multi_get)
    monkeypatch.setattr(page.store, "multi_set", multi_set)

    await page.run()
    await page.run()

    assert trips == [("get", 3), ("set", 2), ("set", 1), ("get", 3)]


async def test_what_is_kept_of_items_stands_in_for_a_batch_that_fails(home: Any) -> None:
    """Item by item: those of which nothing is kept have failed."""
    page = shop(home, ["a", "b"], cache="{stale_if_error: 1h}", items="optional")
    page["products.batch"].replies(
        page["products.batch"].reply([{"sku": "a"}, {"sku": "b"}], cache_control="max-age=0"), 503, 503
    )
    await page.run()
    page["skus"].replies(page["skus"].reply(["a", "c", "b"]))

    ran = await page.run()

    assert value_of(ran) == [{"sku": "a"}, None, {"sku": "b"}]


async def test_a_batch_that_is_refused_is_not_stood_in_for(home: Any) -> None:
    """The upstream has spoken: a 403 is no failure of the way to it."""
    page = shop(home, ["a"], cache="{stale_if_error: 1h}")
    page["products.batch"].replies(page["products.batch"].reply([{"sku": "a"}], cache_control="max-age=0"), 403)
    await page.run()

    ran = await page.run()

    assert isinstance(ran.outcomes["products"], Failed)


async def test_items_of_a_batch_keep_the_variants_apart(home: Any) -> None:
    """What the reply varies by tells items apart that `vary_on` does not."""
    steps = STEPS.replace("get: shop /products/{item}", 'get: shop /products/{item}\n      headers: { X-Plan: "{query.plan}" }')
    assert steps != STEPS
    page = shop(home, ["a"], steps, cache="{ttl: 60s, vary_on: []}")
    page["products.batch"].always(page["products.batch"].reply([{"sku": "a"}], vary="x-plan"))

    for plan in ("x", "y", "x"):
        await page.run(query={"plan": plan})

    assert asked(page) == [["a"], ["a"]]


async def test_items_that_may_not_stand_in_do_not(home: Any) -> None:
    """What the upstream allows to be served while a newer one is fetched is no more than that."""
    page = shop(home, ["a"], cache="{ttl: 1m}")
    batch = page["products.batch"]
    batch.replies(batch.reply([{"sku": "a"}], cache_control="max-age=0, stale-while-revalidate=60"), 503)
    await page.run()

    assert isinstance((await page.run()).outcomes["products"], Failed)


async def test_an_item_is_not_known_by_what_its_batch_is_known_by(home: Any) -> None:
    """The batch's `ETag` and length say nothing of one item in it."""
    page = shop(home, ["a", "b"], cache="{ttl: 1m}")
    batch = page["products.batch"]
    batch.always(batch.reply([{"sku": "a"}, {"sku": "b"}], etag='"1"', last_modified="x", content_length="9", x_other="1"))

    await page.run()

    kept = await page.store.multi_get([*page.store._entries])
    assert [entry.headers for entry in kept] == [(("x-other", "1"),)] * 2

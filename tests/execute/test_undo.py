"""Writes taken back: which, in what order, when, and for how long."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from gateway import telemetry
from gateway.errors import Disconnected
from gateway.expressions.reference import Fields

pytestmark = pytest.mark.looptime

ORDERED = """
order: { post: shop /orders, undo: { delete: "shop /orders/{order.id}" } }
paid: { post: shop /payments, needs: [order], undo: { post: "shop /refunds", body: { of: "{paid.id}", at: "{steps.paid.headers.at}" } } }
mail: { post: shop /mails, needs: [paid] }
"""


@pytest.fixture
def shop(home: Any) -> Any:
    """Takes an order and its payment."""
    made = home(ORDERED)
    made["order"].always(made["order"].reply({"id": 7}))
    made["paid"].always(made["paid"].reply({"id": 8}, at="noon"))
    return made


async def test_what_went_well_is_undone_the_last_first(shop: Any) -> None:
    """Each by its own reply, when something fails that the answer cannot do without."""
    shop["mail"].replies(500)

    ran = await shop.run()

    assert (ran.broken, list(ran.undone.items())) == ("mail", [("paid", True), ("order", True)])
    assert [call.target for call in shop["order.undo"].calls] == ["/orders/7"]
    assert shop["paid.undo"].calls[0].body == b'{"of":8,"at":"noon"}'
    assert shop["paid.undo"].times <= shop["order.undo"].times


async def test_nothing_is_undone_of_a_run_that_went_well(shop: Any) -> None:
    """Nor asked for."""
    ran = await shop.run()

    assert (ran.broken, ran.undone) == (None, None)
    assert shop["order.undo"].attempts == shop["paid.undo"].attempts == 0


async def test_what_failed_itself_is_not_undone(shop: Any) -> None:
    """It has no reply to undo it by."""
    shop["paid"].replies(402)

    ran = await shop.run()

    assert ran.undone == {"order": True}


async def test_a_status_with_a_meaning_of_its_own_is_not_undone(home: Any) -> None:
    """It is no failure, and nothing was written either."""
    shop = home("""
        order: { post: shop /orders, on_status: { 409: there }, undo: { delete: shop /orders } }
        mail: { post: shop /mails, needs: [order] }
    """)
    shop["order"].replies(409)
    shop["mail"].replies(500)

    assert (await shop.run()).undone == {}
    assert shop["order.undo"].attempts == 0


async def test_an_optional_step_that_fails_undoes_nothing(home: Any) -> None:
    """There is an answer, and the write is part of it."""
    shop = home(ORDERED.replace("needs: [paid]", "needs: [paid], optional: true"))
    shop["mail"].replies(500)

    assert (await shop.run()).undone is None


@pytest.mark.parametrize(("end", "undone"), [("status: 404", {"order": True}), ("status: 404, value: none", None)])
async def test_an_end_that_is_no_answer_undoes(home: Any, end: str, undone: Any) -> None:
    """One whose value the config has written is the answer."""
    shop = home(
        "order: { post: shop /orders, undo: { delete: shop /orders } }\n"
        f"check: {{ get: shop /check, needs: [order], end: {{ when: check, {end} }} }}"
    )

    assert (await shop.run()).undone == undone


async def test_a_write_in_flight_is_waited_for_and_undone(home: Any) -> None:
    """A required step fails beside it: the write goes on to its end, since nobody could undo what he does not know of."""
    shop = home("order: { post: shop /orders, undo: { delete: 'shop /orders/{order.id}' } }\ncheck: { get: shop /check }")
    shop["order"].replies(shop["order"].after(1.0, shop["order"].reply({"id": 7})))
    shop["check"].replies(404)

    ran = await shop.run(within=2.0)

    assert (ran.broken, ran.undone) == ("check", {"order": True})
    assert (shop["order"].cancelled, shop["order.undo"].calls[0].target, shop["order.undo"].times) == (0, "/orders/7", [1.0])


async def test_a_write_in_flight_has_the_time_of_the_run(home: Any) -> None:
    """One that never ends is given up at the deadline, and nothing is left of it."""
    shop = home("order: { post: shop /orders, undo: { delete: shop /orders } }\ncheck: { get: shop /check }")
    shop["order"].always(shop["order"].hang)
    shop["check"].replies(404)

    ran = await shop.run(within=2.0)

    assert (ran.undone, asyncio.get_running_loop().time()) == ({}, pytest.approx(2.0, abs=0.05))
    assert (shop["order"].in_flight, shop["order.undo"].attempts) == (0, 0)


async def test_a_write_in_flight_is_ended_by_an_answer(home: Any) -> None:
    """Nothing will be undone then, so that nobody has to know what became of it, and nothing is left of it."""
    shop = home("""
        order: { post: shop /orders, undo: { delete: shop /orders } }
        check: { get: shop /check, end: { when: check, status: 200, value: enough } }
    """)
    shop["order"].always(shop["order"].hang)

    ran = await shop.run()

    assert (ran.broken, ran.undone) == ("check", None)
    assert (shop["order"].cancelled, shop["order"].in_flight, shop["order.undo"].attempts) == (1, 0, 0)


async def test_an_undo_has_its_own_time(shop: Any) -> None:
    """After the deadline, and not for ever: what does not end is told as not undone, and the others are undone all the same."""
    shop["mail"].always(shop["mail"].hang)
    shop["paid.undo"].always(shop["paid.undo"].hang)

    ran = await shop.run(within=2.0)

    assert ran.undone == {"paid": False, "order": True}
    assert asyncio.get_running_loop().time() == pytest.approx(2.0 + 5.0, abs=0.05)


async def test_an_undo_is_retried_like_any_call(home: Any) -> None:
    """By the policy of its upstream, or its own; a status that it takes for good is one."""
    shop = home("""
        order: { post: shop /orders, undo: { delete: shop /orders, retry: { attempts: 3 }, on_status: { 404: skip } } }
        mail: { post: shop /mails, needs: [order] }
    """)
    shop["mail"].replies(500)
    shop["order.undo"].replies(503, Disconnected("gone"), 404)

    ran = await shop.run()

    assert (ran.undone, shop["order.undo"].attempts) == ({"order": True}, 3)


async def test_an_undo_that_cannot_be_sent_is_told(home: Any) -> None:
    """Its call needs a value that the reply did not have."""
    shop = home("""
        order: { post: shop /orders, undo: { delete: "shop /orders/{order.id}" } }
        mail: { post: shop /mails, needs: [order] }
    """)
    shop["mail"].replies(500)

    assert (await shop.run()).undone == {"order": False}
    assert shop["order.undo"].attempts == 0


async def test_who_leaves_leaves_nothing_written(shop: Any) -> None:
    """A run that is cancelled takes back what it has written, and ends then."""
    shop["mail"].always(shop["mail"].hang)
    shop["order.undo"].replies(shop["order.undo"].after(1.0, 204))
    running = asyncio.ensure_future(shop.run())
    await asyncio.sleep(0.5)

    running.cancel()
    await asyncio.gather(running, return_exceptions=True)

    assert running.cancelled()
    assert [shop[name].attempts for name in ("paid.undo", "order.undo")] == [1, 1]
    assert asyncio.get_running_loop().time() == pytest.approx(1.5)


async def test_an_undo_goes_on_when_it_is_cancelled(shop: Any) -> None:
    """Whoever cancels twice waits no longer; what was begun is finished all the same."""
    shop["mail"].always(shop["mail"].hang)
    shop["paid.undo"].replies(shop["paid.undo"].after(1.0, 200))
    running = asyncio.ensure_future(shop.run())
    await asyncio.sleep(0.5)

    for _ in range(2):
        running.cancel()
        await asyncio.sleep(0.1)
    assert running.done()
    await asyncio.sleep(2)

    assert (shop["paid.undo"].cancelled, shop["order.undo"].attempts) == (0, 1)


async def test_a_fallback_in_place_of_the_write_is_not_undone(home: Any) -> None:
    """The undo belongs to the step's own call, which did not go well."""
    shop = home("""
        order: { post: shop /orders, undo: { delete: shop /orders }, fallback: { post: shop /later } }
        mail: { post: shop /mails, needs: [order] }
    """)
    shop["order"].replies(500)
    shop["mail"].replies(500)

    assert (await shop.run()).undone == {}


async def test_an_undo_sees_what_had_a_value(home: Any) -> None:
    """Of other steps too, which the write then waits for; one that came to nothing does not hold it up."""
    shop = home("""
        user: { get: shop /user, optional: true }
        order: { post: shop /orders, undo: { delete: "shop /orders", query: { user: "{user}", id: "{path.id}" } } }
        mail: { post: shop /mails, needs: [order] }
    """)
    shop["user"].replies(shop["user"].after(0.5, 500))
    shop["mail"].replies(500)

    ran = await shop.run(headers=Fields())

    assert (ran.undone, shop["order.undo"].calls[0].target) == ({"order": True}, "/orders?id=42")
    assert shop.starts()["order"] == 0.5


async def test_an_undo_has_a_span(shop: Any) -> None:
    """Below the request's, whenever it is made; one that failed is marked."""
    shop["mail"].replies(500)
    shop["paid.undo"].replies(500)

    await shop.run()

    spans = {span.name: span for span in shop.span.trace.spans}
    assert spans["undo paid"].parent == spans["undo order"].parent == shop.span.id
    assert (spans["undo paid"].error, spans["undo order"].error) == (True, False)
    assert [spans[name].own[telemetry.STEP_OUTCOME] for name in ("undo paid", "undo order")] == ["failed", "ok"]

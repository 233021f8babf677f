"""Early ends: a step that decides the whole answer."""

from __future__ import annotations

from typing import Any

import pytest

from gateway.call import Ended, Failed

pytestmark = pytest.mark.looptime


async def test_a_status_may_end_the_answer(home: Any, looptime: Any) -> None:
    """However optional the step is: what else is in flight is cancelled at once."""
    page = home("""
        user: {get: shop /user, optional: true, fallback: nobody, on_status: {403: end}}
        slow: {get: shop /slow}
        """)
    page["user"].replies(page["user"].after(0.1, 403))
    page["slow"].replies(page["slow"].hang)

    ran = await page.run()

    assert (ran.broken, ran.outcomes["user"]) == ("user", Ended(403))
    assert looptime == pytest.approx(0.1)
    assert page["slow"].in_flight == 0


async def test_a_status_that_ends_the_answer_has_no_other_call(home: Any) -> None:
    """It has not failed; it has decided."""
    page = home("user: {get: shop /user, on_status: {404: end}, fallback: {get: shop /spare}}\n")
    page["user"].replies(404)

    ran = await page.run()

    assert (ran.outcomes["user"], page["user.fallback"].attempts) == (Ended(404), 0)


async def test_of_two_that_decide_in_the_same_moment_the_first_as_written_does(home: Any) -> None:
    """Whichever of them the event loop comes to first."""
    page = home("""
        first: {get: shop /first, needs: [before], on_status: {404: end}}
        before: {get: shop /before}
        second: {get: shop /second}
        """)
    page["before"].replies(page["before"].after(0.5, 200))
    page["first"].replies(page["first"].after(0.5, 404))
    page["second"].replies(page["second"].after(1.0, 500))

    ran = await page.run()

    assert isinstance(ran.outcomes["second"], Failed)
    assert ran.broken == "first"


ENDING = """
    orders:
      get: shop /orders
      end: {when: "!orders", status: 404}
    products: {get: "shop /products?of={orders}"}
"""


async def test_a_value_may_end_the_answer(home: Any) -> None:
    """The condition sees the step's own value, and what would have come after it is never sent."""
    page = home(ENDING)
    page["orders"].replies(page["orders"].reply([]))

    ran = await page.run()

    assert (ran.broken, ran.outcomes["orders"]) == ("orders", Ended(404))
    assert page["products"].attempts == 0


async def test_a_condition_that_does_not_hold_ends_nothing(home: Any) -> None:
    """The run goes on as if it were not there."""
    page = home(ENDING)
    page["orders"].replies(page["orders"].reply(["a"]))

    ran = await page.run()

    assert (ran.broken, page["products"].attempts) == (None, 1)


async def test_an_end_may_have_a_value(home: Any) -> None:
    """That is the answer then, made of what is at hand."""
    page = home("""
        user: {get: shop /user}
        orders:
          get: shop /orders
          end: {when: "steps.orders.status == `206`", status: 200, value: {user: "{user}", orders: "{orders}"}}
        """)
    page["orders"].replies(page["orders"].reply([], status=206))

    ran = await page.run()

    assert ran.outcomes["orders"] == Ended(200, {"user": "user", "orders": []}, is_answer=True)


async def test_what_failed_ends_nothing(home: Any) -> None:
    """An upstream that is down is not one that has no orders."""
    page = home(ENDING.replace("get: shop /orders\n", "get: shop /orders\n      optional: true\n      fallback: []\n"))
    page["orders"].replies(503)

    ran = await page.run()

    assert (ran.broken, isinstance(ran.outcomes["orders"], Failed), page["products"].attempts) == (None, True, 1)


async def test_a_condition_that_does_not_fit_fails_the_step(home: Any) -> None:
    """What an upstream sends is never a bug of ours."""
    page = home(ENDING.replace('"!orders"', '"length(orders) == `0`"'))
    page["orders"].replies(page["orders"].reply(5))

    ran = await page.run()

    assert ran.broken == "orders"
    assert isinstance(ran.outcomes["orders"], Failed)

"""When steps run: at once, unless one needs another."""

from __future__ import annotations

from typing import Any

import pytest

from gateway.call import Failed, Reply
from gateway.errors import CallTimeout

pytestmark = pytest.mark.looptime


def takes(home: Any, **seconds: float) -> None:
    """Say how long each step's upstream takes."""
    for name, delay in seconds.items():
        home[name].always(home[name].after(delay, home[name].reply(name)))


async def test_steps_run_at_once(home: Any, looptime: Any) -> None:
    """Steps that need nothing of each other are all sent at the start: the whole takes as long as the slowest."""
    page = home("""
        user: {get: shop /user}
        orders: {get: shop /orders}
        news: {get: shop /news}
        """)
    takes(page, user=0.1, orders=0.3, news=0.2)

    ran = await page.run()

    assert page.starts() == {"user": 0, "orders": 0, "news": 0}
    assert looptime == pytest.approx(0.3)
    assert list(ran.scope)[-3:] == ["user", "news", "orders"]


async def test_a_step_waits_for_what_it_names(home: Any, looptime: Any) -> None:
    """The whole takes as long as the slowest chain, not as the sum of all steps."""
    page = home("""
        user: {get: shop /user}
        orders: {get: "shop /orders/{user}"}
        products: {get: "shop /products/{orders}"}
        news: {get: shop /news}
        """)
    takes(page, user=0.1, orders=0.2, products=0.3, news=0.5)

    await page.run()

    assert page.starts() == pytest.approx({"user": 0, "orders": 0.1, "products": 0.3, "news": 0})
    assert looptime == pytest.approx(0.6)


DIAMOND = {
    "top": "top: {get: shop /top}",
    "left": 'left: {get: "shop /left/{top}"}',
    "right": 'right: {get: "shop /right/{top}"}',
    "bottom": 'bottom: {get: "shop /bottom/{left}/{right}"}',
}


@pytest.mark.parametrize("written", [list(DIAMOND), list(reversed(DIAMOND))], ids=["downwards", "upwards"])
async def test_a_diamond_runs_in_three_waves(home: Any, looptime: Any, written: list[str]) -> None:
    """What two steps need is asked once; what needs two steps waits for the slower; the order they are written in is of no account."""
    page = home("\n".join(DIAMOND[name] for name in written))
    takes(page, top=0.1, left=0.2, right=0.3, bottom=0.1)

    await page.run()

    assert page.starts() == pytest.approx({"top": 0, "left": 0.1, "right": 0.1, "bottom": 0.4})
    assert looptime == pytest.approx(0.5)
    assert page["top"].attempts == 1
    assert page["bottom"].calls[0].target == "/bottom/left/right"


@pytest.mark.parametrize(
    "later",
    [
        pytest.param("later: {get: shop /later, needs: [first]}", id="needs"),
        pytest.param('later: {get: "shop /later/{first}"}', id="path"),
        pytest.param('later: {get: "shop /later?a={first}"}', id="query"),
        pytest.param('later: {get: shop /later, headers: {x-first: "{first}"}}', id="header"),
        pytest.param('later: {post: shop /later, body: {of: ["{first}"]}}', id="body"),
        pytest.param("later: {get: shop /later, when: first}", id="when"),
        pytest.param('later: {get: "shop /later/{steps.first.status}"}', id="status"),
    ],
)
async def test_wherever_it_names_a_step_it_waits(home: Any, later: str) -> None:
    """A reference is a need, in whichever part of a step it stands."""
    page = home(f"first: {{get: shop /first}}\nslow: {{get: shop /slow}}\n{later}")
    takes(page, first=0.1, slow=0.5)

    await page.run()

    assert page.starts() == pytest.approx({"first": 0, "slow": 0, "later": 0.1})


async def test_a_step_may_need_one_that_failed_early(home: Any) -> None:
    """Waiting is for the end of a step, however it ends."""
    page = home("""
        first: {get: shop /first, optional: true, fallback: none}
        later: {get: "shop /later/{first}"}
        """)
    page["first"].always(page["first"].after(0.1, 500))

    await page.run()

    assert page.starts() == pytest.approx({"first": 0, "later": 0.1})
    assert page["later"].calls[0].target == "/later/none"


async def test_all_steps_share_one_deadline(home: Any, looptime: Any) -> None:
    """A later step has the time that the earlier ones have left, not a new allowance."""
    page = home("""
        first: {get: shop /first}
        later: {get: "shop /later/{first}"}
        """)
    takes(page, first=0.9)
    page["later"].replies(page["later"].hang)

    ran = await page.run(within=1.0)

    assert {call.deadline for name in ("first", "later") for call in page[name].calls} == {1.0}
    assert isinstance(ran.outcomes["later"].error, CallTimeout)
    assert looptime == pytest.approx(1.0)


async def test_nothing_is_sent_after_the_deadline(home: Any, looptime: Any) -> None:
    """When an optional step has used up all the time, those that come after it fail without being sent."""
    page = home("""
        first: {get: shop /first, optional: true, fallback: none}
        later: {get: "shop /later/{first}", optional: true}
        quick: {get: shop /quick}
        """)
    page["first"].replies(page["first"].hang)

    ran = await page.run(within=1.0)

    assert looptime == pytest.approx(1.0)
    assert page["later"].attempts == 0
    assert isinstance(ran.outcomes["later"], Failed)
    assert isinstance(ran.outcomes["quick"], Reply)
    assert ran.broken is None

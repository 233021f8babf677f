"""Chains of fallbacks: other calls that stand in for one that failed."""

from __future__ import annotations

from typing import Any

import pytest

from gateway.call import Failed, Reply
from gateway.errors import Disconnected, NeedFailed, StatusRefused
from gateway.formats.decode import JsonText

pytestmark = pytest.mark.looptime

CHAIN = """
    user:
      get: shop /users/{path.id}
      {words}
      fallback:
        get: shop /spare/{path.id}
        fallback:
          get: shop /archive/{path.id}
          {last}
"""


def chain(home: Any, *, optional: bool = True, last: str = "fallback: {name: nobody}") -> Any:
    """An endpoint whose user has two other calls, and a value at the end."""
    words = "optional: true" if optional else "optional: false"
    return home(CHAIN.replace("{words}", words).replace("{last}", last))


async def test_the_next_call_is_made_when_one_has_failed(home: Any) -> None:
    """What it brings is a good reply like any other: nothing is missing."""
    page = chain(home)
    page["user"].replies(503)
    page["user.fallback"].replies(page["user.fallback"].reply("from the spare"))

    ran = await page.run()

    assert ran.scope["user"] == JsonText(b'"from the spare"')
    assert isinstance(ran.outcomes["user"], Reply)
    assert page["user.fallback.fallback"].attempts == 0
    assert ran.spans["user"].own["gateway.step.instead"] == "user.fallback"


async def test_calls_are_made_one_after_the_other(home: Any, looptime: Any) -> None:
    """Until one of them does not fail."""
    page = chain(home)
    page["user"].replies(page["user"].after(0.1, Disconnected("broke")))
    page["user.fallback"].replies(page["user.fallback"].after(0.1, 404))

    ran = await page.run()

    assert ran.scope["user"] == JsonText(b'"user.fallback.fallback"')
    assert looptime == pytest.approx(0.2)


async def test_the_value_stands_in_when_every_call_has_failed(home: Any) -> None:
    """Then the step has failed as its own call has."""
    page = chain(home)
    page["user"].replies(503)
    page["user.fallback"].replies(404)
    page["user.fallback.fallback"].replies(500)

    ran = await page.run()

    assert ran.scope["user"] == {"name": "nobody"}
    assert ran.outcomes["user"].error.reply.status == 503


async def test_a_required_step_may_have_other_calls(home: Any) -> None:
    """It fails when all of them have."""
    page = chain(home, optional=False, last="")
    for name in ("user", "user.fallback", "user.fallback.fallback"):
        page[name].replies(503)

    ran = await page.run()

    assert ran.broken == "user"
    assert isinstance(ran.outcomes["user"].error, StatusRefused)


async def test_a_call_that_cannot_be_made_is_followed_by_the_next(home: Any) -> None:
    """A value that is absent fails it before anything is sent."""
    page = home("""
        user: {get: shop /user}
        news: {get: "shop /news/{user.none}", fallback: {get: shop /news}}
        """)

    ran = await page.run()

    assert (page["news"].attempts, page["news.fallback"].attempts) == (0, 1)
    assert isinstance(ran.outcomes["news"], Reply)


async def test_another_call_does_what_a_failed_need_kept_from_running(home: Any) -> None:
    """The step's own call cannot be made; the other one does not need what failed."""
    page = home("""
        user: {get: shop /user, optional: true}
        news: {get: "shop /news/{user}", fallback: {get: shop /news}}
        """)
    page["user"].replies(503)

    ran = await page.run()

    assert (ran.broken, page["news"].attempts, page["news.fallback"].attempts) == (None, 0, 1)


async def test_another_call_waits_for_what_only_it_names(home: Any) -> None:
    """And runs whatever came of it."""
    page = home("""
        spare: {get: shop /spare, optional: true}
        news: {get: shop /news, optional: true, fallback: {get: "shop /news/{spare}"}}
        """)
    page["spare"].replies(page["spare"].after(0.3, 503))
    page["news"].replies(503)

    ran = await page.run()

    assert page["news"].times == pytest.approx([0.3])
    assert isinstance(ran.outcomes["news"], Failed)
    assert not isinstance(ran.outcomes["news"].error, NeedFailed)


async def test_a_skipped_step_has_its_value_and_makes_no_other_call(home: Any) -> None:
    """Skipped is not failed."""
    page = home("""
        news:
          get: shop /news
          when: query.news
          fallback: {get: shop /spare, fallback: none}
        """)

    ran = await page.run()

    assert (ran.scope["news"], page["news.fallback"].attempts) == ("none", 0)


async def test_other_calls_have_words_of_their_own(home: Any) -> None:
    """`select`, `accept` and `on_status` are each call's."""
    page = home("""
        user:
          get: shop /user
          select: name
          fallback: {get: shop /spare, select: "[0].title", on_status: {404: nobody}}
        """)
    page["user"].replies(503, 503)
    page["user.fallback"].replies(page["user.fallback"].reply([{"title": "Dr"}]), 404)

    first, second = await page.run(), await page.run()

    assert (first.scope["user"], second.scope["user"]) == ("Dr", "nobody")


async def test_a_loop_has_other_calls_as_a_whole(home: Any) -> None:
    """They are made once, when the loop has failed."""
    page = home("""
        skus: {get: shop /skus}
        products: {for_each: skus, get: "shop /products/{item}", fallback: {get: shop /bestsellers}}
        """)
    page["skus"].replies(page["skus"].reply(["a", "b"]))
    page["products"].always(503)

    ran = await page.run()

    assert ran.scope["products"] == JsonText(b'"products.fallback"')
    assert page["products.fallback"].attempts == 1


async def test_a_cancelled_chain_goes_no_further(home: Any) -> None:
    """When the run is over there is nobody to stand in for."""
    page = chain(home)
    page["user"].always(page["user"].hang)

    await page.run(within=0.5)

    assert page["user"].in_flight == 0
    assert page["user.fallback"].in_flight == 0

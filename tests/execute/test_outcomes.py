"""How steps end, and what that means for the others."""

from __future__ import annotations

from typing import Any

import pytest

from gateway.call import Failed, Reply, Skipped
from gateway.errors import BadReply, Disconnected, NeedFailed, StatusRefused, Unrendered
from gateway.formats.decode import JsonText

pytestmark = pytest.mark.looptime


# -- failed ------------------------------------------------------------------------------------------------------------


async def test_a_required_failure_ends_the_run(home: Any, looptime: Any) -> None:
    """At the moment a required step fails, nothing else matters: what is in flight is cancelled, what waits is never sent."""
    page = home("""
        user: {get: shop /user}
        orders: {get: shop /orders}
        products: {get: "shop /products/{orders}"}
        """)
    page["user"].replies(page["user"].after(0.1, 503))
    page["orders"].replies(page["orders"].hang)

    ran = await page.run()

    assert ran.broken == "user"
    assert looptime == pytest.approx(0.1)
    assert list(ran.outcomes) == ["user"]
    assert (page["orders"].cancelled, page["orders"].in_flight, page["products"].attempts) == (1, 0, 0)


async def test_a_required_failure_keeps_what_is_there(home: Any) -> None:
    """What ended before the failure stands in the outcomes."""
    page = home("""
        user: {get: shop /user}
        orders: {get: "shop /orders/{user}"}
        """)
    page["orders"].replies(404)

    ran = await page.run()

    assert isinstance(ran.outcomes["user"], Reply)
    assert isinstance(ran.outcomes["orders"].error, StatusRefused)
    assert ran.broken == "orders"


async def test_an_optional_failure_costs_nobody_else(home: Any, looptime: Any) -> None:
    """The others go on, and the step has no value."""
    page = home("""
        user: {get: shop /user}
        news: {get: shop /news, optional: true}
        """)
    page["user"].replies(page["user"].after(0.3, page["user"].reply("Ada")))
    page["news"].replies(Disconnected("broke"))

    ran = await page.run()

    assert (ran.broken, ran.scope["user"], ran.scope["news"]) == (None, JsonText(b'"Ada"'), None)
    assert isinstance(ran.outcomes["news"].error, Disconnected)
    assert looptime == pytest.approx(0.3)


async def test_a_step_whose_need_failed_is_not_sent(home: Any) -> None:
    """Without a value to go on with it has failed as its need, and says whose failure it was."""
    page = home("""
        user: {get: shop /user, optional: true}
        orders: {get: "shop /orders?user={user}", optional: true}
        products: {get: shop /products, needs: [orders], optional: true}
        """)
    page["user"].replies(Disconnected("broke"))

    ran = await page.run()

    error = ran.outcomes["products"].error
    assert isinstance(error, NeedFailed)
    assert (error.need, error.cause.need) == ("orders", "user")
    assert isinstance(error.cause.cause, Disconnected)
    assert page["orders"].attempts == page["products"].attempts == 0


async def test_a_required_step_fails_with_its_optional_need(home: Any) -> None:
    """Optional is the need, not the step that cannot do without it."""
    page = home("""
        user: {get: shop /user, optional: true}
        orders: {get: "shop /orders/{user}"}
        """)
    page["user"].replies(503)

    ran = await page.run()

    assert ran.broken == "orders"
    assert isinstance(ran.outcomes["orders"].error, NeedFailed)


# -- fallbacks ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("fallback", "value"),
    [
        pytest.param("[]", [], id="literal"),
        pytest.param("null", None, id="null"),
        pytest.param('{of: "{path.id}", from: "{user}", n: 1}', {"of": "42", "from": "user", "n": 1}, id="with references"),
        pytest.param('"{steps.user.status}"', 200, id="reference"),
        pytest.param('"{abs(user)}"', None, id="reference that does not fit"),
    ],
)
async def test_a_fallback_stands_in_for_a_failed_step(home: Any, fallback: str, value: Any) -> None:
    """The step's value is the fallback's, its outcome is still the failure."""
    page = home(f"""
        user: {{get: shop /user}}
        news: {{get: shop /news, optional: true, fallback: {fallback}}}
        """)
    page["news"].replies(503)

    ran = await page.run()

    assert ran.scope["news"] == value
    assert isinstance(ran.outcomes["news"], Failed)


async def test_steps_go_on_with_a_fallback(home: Any) -> None:
    """Whoever needs a step is content with what stands in for it, null included."""
    page = home("""
        user: {get: shop /user, optional: true, fallback: {segment: all}}
        offer: {get: shop /offer, optional: true, fallback: null}
        news: {get: "shop /news/{user.segment}?offer={offer}"}
        """)
    page["user"].replies(503)
    page["offer"].replies(503)

    ran = await page.run()

    assert page["news"].calls[0].target == "/news/all"
    assert ran.broken is None


@pytest.mark.parametrize("news", ['get: "shop /news?for={user.id}"', "get: shop /news, when: user.id"], ids=["query", "when"])
async def test_a_fallback_that_does_not_fit_stands_in_for_nothing(home: Any, news: str) -> None:
    """Whoever needs a step that has neither a reply nor a fallback is not sent: it could only ask for the wrong thing."""
    page = home(f"""
        user: {{get: shop /user, optional: true, fallback: "{{abs(path.id)}}"}}
        news: {{{news}, optional: true}}
        """)
    page["user"].replies(503)

    ran = await page.run()

    assert isinstance(ran.outcomes["news"].error, NeedFailed)
    assert page["news"].attempts == 0


@pytest.mark.parametrize(
    "spare", ["optional: true, fallback: '{standard}'", "on_status: {404: '{standard}'}"], ids=["fallback", "on_status"]
)
async def test_what_only_a_fallback_names_may_fail(home: Any, spare: str) -> None:
    """A step waits for what stands in for it, and runs whatever came of that."""
    page = home(f"""
        standard: {{get: shop /standard, optional: true}}
        news: {{get: shop /news, {spare}}}
        """)
    page["standard"].replies(503)

    ran = await page.run()

    assert (ran.scope["news"], page["news"].attempts) == (JsonText(b'"news"'), 1)


async def test_a_step_whose_need_failed_has_its_own_fallback(home: Any) -> None:
    """A failure that came from elsewhere is made good like any other, and so ends there."""
    page = home("""
        user: {get: shop /user, optional: true}
        orders: {get: "shop /orders/{user}", optional: true, fallback: [none]}
        count: {get: "shop /count/{orders[0]}"}
        """)
    page["user"].replies(503)

    ran = await page.run()

    assert ran.scope["orders"] == ["none"]
    assert page["count"].calls[0].target == "/count/none"
    assert ran.broken is None


async def test_a_required_step_is_not_made_good(home: Any) -> None:
    """Its fallback is for when it is skipped; when it fails, it fails."""
    page = home("offer: {get: shop /offer, on_status: {404: skip}, fallback: standard}")
    page["offer"].replies(503)

    ran = await page.run()

    assert (ran.broken, ran.scope["offer"]) == ("offer", None)
    assert (ran.spans["offer"].attributes["gateway.step.outcome"], ran.spans["offer"].error) == ("failed", True)


# -- skipped -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("flag", "runs"),
    [(None, False), (False, False), ("", False), ([], False), ({}, False), (True, True), (0, True), ("no", True), ([0], True)],
    ids=repr,
)
async def test_when_decides_whether_a_step_runs(home: Any, flag: Any, runs: bool) -> None:
    """As in JMESPath, null, false and what is empty do not hold; everything else does, zero too."""
    page = home("""
        user: {get: shop /user}
        offer: {get: shop /offer, when: user.flag}
        """)
    page["user"].replies(page["user"].reply({"flag": flag}))

    ran = await page.run()

    assert page["offer"].attempts == runs
    assert ran.outcomes["offer"] == Skipped("not user.flag") or runs
    assert ran.broken is None


async def test_on_status_can_skip(home: Any) -> None:
    """A status that means `nothing there` is no failure, required or not."""
    page = home("offer: {get: shop /offer, on_status: {404: skip}}")
    page["offer"].replies(404)

    ran = await page.run()

    assert ran.outcomes == {"offer": Skipped("status 404")}
    assert (ran.scope["offer"], ran.broken) == (None, None)


async def test_steps_that_need_a_skipped_one_are_skipped(home: Any) -> None:
    """Skipping goes down the chain, and says where it began."""
    page = home("""
        offer: {get: shop /offer, on_status: {404: skip}}
        price: {get: "shop /price/{offer}"}
        tax: {get: "shop /tax/{price}"}
        """)
    page["offer"].replies(404)

    ran = await page.run()

    assert ran.outcomes["price"] == Skipped("needs offer, which was skipped")
    assert ran.outcomes["tax"] == Skipped("needs price, which was skipped")
    assert page["price"].attempts == page["tax"].attempts == 0


async def test_a_skipped_step_has_its_fallback(home: Any) -> None:
    """With a fallback a skipped step has a value, and those that need it go on."""
    page = home("""
        offer: {get: shop /offer, when: query.offers, fallback: standard}
        price: {get: "shop /price/{offer}"}
        """)

    ran = await page.run()

    assert isinstance(ran.outcomes["offer"], Skipped)
    assert ran.scope["offer"] == "standard"
    assert page["price"].calls[0].target == "/price/standard"


@pytest.mark.parametrize("slower", ["failing", "skipped"])
@pytest.mark.parametrize("first", ["failing", "skipped"])
async def test_skipped_outweighs_failed(home: Any, first: str, slower: str) -> None:
    """What would not have run anyway has not failed, whichever of its needs is written first and whichever ends first."""
    written = {
        "failing": "failing: {get: shop /failing, optional: true}",
        "skipped": "skipped: {get: shop /skipped, on_status: {404: skip}}",
    }
    both = 'both: {get: "shop /both/{failing}/{skipped}"}'
    page = home("\n".join([written.pop(first), *written.values(), both]))
    for name, status in (("failing", 500), ("skipped", 404)):
        page[name].replies(page[name].after(0.2 if name == slower else 0.1, status))

    ran = await page.run()

    assert ran.outcomes["both"] == Skipped("needs skipped, which was skipped")
    assert ran.broken is None


async def test_the_first_need_written_is_named(home: Any) -> None:
    """Of several needs that failed the error names the first one written, whichever failed first."""
    page = home("""
        one: {get: shop /one, optional: true}
        two: {get: shop /two, optional: true}
        both: {get: "shop /both/{two}/{one}", optional: true}
        """)
    page["one"].replies(page["one"].after(0.2, 500))
    page["two"].replies(503)

    ran = await page.run()

    assert ran.outcomes["both"].error.need == "one"


# -- the meaning of replies --------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("meaning", "value"),
    [("none", "none"), ("null", None), ("{id: '{path.id}', user: '{user}'}", {"id": "42", "user": "user"})],
    ids=["literal", "null", "with references"],
)
async def test_on_status_gives_a_value(home: Any, meaning: str, value: Any) -> None:
    """A status may mean a value; it is the step's, whatever the body says, and select has no part in it."""
    page = home(f"""
        user: {{get: shop /user}}
        cart: {{get: shop /cart, select: items, on_status: {{404: {meaning}}}}}
        """)
    page["cart"].replies(page["cart"].reply("no cart", status=404))

    ran = await page.run()

    assert (ran.scope["cart"], ran.outcomes["cart"].status) == (value, 404)


async def test_select_reshapes_the_reply(home: Any) -> None:
    """What it gives is the step's value, here and for those that need it."""
    page = home("""
        orders: {get: shop /orders, select: "items[].id"}
        first: {get: "shop /orders/{orders[0]}"}
        """)
    page["orders"].replies(page["orders"].reply({"items": [{"id": 7}, {"id": 8}]}))

    ran = await page.run()

    assert ran.scope["orders"] == ran.outcomes["orders"].value == [7, 8]
    assert page["first"].calls[0].target == "/orders/7"


@pytest.mark.parametrize(
    "step",
    ["select: sum(items)", "on_status: {200: '{abs(user)}'}"],
    ids=["select", "on_status"],
)
async def test_a_reply_that_an_expression_does_not_fit_is_a_bad_one(home: Any, step: str) -> None:
    """The values at hand are not what the config takes them for: a failure like any other, and none of their text is in it."""
    page = home(f"""
        user: {{get: shop /user}}
        orders: {{get: shop /orders, optional: true, fallback: none, {step}}}
        """)
    page["user"].replies(page["user"].reply("secret"))
    page["orders"].always(page["orders"].reply({"items": "secret"}, status=200))

    ran = await page.run()

    assert isinstance(ran.outcomes["orders"].error, BadReply)
    assert ran.scope["orders"] == "none"
    assert "secret" not in str(ran.outcomes["orders"].error)


@pytest.mark.parametrize(("when", "by_client"), [("abs(user)", False), ("abs(query.flag)", True)], ids=["upstream's", "client's"])
async def test_a_condition_that_does_not_fit_fails_the_step(home: Any, when: str, by_client: bool) -> None:
    """Nothing is sent, and the error says whose value it was."""
    page = home(f"""
        user: {{get: shop /user}}
        orders: {{get: shop /orders, optional: true, when: {when}}}
        """)

    ran = await page.run(query={"flag": "yes"})

    error = ran.outcomes["orders"].error
    assert isinstance(error, Unrendered)
    assert (error.by_client, page["orders"].attempts) == (by_client, 0)


async def test_accept_says_which_statuses_are_good(home: Any) -> None:
    """Their body is the value; a status that is not among them fails, 200 too."""
    page = home("""
        cart: {get: shop /cart, accept: [404]}
        news: {get: shop /news, accept: [404], optional: true}
        """)
    page["cart"].replies(page["cart"].reply({"why": "empty"}, status=404))
    page["news"].replies(200)

    ran = await page.run()

    assert ran.scope["cart"] == JsonText(b'{"why":"empty"}')
    assert isinstance(ran.outcomes["news"].error, StatusRefused)


async def test_later_steps_see_status_and_headers(home: Any) -> None:
    """`steps.NAME` gives the rest of a reply: its status as a number, its headers in any spelling."""
    page = home("""
        order: {post: shop /orders}
        news: {get: shop /news, query: {status: "{steps.order.status}", at: "{steps.order.headers.x_shop_id}"}}
        """)
    page["order"].replies(page["order"].reply({}, status=201, x_shop_id="7"))

    ran = await page.run()

    assert page["news"].calls[0].target == "/news?status=201&at=7"
    assert ran.scope["steps"]["order"]["status"] == 201


async def test_a_step_that_did_not_run_has_no_status(home: Any) -> None:
    """With a fallback there is a value, but no reply: its status is absent."""
    page = home("""
        order: {get: shop /orders, optional: true, fallback: none}
        news: {get: "shop /news?status={steps.order.status}"}
        """)
    page["order"].replies(503)

    ran = await page.run()

    assert page["news"].calls[0].target == "/news"
    assert ran.scope["steps"] == {}


@pytest.mark.parametrize(("target", "by_client"), [("{query.id}", True), ("{user.id}", False)], ids=["client's", "upstream's"])
async def test_an_absent_value_fails_a_step_before_it_is_sent(home: Any, target: str, by_client: bool) -> None:
    """A path without one of its values asks for something else: it is not sent, and the error says whose value it was."""
    page = home(f"""
        user: {{get: shop /user}}
        orders: {{get: "shop /orders/{target}"}}
        """)
    page["user"].replies(page["user"].reply({}))

    ran = await page.run()

    error = ran.outcomes["orders"].error
    assert isinstance(error, Unrendered)
    assert (error.by_client, page["orders"].attempts, ran.broken) == (by_client, 0, "orders")


# -- spans -------------------------------------------------------------------------------------------------------------


async def test_every_step_has_a_span_that_says_how_it_ended(home: Any) -> None:
    """One span a step, below the request's; only what failed and was not made good is an error."""
    page = home("""
        good: {get: shop /good}
        made_good: {get: shop /a, optional: true, fallback: 0}
        bad: {get: shop /b, optional: true}
        skipped: {get: shop /c, when: query.c}
        filled: {get: shop /c, when: query.c, fallback: 0}
        after: {get: "shop /d/{bad}", optional: true}
        """)
    page["made_good"].replies(503)
    page["bad"].replies(Disconnected("broke"))

    ran = await page.run()

    spans = {name: (span.attributes["gateway.step.outcome"], span.error) for name, span in ran.spans.items()}
    assert spans == {
        "good": ("ok", False),
        "made_good": ("fallback", False),
        "bad": ("failed", True),
        "skipped": ("skipped", False),
        "filled": ("skipped", False),
        "after": ("failed", True),
    }
    assert all(span.parent == page.span.id and span.end for span in ran.spans.values())
    assert not page.span.error


async def test_a_steps_span_says_what_and_why(home: Any) -> None:
    """Its name, its upstream, whether it may fail, and what became of it."""
    page = home("news: {get: shop /news, optional: true}")
    page["news"].replies(503)

    ran = await page.run()

    assert ran.spans["news"].name == "step news"
    assert ran.spans["news"].attributes == {
        "gateway.step.name": "news",
        "gateway.step.optional": True,
        "gateway.upstream.name": "shop",
        "gateway.step.outcome": "failed",
        "gateway.step.reason": "status 503",
        "error.type": "gateway.errors.StatusRefused",
    }

"""Steps that have a type: what does not fit is a bad reply of that step, and of nobody else."""

from __future__ import annotations

from typing import Annotated

import pytest
from pydantic import BaseModel, Field

from gateway import telemetry
from gateway.call import Failed, Reply
from gateway.errors import BadReply
from gateway.typed import ValueType


class User(BaseModel):
    id: int
    segment: str = "new"


USER = ValueType(User)

pytestmark = pytest.mark.looptime


async def test_later_steps_see_what_the_type_made_of_a_reply(home):
    """A default that the type fills in is there for whoever names it."""
    made = home("user: {get: shop /u}\nnews: {get: 'shop /n/{user.segment}'}", user=USER)
    made["user"].always(made["user"].reply({"id": "7", "more": 1}))

    ran = await made.run()

    assert ran.scope["user"] == {"id": 7, "segment": "new"}
    assert made["news"].calls[0].target == "/n/new"


async def test_reply_of_the_wrong_shape_is_a_bad_reply(home):
    """The step fails as it does when there is no JSON at all; where the mistake is stands in the trace."""
    made = home("user: {get: shop /u}", user=USER)
    made["user"].always(made["user"].reply({"id": "s3cret"}))

    ran = await made.run()

    outcome = ran.outcomes["user"]
    assert ran.broken == "user"
    assert isinstance(outcome, Failed)
    assert isinstance(outcome.error, BadReply)
    assert ran.spans["user"].own[telemetry.STEP_REASON] == "does not fit its type: id (int_parsing)"


async def test_optional_step_of_the_wrong_shape_gets_its_fallback(home):
    """A fallback written out is what the type makes of it, too."""
    made = home("user: {get: shop /u, optional: true, fallback: {id: 0}}", user=USER)
    made["user"].always(made["user"].reply({}))

    ran = await made.run()

    assert ran.scope["user"] == {"id": 0, "segment": "new"}


async def test_selected_value_and_not_the_reply_is_held_to_the_type(home):
    """`select` comes first."""
    made = home("user: {get: shop /u, select: data}", user=USER)
    made["user"].always(made["user"].reply({"data": {"id": 1}}))

    ran = await made.run()

    assert ran.scope["user"] == {"id": 1, "segment": "new"}


async def test_meaning_of_a_status_is_held_to_the_type(home):
    """What `on_status` gives is a value of the step like any other, also where references make it."""
    steps = "user: {get: shop /u, on_status: {404: {id: '{path.id}'}}}"
    made, wrong = home(steps, user=USER), home(steps, user=ValueType(list[int]))
    made["user"].always(404)
    wrong["user"].always(404)

    ran, failed = await made.run(), await wrong.run()

    assert ran.scope["user"] == {"id": 42, "segment": "new"}
    assert isinstance(failed.outcomes["user"], Failed)


async def test_fallback_made_of_references_is_null_where_it_does_not_fit(home):
    """What nobody could know before is found out when it is used."""
    steps = "user: {get: shop /u, optional: true, fallback: '{path}'}"
    made, wrong = home(steps, user=ValueType(User | None)), home(steps, user=ValueType(list[int] | None))
    made["user"].always(500)
    wrong["user"].always(500)

    ran, failed = await made.run(), await wrong.run()

    assert ran.scope["user"] == {"id": 42, "segment": "new"}
    assert failed.scope["user"] is None


async def test_step_without_a_type_is_as_before(home):
    """Beside a typed step an untyped one keeps whatever came."""
    made = home("user: {get: shop /u}\nnews: {get: shop /n}", user=USER)
    made["user"].always(made["user"].reply({"id": 1}))
    made["news"].always(made["news"].reply({"id": "as it came"}))

    ran = await made.run()

    assert isinstance(ran.outcomes["news"], Reply)
    assert bytes(ran.scope["news"]) == b'{"id":"as it came"}'


PRICES = ValueType(list[int | None])
LOOP = "skus: {get: shop /s}\nprices: {for_each: skus, get: 'shop /p/{item}', items: optional}"


async def test_item_that_does_not_fit_is_that_item_s_failure(home):
    """The others are there, and each is what its type makes of it."""
    made = home(LOOP, prices=PRICES)
    made["skus"].always(made["skus"].reply(["a", "b"]))
    made["prices"].always(lambda call: made["prices"].reply("7" if call.target == "/p/a" else "s3cret"))

    ran = await made.run()

    assert ran.scope["prices"] == [7, None]
    assert [str(error) for error in ran.outcomes["prices"].lacks] == ["does not fit its type: the value (int_parsing)"]


async def test_item_of_a_batch_that_does_not_fit_is_that_item_s_failure(home):
    """It came in one reply with others, which are not to blame."""
    made = home(LOOP.replace("items: optional", "items: optional, batch: {get: 'shop /p?s={items}'}"), prices=PRICES)
    made["skus"].always(made["skus"].reply(["a", "b"]))
    made["prices.batch"].always(made["prices.batch"].reply({"a": "7", "b": {}}))

    ran = await made.run()

    assert ran.scope["prices"] == [7, None]
    assert [str(error) for error in ran.outcomes["prices"].lacks] == ["does not fit its type: the value (int_type)"]


async def test_loop_that_needs_all_its_items_fails_with_the_one_that_does_not_fit(home):
    """As it does for any other failure."""
    made = home(LOOP.replace("optional", "required"), prices=ValueType(list[int]))
    made["skus"].always(made["skus"].reply(["a"]))
    made["prices"].always(made["prices"].reply(None))

    ran = await made.run()

    assert ran.broken == "prices"


async def test_list_of_a_loop_is_held_to_the_type_as_a_whole(home):
    """A bound on its length, say, is no element's."""
    made = home(LOOP, prices=ValueType(Annotated[list[int | None], Field(max_length=1)]))
    made["skus"].always(made["skus"].reply(["a", "b"]))
    made["prices"].always(made["prices"].reply(7))

    ran = await made.run()

    assert str(ran.outcomes["prices"].error) == "does not fit its type: the value (too_long)"

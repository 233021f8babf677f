"""However a run ends, no call of it goes on and no task of it is left."""

from __future__ import annotations

import asyncio
import gc
from typing import Any

import pytest

from gateway.errors import CallError
from gateway.formats.decode import JsonText

pytestmark = pytest.mark.looptime

STEPS = """
    user: {get: shop /user}
    news: {get: shop /news, optional: true, fallback: none}
    orders: {get: "shop /orders/{user}"}
    """


def left_behind() -> set[Any]:
    """Tasks besides the test's own."""
    return asyncio.all_tasks() - {asyncio.current_task()}


async def test_cancelling_a_run_cancels_every_call(home: Any, looptime: Any) -> None:
    """The client has left: what is in flight is cancelled, optional or not, and what waits is never sent."""
    page = home(STEPS)
    page["user"].replies(page["user"].hang)
    page["news"].replies(page["news"].hang)
    running = asyncio.create_task(page.run())

    await asyncio.sleep(0.1)
    running.cancel()
    with pytest.raises(asyncio.CancelledError):
        await running

    assert looptime == pytest.approx(0.1)
    assert [page[name].cancelled for name in ("user", "news")] == [1, 1]
    assert page["orders"].attempts == 0
    assert left_behind() == set()


async def test_a_cancelled_run_has_ended_its_spans(home: Any) -> None:
    """The spans of what was in flight end with it; to be cancelled is no error, and no outcome either."""
    page = home(STEPS)
    page["user"].replies(page["user"].hang)
    running = asyncio.create_task(page.run())

    await asyncio.sleep(0.1)
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)

    user = next(span for span in page.span.trace.spans if span.name == "step user")
    assert user.end is not None
    assert not user.error
    assert "gateway.step.outcome" not in user.attributes


async def test_a_second_cancellation_leaves_nothing_either(home: Any) -> None:
    """Whoever is impatient and cancels again while calls are being ended gets the same end, not a shorter one."""
    page = home(STEPS)
    for name in ("user", "news"):
        page[name].replies(page[name].hang)
        page[name].lingers = 1.0
    running = asyncio.create_task(page.run())

    await asyncio.sleep(0.1)
    running.cancel()
    await asyncio.sleep(0.1)
    running.cancel()
    with pytest.raises(asyncio.CancelledError):
        await running

    assert [page[name].in_flight for name in ("user", "news")] == [0, 0]
    assert left_behind() == set()


async def test_a_broken_run_waits_for_what_it_cancels(home: Any, looptime: Any) -> None:
    """When a required step has failed the answer comes as soon as all other calls have really ended."""
    page = home(STEPS)
    page["user"].replies(page["user"].after(0.1, 503))
    page["news"].replies(page["news"].hang)
    page["news"].lingers = 0.05

    ran = await page.run()

    assert (ran.broken, page["news"].in_flight) == ("user", 0)
    assert looptime == pytest.approx(0.15)
    assert left_behind() == set()


async def test_cancelling_a_broken_run_while_it_ends(home: Any) -> None:
    """A client that leaves while the others are being cancelled has left: no outcome reaches anybody."""
    page = home(STEPS)
    page["user"].replies(page["user"].after(0.1, 503))
    page["news"].replies(page["news"].hang)
    page["news"].lingers = 1.0
    running = asyncio.create_task(page.run())

    await asyncio.sleep(0.2)
    running.cancel()
    with pytest.raises(asyncio.CancelledError):
        await running

    assert page["news"].in_flight == 0
    assert left_behind() == set()


async def test_a_bug_is_not_made_an_outcome(home: Any) -> None:
    """What is no failure of a call is a mistake in the code: it comes out as it is, and still leaves nothing behind."""
    page = home(STEPS)
    page["user"].replies(page["user"].hang)
    page["news"].replies(page["news"].after(0.1, KeyError("name")))

    with pytest.raises(KeyError, match="name"):
        await page.run()

    assert (page["user"].cancelled, page["orders"].attempts) == (1, 0)
    assert left_behind() == set()


async def test_a_step_cancelled_by_somebody_else_ends_the_run(home: Any) -> None:
    """Whatever cancels a single call from within, the run does not wait for it for ever."""
    page = home(STEPS)
    page["user"].replies(asyncio.CancelledError())
    page["news"].replies(page["news"].hang)

    with pytest.raises(asyncio.CancelledError):
        await page.run(within=10)

    assert page["news"].cancelled == 1
    assert left_behind() == set()


@pytest.mark.parametrize("failure", [503, KeyError("name")], ids=["failures", "bugs"])
async def test_two_ends_at_once_are_one(home: Any, failure: Any) -> None:
    """Two steps that end the run at the same moment end it once, and nobody complains of an error that was never looked at."""
    page = home("one: {get: shop /one}\ntwo: {get: shop /two}\nthree: {get: 'shop /three/{one}/{two}'}")
    complaints: list[Any] = []
    asyncio.get_running_loop().set_exception_handler(lambda loop, context: complaints.append(context))
    for name in ("one", "two"):
        page[name].replies(page[name].after(0.1, failure))

    (ended,) = await asyncio.gather(page.run(), return_exceptions=True)
    gc.collect()
    await asyncio.sleep(0)

    assert isinstance(ended, KeyError) if isinstance(failure, KeyError) else ended.broken == "one"
    assert complaints == []
    assert left_behind() == set()


async def test_a_complete_run_leaves_nothing(home: Any) -> None:
    """When all is well there is nothing to cancel: every call has been answered."""
    page = home(STEPS)

    ran = await page.run()

    assert ran.broken is None
    assert [page[name].cancelled for name in ("user", "news", "orders")] == [0, 0, 0]
    assert left_behind() == set()


async def test_runs_of_one_plan_do_not_meet(home: Any) -> None:
    """A plan is frozen: runs at once share it and nothing else."""
    page = home("""
        user: {get: "shop /users/{path.id}", optional: true}
        orders: {get: "shop /orders/{user}", optional: true, fallback: none}
        """)
    answer = page["user"].reply
    page["user"].always(lambda call: page["user"].after(0.1, 503 if call.target == "/users/2" else answer(call.target)))
    page["orders"].always(lambda call: answer(call.target))

    runs = await asyncio.gather(*(page.run(path={"id": number}) for number in "123"))

    assert [ran.scope["orders"] for ran in runs] == [
        JsonText(b'"/orders/%2Fusers%2F1"'),
        "none",
        JsonText(b'"/orders/%2Fusers%2F3"'),
    ]
    assert all(not isinstance(ran, CallError) for ran in runs)

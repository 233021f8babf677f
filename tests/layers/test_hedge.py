"""Hedge: a second copy of what takes longer than usual."""

from __future__ import annotations

import asyncio
from random import Random
from typing import Any

import pytest

from gateway import telemetry
from gateway.call import Call, Caller, Reply
from gateway.errors import Disconnected
from gateway.layers.hedge import Hedge
from gateway.policy import HedgePolicy
from gateway.states.budget import BudgetState
from gateway.states.latency import FEWEST

pytestmark = pytest.mark.looptime


async def hedging(upstream: Any, make_call: Any, budget: BudgetState | None = None, **policy: Any) -> Caller:
    """The upstream with a hedge around it that knows its replies to take 10 ms, at time 0."""
    ample = budget or BudgetState(balance=100.0, settled=0.0)
    caller = Hedge(HedgePolicy(**policy), ample)(upstream)
    upstream.always(upstream.after(0.01, 200))
    await asyncio.gather(*(caller(make_call()) for _ in range(FEWEST)))
    upstream.calls.clear()
    upstream.times.clear()
    return caller


def since(upstream: Any, began: float) -> list[float]:
    """When calls came in."""
    return [round(when - began, 4) for when in upstream.times]


def now() -> float:
    return asyncio.get_running_loop().time()


async def test_a_slow_reply_is_asked_for_again(upstream: Any, make_call: Any) -> None:
    """The second copy is answered at once, the first one is cancelled, and the step's span says what happened."""
    caller, began, call = await hedging(upstream, make_call), now(), make_call()
    upstream.replies(upstream.after(1.0, 200), upstream.after(0.01, upstream.reply("second")))

    reply = await caller(call)

    assert reply.value == "second"
    assert since(upstream, began) == [0, pytest.approx(0.0105, abs=0.0006)]
    assert now() - began == pytest.approx(0.0205, abs=0.001)
    assert (upstream.cancelled, upstream.in_flight) == (1, 0)
    assert call.span.own == {telemetry.HEDGE: "won"}


async def test_the_first_copy_may_win_all_the_same(upstream: Any, make_call: Any) -> None:
    """Then it is the second that is cancelled."""
    caller, call = await hedging(upstream, make_call), make_call()
    upstream.replies(upstream.after(0.015, upstream.reply("first")), upstream.hang)

    reply = await caller(call)

    assert (reply.value, upstream.cancelled, upstream.in_flight) == ("first", 1, 0)
    assert call.span.own == {telemetry.HEDGE: "sent"}


async def test_a_reply_in_time_is_asked_for_once(upstream: Any, make_call: Any) -> None:
    """Most are."""
    caller = await hedging(upstream, make_call)

    await caller(make_call())

    assert upstream.attempts == 1


async def test_nothing_is_sent_twice_before_it_is_known_what_is_usual(upstream: Any, make_call: Any) -> None:
    """A hundred replies say it."""
    caller = Hedge(HedgePolicy(), BudgetState(balance=100.0, settled=0.0))(upstream)
    upstream.always(upstream.after(1.0, 200))

    await asyncio.gather(*(caller(make_call()) for _ in range(FEWEST)))

    assert upstream.attempts == FEWEST


async def test_the_usual_has_a_floor(upstream: Any, make_call: Any) -> None:
    """However fast replies usually are, no copy is sent before `at_least`."""
    caller, began = await hedging(upstream, make_call, at_least="200ms"), now()
    upstream.replies(upstream.after(1.0, 200), 200)

    await caller(make_call())

    assert since(upstream, began) == [0, 0.2]


async def test_a_failure_in_time_is_a_failure(upstream: Any, make_call: Any) -> None:
    """Whether to try again is for the retry to say, in its own time."""
    caller = await hedging(upstream, make_call)
    upstream.replies(Disconnected("broke"))

    with pytest.raises(Disconnected):
        await caller(make_call())

    assert upstream.attempts == 1


@pytest.mark.parametrize("failing", [0, 1], ids=["first", "second"])
async def test_a_copy_that_fails_waits_for_the_other(upstream: Any, make_call: Any, failing: int) -> None:
    """One good reply is enough, whoever brings it."""
    caller = await hedging(upstream, make_call)
    answers = [upstream.after(0.1, upstream.reply("good")), upstream.after(0.1, upstream.reply("good"))]
    answers[failing] = upstream.after(0.03, 503)
    upstream.replies(*answers)

    reply = await caller(make_call())

    assert (reply.value, upstream.attempts) == ("good", 2)


async def test_when_both_fail_the_first_ones_error_counts(upstream: Any, make_call: Any) -> None:
    """Whichever failed first."""
    caller = await hedging(upstream, make_call)
    upstream.replies(upstream.after(0.1, Disconnected("broke")), upstream.after(0.01, 503))

    with pytest.raises(Disconnected):
        await caller(make_call())

    assert upstream.attempts == 2


async def test_a_bug_is_not_waited_on(upstream: Any, make_call: Any, looptime: Any) -> None:
    """A mistake in the code is no failed call."""
    caller, began = await hedging(upstream, make_call), now()
    upstream.replies(upstream.hang, KeyError("name"))

    with pytest.raises(KeyError):
        await caller(make_call())

    assert now() - began < 0.1
    assert upstream.in_flight == 0


async def test_copies_have_a_budget(upstream: Any, make_call: Any) -> None:
    """When everything becomes slow at once there are one in twenty more calls, and not twice as many."""
    caller = await hedging(upstream, make_call, BudgetState())
    upstream.always(upstream.after(1.0, 200))

    await asyncio.gather(*(caller(make_call()) for _ in range(400)))

    assert 400 < upstream.attempts <= 400 + (400 + FEWEST) * 0.05


async def test_cancelling_ends_both(upstream: Any, make_call: Any) -> None:
    """A client that leaves has no use for either."""
    caller = await hedging(upstream, make_call)
    upstream.replies(upstream.hang, upstream.hang)
    task = asyncio.create_task(caller(make_call()))
    await asyncio.sleep(0.1)

    task.cancel()
    await asyncio.gather(task, return_exceptions=True)

    assert task.cancelled()
    assert (upstream.attempts, upstream.cancelled, upstream.in_flight) == (2, 2, 0)


async def gated(make_call: Any, *gates: asyncio.Future[Reply]) -> asyncio.Task[Reply]:
    """A call of which the copies, both of them sent, are answered when these are."""
    usual, special = [asyncio.sleep(0.01, Reply(200)) for _ in range(FEWEST)], iter(gates)

    async def play(_: Call) -> Reply:
        return await (usual.pop() if usual else next(special))

    caller = Hedge(HedgePolicy(), BudgetState(balance=100.0, settled=0.0))(play)
    await asyncio.gather(*(caller(make_call()) for _ in range(FEWEST)))
    task = asyncio.create_task(caller(make_call()))
    await asyncio.sleep(0.1)
    return task


@pytest.mark.parametrize("order", [(0, 1), (1, 0)], ids=["first", "second"])
async def test_copies_that_are_answered_at_once_are_one_reply(make_call: Any, order: tuple[int, int]) -> None:
    """Either will do; and whoever made the call goes on as if nothing had been the matter."""
    gates = [asyncio.get_running_loop().create_future() for _ in range(2)]
    task = await gated(make_call, *gates)

    for one in order:
        gates[one].set_result(Reply(200))

    assert (await task).status == 200
    assert task.cancelling() == 0


@pytest.mark.parametrize("order", [(0, 1), (1, 0)], ids=["first", "second"])
async def test_a_failure_and_a_reply_at_once_are_a_reply(make_call: Any, order: tuple[int, int]) -> None:
    """Whichever copy it is that fails."""
    gates = [asyncio.get_running_loop().create_future() for _ in range(2)]
    task = await gated(make_call, *gates)

    gates[order[0]].set_exception(Disconnected("broke"))
    gates[order[1]].set_result(Reply(200))

    assert (await task).status == 200


async def test_who_leaves_when_the_second_copy_wins_has_left(make_call: Any) -> None:
    """A cancellation from outside is not taken for our own."""
    first, second = (asyncio.get_running_loop().create_future() for _ in range(2))
    task = await gated(make_call, first, second)

    second.set_result(Reply(200))
    for _ in range(2):
        await asyncio.sleep(0)
    task.cancel()
    await asyncio.wait([task])

    assert task.cancelled()


async def test_what_goes_by_is_not_sent_twice(upstream: Any, make_call: Any) -> None:
    """A body that has gone by is not there to go by again."""
    caller = await hedging(upstream, make_call)
    upstream.replies(upstream.after(1.0, 200))

    await caller(make_call(passage=object()))

    assert upstream.attempts == 1


@pytest.mark.parametrize("fan_out", [1, 3])
async def test_one_slow_call_in_a_hundred_is_not_felt(new_upstream: Any, make_call: Any, fan_out: int) -> None:
    """1 % of calls take a second and the others 10 ms: 99 % of the answers are there within 100 ms, with 5 % more calls at most."""
    upstreams, random, took = [new_upstream() for _ in range(fan_out)], Random(1), []
    callers = [Hedge(HedgePolicy())(one) for one in upstreams]
    for one in upstreams:
        one.always(lambda _, one=one: one.after(1.0 if random.random() < 0.01 else 0.01, 200))

    async def answer() -> None:
        began = now()
        await asyncio.gather(*(caller(make_call(deadline=began + 10)) for caller in callers))
        took.append(now() - began)

    tasks = []
    for _ in range(3000):
        tasks.append(asyncio.create_task(answer()))
        await asyncio.sleep(0.01)
    await asyncio.gather(*tasks)

    assert sorted(took)[int(len(took) * 0.99)] <= 0.1
    assert all(one.attempts <= 3000 * 1.05 for one in upstreams)

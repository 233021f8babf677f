"""Bulkhead: so many calls at a time, a short line before it, and no permit that is ever lost."""

from __future__ import annotations

import asyncio
from random import Random
from typing import Any

import pytest

from gateway import telemetry
from gateway.call import Reply
from gateway.errors import AttemptTimeout, BulkheadFull, CallTimeout, Disconnected, Unreachable
from gateway.layers.bulkhead import Bulkhead
from gateway.policy import BulkheadPolicy

pytestmark = pytest.mark.looptime


def bulkhead(**policy: Any) -> Bulkhead:
    """A bulkhead with nobody in it."""
    return Bulkhead.of(BulkheadPolicy(**policy))


async def test_there_are_never_more_calls_than_permits(upstream: Any, make_call: Any) -> None:
    """Those beyond wait for one, the first come first."""
    caller = bulkhead(permits=2)(upstream)
    upstream.always(upstream.after(0.02, 200))

    await asyncio.gather(*(caller(make_call(target=f"/{number}")) for number in range(5)))

    assert upstream.times == pytest.approx([0, 0, 0.02, 0.02, 0.04])
    assert [call.target for call in upstream.calls] == [f"/{number}" for number in range(5)]


async def test_who_finds_no_place_is_turned_away_at_once(upstream: Any, make_call: Any, looptime: Any) -> None:
    """The permits are held, the line is full: nothing is sent, and nobody waits."""
    caller = bulkhead(permits=1, queue=1, wait="1s")(upstream)
    upstream.always(upstream.after(0.5, 200))
    tasks = [asyncio.create_task(caller(make_call())) for _ in range(2)]
    await asyncio.sleep(0)

    with pytest.raises(BulkheadFull) as raised:
        await caller(make_call())

    assert (looptime, upstream.attempts, raised.value.retry_after) == (0, 1, 1.0)
    await asyncio.gather(*tasks)


async def test_nobody_waits_longer_than_may_be(upstream: Any, make_call: Any, looptime: Any) -> None:
    """After `wait` the call is turned away, its place is free, and its span says how long it stood there."""
    walls = bulkhead(permits=1, wait="50ms")
    upstream.always(upstream.after(10, 200))
    first, second = asyncio.create_task(walls(upstream)(make_call())), make_call()
    await asyncio.sleep(0)

    with pytest.raises(BulkheadFull):
        await walls(upstream)(second)

    assert looptime == pytest.approx(0.05)
    assert second.span.own[telemetry.BULKHEAD_DELAY] == pytest.approx(0.05)
    assert (walls.permits.held, len(walls.permits.waiting)) == (1, 0)
    await first


async def test_nobody_waits_past_the_deadline(upstream: Any, make_call: Any, looptime: Any) -> None:
    """Who runs out of time in the line has run out of time, and was not turned away."""
    caller = bulkhead(permits=1, wait="1s")(upstream)
    upstream.always(upstream.after(0.5, 200))
    first = asyncio.create_task(caller(make_call()))
    await asyncio.sleep(0)

    with pytest.raises(CallTimeout):
        await caller(make_call(deadline=0.2))

    assert looptime == pytest.approx(0.2)
    await first


@pytest.mark.parametrize("ending", [200, 503, Disconnected("broke"), Unreachable("refused"), KeyError("bug")], ids=str)
async def test_a_permit_comes_back_however_a_call_ends(upstream: Any, make_call: Any, ending: Any) -> None:
    """Well, badly, or by a mistake in the code."""
    walls = bulkhead(permits=1, queue=0)
    upstream.replies(ending, 200)

    await asyncio.gather(walls(upstream)(make_call()), return_exceptions=True)
    reply = await walls(upstream)(make_call())

    assert (reply.status, walls.permits.held) == (200, 0)


async def test_who_waits_and_leaves_loses_nobodys_permit(upstream: Any, make_call: Any) -> None:
    """Its place is free at once, and the next in the line is served."""
    walls = bulkhead(permits=1, wait="1s")
    upstream.always(upstream.after(0.1, 200))
    tasks = [asyncio.create_task(walls(upstream)(make_call())) for _ in range(3)]
    await asyncio.sleep(0.05)

    tasks[1].cancel()
    await asyncio.sleep(0)
    assert len(walls.permits.waiting) == 1
    await asyncio.gather(*tasks, return_exceptions=True)

    assert upstream.times == pytest.approx([0, 0.1])
    assert (walls.permits.held, len(walls.permits.waiting)) == (0, 0)


@pytest.mark.parametrize("order", ["permit first", "cancelled first"])
async def test_a_permit_that_comes_as_its_call_is_cancelled_goes_on(make_call: Any, order: str) -> None:
    """Whichever happens first in the same moment: the next in the line has it."""
    walls, gate = bulkhead(permits=1, wait="1s"), asyncio.Event()

    async def upstream(_: Any) -> Reply:
        await gate.wait()
        return Reply(200)

    holder, waiter, other = [asyncio.create_task(walls(upstream)(make_call())) for _ in range(3)]
    await asyncio.sleep(0.01)
    gate.set()
    if order == "permit first":
        holder.add_done_callback(lambda _: waiter.cancel())
        await asyncio.sleep(0)
    else:
        waiter.cancel()
    ended = await asyncio.gather(holder, waiter, other, return_exceptions=True)

    assert isinstance(ended[1], asyncio.CancelledError | Reply)
    assert isinstance(ended[2], Reply)
    assert (walls.permits.held, len(walls.permits.waiting)) == (0, 0)


async def test_ten_thousand_cancellations_lose_no_permit(make_call: Any) -> None:
    """At random moments, while waiting and while holding: afterwards all permits are there."""
    walls, random = bulkhead(permits=5, queue=20, wait="20ms"), Random(1)

    async def upstream(_: Any) -> Reply:
        await asyncio.sleep(random.choice((0, 0, 0.001, 0.01)))
        return Reply(200)

    async def come_and_go() -> None:
        task = asyncio.create_task(walls(upstream)(make_call(deadline=1e9)))
        for _ in range(random.randrange(4)):
            await asyncio.sleep(0)
        await asyncio.sleep(random.choice((0, 0.001, 0.005)))
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)

    for _ in range(250):
        await asyncio.gather(*(come_and_go() for _ in range(40)))

    assert (walls.permits.held, len(walls.permits.waiting)) == (0, 0)
    assert (await walls(upstream)(make_call(deadline=1e9))).status == 200


async def test_an_adaptive_one_begins_with_the_least(upstream: Any, make_call: Any) -> None:
    """And has more permits while replies take as long as ever."""
    walls = bulkhead(permits=50, queue=0, adaptive={"least": 2})
    upstream.always(upstream.after(0.01, 200))
    assert walls.permits.limit == 2

    for _ in range(200):
        await asyncio.gather(*(walls(upstream)(make_call(deadline=1e9)) for _ in range(50)), return_exceptions=True)

    assert walls.permits.limit == 50


@pytest.mark.parametrize(
    ("ending", "learned"),
    [
        pytest.param(200, True, id="a reply"),
        pytest.param(AttemptTimeout("slow"), True, id="a timeout"),
        pytest.param(503, False, id="a refusal"),
        pytest.param(Unreachable("refused"), False, id="nothing sent"),
    ],
)
async def test_what_says_how_busy_an_upstream_is_is_learned(upstream: Any, make_call: Any, ending: Any, learned: bool) -> None:
    """A refusal may take no time at all: an upstream that fails at once is not a fast one."""
    walls = bulkhead(adaptive=True)
    upstream.replies(upstream.after(0.1, ending))

    await asyncio.gather(walls(upstream)(make_call()), return_exceptions=True)

    assert walls.gradient is not None
    assert (walls.gradient.count, walls.gradient.total) == ((1, pytest.approx(0.1)) if learned else (0, 0))

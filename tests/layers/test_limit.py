"""Limits in time that share their timers: what `asyncio.timeout` promises, at most 10 ms late."""

from __future__ import annotations

import asyncio
from math import inf
from typing import Any

import pytest

from gateway.limit import NEAR, Limit, LimitsState

pytestmark = pytest.mark.looptime


@pytest.fixture
def limits() -> LimitsState:
    return LimitsState()


async def ends_at(limits: LimitsState, when: float) -> float:
    """The loop's time at which a block that would take for ever is left."""
    with pytest.raises(TimeoutError), Limit(limits, when):
        await asyncio.Event().wait()
    return asyncio.get_running_loop().time()


@pytest.mark.parametrize(("when", "ends"), [(0.5, 0.5), (0.07, 0.07), (0.29, 0.29), (0.501, 0.51), (0.5099, 0.51), (60.0, 60.0)])
async def test_a_limit_ends_at_its_time_or_up_to_a_moment_later(limits: LimitsState, when: float, ends: float) -> None:
    """Never early, and at most 10 ms late."""
    left = await ends_at(limits, when)

    assert left == pytest.approx(ends, abs=1e-6)
    assert left >= when - 1e-6


async def test_whoever_is_in_time_notices_nothing(limits: LimitsState) -> None:
    """A block that has ended is not interrupted later, and what follows it is not either."""
    with Limit(limits, 0.1) as limit:
        await asyncio.sleep(0.05)
    await asyncio.sleep(1)

    assert not limit.expired
    assert limits.moments == {}


async def test_limits_of_one_moment_share_a_timer(limits: LimitsState) -> None:
    """All of them end, each in its own task."""
    ended = await asyncio.gather(*(ends_at(limits, 0.5 - number / 1000) for number in range(5)), ends_at(limits, 0.2))

    assert ended == pytest.approx([0.5] * 5 + [0.2], abs=1e-6)
    assert limits.moments == {}


async def test_a_far_timer_goes_with_the_last_who_needs_it(limits: LimitsState) -> None:
    """A limit of an hour that nobody is within any more holds on to nothing."""
    with Limit(limits, 3600):
        with Limit(limits, 3600):
            pass
        assert len(limits.moments) == len(limits.far) == 1

    assert limits.moments == limits.far == {}


async def test_a_far_limit_ends_too(limits: LimitsState) -> None:
    """Its timer is forgotten once it has rung."""
    when = NEAR + 5

    assert await ends_at(limits, when) == pytest.approx(when)
    assert limits.moments == limits.far == {}


async def test_the_inner_of_two_limits_ends_first(limits: LimitsState) -> None:
    """The outer one goes on."""
    with Limit(limits, 2) as outer:
        with pytest.raises(TimeoutError), Limit(limits, 1) as inner:
            await asyncio.Event().wait()
        await asyncio.sleep(0.5)

    assert inner.expired
    assert not outer.expired


@pytest.mark.parametrize("order", [(1, 2), (2, 1), (1, 1)], ids=["inner first", "outer first", "at once"])
async def test_an_outer_limit_ends_what_an_inner_one_does_not(limits: LimitsState, order: Any) -> None:
    """Whichever ends first, the outer block is left by its own error at its own time at the latest."""
    inner, outer = order

    async def work() -> None:
        with Limit(limits, outer):
            with pytest.raises(TimeoutError), Limit(limits, inner):
                await asyncio.Event().wait()
            await asyncio.Event().wait()

    with pytest.raises(TimeoutError):
        await work()

    assert asyncio.get_running_loop().time() == pytest.approx(outer)


@pytest.mark.parametrize(("seconds", "ends"), [(5, 5.1), (0.5, 0.6), (3600, 3600.1)])
async def test_a_limit_ends_at_the_time_it_was_moved_to(limits: LimitsState, seconds: float, ends: float) -> None:
    """Later or earlier, by whichever task; the time it had before means nothing, and no timer is left behind."""
    loop = asyncio.get_running_loop()

    async def work() -> None:
        with Limit(limits, 2) as limit:
            loop.call_at(0.1, limit.move, seconds)
            await asyncio.Event().wait()

    with pytest.raises(TimeoutError):
        await work()
    await asyncio.sleep(3)

    assert loop.time() - 3 == pytest.approx(ends)
    assert limits.moments == limits.far == {}


async def test_a_limit_moved_to_infinity_waits_until_it_is_moved_again(limits: LimitsState) -> None:
    """It does not end, and still knows when it is to."""

    async def work() -> None:
        with Limit(limits, 0.5) as limit:
            limit.move(inf)
            await asyncio.sleep(60)
            limit.move(1)
            await asyncio.Event().wait()

    with pytest.raises(TimeoutError):
        await work()

    assert asyncio.get_running_loop().time() == pytest.approx(61)
    assert limits.far == {}


async def test_a_limit_that_has_expired_is_not_moved(limits: LimitsState) -> None:
    """The block is being left, and is not interrupted twice."""

    async def work() -> None:
        with Limit(limits, 0.5) as limit:
            try:
                await asyncio.Event().wait()
            finally:
                limit.move(1)
                await asyncio.sleep(2)

    with pytest.raises(TimeoutError):
        await work()

    assert limits.moments == {}


async def test_a_cancellation_by_somebody_else_passes_through(limits: LimitsState) -> None:
    """It wants all of the task to end, not the block alone; also when time is up in the same round of the loop."""

    async def work() -> None:
        with Limit(limits, 0.5):
            await asyncio.Event().wait()

    task = asyncio.create_task(work())
    asyncio.get_running_loop().call_at(0.5, task.cancel)
    await asyncio.wait([task])

    assert task.cancelled()
    assert limits.moments == {}


async def test_a_timeout_of_somebody_else_is_theirs(limits: LimitsState) -> None:
    """It passes through, and `expired` says that time was not up."""
    with pytest.raises(TimeoutError, match="theirs"), Limit(limits, 1) as limit:
        raise TimeoutError("theirs")

    assert not limit.expired


async def test_an_error_after_the_interruption_wins(limits: LimitsState) -> None:
    """What a clean-up raises is not hidden by the limit."""

    async def work() -> None:
        with Limit(limits, 0.5):
            try:
                await asyncio.Event().wait()
            finally:
                raise ValueError("clean-up")

    with pytest.raises(ValueError, match="clean-up"):
        await work()

    assert asyncio.current_task().cancelling() == 0

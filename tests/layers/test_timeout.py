"""Timeouts: when a call or an attempt ends, by which name, and what has ended with it."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from gateway.errors import AttemptTimeout, CallTimeout, Disconnected
from gateway.layers.timeout import Timeout

pytestmark = pytest.mark.looptime


async def test_the_deadline_ends_a_call_that_hangs(upstream: Any, make_call: Any, looptime: Any) -> None:
    """At the deadline, and not a moment later, the call is over and what it waited for is cancelled."""
    upstream.replies(upstream.hang)

    with pytest.raises(CallTimeout):
        await Timeout()(upstream)(make_call(deadline=0.5))

    assert looptime == pytest.approx(0.5)
    assert (upstream.cancelled, upstream.in_flight) == (1, 0)


async def test_an_attempt_ends_at_its_own_limit(upstream: Any, make_call: Any, looptime: Any) -> None:
    """The limit counts from the moment the attempt begins, and the error says how long it was."""
    upstream.replies(upstream.hang)
    await asyncio.sleep(1)

    with pytest.raises(AttemptTimeout, match="within 200ms"):
        await Timeout()(upstream)(make_call(timeout=0.2))

    assert looptime == pytest.approx(1.2)
    assert (upstream.cancelled, upstream.in_flight) == (1, 0)


async def test_a_reply_in_time_passes(upstream: Any, make_call: Any, looptime: Any) -> None:
    """What comes a moment before the limit is a reply, and no timer is left to harm the caller afterwards."""
    upstream.replies(upstream.after(0.499, 200))

    reply = await Timeout()(upstream)(make_call(timeout=0.5, deadline=0.5))
    await asyncio.sleep(5)

    assert reply.status == 200


async def test_nothing_is_sent_after_the_deadline(upstream: Any, make_call: Any, looptime: Any) -> None:
    """A call whose deadline has passed before it begins is over, without asking anybody."""
    await asyncio.sleep(1)

    with pytest.raises(CallTimeout):
        await Timeout()(upstream)(make_call(deadline=1.0))

    assert (upstream.attempts, looptime) == (0, 1)


async def test_a_call_below_sees_when_its_attempt_ends(upstream: Any, make_call: Any) -> None:
    """The attempt's limit is a deadline for everything below, so that an upstream can be told the time that is left."""
    upstream.replies(200)

    await Timeout()(upstream)(make_call(timeout=0.2, deadline=1.0))

    assert upstream.calls[0].deadline == pytest.approx(0.2)


@pytest.mark.parametrize("limit", [None, 1.0, 2.0], ids=["no limit", "same end", "later end"])
async def test_an_attempt_without_a_limit_of_its_own_passes_as_it_is(upstream: Any, make_call: Any, limit: float | None) -> None:
    """Where the deadline comes first there is nothing to add."""
    upstream.replies(200)
    call = make_call(timeout=limit, deadline=1.0)

    await Timeout()(upstream)(call)

    assert upstream.calls[0] is call


@pytest.mark.parametrize(
    ("limit", "deadline", "error", "end"),
    [
        pytest.param(0.2, 0.5, AttemptTimeout, 0.2, id="attempt first"),
        pytest.param(0.5, 0.2, CallTimeout, 0.2, id="deadline first"),
        pytest.param(0.3, 0.3, CallTimeout, 0.3, id="both at once"),
        pytest.param(None, 0.4, CallTimeout, 0.4, id="deadline alone"),
    ],
)
async def test_the_limit_that_comes_first_gives_its_name(
    upstream: Any, make_call: Any, looptime: Any, limit: float | None, deadline: float, error: type[Exception], end: float
) -> None:
    """An attempt's timeout leaves time for another one, the deadline does not: the two are never confused."""
    upstream.replies(upstream.hang)

    with pytest.raises(error):
        await Timeout()(upstream)(make_call(timeout=limit, deadline=deadline))

    assert looptime == pytest.approx(end)


@pytest.mark.parametrize(
    "failure", [TimeoutError("somebody else's"), Disconnected("broke")], ids=lambda error: type(error).__name__
)
async def test_a_failure_below_keeps_its_name(upstream: Any, make_call: Any, failure: Exception) -> None:
    """What is raised before the limit is not ours to rename, a `TimeoutError` of somebody else least of all."""
    upstream.replies(failure)

    with pytest.raises(type(failure)) as raised:
        await Timeout()(upstream)(make_call(timeout=0.5))

    assert raised.value is failure


@pytest.mark.parametrize("moment", [0.1, 0.5], ids=["before the limit", "at the limit"])
@pytest.mark.parametrize(("limit", "deadline"), [(0.5, 1.0), (None, 0.5)], ids=["attempt", "deadline"])
async def test_cancelling_is_not_a_timeout(
    upstream: Any, make_call: Any, moment: float, limit: float | None, deadline: float
) -> None:
    """A caller that is cancelled is cancelled, even at the very moment that its time is up."""
    upstream.replies(upstream.hang)
    task = asyncio.create_task(Timeout()(upstream)(make_call(timeout=limit, deadline=deadline)))

    asyncio.get_running_loop().call_at(moment, task.cancel)
    with pytest.raises(asyncio.CancelledError):
        await task

    assert (upstream.cancelled, upstream.in_flight) == (1, 0)


@pytest.mark.parametrize(("limit", "error"), [(0.2, AttemptTimeout), (None, CallTimeout)], ids=["attempt", "deadline"])
async def test_what_is_ended_has_ended(
    upstream: Any, make_call: Any, looptime: Any, limit: float | None, error: type[Exception]
) -> None:
    """The error is raised when the call below has really ended, its connection closed, and not before."""
    upstream.replies(upstream.hang)
    upstream.lingers = 0.05

    with pytest.raises(error):
        await Timeout()(upstream)(make_call(timeout=limit, deadline=1.0))

    assert upstream.in_flight == 0
    assert looptime == pytest.approx((limit or 1.0) + 0.05)

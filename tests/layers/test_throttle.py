"""Throttle: an upstream that turns calls away is asked less."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from gateway.call import Expectation
from gateway.errors import (
    AttemptTimeout,
    BadReply,
    BreakerOpen,
    CallError,
    CallTimeout,
    Disconnected,
    Throttled,
    Unreachable,
    Unrendered,
)
from gateway.layers.throttle import Throttle
from gateway.policy import ThrottlePolicy
from gateway.states.throttling import ThrottleState

pytestmark = pytest.mark.looptime


def throttled(upstream: Any, chance: float = 0.0, **written: Any) -> tuple[Any, ThrottleState]:
    """A throttle around the upstream; with a chance of 0 every call is turned away as soon as any is."""
    state = ThrottleState(ThrottlePolicy(**{"least": 4, **written}), lambda: chance)
    return Throttle(state)(upstream), state


async def send(caller: Any, call: Any, times: int) -> None:
    """So many calls, however they end."""
    for _ in range(times):
        try:
            await caller(call)
        except CallError:
            continue


@pytest.mark.parametrize(
    ("end", "counts"),
    [
        pytest.param(503, (4, 0), id="503"),
        pytest.param(429, (4, 0), id="429"),
        pytest.param(Unreachable("refused"), (4, 0), id="unreachable"),
        pytest.param(AttemptTimeout("slow"), (4, 0), id="attempt timeout"),
        pytest.param(CallTimeout("over"), (4, 0), id="deadline"),
        pytest.param(200, (4, 4), id="200"),
        pytest.param(404, (4, 4), id="404"),
        pytest.param(500, (4, 4), id="500"),
        pytest.param(Disconnected("broke"), (4, 4), id="disconnected"),
        pytest.param(BadReply("garbage"), (4, 4), id="bad reply"),
        pytest.param(BreakerOpen("open"), (0, 0), id="rejected below"),
        pytest.param(Unrendered("absent"), (0, 0), id="never sent"),
    ],
)
async def test_what_the_upstream_does_not_take_is_counted(upstream: Any, make_call: Any, end: Any, counts: Any) -> None:
    """Calls, and those that were taken; what was never sent is none."""
    caller, state = throttled(upstream)
    upstream.always(end)

    await send(caller, make_call(), 4)

    assert tuple(state.window.read(0.0)) == counts


async def test_a_status_that_the_step_accepts_counts_all_the_same(upstream: Any, make_call: Any) -> None:
    """What it means to the step makes no room at the upstream."""
    caller, state = throttled(upstream)
    upstream.always(503)

    await send(caller, make_call(expects=Expectation(accept=frozenset({503}))), 4)

    assert tuple(state.window.read(0.0)) == (4, 0)


async def test_calls_are_turned_away_and_nothing_is_sent(upstream: Any, make_call: Any) -> None:
    """The span says how many are."""
    caller, _ = throttled(upstream)
    upstream.always(503)
    await send(caller, make_call(), 4)
    call = make_call()

    with pytest.raises(Throttled):
        await caller(call)

    assert upstream.attempts == 4
    assert call.span.own["gateway.throttle.share"] == 0.8


async def test_a_client_in_a_hurry_does_not_count(upstream: Any, make_call: Any) -> None:
    """A deadline that passes says something only if there was time."""
    caller, state = throttled(upstream)
    upstream.always(CallTimeout("over"))

    await send(caller, make_call(deadline=0.4), 4)

    assert tuple(state.window.read(0.0)) == (0, 0)


async def test_calls_in_flight_are_not_refused_ones(upstream: Any, make_call: Any) -> None:
    """However many there are at the start, nobody has turned them away yet."""
    caller, _ = throttled(upstream)
    upstream.always(upstream.after(1.0, 200))

    replies = await asyncio.gather(*(caller(make_call()) for _ in range(100)))

    assert len(replies) == 100


async def test_a_cancelled_call_is_none(upstream: Any, make_call: Any) -> None:
    """Neither taken nor turned away."""
    caller, state = throttled(upstream)
    upstream.always(upstream.hang)
    task = asyncio.create_task(caller(make_call()))

    await asyncio.sleep(0.1)
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)

    assert tuple(state.window.read(1.0)) == (0, 0)

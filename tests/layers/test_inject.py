"""Inject: what is done to calls on purpose, what the layers above make of it, and that nothing happens to those who did not ask."""

from __future__ import annotations

import asyncio
from collections import Counter
from random import Random
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway import telemetry
from gateway.errors import AttemptTimeout, BadReply, CallError, CallTimeout, Disconnected, StatusRefused
from gateway.layers.inject import Inject, Play, decide
from gateway.policy import InjectPolicy

pytestmark = pytest.mark.looptime

SHARES = st.integers(1, 100).map(lambda percent: f"{percent}%")
FAULTS = st.sampled_from([{"mode": "hang"}, {"mode": "reset"}, {"mode": "garbage"}, {"status": 500}, {}])


def policy(**written: Any) -> InjectPolicy:
    """A policy as it is written."""
    return InjectPolicy.model_validate(written)


@pytest.mark.parametrize(
    ("written", "error"),
    [
        ({"mode": "reset"}, Disconnected),
        ({"mode": "garbage"}, BadReply),
        ({"status": 500}, StatusRefused),
        ({"error_rate": "100%"}, StatusRefused),
    ],
    ids=["reset", "garbage", "status", "503 unless said otherwise"],
)
async def test_a_call_fails_as_it_would_on_the_wire(upstream: Any, make_call: Any, written: Any, error: type[CallError]) -> None:
    """The layers above get the error that a real fault would have given them, and the upstream is not asked."""
    call = make_call(inject=policy(**written))

    with pytest.raises(error):
        await Inject()(upstream)(call)

    assert upstream.attempts == 0
    assert call.span.own[telemetry.INJECTED] == str(written.get("mode") or written.get("status") or 503)


async def test_a_hung_call_ends_with_its_attempt(stacked: Any, upstream: Any, looptime: Any) -> None:
    """The limit of the attempt stands above: nothing hangs longer than a real upstream could make it."""
    users = stacked("timeout: 200ms, inject: {mode: hang}", broken=True)

    with pytest.raises(AttemptTimeout):
        await users()

    assert (looptime, upstream.attempts) == (pytest.approx(0.2), 0)


async def test_a_cancelled_call_hangs_no_more(upstream: Any, make_call: Any) -> None:
    """Whoever waits for a call that hangs can leave."""
    call = asyncio.create_task(Inject()(upstream)(make_call(inject=policy(mode="hang"))))
    await asyncio.sleep(1)

    call.cancel()

    with pytest.raises(asyncio.CancelledError):
        await call


async def test_latency_comes_on_top(upstream: Any, make_call: Any, looptime: Any) -> None:
    """A call is kept waiting, then sent as it is; its span says so."""
    upstream.replies(upstream.after(0.1, 200))
    call = make_call(inject=policy(latency="300ms", jitter="100ms"))

    reply = await Inject(chance=iter([0.0, 0.0, 0.0]).__next__)(upstream)(call)

    assert (reply.status, looptime) == (200, pytest.approx(0.3))
    assert call.span.own[telemetry.INJECTED] == "delay"


async def test_latency_is_bounded_by_the_deadline(stacked: Any, upstream: Any, looptime: Any) -> None:
    """What is kept waiting too long is a timeout, and is never sent."""
    users = stacked("inject: {latency: 5s}", broken=True)

    with pytest.raises(CallTimeout):
        await users(users.call(deadline=1.0))

    assert (looptime, upstream.attempts) == (1, 0)


async def test_a_retry_sees_what_is_injected(stacked: Any, upstream: Any) -> None:
    """Below the retry: each attempt has a chance of its own, and a span that says what was done to it."""
    users = stacked("retry: {attempts: 3, backoff: 1ms}, inject: {mode: reset}", broken=True)
    call = users.call()

    with pytest.raises(Disconnected):
        await users(call)

    assert [span.own.get(telemetry.INJECTED) for span in call.span.trace.spans[1:]] == ["reset"] * 3


async def test_a_status_that_is_no_failure_is_none_here(stacked: Any, upstream: Any) -> None:
    """What `on_status` says of a status holds for one that is injected."""
    users = stacked("inject: {status: 404}", "on_status: {404: null}", broken=True)

    reply = await users(users.call(expects=users.recipe.expects))

    assert (reply.status, upstream.attempts) == (404, 0)


@pytest.mark.parametrize(("broken", "layers"), [(False, "Timeout()"), (True, "Timeout() → Inject()")])
def test_it_is_in_the_stack_of_those_who_were_told(stacked: Any, broken: bool, layers: str) -> None:
    """Writing it is not enough: the process must be told."""
    _, _, host = stacked("inject: {mode: hang}", broken=broken).stacks

    assert str(host) == layers


async def test_a_step_without_faults_is_left_alone(stacked: Any, upstream: Any) -> None:
    """`false` on a step spares its calls; their upstream's others are broken all the same."""
    users = stacked("inject: {mode: hang}", "inject: false", broken=True)
    upstream.replies(200)
    call = users.call()

    await users(call)

    assert all(telemetry.INJECTED not in span.own for span in call.span.trace.spans)


def test_as_many_are_broken_as_is_written() -> None:
    """A tenth is struck, and of this tenth a third fails; the others of it are only slow."""
    written = policy(latency="1s", error_rate="30%", mode="hang", share="10%")
    chance = Random(1).random

    plays = Counter(str(decide(written, chance)) for _ in range(10_000))

    assert plays.keys() == {"", "delay", "delay, hang"}
    assert plays["delay"] == pytest.approx(700, rel=0.1)
    assert plays["delay, hang"] == pytest.approx(300, rel=0.15)


@given(fault=FAULTS, share=SHARES, rate=SHARES, draws=st.lists(st.floats(0, 1, exclude_max=True), min_size=3, max_size=3))
def test_every_decision_is_one_that_was_written(fault: Any, share: str, rate: str, draws: list[float]) -> None:
    """Nothing is ever done that the policy does not say; three draws decide, whatever it is."""
    written = policy(**fault, latency="10ms", jitter="20ms", share=share, error_rate=rate)
    left = iter(draws)

    play = decide(written, left.__next__)

    assert next(left, None) is None
    assert play == Play() if draws[0] >= written.share else play.failure in (None, written.failure)
    assert 0 <= play.delay <= 0.03

"""What keeps calls away from an upstream, among the other layers: each with its state in the whole stack."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import pytest

from gateway.call import Call
from gateway.errors import AttemptTimeout, BreakerOpen, CallError, CallTimeout, StatusRefused, Throttled

pytestmark = pytest.mark.looptime

BREAKER = "breaker: {consecutive: 2}"
LONGEST_OPEN = 1.5


@pytest.fixture
def two(new_upstream: Callable[[], Any]) -> tuple[Any, Any]:
    """Two hosts, each played by the test."""
    return new_upstream(), new_upstream()


async def fail(users: Any, times: int = 2, **parts: Any) -> list[Call]:
    """So many calls that come to nothing."""
    calls = [users.call(**parts) for _ in range(times)]
    for call in calls:
        with pytest.raises(CallError):
            await users(call)
    return calls


@pytest.mark.parametrize(
    ("policies", "upstream_prints", "host_prints"),
    [
        pytest.param("throttle: {}", ["Trace", "Throttle"], ["Timeout"], id="throttle"),
        pytest.param("breaker: {}", ["Trace"], ["Breaker", "Timeout"], id="breaker"),
        pytest.param("breaker: {}, throttle: {}", ["Trace", "Throttle"], ["Breaker", "Timeout"], id="both"),
    ],
)
def test_what_is_written_is_in_the_stack(stacked: Any, policies: str, upstream_prints: Any, host_prints: Any) -> None:
    """Each in its place."""
    _, upstream, host = stacked(policies).stacks

    printed = [[str(layer).partition("(")[0] for layer in stack.layers] for stack in (upstream, host)]

    assert printed == [upstream_prints, host_prints]


async def test_an_open_breaker_is_not_tried_again(stacked: Any, upstream: Any, looptime: Any) -> None:
    """The second attempt opens it; the third would only be turned away, and so would the next call's, at once."""
    users = stacked(f"{BREAKER}, retry: {{attempts: 5, backoff: 1ms, max_backoff: 1ms}}")
    upstream.always(503)

    (first,) = await fail(users, 1)
    (second,) = await fail(users, 1)

    assert upstream.attempts == 2
    assert [len(call.span.trace.spans[1:]) for call in (first, second)] == [3, 1]
    assert float(looptime) < 0.01


async def test_a_rejection_says_when_to_come_back(stacked: Any, upstream: Any) -> None:
    """Its span is the failed one of an attempt that was never sent."""
    users = stacked(BREAKER)
    upstream.always(503)
    await fail(users)
    call = users.call()

    with pytest.raises(BreakerOpen) as caught:
        await users(call)

    assert 0.5 <= caught.value.retry_after <= LONGEST_OPEN
    (span,) = call.span.trace.spans[1:]
    assert span.own["error.type"] == "gateway.errors.BreakerOpen"
    assert span.own["gateway.breaker.state"] == "open"


async def test_a_hit_is_served_while_the_breaker_is_open(stacked: Any, upstream: Any) -> None:
    """Who asks for what is kept needs no upstream."""
    users = stacked(f"{BREAKER}, cache: {{ttl: 30s}}")
    upstream.replies(upstream.reply("Ada"), 500, 500)
    await users()
    await fail(users, 2, target="/users/43")

    reply = await users()

    assert (reply.value, reply.cache, upstream.attempts) == ("Ada", "hit", 3)


async def test_attempts_that_take_too_long_open_it(stacked: Any, upstream: Any) -> None:
    """It stands above the limit of an attempt; whoever comes then does not wait for that limit any more."""
    users = stacked(f"{BREAKER}, timeout: 100ms")
    upstream.always(upstream.hang)
    for _ in range(2):
        with pytest.raises(AttemptTimeout):
            await users()

    with pytest.raises(BreakerOpen):
        await users()

    assert (upstream.attempts, upstream.cancelled) == (2, 2)


async def test_a_deadline_that_passes_during_a_probe_frees_its_place(stacked: Any, upstream: Any) -> None:
    """When the probe had hardly any time it told nothing; the one after it has."""
    users = stacked(BREAKER)
    upstream.replies(500, 500, upstream.hang)
    upstream.always(200)
    await fail(users)
    await asyncio.sleep(LONGEST_OPEN)

    with pytest.raises(CallTimeout):
        await users(users.call(deadline=LONGEST_OPEN + 0.1))
    reply = await users()

    assert (reply.status, upstream.attempts, upstream.in_flight) == (200, 4, 0)


async def test_it_recovers_within_its_open_time_and_a_second(stacked: Any, upstream: Any) -> None:
    """From the moment that the upstream is well again, with a call every 10 ms that finds out, and no second collapse."""
    users = stacked("breaker: {open: 1s, longest: 1s}")
    upstream.always(503)
    ends: list[tuple[float, bool]] = []
    loop = asyncio.get_running_loop()

    for number in range(1500):
        if number == 1000:
            upstream.always(200)
        try:
            await users(users.call(deadline=20.0))
            ends.append((loop.time(), True))
        except CallError:
            ends.append((loop.time(), False))
        await asyncio.sleep(0.01)

    first = next(when for when, good in ends if good)
    assert 10.0 <= first <= 10.0 + LONGEST_OPEN + 1.0
    assert all(good for when, good in ends if when >= first)
    assert upstream.attempts < 500 + 5 + 25


async def test_with_two_hosts_an_open_breaker_sends_calls_to_the_other(stacked: Any, two: Any) -> None:
    """Nobody is turned away, and the host that fails is asked no more than its probes."""
    bad, good = two
    users = stacked(f"{BREAKER}, retry: {{attempts: 2, backoff: 1ms}}", a=bad, b=good)
    bad.always(500)
    good.always(200)

    replies = [await users() for _ in range(50)]

    assert all(reply.status == 200 for reply in replies)
    assert (bad.attempts, good.attempts) == (2, 50)


async def test_with_two_hosts_that_are_both_open_calls_are_turned_away(stacked: Any, two: Any) -> None:
    """At once, whichever of them is chosen."""
    users = stacked(BREAKER, a=two[0], b=two[1])
    for host in two:
        host.always(500)
    for _ in range(100):
        with pytest.raises(CallError):
            await users()

    with pytest.raises(BreakerOpen):
        await users()

    assert [host.attempts for host in two] == [2, 2]


async def test_a_host_that_is_out_gets_no_calls_until_it_is_in_again(stacked: Any, two: Any) -> None:
    """The other one gets all of them."""
    bad, good = two
    users = stacked("eject: {consecutive: 3}", a=bad, b=good)
    bad.always(500)
    good.always(200)

    async def ask(times: int) -> list[bool]:
        ends = await asyncio.gather(*(users(users.call(deadline=99.0)) for _ in range(times)), return_exceptions=True)
        return [not isinstance(end, StatusRefused) for end in ends]

    while bad.attempts < 3:
        await ask(1)
    during = await ask(50)
    bad.always(200)
    await asyncio.sleep(30)
    await ask(50)

    assert all(during)
    assert bad.attempts > 10


async def test_both_hosts_failing_leaves_one_of_them_in(stacked: Any, two: Any) -> None:
    """Without a breaker there is always somebody to ask."""
    users = stacked("eject: {consecutive: 2}", a=two[0], b=two[1])
    for host in two:
        host.always(500)

    for _ in range(50):
        with pytest.raises(StatusRefused):
            await users()

    assert sum(host.attempts for host in two) == 50
    assert max(host.attempts for host in two) >= 40


async def test_a_throttled_call_is_not_tried_again(stacked: Any, upstream: Any) -> None:
    """Retries count as calls: what is turned away here is the end of it."""
    users = stacked("throttle: {}, retry: {attempts: 3, backoff: 1ms}")
    upstream.always(503)
    ends = []

    for _ in range(200):
        with pytest.raises(CallError) as caught:
            await users(users.call(deadline=99.0))
        ends.append(caught.value)

    # All 600 attempts would have been made; after the first 20 hardly any but a tenth is.
    assert sum(isinstance(end, Throttled) for end in ends) > 120
    assert upstream.attempts < 100


async def test_what_a_breaker_turns_away_does_not_throttle(stacked: Any, upstream: Any) -> None:
    """When the breaker closes, the way is free."""
    users = stacked(f"{BREAKER}, throttle: {{}}")
    upstream.replies(500, 500)
    upstream.always(200)
    await fail(users, 200)
    await asyncio.sleep(LONGEST_OPEN)

    replies = [await users() for _ in range(20)]

    assert all(reply.status == 200 for reply in replies)


async def test_cancelling_everything_leaves_the_way_free(stacked: Any, upstream: Any) -> None:
    """Wherever calls are when their clients leave: the next ones are let through."""
    users = stacked(f"{BREAKER}, throttle: {{}}, retry: {{attempts: 3, backoff: 1ms}}")
    upstream.replies(500, 500)
    upstream.always(upstream.hang)
    await fail(users, 1)
    await asyncio.sleep(LONGEST_OPEN)
    tasks = [asyncio.create_task(users()) for _ in range(20)]

    await asyncio.sleep(0.1)
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
    upstream.always(200)
    reply = await users()

    assert (reply.status, upstream.in_flight) == (200, 0)

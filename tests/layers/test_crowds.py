"""What bounds calls in flight, and what sends one twice, among the other layers: each with its state in the whole stack."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from gateway import telemetry
from gateway.errors import BreakerOpen, BulkheadFull, CallTimeout, Disconnected, StatusRefused
from gateway.states.latency import FEWEST

pytestmark = pytest.mark.looptime

EVERYTHING = "bulkhead: {permits: 10}, breaker: {}, retry: {attempts: 2}, hedge: {}, throttle: {}, cache: {ttl: 30s}"


@pytest.mark.parametrize(
    ("policies", "own", "step_prints", "upstream_prints"),
    [
        pytest.param("bulkhead: {}", "", [], ["Trace", "Bulkhead"], id="bulkhead"),
        pytest.param("hedge: {}", "", ["Hedge"], ["Trace"], id="hedge"),
        pytest.param("hedge: {}", "hedge: false", [], ["Trace"], id="turned off by the step"),
        pytest.param(
            EVERYTHING,
            "",
            ["Cache", "Coalesce", "Keep", "Retry", "Pause", "Hedge"],
            ["Trace", "Throttle", "Bulkhead"],
            id="everything",
        ),
    ],
)
def test_what_is_written_is_in_the_stack(stacked: Any, policies: str, own: str, step_prints: Any, upstream_prints: Any) -> None:
    """Each in its place."""
    step, upstream, _ = stacked(policies, own).stacks

    printed = [[str(layer).partition("(")[0] for layer in stack.layers] for stack in (step, upstream)]

    assert printed == [step_prints, upstream_prints]


async def learn(users: Any, upstream: Any) -> None:
    """Enough calls to know that replies take 10 ms."""
    upstream.always(upstream.after(0.01, 200))
    for _ in range(FEWEST):
        await users(users.call(deadline=1e9))
    upstream.calls.clear()


def attempts_of(call: Any) -> list[telemetry.Span]:
    """The spans of a call's attempts."""
    return call.span.trace.spans[1:]


async def test_a_back_off_holds_no_permit(stacked: Any, upstream: Any) -> None:
    """While one call waits to be sent again another one has the only permit there is."""
    users = stacked("bulkhead: {permits: 1, queue: 0}, retry: {pause: false}")
    upstream.replies(upstream.reply(status=503, retry_after="1"), 200, 200)
    waiting = asyncio.create_task(users())
    await asyncio.sleep(0.5)

    await users()
    await waiting

    assert upstream.times == pytest.approx([0, 0.5, 1])


async def test_who_waits_for_the_end_of_a_pause_holds_no_permit(stacked: Any, upstream: Any) -> None:
    """All of them are there when it ends."""
    users = stacked("bulkhead: {permits: 2, queue: 0}, retry: {attempts: 2}")
    upstream.replies(upstream.reply(status=503, retry_after="1"), 200, 200)
    tasks = [asyncio.create_task(users())]
    await asyncio.sleep(0.1)
    tasks.append(asyncio.create_task(users()))

    await asyncio.gather(*tasks)

    assert upstream.attempts == 3


async def test_a_cache_hit_takes_no_permit(stacked: Any, upstream: Any) -> None:
    """What is kept is had while the house is full."""
    users = stacked("bulkhead: {permits: 1, queue: 0}, cache: {ttl: 30s}")
    upstream.replies(upstream.reply("kept"), upstream.hang)
    await users(users.call(target="/kept"))
    busy = asyncio.create_task(users(users.call(target="/other")))
    await asyncio.sleep(0.1)

    reply = await users(users.call(target="/kept"))

    assert (reply.value, reply.cache) == ("kept", "hit")
    busy.cancel()
    await asyncio.gather(busy, return_exceptions=True)


async def test_the_deadline_interrupts_the_wait_for_a_permit(stacked: Any, upstream: Any, looptime: Any) -> None:
    """Nobody stands in the line for a client that has been answered."""
    users = stacked("bulkhead: {permits: 1, wait: 5s}, retry: {attempts: 3}")
    upstream.replies(upstream.after(1.0, 200))
    busy = asyncio.create_task(users())
    await asyncio.sleep(0)

    with pytest.raises(CallTimeout):
        await users(users.call(deadline=0.3))

    assert looptime == pytest.approx(0.3, abs=0.011)
    await busy


async def test_a_full_house_is_no_hosts_fault_and_is_not_tried_again(stacked: Any, upstream: Any, looptime: Any) -> None:
    """The breaker below never hears of it, and retrying would only make it fuller."""
    users = stacked("bulkhead: {permits: 1, queue: 0}, breaker: {consecutive: 1}, retry: {attempts: 3}")
    upstream.replies(upstream.after(1.0, 200), 200)
    busy, call = asyncio.create_task(users()), users.call()
    await asyncio.sleep(0)

    with pytest.raises(BulkheadFull):
        await users(call)
    at_once = float(looptime)
    await busy

    assert (at_once, (await users()).status) == (0, 200)
    (span,) = attempts_of(call)
    assert span.own[telemetry.ERROR_TYPE] == "gateway.errors.BulkheadFull"


async def test_an_open_breaker_takes_no_permit_for_long(stacked: Any, upstream: Any) -> None:
    """What it turns away has its permit for no time at all."""
    users = stacked("bulkhead: {permits: 1, queue: 0}, breaker: {consecutive: 1, open: 20s}")
    upstream.replies(503)
    await asyncio.gather(users(), return_exceptions=True)

    ended = await asyncio.gather(*(users() for _ in range(5)), return_exceptions=True)

    assert [type(one) for one in ended] == [BreakerOpen] * 5


async def test_an_upstream_that_hangs_leaves_the_others_alone(stacked: Any, new_upstream: Any) -> None:
    """Each has permits of its own: the one is full, and the other as fast as ever."""
    good, bad = new_upstream(), new_upstream()
    healthy, hanging = stacked("bulkhead: {permits: 10}"), stacked("bulkhead: {permits: 10}")
    healthy.upstream, hanging.upstream = good, bad
    good.always(good.after(0.01, 200))
    bad.always(bad.hang)

    calls = [one(one.call(deadline=2.0)) for one in (healthy, hanging) for _ in range(50)]
    ended = await asyncio.gather(*calls, return_exceptions=True)

    assert [getattr(one, "status", 0) for one in ended[:50]] == [200] * 50
    assert bad.attempts == 10


async def test_a_second_copy_is_balanced_to_another_host(stacked: Any, new_upstream: Any) -> None:
    """A host that is slow now is slow for a second copy too."""
    a, b = new_upstream(), new_upstream()
    users = stacked("hedge: {}", a=a, b=b)
    for host in (a, b):
        host.always(host.after(0.01, 200))
    for _ in range(FEWEST):
        await users(users.call(deadline=1e9))
    for host in (a, b):
        host.calls.clear()
        host.replies(host.after(0.5, 200))

    call = users.call(deadline=1e9)
    await users(call)

    assert (a.attempts, b.attempts) == (1, 1)
    assert len({span.own["server.address"] for span in attempts_of(call)}) == 2


async def test_a_copy_that_lost_is_no_error_in_the_trace(stacked: Any, upstream: Any) -> None:
    """It was not needed any more: its span ends when it is cancelled, and says of no failure."""
    users = stacked("hedge: {}, breaker: {consecutive: 1}, bulkhead: {}")
    await learn(users, upstream)
    upstream.replies(upstream.hang, 200)
    call = users.call(deadline=1e9)

    await users(call)

    lost, won = attempts_of(call)
    assert (lost.error, lost.end is not None, won.own[telemetry.HTTP_STATUS]) == (False, True, 200)
    assert call.span.own[telemetry.HEDGE] == "won"
    assert (await users(users.call(deadline=1e9))).status == 200


async def test_both_copies_are_one_attempt(stacked: Any, upstream: Any) -> None:
    """When both have failed it is tried again once, and not twice."""
    users = stacked("hedge: {}, retry: {attempts: 2, backoff: 1ms}")
    await learn(users, upstream)
    upstream.replies(upstream.after(0.05, Disconnected("broke")), upstream.after(0.05, 503), 200)

    reply = await users(users.call(deadline=1e9))

    assert (reply.status, upstream.attempts) == (200, 3)


async def test_a_second_copy_takes_a_permit_or_does_without(stacked: Any, upstream: Any) -> None:
    """In a full house it is turned away, and the first one goes on."""
    users = stacked("hedge: {}, bulkhead: {permits: 1, queue: 0}")
    await learn(users, upstream)
    upstream.replies(upstream.after(0.5, upstream.reply("first")))

    reply = await users(users.call(deadline=1e9))

    assert (reply.value, upstream.attempts) == ("first", 1)


async def test_a_hit_is_not_hedged_and_its_time_is_not_the_upstreams(stacked: Any, upstream: Any) -> None:
    """What is kept says nothing of how long replies take."""
    users = stacked("hedge: {}, cache: {ttl: 1h}")
    upstream.replies(upstream.reply("kept"), upstream.after(0.5, 200))
    for _ in range(FEWEST + 1):
        await users(users.call(deadline=1e9))

    await users(users.call(deadline=1e9, target="/other"))

    assert upstream.attempts == 2


@pytest.mark.parametrize("moment", [0.005, 0.1], ids=["first copy", "both"])
async def test_cancelling_gives_all_permits_back(stacked: Any, upstream: Any, moment: float) -> None:
    """Wherever a call is when its client leaves."""
    users = stacked(EVERYTHING.replace(", cache: {ttl: 30s}", ""))
    await learn(users, upstream)
    upstream.always(upstream.hang)
    tasks = [asyncio.create_task(users(users.call(deadline=1e9))) for _ in range(20)]
    await asyncio.sleep(moment)

    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)

    assert upstream.in_flight == 0
    upstream.always(200)
    ended = await asyncio.gather(*(users(users.call(deadline=1e9)) for _ in range(10)))
    assert [reply.status for reply in ended] == [200] * 10


async def test_the_budgets_are_the_upstreams(stacked: Any, upstream: Any) -> None:
    """What a step earns, borrows and loses is every step's that calls the upstream."""
    users = stacked("hedge: {extra: 5%}, retry: {budget: 10%}")
    users.shared.budget.lost = 3
    upstream.replies(503)

    with pytest.raises(StatusRefused):
        await users()

    assert upstream.attempts == 1
    assert users.shared.hedges.earned == 0.05

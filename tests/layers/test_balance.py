"""Balance: several hosts, and one of them for each attempt."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import pytest

from gateway.call import Call, Reply
from gateway.errors import Disconnected, StatusRefused, Unreachable
from gateway.layers.balance import Balance
from gateway.layers.retry import Retry
from gateway.policy import RetryPolicy
from gateway.states.hosts import HostsState, HostState

pytestmark = pytest.mark.looptime

A, B = "http://a.test:81", "http://b.test"


@pytest.fixture
def two(new_upstream: Callable[[], Any]) -> dict[str, Any]:
    """Two hosts, each played by the test."""
    played = {A: new_upstream(), B: new_upstream()}
    for url, host in played.items():
        host.always(host.reply(url))
    return played


def balanced(two: dict[str, Any], *chances: float) -> tuple[Any, tuple[HostState, ...]]:
    """A caller over both, and what is known of them."""
    hosts = (HostState(A), HostState(B))
    numbers = iter(chances or (0.0,) * 100)
    return Balance(HostsState(hosts), numbers.__next__).over(two), hosts


async def test_calls_go_to_the_host_with_less_to_do(two: Any, make_call: Callable[..., Call]) -> None:
    """While one works the others are asked."""
    caller, _ = balanced(two)
    two[A].always(two[A].after(1.0, two[A].reply()))

    await asyncio.gather(*(caller(make_call()) for _ in range(4)))

    assert (two[A].attempts, two[B].attempts) == (1, 3)


async def test_a_call_that_has_ended_is_in_flight_no_more(two: Any, make_call: Callable[..., Call]) -> None:
    """However it ended: well, badly, or cancelled."""
    caller, hosts = balanced(two)
    two[A].replies(two[A].reply(), Disconnected("broke"), two[A].hang)
    two[B].replies(two[B].hang)

    await caller(make_call())
    hosts[0].cost = hosts[1].cost = 0.001
    tasks = [asyncio.create_task(caller(make_call())) for _ in range(3)]
    await asyncio.sleep(0.1)
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)

    assert [host.in_flight for host in hosts] == [0, 0]


async def test_a_retry_goes_to_another_host(two: Any, make_call: Callable[..., Call]) -> None:
    """One host that is down costs an attempt, not the call."""
    caller, _ = balanced(two)
    two[A].always(503)
    retrying = Retry(RetryPolicy(attempts=2))(caller)

    reply = await retrying(make_call())

    assert isinstance(reply, Reply)
    assert (two[A].attempts, two[B].attempts) == (1, 1)


async def test_a_failure_is_the_hosts_that_failed(two: Any, make_call: Callable[..., Call]) -> None:
    """It passes through as it is."""
    caller, _ = balanced(two)
    two[A].replies(503)

    with pytest.raises(StatusRefused):
        await caller(make_call())


async def test_an_attempts_span_says_which_host_it_was(two: Any, make_call: Callable[..., Call]) -> None:
    """Its address and port, the scheme's own where none is written."""
    caller, _ = balanced(two, 0.0, 0.0, 0.9, 0.0)
    first, second = make_call(), make_call()

    await caller(first)
    await caller(second)

    assert [call.span.own["server.address"] for call in (first, second)] == ["a.test", "b.test"]
    assert [call.span.own["server.port"] for call in (first, second)] == [81, 80]


async def test_what_was_never_sent_says_nothing_of_how_fast_a_host_is(two: Any, make_call: Callable[..., Call]) -> None:
    """A refused connection takes no time and is no reason to come back."""
    caller, hosts = balanced(two)
    two[A].replies(Unreachable("refused"))

    with pytest.raises(Unreachable):
        await caller(make_call())

    assert hosts[0].seen is None


async def test_a_slow_failure_counts(two: Any, make_call: Callable[..., Call]) -> None:
    """A host that hangs is one that takes long."""
    caller, hosts = balanced(two)
    two[A].replies(two[A].after(2.0, Disconnected("broke")))

    with pytest.raises(Disconnected):
        await caller(make_call())

    assert hosts[0].cost == pytest.approx(2.0)

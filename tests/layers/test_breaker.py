"""Breaker: a host that fails is left alone, until one real call has gone well."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Iterable
from typing import Any

import pytest

from gateway.call import Call, Expectation
from gateway.errors import (
    AttemptTimeout,
    BadReply,
    BreakerOpen,
    BulkheadFull,
    CallError,
    CallTimeout,
    Disconnected,
    TooLarge,
    Unreachable,
    Unrendered,
)
from gateway.layers.breaker import Breaker
from gateway.passage import Flow
from gateway.policy import BreakerPolicy
from gateway.states.breaking import BreakerState

pytestmark = pytest.mark.looptime


def guarded(upstream: Any, **written: Any) -> tuple[Any, BreakerState]:
    """A breaker around the upstream that opens for just the time that is written, and its state."""
    state = BreakerState(BreakerPolicy(**written), lambda: 0.5)
    return Breaker("http://users.test", state)(upstream), state


async def fails(caller: Any, call: Call) -> CallError:
    """The error that a call ends with."""
    with pytest.raises(CallError) as caught:
        await caller(call)
    return caught.value


COUNTS = {
    "500": 500,
    "503": 503,
    "unreachable": Unreachable("refused"),
    "disconnected": Disconnected("broke"),
    "bad reply": BadReply("garbage"),
    "attempt timeout": AttemptTimeout("slow"),
    "call timeout": CallTimeout("over"),
}
DOES_NOT = {
    "404": 404,
    "429": 429,
    "302": 302,
    "too large": TooLarge("too large"),
    "rejected": BulkheadFull("full"),
    "unrendered": Unrendered("absent"),
}


@pytest.mark.parametrize("failure", COUNTS.values(), ids=COUNTS.keys())
async def test_what_speaks_against_a_host_opens_it(upstream: Any, make_call: Any, failure: Any) -> None:
    """A host that answers with an error, that breaks off, or that is not there or too slow."""
    caller, _ = guarded(upstream, consecutive=2)
    upstream.always(failure)

    await fails(caller, make_call())
    await fails(caller, make_call())
    error = await fails(caller, make_call())

    assert isinstance(error, BreakerOpen)
    assert (error.retry_after, upstream.attempts) == (1.0, 2)


@pytest.mark.parametrize("failure", DOES_NOT.values(), ids=DOES_NOT.keys())
async def test_what_says_nothing_of_a_host_does_not(upstream: Any, make_call: Any, failure: Any) -> None:
    """A client's mistake, too much that was asked for, and what was never sent."""
    caller, state = guarded(upstream, consecutive=2)
    upstream.always(failure)

    for _ in range(30):
        await fails(caller, make_call())

    assert state.condition == "closed"


async def test_a_status_that_the_step_accepts_counts_all_the_same(upstream: Any, make_call: Any) -> None:
    """What it means to the step does not make the host well."""
    caller, state = guarded(upstream, consecutive=2)
    upstream.always(500)

    for _ in range(2):
        await caller(make_call(expects=Expectation(accept=frozenset({500}))))

    assert state.condition == "open"


@pytest.mark.parametrize(("deadline", "condition"), [(0.49, "closed"), (0.5, "open")])
async def test_a_client_in_a_hurry_does_not_open_it(upstream: Any, make_call: Any, deadline: float, condition: str) -> None:
    """A deadline that passes speaks against a host only if the host had time."""
    caller, state = guarded(upstream, consecutive=2)
    upstream.always(CallTimeout("over"))

    for _ in range(2):
        await fails(caller, make_call(deadline=deadline))

    assert state.condition == condition


async def test_a_cancelled_call_says_nothing(upstream: Any, make_call: Any) -> None:
    """A client that leaves does not count, however many of them do."""
    caller, state = guarded(upstream, consecutive=2)
    upstream.always(upstream.hang)

    for _ in range(3):
        task = asyncio.create_task(caller(make_call()))
        await asyncio.sleep(1)
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)

    assert (state.condition, state.row) == ("closed", 0)


async def test_one_of_a_hundred_calls_is_the_probe(upstream: Any, make_call: Any, looptime: Any) -> None:
    """The others are turned away without a wait; when it has gone well all get through."""
    caller, _ = guarded(upstream, consecutive=1)
    upstream.replies(500, upstream.after(0.3, 200))
    upstream.always(200)
    await fails(caller, make_call())
    await asyncio.sleep(1)

    ended = await asyncio.gather(*(caller(make_call()) for _ in range(100)), return_exceptions=True)
    after = await asyncio.gather(*(caller(make_call()) for _ in range(100)))

    assert sum(isinstance(one, BreakerOpen) for one in ended) == 99
    assert len(after) == 100
    assert upstream.attempts == 102
    assert looptime == pytest.approx(1.3)


async def test_a_cancelled_probe_gives_its_place_back(upstream: Any, make_call: Any) -> None:
    """The next call is the probe."""
    caller, state = guarded(upstream, consecutive=1)
    upstream.replies(500, upstream.hang, 200)
    await fails(caller, make_call())
    await asyncio.sleep(1)

    probe = asyncio.create_task(caller(make_call()))
    await asyncio.sleep(0.1)
    probe.cancel()
    await asyncio.gather(probe, return_exceptions=True)
    await caller(make_call())

    assert (state.condition, upstream.attempts) == ("closed", 3)


@pytest.mark.parametrize(
    "error", [CallTimeout("over"), BulkheadFull("full"), KeyError("a bug")], ids=lambda one: type(one).__name__
)
async def test_a_probe_that_tells_nothing_gives_its_place_back(upstream: Any, make_call: Any, error: Exception) -> None:
    """Whatever it was: a deadline too near, a rejection below, a mistake in the code."""
    caller, state = guarded(upstream, consecutive=1)
    upstream.replies(500, error, 200)
    await fails(caller, make_call())
    await asyncio.sleep(1)

    with pytest.raises(type(error)):
        await caller(make_call(deadline=1.1))
    await caller(make_call())

    assert state.condition == "closed"


async def test_a_slow_call_is_as_long_as_it_took(upstream: Any, make_call: Any) -> None:
    """From the moment it was let in to its end."""
    caller, state = guarded(upstream, least=2, slow="1s")
    upstream.always(upstream.after(1.0, 200))

    for _ in range(2):
        await caller(make_call())

    assert state.condition == "open"


async def test_a_span_says_what_the_breaker_did(upstream: Any, make_call: Any) -> None:
    """That a call was turned away, or was the probe; of all others nothing."""
    caller, _ = guarded(upstream, consecutive=1)
    upstream.replies(500, 200)
    calls = [make_call() for _ in range(3)]

    await fails(caller, calls[0])
    await fails(caller, calls[1])
    await asyncio.sleep(1)
    await caller(calls[2])

    assert [call.span.own.get("gateway.breaker.state") for call in calls] == [None, "open", "probing"]


async def test_the_log_has_a_line_when_it_opens_and_when_it_closes(upstream: Any, make_call: Any, caplog: Any) -> None:
    """And none for the calls in between."""
    caller, _ = guarded(upstream, consecutive=2)
    upstream.replies(500, 500, 200, 200)
    caplog.set_level(logging.INFO, "gateway.breaker")

    for _ in range(4):
        await fails(caller, make_call())
    await asyncio.sleep(1)
    await caller(make_call())
    await caller(make_call())

    assert caplog.messages == [
        "the breaker of http://users.test is open, for 1.0 s",
        "the breaker of http://users.test is closed again",
    ]


class Passing:
    """A client's end of a passage, whose bodies are nobody's."""

    def __init__(self) -> None:
        self.flow = Flow(0, 60.0)

    async def body(self) -> AsyncIterator[bytes]:
        """Nothing."""
        yield b""

    async def begin(self, status: int, _headers: Iterable[tuple[bytes, bytes]]) -> None:
        """The head is there."""
        self.flow.status = status

    async def take(self, _part: bytes) -> None:
        """Nobody looks at it."""


async def pass_on(upstream: Any, status: int, seconds: float, call: Call) -> Any:
    """Answer a passage at once, with a body that takes its time."""
    assert call.passage
    await call.passage.begin(status, ())
    await asyncio.sleep(seconds)
    return upstream.reply(status=status)


@pytest.mark.parametrize(("status", "failed"), [(200, 0), (404, 0), (502, 1)])
async def test_what_goes_by_counts_by_its_status(upstream: Any, make_call: Any, status: int, failed: int) -> None:
    """Once, and not by how long the client takes for the body."""
    state = BreakerState(BreakerPolicy(slow="1s", least=2), lambda: 0.5)
    caller = Breaker("http://files.test", state)(lambda call: pass_on(upstream, status, 5.0, call))

    await caller(make_call(passage=Passing()))

    assert list(state.window.read(5.0)) == [1, failed, 0]


async def test_a_probe_that_goes_by_has_told_all_with_its_head(upstream: Any, make_call: Any) -> None:
    """Its body may last an hour, and nobody waits for that."""
    caller, state = guarded(upstream, consecutive=1)
    upstream.replies(500)
    await fails(caller, make_call())
    await asyncio.sleep(1)
    passing = Breaker("http://files.test", state)(lambda call: pass_on(upstream, 200, 3600.0, call))

    probe = asyncio.create_task(passing(make_call(passage=Passing(), deadline=9999.0)))
    await asyncio.sleep(0.1)
    condition = state.condition
    await probe

    assert condition == "closed"


async def test_what_goes_by_and_breaks_off_before_its_head_is_a_failure(upstream: Any, make_call: Any) -> None:
    """As with any other call."""
    caller, state = guarded(upstream, consecutive=1)
    upstream.replies(Disconnected("broke"))

    await fails(caller, make_call(passage=Passing()))

    assert state.condition == "open"

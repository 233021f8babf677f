"""Pause: an upstream that asks to be left alone is."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from gateway import telemetry
from gateway.call import Caller, Reply
from gateway.errors import Paused, StatusRefused
from gateway.layers.pause import Pause
from gateway.states.pause import PauseState

pytestmark = pytest.mark.looptime

HALF_PAST = 1445412480.0
"""Wed, 21 Oct 2015 07:28:00 GMT."""


def pausing(
    upstream: Any, *, longest: float = 30.0, chance: float = 0.0, now: float = 0.0, state: PauseState | None = None
) -> Caller:
    """The upstream with a pause around it, chance and wall clock in the test's hand."""
    return Pause(longest, state or PauseState(), lambda: chance, lambda: now)(upstream)


async def asked(caller: Caller, call: Any) -> None:
    """Call an upstream that asks to be left alone."""
    with pytest.raises(StatusRefused):
        await caller(call)


@pytest.mark.parametrize("status", [429, 503])
@pytest.mark.parametrize("after", ["2", "Wed, 21 Oct 2015 07:28:02 GMT"])
async def test_all_calls_wait_until_the_upstream_wants_them(upstream: Any, make_call: Any, status: int, after: str) -> None:
    """Whoever calls next waits, although it was another call that was told."""
    caller = pausing(upstream, now=HALF_PAST)
    upstream.replies(upstream.reply(status=status, retry_after=after), 200)
    await asked(caller, make_call())
    call = make_call()

    await caller(call)

    assert upstream.times == pytest.approx([0, 2])
    assert call.span.own[telemetry.PAUSE_DELAY] == pytest.approx(2)


async def test_who_has_no_time_to_wait_is_told_at_once(upstream: Any, make_call: Any, looptime: Any) -> None:
    """Nothing is sent, and the error says how long the pause lasts."""
    caller = pausing(upstream)
    upstream.replies(upstream.reply(status=503, retry_after="20"))
    await asked(caller, make_call())

    with pytest.raises(Paused) as raised:
        await caller(make_call(deadline=10.0))

    assert (raised.value.retry_after, upstream.attempts, looptime) == (20, 1, 0)


async def test_a_pause_has_an_end(upstream: Any, make_call: Any) -> None:
    """An upstream that asks for a day is asked again after `longest` seconds."""
    caller = pausing(upstream, longest=5.0)
    upstream.replies(upstream.reply(status=429, retry_after="9" * 400), 200)
    await asked(caller, make_call())

    await caller(make_call())

    assert upstream.times == pytest.approx([0, 5])


@pytest.mark.parametrize(
    ("status", "headers"),
    [
        pytest.param(503, {}, id="says nothing"),
        pytest.param(503, {"retry_after": "soon"}, id="cannot be read"),
        pytest.param(503, {"retry_after": "0"}, id="at once"),
        pytest.param(500, {"retry_after": "2"}, id="another status"),
        pytest.param(301, {"retry_after": "2"}, id="a redirect"),
    ],
)
async def test_other_refusals_are_no_pause(upstream: Any, make_call: Any, status: int, headers: Any) -> None:
    """Only what is certain to be meant so keeps everybody away."""
    caller = pausing(upstream)
    upstream.replies(upstream.reply(status=status, **headers), 200)
    await asked(caller, make_call())

    await caller(make_call())

    assert upstream.times == [0, 0]


async def test_one_host_among_several_speaks_for_itself(upstream: Any, make_call: Any) -> None:
    """Its 503 keeps nobody from the others; its 429 is about who calls, wherever."""
    caller = pausing(upstream)
    busy = {"tried": ["http://a.test"]}
    upstream.replies(upstream.reply(status=503, retry_after="2"), 200, upstream.reply(status=429, retry_after="2"), 200)

    await asked(caller, make_call(**busy))
    await caller(make_call(**busy))
    await asked(caller, make_call(**busy))
    await caller(make_call(**busy))

    assert upstream.times == pytest.approx([0, 0, 0, 2])


async def test_a_reply_that_is_handled_asks_all_the_same(make_call: Any) -> None:
    """A status that the step has a meaning for, or that goes by, comes as a reply and not as an error."""
    state = PauseState()

    async def upstream(_: Any) -> Reply:
        return Reply(429, (("retry-after", "2"),))

    await pausing(upstream, state=state)(make_call())

    assert state.left(0.0) == 2


async def test_a_later_word_can_only_make_it_longer(upstream: Any, make_call: Any) -> None:
    """Of several calls in flight the one that is told the longest wait counts."""
    caller = pausing(upstream)
    upstream.replies(*(upstream.after(0.1, upstream.reply(status=503, retry_after=after)) for after in ("3", "1")), 200)
    await asyncio.gather(*(asked(caller, make_call()) for _ in range(2)))

    await caller(make_call())

    assert upstream.times[-1] == pytest.approx(3.1)


async def test_those_who_waited_do_not_come_back_at_once(upstream: Any, make_call: Any) -> None:
    """They are spread over a tenth of what they have waited, and none waits past its deadline."""
    state = PauseState()
    state.ask(2.0, 0.0)
    upstream.always(200)

    await asyncio.gather(*(pausing(upstream, chance=chance, state=state)(make_call()) for chance in (0.0, 0.5, 1.0)))
    state.ask(2.0, 2.2)
    await pausing(upstream, chance=1.0, state=state)(make_call(deadline=4.3))

    assert upstream.times == pytest.approx([2.0, 2.1, 2.2, 4.3])


async def test_cancelling_a_wait_sends_nothing(upstream: Any, make_call: Any) -> None:
    """A client that leaves during the pause is forgotten."""
    state = PauseState()
    state.ask(2.0, 0.0)
    task = asyncio.create_task(pausing(upstream, state=state)(make_call()))

    await asyncio.sleep(1)
    task.cancel()
    await asyncio.sleep(5)

    assert task.cancelled()
    assert upstream.attempts == 0

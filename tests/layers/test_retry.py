"""Retry: what is sent again, when, and when no more."""

from __future__ import annotations

import asyncio
import gc
import time
import weakref
from collections.abc import Iterator
from contextlib import suppress
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway import telemetry
from gateway.call import Call, Caller, Reply
from gateway.errors import (
    AttemptTimeout,
    BadReply,
    CallError,
    CallTimeout,
    Disconnected,
    NeedFailed,
    StatusRefused,
    TooLarge,
    Unreachable,
    Unrendered,
)
from gateway.layers.retry import Retry
from gateway.policy import RetryPolicy
from gateway.states.budget import BudgetState

pytestmark = pytest.mark.looptime

HALF_PAST = 1445412480.0
"""Wed, 21 Oct 2015 07:28:00 GMT."""


def retrying(upstream: Any, *, chance: float = 1.0, now: float = 0.0, **policy: Any) -> Caller:
    """The upstream with retry around it, chance and wall clock in the test's hand."""
    return Retry(RetryPolicy(**policy), lambda: chance, lambda: now)(upstream)


async def test_retries_until_the_upstream_recovers(upstream: Any, make_call: Any) -> None:
    """A 503 is tried again; the first good reply wins."""
    upstream.replies(503, 503, 200)

    reply = await retrying(upstream, attempts=3)(make_call())

    assert reply.status == 200
    assert upstream.attempts == 3


async def test_a_good_reply_is_asked_for_once(upstream: Any, make_call: Any) -> None:
    """What went well is not repeated, and the call goes down as it came."""
    upstream.replies(200)
    call = make_call()

    await retrying(upstream, attempts=3)(call)

    assert upstream.calls == [call]
    assert telemetry.RETRY_DELAY not in call.span.attributes


async def test_exhausted_attempts_end_with_the_last_failure(upstream: Any, make_call: Any) -> None:
    """When all attempts are used up, the caller learns what happened last."""
    upstream.replies(503, Disconnected("broke"), 502)

    with pytest.raises(StatusRefused, match="502"):
        await retrying(upstream, attempts=3)(make_call())

    assert upstream.attempts == 3


async def test_one_attempt_is_no_retry(upstream: Any, make_call: Any) -> None:
    """`attempts` counts the first send."""
    upstream.replies(503)

    with pytest.raises(StatusRefused):
        await retrying(upstream, attempts=1)(make_call())

    assert upstream.attempts == 1


async def test_a_final_failure_ends_the_attempts(upstream: Any, make_call: Any) -> None:
    """Each failure is judged on its own: one that will not pass is not tried again, wherever it comes."""
    upstream.replies(503, TooLarge("too large"), 200)

    with pytest.raises(TooLarge):
        await retrying(upstream, attempts=3)(make_call())

    assert upstream.attempts == 2


PASSING = {
    "unreachable": Unreachable("refused"),
    "disconnected": Disconnected("broke"),
    "attempt timeout": AttemptTimeout("slow"),
    "bad reply": BadReply("garbage"),
    **{str(status): status for status in (408, 425, 429, 500, 502, 503, 504)},
}
FINAL = {
    "call timeout": CallTimeout("over"),
    "too large": TooLarge("too large"),
    "unrendered": Unrendered("absent"),
    "need failed": NeedFailed("user", Disconnected("broke")),
    **{str(status): status for status in (301, 400, 401, 404, 409, 422, 501)},
}


@pytest.mark.parametrize("method", ["GET", "PUT", "DELETE"])
@pytest.mark.parametrize("failure", PASSING.values(), ids=PASSING.keys())
async def test_what_may_pass_is_tried_again(upstream: Any, make_call: Any, method: str, failure: Any) -> None:
    """Failures that may pass are repeated when the method does the same twice."""
    upstream.replies(failure, 200)

    reply = await retrying(upstream)(make_call(method=method))

    assert (reply.status, upstream.attempts) == (200, 2)


@pytest.mark.parametrize("failure", FINAL.values(), ids=FINAL.keys())
async def test_what_will_not_pass_is_not_tried_again(upstream: Any, make_call: Any, failure: Any) -> None:
    """Failures that would be the same again are final."""
    upstream.replies(failure, 200)

    with pytest.raises(CallError):
        await retrying(upstream)(make_call())

    assert upstream.attempts == 1


@pytest.mark.parametrize("method", ["POST", "PATCH"])
@pytest.mark.parametrize(("name", "attempts"), [(name, 2 if name == "unreachable" else 1) for name in PASSING], ids=str)
async def test_a_write_is_repeated_only_when_it_was_not_sent(
    upstream: Any, make_call: Any, method: str, name: str, attempts: int
) -> None:
    """A POST that may have arrived is never sent twice; one that found no connection is."""
    upstream.replies(PASSING[name])
    upstream.always(TooLarge("too large"))

    with pytest.raises(CallError):
        await retrying(upstream)(make_call(method=method))

    assert upstream.attempts == attempts


async def test_a_bug_is_not_tried_again(upstream: Any, make_call: Any) -> None:
    """Only failed calls are retried: any other exception is a mistake in the code."""
    upstream.replies(KeyError("name"), 200)

    with pytest.raises(KeyError):
        await retrying(upstream)(make_call())

    assert upstream.attempts == 1


@pytest.mark.parametrize(
    ("chance", "times"),
    [
        pytest.param(1.0, [0, 0.1, 0.3, 0.65, 1.0], id="longest"),
        pytest.param(0.5, [0, 0.05, 0.15, 0.325, 0.5], id="middle"),
        pytest.param(0.0, [0, 0, 0, 0, 0], id="shortest"),
    ],
)
async def test_back_off_is_drawn_from_a_doubling_window(upstream: Any, make_call: Any, chance: float, times: list[float]) -> None:
    """The wait is a share of a window that doubles with each attempt and is capped: 100, 200, 350, 350 ms."""
    upstream.replies(503, 503, 503, 503, 200)

    await retrying(upstream, chance=chance, attempts=5, backoff="100ms", max_backoff="350ms")(make_call())

    assert upstream.times == pytest.approx(times)


async def test_attempts_are_numbered(upstream: Any, make_call: Any) -> None:
    """Each attempt says which one it is, and nothing else of the call changes."""
    upstream.replies(503, 503, 200)
    first = make_call()

    await retrying(upstream, attempts=3)(first)

    assert [call.attempt for call in upstream.calls] == [1, 2, 3]
    assert all(call.target == first.target and call.deadline == first.deadline for call in upstream.calls)


async def test_the_span_tells_how_long_was_waited(upstream: Any, make_call: Any) -> None:
    """The waits between all attempts, added up, stand in the step's span."""
    upstream.replies(503, 503, 200)
    call = make_call()

    await retrying(upstream, attempts=3, backoff="100ms")(call)

    assert call.span.attributes[telemetry.RETRY_DELAY] == pytest.approx(0.3)


@pytest.fixture
def far_from_greenwich(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """The machine's own time zone is not UTC."""
    monkeypatch.setenv("TZ", "NZST-12")
    time.tzset()
    yield
    monkeypatch.undo()
    time.tzset()


@pytest.mark.parametrize(
    ("asked", "waited"),
    [
        pytest.param("2", 2.0, id="seconds"),
        pytest.param("0", 0.0, id="at once"),
        pytest.param("Wed, 21 Oct 2015 07:28:00 GMT", 2.0, id="date"),
        pytest.param("Wednesday, 21-Oct-15 07:28:00 GMT", 2.0, id="date of RFC 850"),
        pytest.param("Wed Oct 21 07:28:00 2015", 2.0, id="date of asctime"),
        pytest.param("Wed, 21 Oct 2015 07:27:00 GMT", 0.0, id="date in the past"),
    ],
)
@pytest.mark.usefixtures("far_from_greenwich")
async def test_retry_after_is_obeyed(upstream: Any, make_call: Any, asked: str, waited: float) -> None:
    """The upstream knows best when to come back, in seconds or as any of HTTP's three dates, longer than the policy's waits or not."""
    upstream.replies(upstream.reply(status=503, retry_after=asked), 200)
    call = make_call()

    await retrying(upstream, chance=0.5, now=HALF_PAST - 2)(call)

    assert upstream.times == pytest.approx([0, waited])
    assert call.span.attributes[telemetry.RETRY_DELAY] == pytest.approx(waited)


@pytest.mark.parametrize("asked", ["10", "86400", "9" * 400, "Wed, 21 Oct 2015 07:28:10 GMT", "Fri, 31 Dec 9999 23:59:59 GMT"])
async def test_a_wait_beyond_the_deadline_is_not_begun(upstream: Any, make_call: Any, looptime: Any, asked: str) -> None:
    """An upstream that asks for more time than there is gets no second attempt, and the client its answer at once."""
    upstream.replies(upstream.reply(status=503, retry_after=asked))

    with pytest.raises(StatusRefused):
        await retrying(upstream, now=HALF_PAST)(make_call(deadline=10.0))

    assert looptime == 0


@pytest.mark.parametrize(
    "asked",
    ["", " ", "soon", "-1", "1.5", "1,2", "²", "1e3", "Wed, 99 Foo 2015", f"Wed, 21 Oct {'9' * 30} 07:28:00 GMT"],
)
async def test_an_unreadable_retry_after_forbids_the_retry(upstream: Any, make_call: Any, looptime: Any, asked: str) -> None:
    """Whoever asks for a wait that cannot be read wants to be left alone."""
    upstream.replies(upstream.reply(status=503, retry_after=asked))

    with pytest.raises(StatusRefused):
        await retrying(upstream)(make_call())

    assert (upstream.attempts, looptime) == (1, 0)


_PARTS = ("Wed,", "21", "Oct", "2015", "07:28:00", "GMT", "-0000", "+9999999999", "99999999999", "0100", ",", ":", "-")
_DATES = st.lists(st.sampled_from(_PARTS)).map(" ".join)


@settings(deadline=None)
@given(asked=st.one_of(st.text(), _DATES))
async def test_no_retry_after_breaks_the_call(new_upstream: Any, make_call: Any, asked: str) -> None:
    """Whatever an upstream writes there, the call ends with a reply or with the refusal."""
    upstream, now = new_upstream(), asyncio.get_running_loop().time()
    upstream.replies(upstream.reply(status=503, retry_after=asked), 200)

    (ended,) = await asyncio.gather(retrying(upstream)(make_call(deadline=now + 1)), return_exceptions=True)

    assert upstream.attempts == 1 if isinstance(ended, StatusRefused) else ended.status == 200


@pytest.mark.parametrize(
    ("deadline", "times"),
    [
        pytest.param(0.25, [0, 0.1], id="within the next wait"),
        pytest.param(0.3, [0, 0.1], id="at the end of the next wait"),
        pytest.param(0.31, [0, 0.1, 0.3], id="after it"),
    ],
)
async def test_the_deadline_leaves_no_time_for_another(
    upstream: Any, make_call: Any, looptime: Any, deadline: float, times: list[float]
) -> None:
    """An attempt that could only begin after the deadline is not waited for: the last failure is the answer, at once."""
    upstream.always(503)

    with pytest.raises(StatusRefused):
        await retrying(upstream, attempts=5, backoff="100ms")(make_call(deadline=deadline))

    assert upstream.times == pytest.approx(times)
    assert looptime == pytest.approx(times[-1])


@pytest.mark.parametrize("failures", [0, 1], ids=["first attempt", "second attempt"])
async def test_cancelling_during_an_attempt_ends_it(upstream: Any, make_call: Any, failures: int) -> None:
    """A cancelled attempt is cancelled below too, and no other one follows."""
    upstream.replies(*[503] * failures, upstream.hang)
    task = asyncio.create_task(retrying(upstream, attempts=5, backoff="100ms")(make_call()))

    await asyncio.sleep(0.5)
    task.cancel()
    await asyncio.sleep(5)

    assert task.cancelled()
    assert (upstream.attempts, upstream.cancelled, upstream.in_flight) == (failures + 1, 1, 0)


async def test_cancelling_during_a_wait_ends_it(upstream: Any, make_call: Any, looptime: Any) -> None:
    """Whoever leaves while retry waits has left: nothing is sent afterwards."""
    upstream.replies(503)
    task = asyncio.create_task(retrying(upstream, backoff="100ms")(make_call()))

    await asyncio.sleep(0.05)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task

    assert looptime == pytest.approx(0.05)
    await asyncio.sleep(5)
    assert upstream.attempts == 1


async def test_calls_at_once_count_their_own_attempts(upstream: Any, make_call: Any) -> None:
    """One retry serves many calls at once, and none of them takes another's attempts for its own."""
    upstream.always(lambda call: upstream.after(0.01, 200 if call.attempt > int(call.target[1:]) else 503))
    ample = BudgetState(balance=100.0, settled=0.0)
    retry = Retry(RetryPolicy(attempts=4, backoff="10ms"), budget=ample)(upstream)

    replies = await asyncio.gather(*(retry(make_call(target=f"/{failures}")) for failures in [0, 1, 2, 3] * 5))

    assert [reply.status for reply in replies] == [200] * 20
    for failures in range(4):
        numbers = [call.attempt for call in upstream.calls if call.target == f"/{failures}"]
        assert sorted(numbers) == sorted([*range(1, failures + 2)] * 5)


async def test_a_post_with_a_key_is_tried_again(upstream: Any, make_call: Any) -> None:
    """The upstream can tell that it is the same."""
    upstream.replies(Disconnected("broke"), 200)

    reply = await retrying(upstream)(make_call(method="POST", headers=(("idempotency-key", "k-1"),)))

    assert (reply.status, upstream.attempts) == (200, 2)


async def test_another_host_is_not_waited_for(upstream: Any, make_call: Any) -> None:
    """A host among several that asks for time asks for itself: the next attempt goes to another one, after the usual wait."""
    upstream.replies(upstream.reply(status=503, retry_after="60"), 200)

    await retrying(upstream, backoff="100ms")(make_call(tried=["http://a.test"]))

    assert upstream.times == pytest.approx([0, 0.1])


async def storm(upstream: Any, make_call: Any, *, rate: int, seconds: int, **policy: Any) -> int:
    """Calls that come evenly, whatever becomes of them; how many failed."""
    retry, loop = Retry(RetryPolicy(**policy)), asyncio.get_running_loop()
    caller, tasks = retry(upstream), []
    for number in range(rate * seconds):
        await asyncio.sleep(number / rate - loop.time())
        tasks.append(asyncio.create_task(caller(make_call(deadline=loop.time() + 2))))
    ended = await asyncio.gather(*tasks, return_exceptions=True)
    return sum(isinstance(one, CallError) for one in ended)


@pytest.mark.parametrize("latency", [0.0, 0.1])
async def test_a_storm_is_no_more_than_a_tenth_worse(upstream: Any, make_call: Any, latency: float) -> None:
    """A minute in which everything fails: three attempts each would be three times the load, and it is 1.1 times."""
    upstream.always(upstream.after(latency, 503))

    failed = await storm(upstream, make_call, rate=50, seconds=60, attempts=3)

    assert failed == 3000
    assert 1.05 < upstream.attempts / 3000 <= 1.12


async def test_what_went_well_before_a_storm_does_not_make_it_worse(upstream: Any, make_call: Any) -> None:
    """What a good minute has earned is as good as gone, but for its last seconds."""
    upstream.always(lambda _: 200 if asyncio.get_running_loop().time() < 40 else 503)

    await storm(upstream, make_call, rate=50, seconds=60, attempts=3)

    storming = sum(when >= 40 for when in upstream.times)
    assert 1.1 < storming / 1000 <= 1.2


async def test_every_second_failure_is_made_good_while_calls_are_few(upstream: Any, make_call: Any) -> None:
    """Loans are paid back by what goes well: an upstream with a fault now and then is retried as if there were no budget."""
    upstream.always(lambda _: 503 if upstream.attempts % 2 else 200)

    failed = await storm(upstream, make_call, rate=5, seconds=20)

    assert failed == 0


async def test_who_is_over_budget_is_told_at_once(upstream: Any, make_call: Any, looptime: Any) -> None:
    """There is no wait for an attempt that is not made, and the step's span says why there is none."""
    budget = BudgetState(lost=3)
    upstream.replies(503)
    call = make_call()

    with pytest.raises(StatusRefused):
        await Retry(RetryPolicy(), budget=budget)(upstream)(call)

    assert (upstream.attempts, looptime) == (1, 0)
    assert call.span.own == {telemetry.RETRY_OVER_BUDGET: True}


async def test_cancelling_a_back_off_gives_its_loan_back(upstream: Any, make_call: Any) -> None:
    """Nobody knows what the attempt would have come to."""
    budget = BudgetState()
    upstream.replies(upstream.reply(status=503, retry_after="2"))
    task = asyncio.create_task(Retry(RetryPolicy(), budget=budget)(upstream)(make_call()))
    await asyncio.sleep(1)
    lent = budget.lent

    task.cancel()
    await asyncio.sleep(0)

    assert (lent, budget.lent, budget.lost) == (1, 0, 0)


async def test_a_call_that_goes_well_pays_a_loan_back(upstream: Any, make_call: Any) -> None:
    """Whoever lost it: the upstream is worth asking again."""
    budget = BudgetState(lost=3)
    upstream.replies(200)

    await Retry(RetryPolicy(), budget=budget)(upstream)(make_call())

    assert budget.lost == 2


@pytest.mark.parametrize("attempts", [1, 2, 3])
async def test_what_attempts_came_to_is_freed_with_the_call(make_call: Any, attempts: int) -> None:
    """An error can have a reply of megabytes with it, and whoever serves looks for garbage rarely."""
    made: list[weakref.ref[Disconnected]] = []

    async def upstream(call: Call) -> Reply:
        error = Disconnected("broken")
        made.append(weakref.ref(error))
        try:
            raise error
        finally:
            del error

    gc.disable()
    try:
        with suppress(Disconnected):
            await Retry(RetryPolicy(attempts=attempts))(upstream)(make_call())
        left = [one() for one in made]
    finally:
        gc.enable()

    assert left == [None] * attempts

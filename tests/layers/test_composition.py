"""The stacks: which layers stand in them, and what becomes of the rules of one when the others stand around it."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from gateway import telemetry
from gateway.call import Call
from gateway.errors import AttemptTimeout, BreakerOpen, CallTimeout, Disconnected, Paused, StatusRefused, Unreachable

pytestmark = pytest.mark.looptime

SHARED = "budget=0.1, pause=30.0"
"""What is the upstream's of a retry, as it is unless written."""


@pytest.mark.parametrize(
    ("policies", "own", "printed"),
    [
        pytest.param("", "", "", id="nothing written"),
        pytest.param("timeout: 500ms", "", "", id="timeout"),
        pytest.param(
            "retry: {}",
            "",
            f"Retry(policy=RetryPolicy(attempts=2, backoff=0.025, max_backoff=0.25, {SHARED})) → Pause(longest=30.0)",
            id="retry",
        ),
        pytest.param("retry: {attempts: 1}", "", "Pause(longest=30.0)", id="one attempt is no retry"),
        pytest.param("retry: {attempts: 1, pause: false}", "", "", id="nor is it a pause"),
        pytest.param("cache: {ttl: 30s}", "", "Cache(policy=CachePolicy(ttl=30.0)) → Coalesce() → Keep()", id="cache"),
        pytest.param(
            "cache: {ttl: 30s}, retry: {attempts: 3, backoff: 50ms}, timeout: 1s",
            "",
            "Cache(policy=CachePolicy(ttl=30.0)) → Coalesce() → Keep() → Retry(policy=RetryPolicy(attempts=3, backoff=0.05, max_backoff=0.25, "
            f"{SHARED})) → Pause(longest=30.0)",
            id="everything",
        ),
        pytest.param(
            "cache: {ttl: 30s}, retry: {attempts: 3}",
            "cache: {ttl: 1m}, retry: {max_backoff: 1s}",
            "Cache(policy=CachePolicy(ttl=60.0)) → Coalesce() → Keep() → Retry(policy=RetryPolicy(attempts=3, backoff=0.025, max_backoff=1.0, "
            f"{SHARED})) → Pause(longest=30.0)",
            id="overridden by the step",
        ),
        pytest.param("cache: {ttl: 30s}, retry: {}", "cache: false, retry: false", "", id="turned off by the step"),
        pytest.param("coalesce: true", "", "Coalesce()", id="coalesce without a cache"),
        pytest.param("coalesce: true", "coalesce: false", "", id="coalesce turned off by the step"),
        pytest.param("cache: {ttl: 30s}, coalesce: false", "", "Cache(policy=CachePolicy(ttl=30.0)) → Keep()", id="cache alone"),
    ],
)
def test_the_stacks_print_themselves(stacked: Any, policies: str, own: str, printed: str) -> None:
    """A layer that is not configured is not in the stack; those that are stand in one order. The upstream's stack is the same for all."""
    step, upstream, host = stacked(policies, own).stacks

    assert str(step) == printed
    assert (str(upstream), str(host)) == ("Trace()", "Timeout()")


def attempts_of(call: Call) -> list[telemetry.Span]:
    """The spans of a call's attempts."""
    return call.span.trace.spans[1:]


async def test_a_cache_hit_is_served_while_the_upstream_is_down(stacked: Any, upstream: Any) -> None:
    """A hit needs nobody: neither an upstream nor an attempt, a span or time that is left."""
    users = stacked("cache: {ttl: 30s}, retry: {}")
    upstream.replies(upstream.reply("Ada"))
    upstream.always(Unreachable("down"))
    await users()
    late = users.call(deadline=0.0)

    reply = await users(late)

    assert (reply.value, reply.cache, upstream.attempts) == ("Ada", "hit", 1)
    assert attempts_of(late) == []


async def test_a_miss_is_retried_and_kept_once(stacked: Any, upstream: Any) -> None:
    """The cache sees the end of a call, not its attempts."""
    users = stacked("cache: {ttl: 30s}, retry: {attempts: 3}")
    upstream.replies(503, 503, 200)

    replies = [await users(), await users()]

    assert [reply.cache for reply in replies] == ["miss", "hit"]
    assert upstream.attempts == 3


async def test_a_back_off_ends_with_the_deadline(stacked: Any, upstream: Any, looptime: Any) -> None:
    """A wait that would end after the deadline is not begun: the failure is the answer, at once."""
    users = stacked("retry: {attempts: 3}")
    upstream.replies(upstream.reply(status=503, retry_after="1"), upstream.reply(status=503, retry_after="1"))

    with pytest.raises(StatusRefused):
        await users(users.call(deadline=1.5))

    assert upstream.times == [0, 1]
    assert looptime == 1


async def test_the_deadline_ends_a_retry(stacked: Any, upstream: Any, looptime: Any) -> None:
    """The deadline covers attempts and the waits between them, wherever it strikes."""
    users = stacked("retry: {attempts: 3}")
    upstream.replies(upstream.reply(status=503, retry_after="1"), upstream.hang)

    with pytest.raises(CallTimeout):
        await users(users.call(deadline=1.5))

    assert looptime == 1.5
    assert (upstream.attempts, upstream.cancelled, upstream.in_flight) == (2, 1, 0)


async def test_an_attempt_timeout_is_retried(stacked: Any, upstream: Any) -> None:
    """An attempt that took too long says nothing about the next one."""
    users = stacked("timeout: 500ms, retry: {attempts: 2, backoff: 1ms}")
    upstream.replies(upstream.hang, 200)

    reply = await users()

    assert reply.status == 200
    assert upstream.times == pytest.approx([0, 0.5], abs=0.01)
    assert upstream.cancelled == 1


async def test_the_deadline_is_not_retried(stacked: Any, upstream: Any, looptime: Any) -> None:
    """When the time of the whole call is up there is none for another attempt."""
    users = stacked("timeout: 500ms, retry: {attempts: 3}")
    upstream.replies(upstream.hang)

    with pytest.raises(CallTimeout):
        await users(users.call(deadline=0.3))

    assert (upstream.attempts, looptime) == (1, pytest.approx(0.3))


async def test_the_last_attempt_has_only_the_time_that_is_left(stacked: Any, upstream: Any, looptime: Any) -> None:
    """Attempts of 500 ms within 800: the second one is ended by the deadline, and by its name."""
    users = stacked("timeout: 500ms, retry: {attempts: 3, backoff: 1ms}")
    upstream.replies(upstream.hang, upstream.hang)

    with pytest.raises(CallTimeout):
        await users(users.call(deadline=0.8))

    assert looptime == pytest.approx(0.8)
    assert [call.deadline for call in upstream.calls] == pytest.approx([0.5, 0.8])


async def test_each_attempt_has_its_own_span(stacked: Any, upstream: Any) -> None:
    """All attempts stand below the step's span, which tells of none of their failures; from the second on they are counted."""
    users = stacked("retry: {attempts: 3}")
    upstream.replies(503, Disconnected("broke"), 200)
    call = users.call()

    await users(call)

    spans = attempts_of(call)
    assert [span.parent for span in spans] == [call.span.id] * 3
    assert [span.attributes.get(telemetry.HTTP_RESEND_COUNT) for span in spans] == [None, 1, 2]
    assert [span.attributes.get(telemetry.ERROR_TYPE) for span in spans] == ["503", "gateway.errors.Disconnected", None]
    assert [sent.span for sent in upstream.calls] == spans
    assert not call.span.error


async def test_an_attempt_timeout_is_that_attempts_failure(stacked: Any, upstream: Any) -> None:
    """The span of the attempt that took too long says so; the next one's does not."""
    users = stacked("timeout: 500ms, retry: {attempts: 2}")
    upstream.replies(upstream.hang, 200)
    call = users.call()

    await users(call)

    slow, good = attempts_of(call)
    assert (slow.error, slow.attributes[telemetry.ERROR_TYPE]) == (True, "gateway.errors.AttemptTimeout")
    assert (good.error, good.attributes[telemetry.HTTP_STATUS]) == (False, 200)


async def test_the_deadline_is_no_attempts_failure(stacked: Any, upstream: Any) -> None:
    """An attempt cut off by the deadline was cancelled on purpose: nothing says that its upstream failed."""
    users = stacked("timeout: 5s")
    upstream.replies(upstream.hang)
    call = users.call(deadline=0.3)

    with pytest.raises(CallTimeout):
        await users(call)

    (span,) = attempts_of(call)
    assert not span.error
    assert span.end is not None


async def test_nothing_is_kept_when_the_deadline_passes(stacked: Any, upstream: Any) -> None:
    """A reply that is still being read when time is up is no reply: the next call asks again."""
    users = stacked("cache: {ttl: 30s}")
    upstream.replies(upstream.after(0.5, 200), 200)

    with pytest.raises(CallTimeout):
        await users(users.call(deadline=0.4))

    assert users.store.used == 0
    assert (await users()).cache == "miss"


@pytest.mark.parametrize(
    ("answers", "moment"),
    [
        pytest.param(["hang"], 0.1, id="first attempt"),
        pytest.param(["wait"], 0.1, id="back-off"),
        pytest.param(["wait", "hang"], 1.1, id="second attempt"),
    ],
)
async def test_cancelling_ends_everything(stacked: Any, upstream: Any, looptime: Any, answers: list[str], moment: float) -> None:
    """Wherever a call is when its client leaves: it is over at once, and nothing is sent or kept afterwards."""
    users = stacked("cache: {ttl: 30s}, retry: {attempts: 3}, timeout: 5s")
    script = {"hang": upstream.hang, "wait": upstream.reply(status=503, retry_after="1")}
    upstream.replies(*(script[answer] for answer in answers))
    task = asyncio.create_task(users())

    await asyncio.sleep(moment)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task

    assert looptime == pytest.approx(moment)
    await asyncio.sleep(10)
    assert (upstream.attempts, upstream.in_flight, users.store.used) == (len(answers), 0, 0)


async def test_exhausted_attempts_end_with_their_own_name(stacked: Any, upstream: Any, looptime: Any) -> None:
    """When every attempt took too long and time is left, the upstream was too slow, not the client's patience too short."""
    users = stacked("timeout: 100ms, retry: {attempts: 2, backoff: 1ms}")
    upstream.replies(upstream.hang, upstream.hang)

    with pytest.raises(AttemptTimeout):
        await users()

    assert float(looptime) == pytest.approx(0.2, abs=0.01)


async def test_a_pause_is_everybodys_and_takes_no_attempt(stacked: Any, upstream: Any) -> None:
    """A step that comes while its upstream wants to be left alone is told so before anything is sent, and that is final."""
    users = stacked("retry: {attempts: 3}")
    upstream.replies(upstream.reply(status=429, retry_after="20"))
    with pytest.raises(StatusRefused):
        await users()
    call = users.call()

    with pytest.raises(Paused):
        await users(call)

    assert (upstream.attempts, attempts_of(call)) == (1, [])


async def test_the_attempt_after_a_pause_is_the_callers_own(stacked: Any, upstream: Any) -> None:
    """Who was told when to come back comes then, and is not kept waiting once more."""
    users = stacked("retry: {}")
    upstream.replies(upstream.reply(status=503, retry_after="2"), 200)

    await users()

    assert upstream.times == pytest.approx([0, 2])


# -- the cache and what stands below it --------------------------------------------------------------------------------

OLD = {"cache_control": "max-age=0", "etag": '"1"'}
"""What a reply says that is stale at once, and may be asked about."""


async def test_a_hit_is_served_while_the_breaker_is_open(stacked: Any, upstream: Any) -> None:
    """Nobody asks the breaker for what need not be asked for."""
    users = stacked("cache: {ttl: 30s}, breaker: {consecutive: 1}")
    upstream.replies(upstream.reply("Ada"), Unreachable("down"))
    await users()
    with pytest.raises(Unreachable):
        await users(users.call(target="/users/43"))

    hit = await users()
    with pytest.raises(BreakerOpen):
        await users(users.call(target="/users/43"))

    assert (hit.cache, upstream.attempts) == ("hit", 2)


async def test_what_is_stale_is_served_while_the_breaker_is_open(stacked: Any, upstream: Any) -> None:
    """An open breaker is a failure like any other: what is kept is better."""
    users = stacked("cache: {stale_if_error: 1h}, breaker: {consecutive: 1}")
    upstream.replies(upstream.reply("Ada", **OLD), Unreachable("down"))
    await users()

    replies = [await users(), await users()]

    assert [(reply.value, reply.cache) for reply in replies] == [("Ada", "stale")] * 2
    assert upstream.attempts == 2


async def test_what_is_stale_is_served_when_all_attempts_have_failed(stacked: Any, upstream: Any) -> None:
    """The upstream is asked as often as for anything else first."""
    users = stacked("cache: {stale_if_error: 1h}, retry: {attempts: 3}")
    upstream.replies(upstream.reply("Ada", **OLD), 503, 503, 503)
    await users()

    reply = await users()

    assert (reply.cache, upstream.attempts) == ("stale", 4)


async def test_what_is_stale_is_served_at_the_deadline(stacked: Any, upstream: Any, looptime: Any) -> None:
    """An upstream that does not answer in time has failed; there is still something to answer with."""
    users = stacked("cache: {stale_if_error: 1h}")
    upstream.replies(upstream.reply("Ada", **OLD), upstream.hang)
    await users()

    reply = await users(users.call(deadline=0.5))

    assert (reply.cache, upstream.in_flight, float(looptime)) == ("stale", 0, pytest.approx(0.5, abs=0.02))


async def test_a_304_is_a_good_attempt(stacked: Any, upstream: Any) -> None:
    """Each attempt carries the validators, and the span of the one that was told that nothing has changed has not failed."""
    users = stacked("cache: {}, retry: {attempts: 2}")
    upstream.replies(upstream.reply("Ada", **OLD), 503, upstream.reply(status=304))
    await users()
    call = users.call()

    reply = await users(call)

    assert (reply.value, reply.cache) == ("Ada", "revalidated")
    assert [dict(sent.headers) for sent in upstream.calls[1:]] == [{"if-none-match": '"1"'}] * 2
    assert [span.error for span in attempts_of(call)] == [True, False]


async def test_a_refresh_goes_on_without_its_request(stacked: Any, upstream: Any) -> None:
    """It has the endpoint's own time, and attempts of its own; the request it began with is long over."""
    users = stacked("cache: {stale_while_revalidate: 1h}, retry: {attempts: 2}")
    upstream.replies(upstream.reply("old", **OLD), 503, upstream.after(1.0, upstream.reply("new")))
    await users()

    reply = await users(users.call(deadline=0.1))
    await users.behind.ended()

    assert (reply.value, upstream.attempts) == ("old", 3)
    assert (await users()).value == "new"


@pytest.mark.parametrize(("forwarded", "value"), [("[Cache-Control]", "new"), ("[]", "old")])
async def test_a_client_says_what_it_takes_where_the_config_lets_it(
    stacked: Any, upstream: Any, forwarded: str, value: str
) -> None:
    """Where its `Cache-Control` is forwarded, and nowhere else."""
    users = stacked(f"cache: {{ttl: 30s, vary_on: []}}, forward: {{headers: {forwarded}}}")
    upstream.replies(upstream.reply("old"), upstream.reply("new"))
    await users()

    reply = await users(users.call(headers=(("cache-control", "no-cache"),)))

    assert reply.value == value


@pytest.mark.parametrize("scope", ["upstream:users", "endpoint:GET /{id}", "tag:people"])
async def test_what_a_step_keeps_is_purged_by_what_the_config_calls_it(stacked: Any, upstream: Any, scope: str) -> None:
    """Its upstream, its endpoint, and the tags of its upstream."""
    users = stacked("cache: {ttl: 30s, tags: [people]}")
    upstream.always(200)
    await users()

    users.purges.purge(scope, float("inf"))

    assert (await users()).cache == "miss"


async def test_who_joins_a_call_knows_as_what_its_reply_is_kept(stacked: Any, upstream: Any) -> None:
    """Its times are those of all who share it."""
    users = stacked("cache: {ttl: 30s}")
    upstream.replies(upstream.after(0.1, 200))

    one, other = await asyncio.gather(users(), users())

    assert {one.cache, other.cache} == {"miss", "collapsed"}
    assert one.entry is other.entry is not None

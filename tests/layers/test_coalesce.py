"""Coalesce: what is asked for many times at once is asked for once."""

from __future__ import annotations

import asyncio
import traceback
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway import telemetry
from gateway.caching import Place
from gateway.call import Call, Caller, Expectation
from gateway.errors import BadReply, CallTimeout, Disconnected, StatusRefused
from gateway.formats import Format
from gateway.formats.decode import Undecodable
from gateway.layers.coalesce import Coalesce
from gateway.telemetry import Link

pytestmark = pytest.mark.looptime

MANY = 1000


def _fail(_body: bytes, _headers: object) -> None:
    raise Undecodable("not what it should be")


NEVER = Format("json", "*/*", _fail)
"""Nothing is read so."""


def now() -> float:
    return asyncio.get_running_loop().time()


async def all_at_once(caller: Caller, *calls: Call) -> list[Any]:
    """What each of the calls comes to."""
    return await asyncio.gather(*map(caller, calls), return_exceptions=True)


@pytest.fixture
def layer() -> Coalesce:
    return Coalesce()


@pytest.fixture
def caller(layer: Coalesce, upstream: Any) -> Caller:
    """The upstream with the layer around it."""
    return layer(upstream)


async def test_many_at_once_are_one_call(caller: Caller, layer: Coalesce, upstream: Any, make_call: Any) -> None:
    """All get its reply, and each a value of his own, so that what one makes of it is not seen by the others."""
    upstream.replies(upstream.after(0.1, upstream.reply({"name": "Ada"})))

    replies = await all_at_once(caller, *(make_call() for _ in range(MANY)))

    assert upstream.attempts == 1
    assert [reply.value for reply in replies] == [{"name": "Ada"}] * MANY
    assert len({id(reply.value) for reply in replies}) == MANY
    assert [reply.cache for reply in replies] == [None] + ["collapsed"] * (MANY - 1)
    assert len(layer.flights) == 0


async def test_who_joins_says_so(caller: Caller, upstream: Any, make_call: Any) -> None:
    """The span of his step has a link to the step that asks; the one that asks has nothing to say."""
    upstream.replies(upstream.after(0.1, 200))
    first, second = make_call(), make_call()

    await all_at_once(caller, first, second)

    assert (first.span.own, first.span.links) == ({}, ())
    assert second.span.own == {telemetry.CACHE_STATUS: "collapsed"}
    assert second.span.links == (Link(first.span.trace.id, first.span.id, first.span.trace.sampled),)


async def test_one_after_the_other_are_two_calls(caller: Caller, upstream: Any, make_call: Any) -> None:
    """Nothing is kept."""
    upstream.replies(upstream.reply(1), upstream.reply(2))

    replies = [await caller(make_call()), await caller(make_call())]

    assert [(reply.value, reply.cache) for reply in replies] == [(1, None), (2, None)]


@pytest.mark.parametrize(
    "other",
    [
        {"target": "/users/43"},
        {"target": "/users/42?"},
        {"headers": (("authorization", "Bearer bob"),)},
        {"headers": (("authorization", "Bearer alice"), ("accept-language", "de"))},
        {"headers": (("authorization", "Bearer alice"),) * 2},
        {"body": b"{}"},
        {"method": "HEAD"},
        {"place": Place("another")},
    ],
    ids=str,
)
async def test_what_can_be_told_apart_is_not_shared(caller: Caller, upstream: Any, make_call: Any, other: dict[str, Any]) -> None:
    """Alice and Bob never get each other's reply; and what is to be kept elsewhere is fetched for there."""
    alices = {"headers": (("authorization", "Bearer alice"),), "place": Place("alices")}
    upstream.always(upstream.after(0.1, 200))

    await all_at_once(caller, make_call(**alices), make_call(**{**alices, **other}), make_call(**alices))

    assert upstream.attempts == 2


async def test_a_failure_is_everybodys(caller: Caller, layer: Coalesce, upstream: Any, make_call: Any) -> None:
    """A thousand do not ask again one after the other. Each has an exception of his own, with all that is in it."""
    upstream.replies(upstream.after(0.1, upstream.reply({"why": "down"}, status=503)))

    errors = await all_at_once(caller, *(make_call() for _ in range(MANY)))

    assert upstream.attempts == 1
    assert {(type(error), str(error), error.reply.status) for error in errors} == {(StatusRefused, "status 503", 503)}
    assert len({id(error) for error in errors}) == MANY
    assert max(len(traceback.extract_tb(error.__traceback__)) for error in errors) < 6
    assert len(layer.flights) == 0


async def test_a_bug_is_everybodys_too(caller: Caller, upstream: Any, make_call: Any) -> None:
    """Nobody waits for ever for what was never to come, and where it was is told."""
    upstream.replies(upstream.after(0.1, KeyError("name")))

    errors = await all_at_once(caller, make_call(), make_call())

    assert [(type(error), error.args) for error in errors] == [(KeyError, ("name",))] * 2
    assert all("_answer" in "".join(traceback.format_exception(error)) for error in errors)


async def test_a_reply_is_read_as_each_wants_it(caller: Caller, upstream: Any, make_call: Any) -> None:
    """What does not decode for one who joined is his failure alone."""
    upstream.replies(upstream.after(0.1, upstream.reply("x")))
    fails = Expectation(format=NEVER)

    good, bad = await all_at_once(caller, make_call(), make_call(expects=fails))

    assert good.value == "x"
    assert isinstance(bad, BadReply)


async def test_the_leader_may_leave(caller: Caller, layer: Coalesce, upstream: Any, make_call: Any) -> None:
    """The call goes on as long as anybody waits for it."""
    upstream.replies(upstream.after(1.0, upstream.reply("Ada")))
    leader, *others = [asyncio.create_task(caller(make_call())) for _ in range(MANY)]
    await asyncio.sleep(0.5)

    leader.cancel()
    replies = await asyncio.gather(*others)

    assert leader.cancelled()
    assert (upstream.attempts, upstream.cancelled) == (1, 0)
    assert {reply.value for reply in replies} == {"Ada"}
    assert len(layer.flights) == 0


async def test_when_the_last_has_left_it_is_cancelled(caller: Caller, layer: Coalesce, upstream: Any, make_call: Any) -> None:
    """At once, and whoever leaves last waits for its end: nothing of it outlives those who asked."""
    upstream.lingers = 0.05
    upstream.replies(upstream.hang)
    tasks = [asyncio.create_task(caller(make_call())) for _ in range(MANY)]
    await asyncio.sleep(0.5)

    for task in tasks:
        task.cancel()
    await asyncio.wait(tasks)

    assert now() == pytest.approx(0.55)
    assert (upstream.attempts, upstream.cancelled, upstream.in_flight) == (1, 1, 0)
    assert len(layer.flights) == 0


async def test_who_comes_after_the_last_asks_anew(caller: Caller, layer: Coalesce, upstream: Any, make_call: Any) -> None:
    """What is being cancelled is nobody's to join, however long it takes; what has begun since then is."""
    upstream.lingers = 1.0
    upstream.replies(upstream.hang, upstream.after(2.0, upstream.reply("new")))
    left = asyncio.create_task(caller(make_call()))
    await asyncio.sleep(0.5)
    left.cancel()
    await asyncio.sleep(0.5)

    second = asyncio.create_task(caller(make_call()))
    await asyncio.wait((left,))
    replies = [await caller(make_call()), await second]

    assert [reply.value for reply in replies] == ["new", "new"]
    assert (upstream.attempts, upstream.in_flight) == (2, 0)
    assert len(layer.flights) == 0


async def test_one_may_leave_as_the_reply_comes(caller: Caller, upstream: Any, make_call: Any) -> None:
    """In the very same moment: it is nothing to the others."""
    tasks: list[asyncio.Task[Any]] = []
    upstream.replies(upstream.after(0.1, lambda _: tasks[1].cancel() and upstream.reply("Ada")))
    tasks += [asyncio.create_task(caller(make_call())) for _ in range(3)]

    await asyncio.wait(tasks)

    assert [task.cancelled() for task in tasks] == [False, True, False]
    assert [tasks[0].result().value, tasks[2].result().value] == ["Ada", "Ada"]


async def test_nobody_waits_longer_than_he_has_time(caller: Caller, upstream: Any, make_call: Any) -> None:
    """The call times out for him alone."""
    upstream.replies(upstream.after(1.0, 200))

    leader, hasty = (asyncio.create_task(caller(make_call(deadline=deadline))) for deadline in (10.0, 0.3))
    with pytest.raises(CallTimeout):
        await hasty

    assert now() == pytest.approx(0.3)
    assert (await leader).status == 200
    assert upstream.cancelled == 0


async def test_when_the_leader_has_no_time_left_the_others_ask_once_more(stacked: Any, upstream: Any) -> None:
    """Among them: the one with the most time, for all. What he is told is what the leader's call came to."""
    users = stacked("coalesce: true")
    upstream.replies(upstream.hang, upstream.after(1.0, upstream.reply("Ada")))
    calls = [users.call(deadline=1.0), *(users.call(deadline=3.0 + index / MANY) for index in range(MANY))]

    first, *others = await all_at_once(users, *calls)

    assert isinstance(first, CallTimeout)
    assert {reply.value for reply in others} == {"Ada"}
    assert upstream.times == pytest.approx([0, 1])
    assert [reply.cache for reply in others] == ["collapsed"] * (MANY - 1) + [None]
    assert [link.span for link in calls[1].span.links] == [calls[0].span.id, calls[-1].span.id]


async def test_nobody_asks_a_third_time(stacked: Any, upstream: Any) -> None:
    """Who has seen two leaders' time run out has none left himself. Who has joined later may have another."""
    users = stacked("coalesce: true")
    upstream.always(upstream.hang)
    early = [asyncio.create_task(users(users.call(deadline=deadline))) for deadline in (1.0, 2.0, 1.5)]
    await asyncio.sleep(1.2)
    late = asyncio.create_task(users(users.call(deadline=3.0)))

    results = await asyncio.gather(*early, late, return_exceptions=True)

    assert {type(result) for result in results} == {CallTimeout}
    own, others = "the deadline has passed", "the deadline has passed while another asked"
    assert [str(result) for result in results] == [own, own, others, own]
    assert upstream.times == pytest.approx([0, 1, 2])
    assert now() == pytest.approx(3)
    assert upstream.in_flight == 0


async def test_a_call_that_is_out_of_time_too_soon_is_made_twice_at_most(caller: Caller, upstream: Any, make_call: Any) -> None:
    """Whatever says so, and however much time there is: nobody sees a third leader."""
    upstream.always(upstream.after(0.1, CallTimeout("too soon")))

    errors = await all_at_once(caller, *(make_call() for _ in range(MANY)))

    assert {type(error) for error in errors} == {CallTimeout}
    assert upstream.attempts == 2


async def test_a_flight_that_is_called_off_leaves_nobody_waiting(
    caller: Caller, layer: Coalesce, upstream: Any, make_call: Any
) -> None:
    """A server that stops cancels whatever there is, in any order."""
    upstream.replies(upstream.hang)
    tasks = [asyncio.create_task(caller(make_call())) for _ in range(3)]
    await asyncio.sleep(0.5)

    for task in asyncio.all_tasks() - {*tasks, asyncio.current_task()}:
        task.cancel()
    await asyncio.wait(tasks, timeout=1)

    assert all(task.cancelled() for task in tasks)
    assert len(layer.flights) == 0


SENT = st.fixed_dictionaries(
    {
        "target": st.sampled_from(["/users/42", "/users/42?", "/users/4", "/users/42/"]),
        "headers": st.lists(st.tuples(st.sampled_from(["a", "b"]), st.sampled_from(["", "1", "1, 1"])), max_size=2).map(tuple),
        "body": st.sampled_from([b"", b"{}"]),
        "method": st.sampled_from(["GET", "HEAD"]),
    }
)


@given(st.lists(SENT, min_size=1, max_size=12))
def test_everybody_gets_the_reply_to_what_he_sent(new_upstream: Any, make_call: Any, sent: list[dict[str, Any]]) -> None:
    """Whatever an upstream can see: where it differs there are two calls, and where nothing does there is one."""

    async def ask() -> list[Any]:
        upstream = new_upstream()
        upstream.always(lambda call: upstream.reply([call.method, call.target, call.headers, call.body.decode()]))
        return [await all_at_once(Coalesce()(upstream), *(make_call(**one) for one in sent)), upstream.attempts]

    replies, attempts = asyncio.run(ask())

    own = [[one["method"], one["target"], [list(header) for header in one["headers"]], one["body"].decode()] for one in sent]
    assert [reply.value for reply in replies] == own
    assert attempts == len({str(one) for one in own})


# -- among the other layers --------------------------------------------------------------------------------------------


async def test_those_who_join_share_one_sequence_of_attempts(stacked: Any, upstream: Any) -> None:
    """Three attempts for all of them, not for each."""
    users = stacked("coalesce: true, retry: {attempts: 3, pause: false}")
    upstream.replies(*[upstream.after(0.1, 503)] * 2, upstream.reply("Ada"))

    replies = await all_at_once(users, *(users.call() for _ in range(MANY)))

    assert upstream.attempts == 3
    assert {reply.value for reply in replies} == {"Ada"}


async def test_a_back_off_can_be_joined(stacked: Any, upstream: Any) -> None:
    """Who comes while another one waits to ask again waits with him."""
    users = stacked("coalesce: true, retry: {attempts: 2, pause: false}")
    upstream.replies(upstream.reply(status=503, retry_after="1"), 200)
    first = asyncio.create_task(users())
    await asyncio.sleep(0.5)

    await users()
    await first

    assert upstream.times == pytest.approx([0, 1])


async def test_who_joins_takes_no_permit(stacked: Any, upstream: Any) -> None:
    """One is enough for a thousand."""
    users = stacked("coalesce: true, bulkhead: {permits: 1, queue: 0}")
    upstream.replies(upstream.after(0.1, 200))

    replies = await all_at_once(users, *(users.call() for _ in range(MANY)))

    assert {reply.status for reply in replies} == {200}
    assert upstream.attempts == 1


async def test_a_full_house_turns_all_of_them_away_at_once(stacked: Any, upstream: Any) -> None:
    """They asked for one permit, and did not get it."""
    users = stacked("coalesce: true, bulkhead: {permits: 1, queue: 1, wait: 200ms}")
    upstream.replies(upstream.hang)
    other = asyncio.create_task(users(users.call(target="/other")))
    await asyncio.sleep(0)

    errors = await all_at_once(users, *(users.call() for _ in range(3)))
    other.cancel()

    assert {type(error).__name__ for error in errors} == {"BulkheadFull"}
    assert now() == pytest.approx(0.2)


async def test_the_limit_of_an_attempt_is_everybodys(stacked: Any, upstream: Any) -> None:
    """It says something of the upstream, and nothing of the leader's time."""
    users = stacked("coalesce: true, timeout: 500ms")
    upstream.replies(upstream.hang)

    errors = await all_at_once(users, *(users.call() for _ in range(3)))

    assert {type(error).__name__ for error in errors} == {"AttemptTimeout"}
    assert (upstream.attempts, upstream.cancelled) == (1, 1)


async def test_both_copies_of_a_hedge_end_with_the_last_who_waits(stacked: Any, upstream: Any) -> None:
    """Whatever the shared call has begun is its own to end."""
    users = stacked("coalesce: true, hedge: {}")
    upstream.always(upstream.after(0.01, 200))
    for _ in range(100):
        await users(users.call(deadline=1e9))
    upstream.always(upstream.hang)
    tasks = [asyncio.create_task(users(users.call(deadline=1e9))) for _ in range(3)]
    await asyncio.sleep(0.5)

    for task in tasks:
        task.cancel()
    await asyncio.wait(tasks)

    assert (upstream.attempts, upstream.cancelled, upstream.in_flight) == (102, 2, 0)


async def test_the_next_request_finds_what_the_shared_call_has_kept(stacked: Any, upstream: Any) -> None:
    """With a cache one call for a thousand misses, and none after that."""
    users = stacked("cache: {ttl: 30s}")
    upstream.replies(upstream.after(0.1, upstream.reply("Ada")))

    await all_at_once(users, *(users.call() for _ in range(MANY)))
    reply = await users()

    assert (reply.value, reply.cache, upstream.attempts) == ("Ada", "hit", 1)


async def test_a_disconnected_leader_is_no_reason_to_ask_a_thousand_times(stacked: Any, upstream: Any) -> None:
    """The failing leader of a thousand misses of a cache: one call, or two where it is retried."""
    users = stacked("cache: {ttl: 30s}, retry: {attempts: 2, backoff: 1ms}")
    upstream.always(upstream.after(0.1, Disconnected("broke")))

    errors = await all_at_once(users, *(users.call() for _ in range(MANY)))

    assert {type(error) for error in errors} == {Disconnected}
    assert upstream.attempts == 2


async def test_steps_that_treat_a_reply_alike_share_it(stacked: Any, upstream: Any) -> None:
    """Of one upstream, whichever endpoints they belong to; one that takes other statuses, or tries more often, asks for itself."""
    one, more = stacked("coalesce: true"), stacked("coalesce: true", "retry: {}")
    same = stacked("coalesce: true")

    assert one.shared.flights_of(one.recipe) is one.shared.flights_of(same.recipe)
    assert one.shared.flights_of(one.recipe) is not one.shared.flights_of(more.recipe)
    takes = stacked("coalesce: true", "accept: [200, 404]")
    assert one.shared.flights_of(one.recipe) is not one.shared.flights_of(takes.recipe)

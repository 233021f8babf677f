"""Cache: what is kept is served, fresh or stale, to whom it is for, and nobody else."""

from __future__ import annotations

import asyncio
import time
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from gateway import telemetry
from gateway.caching import NOWHERE, Place
from gateway.caching.clock import now
from gateway.caching.purging import PurgesState
from gateway.call import Expectation, Reply
from gateway.errors import (
    AttemptTimeout,
    BadReply,
    BreakerOpen,
    BulkheadFull,
    CallError,
    CallTimeout,
    Disconnected,
    Paused,
    StatusRefused,
    Throttled,
    TooLarge,
    Unreachable,
)
from gateway.formats import SPLICED
from gateway.formats.decode import JsonText
from gateway.store import MemoryStore

pytestmark = pytest.mark.looptime

STALE = {"ttl": "30s", "stale_while_revalidate": "1m", "stale_if_error": "1h"}


# -- fresh -------------------------------------------------------------------------------------------------------------


async def test_the_second_call_is_a_hit(kept: Any, upstream: Any) -> None:
    """What was asked a moment ago is not asked again, and the answer is the same."""
    upstream.replies(upstream.reply({"name": "Ada"}, etag='"7"', vary=["accept", "origin"]))
    users = kept()

    first, second = await users(), await users()

    assert upstream.attempts == 1
    assert (first.cache, second.cache) == ("miss", "hit")
    assert replace(second, cache="miss") == replace(first, headers=tuple(first.headers))


async def test_an_entry_is_served_until_its_ttl_is_over(kept: Any, upstream: Any) -> None:
    """29.9 seconds are less than 30, and 30 are not."""
    upstream.replies(200, 200)
    users = kept(ttl="30s")

    replies = [await users(), await users.later(29.9), await users.later(0.1)]

    assert [reply.cache for reply in replies] == ["miss", "hit", "miss"]


async def test_what_the_upstream_says_of_its_time_counts(kept: Any, upstream: Any) -> None:
    """Its `max-age` comes before `ttl`, and what it is old already is taken off."""
    upstream.always(upstream.reply(1, cache_control="max-age=60", age="20"))
    users = kept(ttl="30s")

    replies = [await users(), await users.later(39), await users.later(1)]

    assert [reply.cache for reply in replies] == ["miss", "hit", "miss"]


async def test_ignore_upstream_keeps_for_the_ttl_alone(kept: Any, upstream: Any) -> None:
    """Whatever its headers say of how long."""
    upstream.always(upstream.reply(1, cache_control="max-age=0"))
    users = kept(ttl="30s", ignore_upstream=True)

    replies = [await users(), await users.later(29), await users.later(1)]

    assert [reply.cache for reply in replies] == ["miss", "hit", "miss"]


@pytest.mark.parametrize(("words", "says"), [({}, {}), ({"ttl": "0s"}, {}), ({}, {"cache_control": "max-age=0"})], ids=str)
async def test_what_is_good_for_no_time_is_not_kept(kept: Any, upstream: Any, words: Any, says: Any) -> None:
    """Neither a `ttl` of nothing, nor an upstream that says nothing and a policy that says nothing either."""
    upstream.always(upstream.reply(1, **says))
    users = kept(**(words or {"max_size": "1MiB"}))

    replies = [await users(), await users()]

    assert [reply.cache for reply in replies] == ["miss", "miss"]
    assert users.entries() == []


async def test_spans_and_replies_tell_how_the_cache_took_part(kept: Any, upstream: Any, make_call: Any) -> None:
    """A miss says how long the reply will be kept; a hit says that it is one, and how old it is."""
    upstream.replies(200)
    users = kept(ttl="30s")
    miss, hit = make_call(), make_call()

    await users(miss)
    reply = await users.later(5, hit)

    assert miss.span.attributes == {telemetry.CACHE_STATUS: "miss", telemetry.CACHE_TTL: 30.0}
    assert hit.span.attributes == {telemetry.CACHE_STATUS: "hit"}
    assert (reply.entry.at, reply.entry.lifetime) == (users.clock.now - 5, 30.0)


@pytest.mark.parametrize(
    ("status", "body"),
    [
        pytest.param(200, b'{"id": 12345678901234567890, "name": "\xc3\x84da"}', id="object"),
        pytest.param(200, b"[1,\n2]", id="with a line break"),
        pytest.param(200, b"null", id="null"),
        pytest.param(204, b"", id="no body"),
    ],
)
@pytest.mark.parametrize("expects", [Expectation(), Expectation(format=SPLICED)], ids=["decoded", "spliced"])
async def test_a_hit_is_the_reply_to_the_letter(kept: Any, upstream: Any, status: int, body: bytes, expects: Expectation) -> None:
    """Status, headers, bytes and value come out as they went in."""
    upstream.replies(Reply(status, (("x-one", "1"), ("x-one", "2")), body))
    users = kept()

    first, second = await users(expects=expects), await users(expects=expects)

    assert second.cache == "hit"
    assert (second.status, second.headers, second.body, second.value) == (first.status, first.headers, first.body, first.value)


async def test_hits_share_no_value(kept: Any, upstream: Any) -> None:
    """What one request does to its value, no other request sees."""
    upstream.replies(upstream.reply({"tags": ["a"]}))
    users = kept()

    for _ in range(3):
        (await users()).value["tags"].append("mine")

    assert (await users()).value == {"tags": ["a"]}


async def test_a_step_reads_what_another_one_only_passed_on(kept: Any, upstream: Any) -> None:
    """The same call has one entry, whoever made it; to the one its value is the text, to the other what is in it."""
    upstream.replies(upstream.reply({"id": 7}))
    users = kept()

    passed_on, read = await users(expects=Expectation(format=SPLICED)), await users()

    assert (passed_on.value, read.value, read.cache) == (JsonText(b'{"id":7}'), {"id": 7}, "hit")


async def test_a_machines_clock_that_is_set_moves_nothing(kept: Any, upstream: Any, monkeypatch: Any) -> None:
    """An hour forth or back on the wall is no time at all."""
    upstream.always(200)
    users = kept(ttl="30s")
    users.clock = now
    await users()
    wall = time.time_ns()

    words = []
    for jump in (3600, -3600):
        monkeypatch.setattr(time, "time", lambda jump=jump: wall / 1e9 + jump)
        monkeypatch.setattr(time, "time_ns", lambda jump=jump: wall + jump * 10**9)
        words.append((await users()).cache)

    assert words == ["hit", "hit"]


async def test_what_was_asked_for_in_the_future_goes_with_its_time_in_the_store(kept: Any, upstream: Any) -> None:
    """Another machine's clock is an hour ahead: the store, whose clock is its own, drops the entry in time."""
    upstream.always(200)
    users = kept(ttl="30s")
    users.clock.now += 3600
    await users()
    users.clock.now -= 3600
    users.store._clock = lambda: users.clock.now + 3600

    replies = [await users.later(29), await users.later(1)]

    assert [reply.cache for reply in replies] == ["hit", "miss"]


# -- stale -------------------------------------------------------------------------------------------------------------


async def test_a_hundred_hits_of_what_is_stale_are_one_call(kept: Any, upstream: Any, behind: Any) -> None:
    """All are served at once; a newer one is fetched once, and nobody waits for it."""
    upstream.replies(upstream.reply("old"), upstream.after(0.5, upstream.reply("new")))
    users = kept(**STALE)
    await users()
    users.clock.now += 31

    replies = [await users() for _ in range(100)]
    await behind.ended()

    assert {(reply.value, reply.cache) for reply in replies} == {("old", "stale")}
    assert upstream.attempts == 2
    assert ((await users()).value, (await users()).cache) == ("new", "hit")


async def test_a_refresh_has_a_trace_and_a_time_of_its_own(kept: Any, upstream: Any, behind: Any, make_call: Any) -> None:
    """It belongs to no request: it links to the span it is done because of, and does not end with that one's deadline."""
    upstream.replies(200, 200)
    users = kept(**STALE)
    await users()
    call = make_call(deadline=0.1)

    await users.later(31, call)
    await behind.ended()

    assert behind.causes == [call.span]
    assert (upstream.calls[1].span.trace is call.span.trace, upstream.calls[1].deadline) == (False, pytest.approx(5.0, abs=0.01))
    assert call.span.attributes == {telemetry.CACHE_STATUS: "stale"}


async def test_what_is_stale_again_is_fetched_again(kept: Any, upstream: Any, behind: Any) -> None:
    """A refresh that has ended well holds nobody up, however soon the next is due."""
    upstream.always(200)
    users = kept(ttl="1s", stale_while_revalidate="1m")
    await users()

    for _ in range(3):
        await users.later(1.5)
        await behind.ended()

    assert upstream.attempts == 4


async def test_a_refresh_that_fails_is_put_off(kept: Any, upstream: Any, behind: Any) -> None:
    """An upstream that is down is asked again a second later, not by every hit."""
    upstream.replies(upstream.reply("old"), Unreachable("down"), Unreachable("down"), upstream.reply("new"))
    users = kept(**STALE)
    await users()

    words = []
    for seconds in (31, 0.5, 0.5, 0.5, 0.5):
        words.append((await users.later(seconds)).cache)
        await behind.ended()

    assert words == ["stale"] * 5
    assert upstream.attempts == 4
    assert (await users()).value == "new"


async def test_a_refresh_that_is_cancelled_does_not_hold_the_key(kept: Any, upstream: Any, behind: Any) -> None:
    """However it ends, before it began or in the middle, a later hit begins another."""
    upstream.replies(upstream.reply("old"), upstream.hang, upstream.reply("new"))
    users = kept(**STALE)
    await users()
    for seconds in (31, 6):
        await users.later(seconds)
        await asyncio.sleep(0.01 if upstream.attempts == 1 else 0)
        behind.tasks.pop().cancel()
        await asyncio.sleep(0.01)

    await users.later(6)
    await behind.ended()

    assert (upstream.attempts, upstream.in_flight, (await users()).value) == (3, 0, "new")


async def test_beyond_its_time_stale_is_no_reply(kept: Any, upstream: Any) -> None:
    """After `stale_while_revalidate` who asks waits for the newer one."""
    upstream.replies(upstream.reply("old"), upstream.reply("new"))
    users = kept(**STALE)
    await users()

    reply = await users.later(90)

    assert (reply.value, reply.cache) == ("new", "miss")


async def test_the_upstream_may_allow_stale_itself(kept: Any, upstream: Any, behind: Any) -> None:
    """Its `stale-while-revalidate` needs no word of the config's."""
    upstream.replies(upstream.reply("old", cache_control="max-age=10, stale-while-revalidate=20"), upstream.reply("new"))
    users = kept(ttl="30s")
    await users()

    reply = await users.later(29)
    await behind.ended()

    assert (reply.value, reply.cache, upstream.attempts) == ("old", "stale", 2)


FAILURES = [
    Unreachable("down"), Disconnected("broke"), AttemptTimeout("slow"), CallTimeout("late"), BadReply("garbage"), TooLarge("much"),
    BreakerOpen("open"), BulkheadFull("full"), Throttled("turned away"), Paused("paused"), 500, 502, 503, 504, 429,
]  # fmt: skip


@pytest.mark.parametrize("failure", FAILURES, ids=lambda one: one if isinstance(one, int) else type(one).__name__)
async def test_what_is_kept_stands_in_for_a_failure(kept: Any, upstream: Any, make_call: Any, failure: Any) -> None:
    """For as long as `stale_if_error` says; then the failure is what it is."""
    upstream.replies(upstream.reply("old"), failure, failure, failure)
    users = kept(ttl="30s", stale_if_error="1h")
    await users()
    call = make_call()

    await users.later(31)
    reply = await users.later(3598, call)
    with pytest.raises(CallError):
        await users.later(1)

    assert (reply.value, reply.cache) == ("old", "stale")
    assert call.span.attributes[telemetry.CACHE_STATUS] == "stale"


@pytest.mark.parametrize("status", [400, 401, 403, 404, 410])
async def test_a_refusal_is_no_failure(kept: Any, upstream: Any, status: int) -> None:
    """An upstream that says that there is nothing, or not for this client, has spoken: what was kept is not served, then or later."""
    upstream.replies(upstream.reply("old"), status, Unreachable("down"))
    users = kept(ttl="30s", stale_if_error="1h")
    await users()

    with pytest.raises(StatusRefused):
        await users.later(31)
    with pytest.raises(Unreachable):
        await users()

    assert users.entries() == []


@pytest.mark.parametrize("word", ["must-revalidate", "proxy-revalidate", "no-cache"])
async def test_an_upstream_may_forbid_stale(kept: Any, upstream: Any, word: str) -> None:
    """Whatever the config allows, neither while a newer one is fetched nor in place of a failure."""
    upstream.replies(upstream.reply("old", cache_control=f"{word}, max-age=30", etag='"1"'), Unreachable("down"))
    users = kept(**STALE)
    await users()

    with pytest.raises(Unreachable):
        await users.later(31)


async def test_a_cancelled_call_is_not_answered(kept: Any, upstream: Any) -> None:
    """Who leaves gets nothing stale: the cancellation goes through, and what is kept stays."""
    upstream.replies(upstream.reply("old"), upstream.hang)
    users = kept(ttl="30s", stale_if_error="1h")
    await users()
    users.clock.now += 31
    task = asyncio.create_task(users())

    await asyncio.sleep(0.1)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task

    assert (upstream.cancelled, len(users.entries())) == (1, 1)


# -- what a call says itself -------------------------------------------------------------------------------------------


def saying(directives: str) -> tuple[tuple[str, str], ...]:
    """The headers of a call that says so."""
    return (("cache-control", directives),)


@pytest.mark.parametrize("heeds", [True, False])
async def test_a_call_that_says_no_cache_is_asked_anew(kept: Any, upstream: Any, make_call: Any, heeds: bool) -> None:
    """Where such a header can be in a call at all; elsewhere nobody looks for it."""
    upstream.replies(upstream.reply("old"), upstream.reply("new"))
    users = kept(heeds=heeds, ttl="30s", vary_on=[])
    await users()

    reply = await users(headers=saying("no-cache"))

    assert (reply.value, reply.cache) == (("new", "miss") if heeds else ("old", "hit"))
    assert (await users()).value == reply.value


async def test_who_will_have_it_anew_gets_nothing_stale(kept: Any, upstream: Any) -> None:
    """`no-cache` is not answered with what is kept when the call for a newer one fails."""
    upstream.replies(200, Unreachable("down"))
    users = kept(heeds=True, ttl="30s", stale_if_error="1h", vary_on=[])
    await users()

    with pytest.raises(Unreachable):
        await users(headers=saying("no-cache"))


@pytest.mark.parametrize(
    ("says", "word"),
    [
        pytest.param("max-age=10", "miss", id="not so old"),
        pytest.param("max-age=20", "hit", id="old enough"),
        pytest.param("min-fresh=20", "miss", id="not fresh for so long"),
        pytest.param("no-store", "bypass", id="not kept"),
        pytest.param("only-if-cached", "hit", id="only what is kept"),
    ],
)
async def test_a_call_says_what_it_takes(kept: Any, upstream: Any, make_call: Any, says: str, word: str) -> None:
    """The directives of RFC 9111, section 5.2.1, of an entry that is 15 of its 30 seconds old."""
    upstream.always(200)
    users = kept(heeds=True, ttl="30s", vary_on=[])
    await users()
    call = make_call(headers=saying(says))

    await users.later(15, call)

    assert call.span.attributes[telemetry.CACHE_STATUS] == word


async def test_a_call_may_take_what_is_stale(kept: Any, upstream: Any) -> None:
    """`max-stale`, unless the upstream forbids it."""
    upstream.replies(upstream.reply("old", etag='"1"'), upstream.reply("new"))
    users = kept(heeds=True, ttl="30s", vary_on=[])
    await users()

    reply = await users.later(35, headers=saying("max-stale=10"))

    assert (reply.value, upstream.attempts) == ("old", 1)


async def test_a_call_that_takes_only_what_is_kept_asks_nobody(kept: Any, upstream: Any) -> None:
    """What is not there is a 504 (RFC 9111, section 5.2.1.7)."""
    users = kept(heeds=True, ttl="30s")

    with pytest.raises(StatusRefused) as refused:
        await users(headers=saying("only-if-cached"))

    assert (refused.value.reply.status, upstream.attempts) == (504, 0)


# -- for whom ----------------------------------------------------------------------------------------------------------

_TEXT = st.sampled_from(["", "a", "b", "ab", '"', ",", "\n"])
_NAMES = st.sampled_from(["accept", "authorization", "cookie", "host", "x-forwarded-host", "x-original-url", "origin", "range"])
_CALLS = st.fixed_dictionaries(
    {
        "upstream": _TEXT,
        "target": _TEXT,
        "headers": st.lists(st.tuples(_NAMES, _TEXT), max_size=2).map(tuple),
        "body": st.sampled_from([b"", b"a", b"61", b"\xff"]),
    }
)


@settings(deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(alice=_CALLS, bob=_CALLS)
async def test_alice_and_bob_share_only_what_nobody_could_tell_apart(
    kept: Any, new_upstream: Any, make_call: Any, alice: Any, bob: Any
) -> None:
    """Any difference in what an upstream can see is another entry."""
    upstream = new_upstream()
    upstream.always(lambda call: upstream.reply(repr((call.upstream, call.target, call.headers, call.body))))
    users = kept(played=upstream)

    first, second = await users(**alice), await users(**bob)

    assert (second.cache == "hit") == (alice == bob)
    assert (first.value == second.value) == (alice == bob)


async def test_two_users_never_share_an_entry(kept: Any, upstream: Any) -> None:
    """Bob is never served what was kept for Alice, and Alice still is."""
    upstream.always(lambda call: upstream.reply(dict(call.headers)["authorization"]))
    users = kept()
    who = ["Bearer alice", "Bearer bob", "Bearer alice", "Bearer bob"]

    values = [(await users(headers=(("authorization", one),))).value for one in who]

    assert values == who
    assert upstream.attempts == 2


async def test_headers_that_are_not_varied_on_do_not_tell_calls_apart(kept: Any, upstream: Any) -> None:
    """Only those that `vary_on` names do."""
    upstream.always(lambda call: upstream.reply(dict(call.headers)["accept-language"]))
    users = kept(ttl="30s", vary_on=["Accept-Language"])

    def headers(language: str, session: str) -> Any:
        return (("accept-language", language), ("x-session", session))

    words = [(await users(headers=headers(*both))).cache for both in (("de", "1"), ("de", "2"), ("fr", "1"))]

    assert words == ["miss", "hit", "miss"]


async def test_what_a_reply_varies_by_tells_calls_apart_all_the_same(kept: Any, upstream: Any) -> None:
    """A `Vary` on what `vary_on` leaves out: each variant is kept by itself, beside the others."""
    upstream.always(lambda call: upstream.reply(dict(call.headers)["x-plan"], vary="X-Plan"))
    users = kept(ttl="30s", vary_on=[])

    replies = [await users(headers=(("x-plan", plan), ("x-id", str(at)))) for at, plan in enumerate("abab")]

    assert [(reply.value, reply.cache) for reply in replies] == [("a", "miss"), ("b", "miss"), ("a", "hit"), ("b", "hit")]


@pytest.mark.parametrize("name", ["authorization", "cookie"])
@pytest.mark.parametrize(
    ("says", "is_kept"), [("max-age=60", False), ("public", True), ("s-maxage=60", True), ("must-revalidate, max-age=60", True)]
)
async def test_credentials_that_are_not_varied_on_keep_a_reply_out(
    kept: Any, upstream: Any, name: str, says: str, is_kept: bool
) -> None:
    """Unless the upstream says that the reply is for all (RFC 9111, section 3.5)."""
    upstream.always(lambda call: upstream.reply(dict(call.headers)[name], cache_control=says))
    users = kept(ttl="30s", vary_on=[])

    values = [(await users(headers=((name, who),))).value for who in ("alice", "bob")]

    assert values == (["alice", "alice"] if is_kept else ["alice", "bob"])


async def test_a_key_stands_in_place_of_all_that_is_sent(kept: Any, upstream: Any) -> None:
    """Calls with the same key share what is kept, whatever they send; with another they do not."""
    upstream.always(lambda call: upstream.reply(call.target))
    users = kept(ttl="30s", key="{path.id}")

    asked = [("/a?x=1", "7"), ("/a?x=2", "7"), ("/a?x=1", "8")]
    replies = [await users(target=target, place=Place(named=(key,))) for target, key in asked]

    assert [(reply.value, reply.cache) for reply in replies] == [("/a?x=1", "miss"), ("/a?x=1", "hit"), ("/a?x=1", "miss")]


async def test_a_key_without_a_value_passes_the_cache_by(kept: Any, upstream: Any, make_call: Any) -> None:
    """Nothing is looked up, and nothing kept."""
    upstream.always(200)
    users = kept(ttl="30s", key="{path.id}")
    calls = [make_call(place=NOWHERE), make_call(place=NOWHERE)]

    replies = [await users(call) for call in calls]

    assert (upstream.attempts, users.entries(), [reply.cache for reply in replies]) == (2, [], [None, None])
    assert calls[1].span.attributes == {telemetry.CACHE_STATUS: "bypass"}


async def test_steps_that_keep_for_different_times_share_nothing(kept: Any, upstream: Any) -> None:
    """A step with a short ttl is never served what another keeps for longer."""
    upstream.always(upstream.reply(1))
    store = MemoryStore(100_000)

    for ttl in (3600, 1, 3600, 1):
        await kept(store=store, ttl=f"{ttl}s")()

    assert upstream.attempts == 2


async def test_steps_that_are_purged_by_different_tags_share_nothing(kept: Any, upstream: Any) -> None:
    """Whoever purges by one of them reaches all that is served in its name."""
    upstream.always(200)
    users = kept(ttl="30s", tags=["x"])

    words = [(await users(place=Place(tags=tags))).cache for tags in (("a",), ("b",), ("a",))]

    assert words == ["miss", "miss", "hit"]


@pytest.mark.parametrize("size", [10, 100_000], ids=["short", "long"])
async def test_a_key_is_a_digest(kept: Any, upstream: Any, size: int) -> None:
    """However much is sent: nobody who looks after the store reads it there, and nobody fills it with keys."""
    upstream.replies(200)
    users = kept()

    await users(target="/" + "x" * size, headers=(("authorization", "Bearer secret"),))

    (key,) = users.store._entries
    assert len(key) == 64
    assert set(key) <= set("0123456789abcdef")


# -- void --------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "scope",
    ["upstream:users", "endpoint:GET /", "tag:user-42", "key:a-b", "key:{key}", "*"],
    ids=lambda scope: scope.partition(":")[0],
)
async def test_what_is_purged_is_not_served(kept: Any, upstream: Any, make_call: Any, scope: str) -> None:
    """By its upstream, its endpoint, its tags or its key, as the config's words make it or as a digest; what is asked for later is kept."""
    upstream.always(200)
    purges = PurgesState()
    users = kept(purges=purges, ttl="30s", key="{a}-{b}")
    place = Place(named=("a", "-", "b"), tags=("user-42",))
    await users(place=place)
    (key,) = users.store._entries

    purges.purge(scope.format(key=key), users.clock.now + 1)

    assert [(await users.later(2, place=place)).cache for _ in range(2)] == ["miss", "hit"]


async def test_what_was_on_its_way_when_the_purge_came_is_void_too(kept: Any, upstream: Any) -> None:
    """An entry is as old as its request."""
    purges = PurgesState()
    users = kept(purges=purges, ttl="30s")
    upstream.replies(upstream.after(0.1, 200), 200)
    task = asyncio.create_task(users())
    await asyncio.sleep(0.05)

    purges.purge("upstream:users", users.clock.now)
    users.clock.now += 1
    await task

    assert (await users()).cache == "miss"

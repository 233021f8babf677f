"""Keep: what is kept of what comes, what is asked about what is there, and who asks while others wait."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest

from gateway import telemetry
from gateway.call import Expectation, Reply
from gateway.errors import CallError, CallTimeout, Disconnected, StatusRefused, Unreachable
from gateway.store import MemoryStore

pytestmark = pytest.mark.looptime

LENIENT = Expectation(accept=frozenset({200, 404}))
HANDLED = Expectation(handled=frozenset({404}))


# -- what is kept ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("says", "is_kept"),
    [
        pytest.param({}, True, id="plain"),
        pytest.param({"cache_control": "public, max-age=60"}, True, id="public"),
        pytest.param({"vary": "accept, authorization"}, True, id="vary by what is in the key"),
        pytest.param({"x_cache_control": "no-store"}, True, id="another header's no-store"),
        pytest.param({"set_cookie": "session=1"}, False, id="set-cookie"),
        pytest.param({"set_cookie": ""}, False, id="set-cookie, empty"),
        pytest.param({"cache_control": "private"}, False, id="private"),
        pytest.param({"cache_control": "max-age=60, NO-STORE"}, False, id="no-store"),
        pytest.param({"cache_control": "no-cache"}, False, id="no-cache"),
        pytest.param({"cache_control": 'private="x-user, x-mail", max-age=60'}, False, id="private fields"),
        pytest.param({"cache_control": ["max-age=60", "private"]}, False, id="on a second line"),
        pytest.param({"vary": "*"}, False, id="vary by everything"),
        pytest.param({"vary": "accept , * "}, False, id="vary by everything, in a list"),
        pytest.param({"vary": ["accept", "*"]}, False, id="vary by everything, on a second line"),
    ],
)
@pytest.mark.parametrize("ignore", [False, True], ids=["heeded", "ignored"])
async def test_only_replies_for_everybody_are_kept(kept: Any, upstream: Any, says: Any, is_kept: bool, ignore: bool) -> None:
    """What its upstream keeps for one client, or for nobody, is not kept, whatever the config says of how long."""
    upstream.replies(upstream.reply(1, **says))
    users = kept(ttl="30s", ignore_upstream=ignore)

    await users()

    assert bool(users.entries()) == (is_kept or (ignore and says == {"cache_control": "no-cache"}))


async def test_what_is_not_kept_is_asked_again(kept: Any, upstream: Any, make_call: Any) -> None:
    """A reply for one client is handed on, and no span promises that it is kept."""
    upstream.always(upstream.reply({}, cache_control="private"))
    users = kept()
    call = make_call()

    await users(call)
    again = await users()

    assert (again.cache, again.entry, upstream.attempts) == ("miss", None, 2)
    assert telemetry.CACHE_TTL not in call.span.attributes


async def test_what_is_too_large_is_not_kept(kept: Any, upstream: Any) -> None:
    """`max_size` is of the body, to the byte."""
    upstream.replies(upstream.reply("x" * 98), upstream.reply("x" * 99))
    users = kept(ttl="30s", max_size="100B")

    await users(target="/small")
    await users(target="/large")

    assert [len(entry.body) for entry in users.entries()] == [100]


@pytest.mark.parametrize("failure", [503, Disconnected("broke")], ids=str)
async def test_a_failure_is_not_kept(kept: Any, upstream: Any, failure: Any) -> None:
    """A failed call leaves nothing behind: the next one asks again."""
    upstream.replies(failure, 200)
    users = kept(ttl="30s", negative_ttl="10s")

    with pytest.raises(CallError):
        await users()

    assert users.entries() == []
    assert (await users()).cache == "miss"


async def test_a_cancelled_call_keeps_nothing(kept: Any, upstream: Any) -> None:
    """A call that is cancelled is cancelled below, and nothing of it is kept."""
    upstream.replies(upstream.hang)
    users = kept()
    task = asyncio.create_task(users())

    await asyncio.sleep(0.1)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task

    assert (upstream.cancelled, users.entries()) == (1, [])


async def test_what_must_not_be_kept_any_more_is_not(kept: Any, upstream: Any) -> None:
    """A newer reply that is for one client only leaves nothing of the older one, which was for all."""
    upstream.replies(upstream.reply("old"), upstream.reply("mine", cache_control="private"), Unreachable("down"))
    users = kept(ttl="30s", stale_if_error="1h")
    await users()

    await users.later(31)

    with pytest.raises(Unreachable):
        await users()


async def test_entries_say_what_they_are_purged_by(kept: Any, upstream: Any) -> None:
    """Their upstream, their resource, their endpoint and their key; tags and named keys come with the call."""
    upstream.replies(200)
    users = kept()

    await users()

    (entry,), (key,) = users.entries(), users.store._entries
    assert {"upstream:users", "endpoint:GET /", f"key:{key}"} < {*entry.scopes}
    assert [scope.partition(":")[0] for scope in entry.scopes if scope.startswith("uri")] == ["uri"]


# -- refusals ----------------------------------------------------------------------------------------------------------


async def test_a_refusal_is_remembered_for_its_own_time(kept: Any, upstream: Any, make_call: Any) -> None:
    """The same failure, with the same body, and the span says where it is from."""
    upstream.always(upstream.reply({"why": "none"}, status=404))
    users = kept(ttl="1h", negative_ttl="10s")
    call = make_call()

    refusals = []
    for seconds in (0, 9, 1):
        with pytest.raises(StatusRefused) as refused:
            await users.later(seconds, call)
        refusals.append(refused.value.reply)

    assert [(reply.status, reply.body, reply.cache) for reply in refusals] == [
        (404, b'{"why":"none"}', word) for word in ("miss", "hit", "miss")
    ]
    assert upstream.attempts == 2


@pytest.mark.parametrize(("status", "says"), [(404, {}), (403, {}), (500, {}), (404, {"cache_control": "no-store"})], ids=str)
async def test_other_refusals_are_not_remembered(kept: Any, upstream: Any, status: int, says: Any) -> None:
    """Nor any where the policy does not say so, where the upstream forbids it, or what does not say that there is nothing."""
    upstream.always(upstream.reply(1, status=status, **says))
    users = kept(**({"ttl": "1h"} if status == 404 and not says else {"ttl": "1h", "negative_ttl": "10s"}))

    for _ in range(2):
        with pytest.raises(StatusRefused):
            await users()

    assert upstream.attempts == 2


@pytest.mark.parametrize("expects", [LENIENT, HANDLED], ids=["accepted", "handled by on_status"])
async def test_the_step_says_what_a_refusal_means(kept: Any, upstream: Any, expects: Expectation) -> None:
    """What it accepts is a good reply, kept for the `ttl`; what it gives a meaning is one, remembered for the `negative_ttl`."""
    upstream.always(upstream.reply("none", status=404))
    users = kept(ttl="1h", negative_ttl="10s")

    replies = [await users.later(seconds, expects=expects) for seconds in (0, 9, 1)]

    assert [reply.status for reply in replies] == [404] * 3
    assert [reply.cache for reply in replies] == ["miss", "hit", "hit" if expects is LENIENT else "miss"]


async def test_a_failure_with_a_meaning_leaves_alone_what_is_kept(kept: Any, upstream: Any) -> None:
    """What the step makes of a 503 is its own affair; it says nothing of what was there before."""
    upstream.replies(upstream.reply("old"), 503, Unreachable("down"))
    users = kept(ttl="30s", stale_if_error="1h")
    expects = Expectation(handled=frozenset({503}))
    await users(expects=expects)

    replies = [await users.later(31, expects=expects), await users(expects=expects)]

    assert [(reply.status, reply.cache) for reply in replies] == [(503, "miss"), (200, "stale")]


@pytest.mark.parametrize("expects", [Expectation(), HANDLED], ids=["refused", "handled by on_status"])
async def test_a_refusal_takes_the_place_of_nothing_unless_it_is_remembered(
    kept: Any, upstream: Any, expects: Expectation
) -> None:
    """A 404 with validators, which could be asked about, is not kept for that where its policy does not remember refusals."""
    upstream.always(upstream.reply("none", status=404, etag='"1"', cache_control="max-age=0"))
    users = kept(ttl="1h", negative_ttl="10s")

    await asyncio.gather(users(expects=expects), return_exceptions=True)

    assert users.entries() == []


async def test_each_step_keeps_to_its_own_statuses(kept: Any, upstream: Any) -> None:
    """A 404 that one step takes for good is no reply for another that makes the same call and does not."""
    upstream.replies(upstream.reply("nobody", status=404), 404)
    users = kept(ttl="30s")

    await users(expects=LENIENT)
    with pytest.raises(StatusRefused):
        await users()

    assert upstream.attempts == 2


async def test_a_body_that_nobody_read_before_is_asked_for_by_who_reads_it(kept: Any, upstream: Any) -> None:
    """A refusal that is remembered is a good reply to another step, if it can be read at all."""
    upstream.replies(Reply(404, (), b"<html>"), Reply(404, (), b'"nobody"'))
    users = kept(ttl="1h", negative_ttl="10s")
    with pytest.raises(StatusRefused):
        await users()

    reply = await users(expects=LENIENT)

    assert (reply.value, upstream.attempts) == ("nobody", 2)


# -- does it still hold? -----------------------------------------------------------------------------------------------


async def test_what_still_holds_is_as_good_as_new(kept: Any, upstream: Any, make_call: Any) -> None:
    """It is asked about by its validators, both of them; a 304 freshens it, and what it says anew is kept."""
    upstream.replies(
        upstream.reply({"id": 7}, etag='"1"', last_modified="Sat, 01 Nov 2025 10:00:00 GMT", x_old="1", x_same="1"),
        upstream.reply(status=304, etag='"1"', x_old="2", cache_control="max-age=60"),
    )
    users = kept(ttl="30s")
    await users()
    call = make_call(headers=())

    reply = await users.later(31, call)
    later = await users.later(59)

    asked = dict(upstream.calls[1].headers)
    assert asked == {"if-none-match": '"1"', "if-modified-since": "Sat, 01 Nov 2025 10:00:00 GMT"}
    assert (reply.value, reply.cache, call.span.attributes[telemetry.CACHE_STATUS]) == ({"id": 7}, "revalidated", "revalidated")
    assert (later.cache, later.header("x-old"), later.header("x-same")) == ("hit", "2", "1")


async def test_what_has_changed_takes_its_place(kept: Any, upstream: Any) -> None:
    """Asked whether it holds, the upstream sends what holds now."""
    upstream.replies(upstream.reply("old", etag='"1"'), upstream.reply("new", etag='"2"'))
    users = kept(ttl="30s")
    await users()

    replies = [await users.later(31), await users.later(1)]

    assert [(reply.value, reply.cache) for reply in replies] == [("new", "miss"), ("new", "hit")]


async def test_what_holds_and_must_not_be_kept_is_served_once(kept: Any, upstream: Any) -> None:
    """A 304 may forbid what the reply before it allowed."""
    upstream.replies(
        upstream.reply("old", etag='"1"'), upstream.reply(status=304, cache_control="no-store"), upstream.reply("new")
    )
    users = kept(ttl="30s")
    await users()

    replies = [await users.later(31), await users()]

    assert [(reply.value, reply.cache) for reply in replies] == [("old", "revalidated"), ("new", "miss")]


async def test_an_upstream_that_says_no_cache_is_asked_each_time(kept: Any, upstream: Any) -> None:
    """What it sends is kept only to ask whether it holds."""
    upstream.replies(upstream.reply("one", cache_control="no-cache", etag='"1"'), 304, 304)
    users = kept(ttl="30s")

    words = [(await users()).cache for _ in range(3)]

    assert words == ["miss", "revalidated", "revalidated"]


@pytest.mark.parametrize("name", ["if-none-match", "if-modified-since", "range"])
async def test_a_call_with_conditions_of_its_own_asks_for_itself(kept: Any, upstream: Any, name: str) -> None:
    """Its 304, or its part, is its own: nothing is added, and nothing of it is kept."""
    upstream.replies(upstream.reply("old", etag='"1"'), upstream.reply(status=304, etag='"9"'))
    users = kept(ttl="30s", vary_on=[])
    await users()

    with pytest.raises(StatusRefused) as refused:
        await users.later(31, headers=((name, "x"),))

    assert (refused.value.reply.status, dict(upstream.calls[1].headers)) == (304, {name: "x"})


async def test_a_304_that_nobody_asked_for_is_a_refusal(kept: Any, upstream: Any) -> None:
    """There is nothing that it could be about."""
    upstream.replies(304)

    with pytest.raises(StatusRefused):
        await kept()()


# -- who asks ----------------------------------------------------------------------------------------------------------


class SharedStore(MemoryStore):
    """A store that others have too: its lease waits, and somebody may have kept something meanwhile."""

    def __init__(self) -> None:
        super().__init__(100_000)
        self.held: list[str] = []
        self.wait = 0.0
        self.is_ours = True
        self.meanwhile: Any = None

    @asynccontextmanager
    async def lease(self, key: str) -> AsyncIterator[bool]:
        await asyncio.sleep(self.wait)
        self.held.append(key)
        if self.meanwhile:
            await self.meanwhile(key)
        try:
            yield self.is_ours
        finally:
            self.held.remove(key)


@pytest.mark.parametrize("is_ours", [True, False])
async def test_what_another_process_has_kept_meanwhile_is_not_asked_for(
    kept: Any, upstream: Any, make_call: Any, is_ours: bool
) -> None:
    """Who gets the lease, or has waited until another is done, looks once more."""
    store = SharedStore()
    store.is_ours = is_ours
    upstream.replies(upstream.reply("theirs"))
    others = kept(store=MemoryStore(100_000))
    await others()

    async def meanwhile(key: str) -> None:
        await store.set(key, others.entries()[0], ttl=30)

    store.meanwhile = meanwhile
    call = make_call()

    reply = await kept(store=store)(call)

    assert (reply.value, reply.cache, upstream.attempts) == ("theirs", "hit", 1)
    assert call.span.attributes == {telemetry.CACHE_STATUS: "hit"}


async def test_what_is_newer_and_stale_already_is_asked_for(kept: Any, upstream: Any) -> None:
    """What another process has kept is no better than what is kept here, if it is no good any more."""
    store = SharedStore()
    upstream.replies(upstream.reply("theirs", cache_control="max-age=0", etag='"1"'), upstream.reply("ours"))
    others = kept(store=MemoryStore(100_000))
    await others()

    async def meanwhile(key: str) -> None:
        await store.set(key, others.entries()[0], ttl=30)

    store.meanwhile = meanwhile

    assert (await kept(store=store)()).value == "ours"


async def test_who_will_have_it_anew_is_not_given_what_was_there(kept: Any, upstream: Any) -> None:
    """A call that says `no-cache` finds the same fresh entry when it looks once more, and asks."""
    upstream.replies(upstream.reply("old"), upstream.reply("new"))
    users = kept(store=SharedStore(), heeds=True, ttl="30s", vary_on=[])
    await users()

    assert (await users(headers=(("cache-control", "no-cache"),))).value == "new"


async def test_what_is_there_and_no_newer_is_asked_for(kept: Any, upstream: Any) -> None:
    """Looking once more finds the same entry, which is too old."""
    users = kept(store=SharedStore(), ttl="30s", stale_if_error="1h")
    upstream.replies(upstream.reply("old"), upstream.reply("new"))
    await users()

    assert (await users.later(31)).value == "new"


@pytest.mark.parametrize("answer", [200, 404, Disconnected("broke")], ids=str)
async def test_a_lease_is_held_until_all_is_kept(kept: Any, upstream: Any, answer: Any) -> None:
    """And given back however the call ends."""
    store = SharedStore()
    during: list[int] = []
    upstream.replies(lambda _: during.append(len(store.held)) or answer)

    await asyncio.gather(kept(store=store)(), return_exceptions=True)

    assert (during, store.held) == ([1], [])


async def test_a_cancelled_call_gives_its_lease_back(kept: Any, upstream: Any) -> None:
    """Whoever else wants to ask need not wait for it."""
    store = SharedStore()
    upstream.replies(upstream.hang)
    task = asyncio.create_task(kept(store=store)())
    await asyncio.sleep(0.1)
    assert store.held

    task.cancel()
    await asyncio.gather(task, return_exceptions=True)

    assert store.held == []


async def test_nobody_waits_for_a_lease_beyond_the_deadline(kept: Any, upstream: Any, looptime: Any) -> None:
    """Another process that asks for long is no reason to answer late."""
    store = SharedStore()
    store.wait = 60.0

    with pytest.raises(CallTimeout):
        await kept(store=store)(deadline=0.5)

    assert (float(looptime), upstream.attempts) == (pytest.approx(0.5), 0)

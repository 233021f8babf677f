"""Cache: what is kept, for whom, for how long, and what a store in trouble costs."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway import telemetry
from gateway.caching import Store
from gateway.call import Caller, Expectation, Reply
from gateway.errors import CallError, Disconnected, StatusRefused
from gateway.formats import SPLICED
from gateway.formats.decode import JsonText
from gateway.layers.cache import Cache, key_of, may_store
from gateway.policy import CachePolicy
from gateway.store import MemoryStore

pytestmark = pytest.mark.looptime


@dataclass
class Clock:
    """A clock that stands until the test moves it."""

    now: float = 1000.0

    def __call__(self) -> float:
        return self.now


@dataclass
class OpenStore:
    """A store that the test can look into."""

    entries: dict[str, Any] = field(default_factory=dict)
    ttls: list[float] = field(default_factory=list)

    async def get(self, key: str) -> Any:
        return self.entries.get(key)

    async def multi_get(self, keys: Sequence[str]) -> Sequence[Any]:
        return [self.entries.get(key) for key in keys]

    async def set(self, key: str, value: Any, ttl: float) -> Any:
        self.entries[key] = value
        self.ttls.append(ttl)

    async def delete(self, key: str) -> Any:
        return self.entries.pop(key, None)

    @asynccontextmanager
    async def lease(self, key: str) -> AsyncIterator[bool]:
        yield key not in self.entries


class BrokenStore(OpenStore):
    """A store that fails at everything."""

    async def get(self, key: str) -> Any:
        raise TimeoutError("the store is away")

    async def set(self, key: str, value: Any, ttl: float) -> Any:
        raise ConnectionError("the store is away")


def caching(upstream: Any, store: Store, ttl: str = "30s") -> Caller:
    """The upstream with a cache around it."""
    return Cache(CachePolicy(ttl=ttl), store)(upstream)


async def test_the_second_call_is_a_hit(upstream: Any, make_call: Any) -> None:
    """What was asked a moment ago is not asked again, and the answer is the same."""
    upstream.replies(upstream.reply({"name": "Ada"}, etag='"7"', vary=["accept", "origin"]))
    cached = caching(upstream, MemoryStore(10_000))

    first, second = await cached(make_call()), await cached(make_call())

    assert upstream.attempts == 1
    assert (first.cache, second.cache) == ("miss", "hit")
    assert replace(second, cache="miss") == first


async def test_an_entry_is_served_until_its_ttl_is_over(upstream: Any, make_call: Any) -> None:
    """29.9 seconds are less than 30, and 30 are not."""
    upstream.replies(200, 200)
    clock = Clock()
    cached = Cache(CachePolicy(ttl="30s"), MemoryStore(10_000), clock)(upstream)

    await cached(make_call())
    clock.now += 29.9
    before = await cached(make_call())
    clock.now += 0.1
    after = await cached(make_call())

    assert (before.cache, after.cache) == ("hit", "miss")


async def test_spans_and_replies_tell_how_the_cache_took_part(upstream: Any, make_call: Any) -> None:
    """A miss says how long the reply will be kept; a hit says that it is one."""
    upstream.replies(200)
    cached = caching(upstream, MemoryStore(10_000))
    miss, hit = make_call(), make_call()

    await cached(miss)
    await cached(hit)

    assert miss.span.attributes == {telemetry.CACHE_STATUS: "miss", telemetry.CACHE_TTL: 30.0}
    assert hit.span.attributes == {telemetry.CACHE_STATUS: "hit"}


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
async def test_a_hit_is_the_reply_to_the_letter(
    upstream: Any, make_call: Any, status: int, body: bytes, expects: Expectation
) -> None:
    """Status, headers, bytes and value come out as they went in."""
    upstream.replies(Reply(status, (("x-one", "1"), ("x-one", "2")), body))
    cached = caching(upstream, OpenStore())

    first, second = await cached(make_call(expects=expects)), await cached(make_call(expects=expects))

    assert (second.status, second.headers, second.body, second.value) == (first.status, first.headers, first.body, first.value)


async def test_a_step_reads_what_another_one_only_passed_on(upstream: Any, make_call: Any) -> None:
    """The same call has one entry, whoever made it; to the one its value is the text, to the other what is in it."""
    upstream.replies(upstream.reply({"id": 7}))
    cached = caching(upstream, OpenStore())

    passed_on, read = await cached(make_call(expects=Expectation(format=SPLICED))), await cached(make_call())

    assert (passed_on.value, read.value, read.cache) == (JsonText(b'{"id":7}'), {"id": 7}, "hit")


async def test_hits_share_no_value(upstream: Any, make_call: Any) -> None:
    """What one request does to its value, no other request sees."""
    upstream.replies(upstream.reply({"tags": ["a"]}))
    cached = caching(upstream, MemoryStore(10_000))

    for _ in range(3):
        reply = await cached(make_call())
        reply.value["tags"].append("mine")

    assert (await cached(make_call())).value == {"tags": ["a"]}


# -- the key -----------------------------------------------------------------------------------------------------------

_TEXT = st.sampled_from(["", "a", "b", "ab", '"', ",", "\n"])
_CALLS = st.fixed_dictionaries(
    {
        "upstream": _TEXT,
        "method": _TEXT,
        "target": _TEXT,
        "headers": st.lists(st.tuples(_TEXT, _TEXT), max_size=2).map(tuple),
        "body": st.sampled_from([b"", b"a", b"61", b"\xff"]),
    }
)


@settings(deadline=None)
@given(one=_CALLS, other=_CALLS)
def test_calls_share_a_key_only_when_the_upstream_could_not_tell_them_apart(make_call: Any, one: Any, other: Any) -> None:
    """Any difference in upstream, method, target, headers or body is another key; no difference is none."""
    keys = key_of(make_call(**one)), key_of(make_call(**other))

    assert (keys[0] == keys[1]) == (one == other)


@settings(deadline=None)
@given(call=_CALLS, changed=st.sampled_from(["upstream", "method", "target", "headers", "body"]))
def test_one_difference_is_enough_for_another_key(make_call: Any, call: Any, changed: str) -> None:
    """No part of what is sent is left out of the key."""
    more = {"headers": (*call["headers"], ("x", "")), "body": call["body"] + b"x"}.get(changed, f"{call[changed]}x")

    assert key_of(make_call(**call)) != key_of(make_call(**{**call, changed: more}))


def test_what_changes_with_every_call_is_not_in_the_key(make_call: Any) -> None:
    """Deadline, attempt and span differ from call to call and say nothing about the reply."""
    one, other = make_call(deadline=1.0), make_call(deadline=2.0, attempt=2, timeout=0.1)

    assert one.span is not other.span
    assert key_of(one) == key_of(other)


def test_a_key_tells_nothing(make_call: Any) -> None:
    """Keys are seen by whoever looks after the store: they are digests, and no user data is in them."""
    key = key_of(make_call(target="/users/ada@example.org", headers=(("authorization", "Bearer secret"),)))

    assert len(key) == 64
    assert set(key) <= set("0123456789abcdef")


async def test_two_users_never_share_an_entry(upstream: Any, make_call: Any) -> None:
    """Bob is never served what was kept for Alice, and Alice still is."""
    upstream.always(lambda call: upstream.reply(dict(call.headers)["authorization"]))
    cached = caching(upstream, MemoryStore(10_000))

    values = [
        (await cached(make_call(headers=(("authorization", user),)))).value
        for user in ("Bearer alice", "Bearer bob", "Bearer alice", "Bearer bob")
    ]

    assert values == ["Bearer alice", "Bearer bob", "Bearer alice", "Bearer bob"]
    assert upstream.attempts == 2


async def test_steps_that_keep_for_different_times_share_nothing(upstream: Any, make_call: Any) -> None:
    """A step with a short ttl is never served what another keeps for longer."""
    store = MemoryStore(10_000)
    upstream.always(upstream.reply(1))

    for ttl in (3600, 1, 3600, 1):
        await Cache(CachePolicy(ttl=f"{ttl}s"), store)(upstream)(make_call())

    assert upstream.attempts == 2


# -- what is kept ------------------------------------------------------------------------------------------------------

_PLAIN = Expectation()


@pytest.mark.parametrize(
    ("expects", "status", "headers", "kept"),
    [
        pytest.param(_PLAIN, 200, (), True, id="plain"),
        pytest.param(_PLAIN, 200, (("cache-control", "public, max-age=60"),), True, id="public"),
        pytest.param(_PLAIN, 200, (("vary", "accept, authorization"),), True, id="vary by what is in the key"),
        pytest.param(_PLAIN, 200, (("x-cache-control", "no-store"),), True, id="another header's no-store"),
        pytest.param(_PLAIN, 200, (("set-cookie", "session=1"),), False, id="set-cookie"),
        pytest.param(_PLAIN, 200, (("set-cookie", ""),), False, id="set-cookie, empty"),
        pytest.param(_PLAIN, 200, (("cache-control", "private"),), False, id="private"),
        pytest.param(_PLAIN, 200, (("cache-control", "max-age=60, NO-STORE"),), False, id="no-store"),
        pytest.param(_PLAIN, 200, (("cache-control", "no-cache"),), False, id="no-cache"),
        pytest.param(_PLAIN, 200, (("cache-control", 'private="x-user, x-mail", max-age=60'),), False, id="private fields"),
        pytest.param(_PLAIN, 200, (("cache-control", "max-age=60"), ("cache-control", "private")), False, id="on a second line"),
        pytest.param(_PLAIN, 200, (("vary", "*"),), False, id="vary by everything"),
        pytest.param(_PLAIN, 200, (("vary", "accept , * "),), False, id="vary by everything, in a list"),
        pytest.param(_PLAIN, 200, (("vary", "accept"), ("vary", "*")), False, id="vary by everything, on a second line"),
        pytest.param(_PLAIN, 404, (), False, id="refused"),
        pytest.param(Expectation(accept=frozenset({404})), 404, (), True, id="accepted"),
        pytest.param(Expectation(accept=frozenset({404})), 200, (), False, id="good, but not accepted"),
        pytest.param(Expectation(handled=frozenset({404})), 404, (), False, id="handled by on_status"),
    ],
)
def test_only_good_replies_for_everybody_are_kept(make_call: Any, expects: Any, status: int, headers: Any, kept: bool) -> None:
    """A reply is kept when the step takes it for good and its upstream does not keep it for one client."""
    assert may_store(make_call(expects=expects), Reply(status, headers)) is kept


async def test_what_is_not_kept_is_asked_again(upstream: Any, make_call: Any) -> None:
    """A reply for one client is handed on, never stored, and no span promises that it is."""
    upstream.always(upstream.reply({}, cache_control="private"))
    store = OpenStore()
    call = make_call()

    await caching(upstream, store)(call)
    again = await caching(upstream, store)(make_call())

    assert (again.cache, upstream.attempts, store.entries) == ("miss", 2, {})
    assert telemetry.CACHE_TTL not in call.span.attributes


@pytest.mark.parametrize("failure", [503, Disconnected("broke")], ids=str)
async def test_a_failure_is_not_kept(upstream: Any, make_call: Any, failure: Any) -> None:
    """A failed call leaves nothing behind: the next one asks again."""
    upstream.replies(failure, 200)
    store = OpenStore()
    cached = caching(upstream, store)

    with pytest.raises(CallError):
        await cached(make_call())

    assert store.entries == {}
    assert (await cached(make_call())).cache == "miss"


async def test_a_cancelled_call_keeps_nothing(upstream: Any, make_call: Any) -> None:
    """A call that is cancelled is cancelled below, and nothing of it is stored."""
    upstream.replies(upstream.hang)
    store = OpenStore()
    task = asyncio.create_task(caching(upstream, store)(make_call()))

    await asyncio.sleep(0.1)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task

    assert (upstream.cancelled, store.entries) == (1, {})


async def test_each_step_keeps_to_its_own_statuses(upstream: Any, make_call: Any) -> None:
    """A 404 that one step takes for good is no reply for another that makes the same call and does not."""
    upstream.replies(upstream.reply("nobody", status=404), 404)
    cached = caching(upstream, MemoryStore(10_000))
    lenient = Expectation(accept=frozenset({200, 404}))

    await cached(make_call(expects=lenient))
    with pytest.raises(StatusRefused):
        await cached(make_call())

    assert (await cached(make_call(expects=lenient))).value == "nobody"
    assert upstream.attempts == 2


# -- the store ---------------------------------------------------------------------------------------------------------


async def test_the_store_is_told_the_ttl_in_seconds(upstream: Any, make_call: Any) -> None:
    """Expiry is the store's work; it learns the policy's ttl with each entry."""
    upstream.replies(200)
    store = OpenStore()

    await caching(upstream, store, ttl="5m")(make_call())

    assert store.ttls == [300.0]


async def test_a_broken_store_costs_no_call(upstream: Any, make_call: Any) -> None:
    """A store that raises is a miss, on the way in and on the way out."""
    upstream.replies(upstream.reply("good"))

    reply = await caching(upstream, BrokenStore())(make_call())

    assert (reply.value, reply.cache) == ("good", "miss")

"""Keep: ask once for all processes that share a store, and keep what comes.

Below coalesce, which is what one process has for the same: one lease is held for all that wait. Above retry: what is kept is what the call
came to, and a lease is held as long as that takes. Raises what it asks for raises, and `CallTimeout` when the deadline passes while another
process asks.

1  the lease: whoever has waited for another process, or might have overlooked one, looks once more before it asks
2  what is there, but too old, is asked about: does it still hold?
3  it does: it is as good as new, and what was said of it anew is kept
4  it does not: what came is kept, if it may be; else what is there is not good any more either
5  it was refused: that is remembered for a while where the policy says so; a refusal that says nothing of what is there leaves it alone
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AsyncExitStack
from dataclasses import dataclass, field, replace
from functools import lru_cache, partial

from gateway import telemetry
from gateway.caching import Entry, Place, Store
from gateway.caching.clock import now
from gateway.caching.freshness import Use, decide
from gateway.caching.keys import scopes_of
from gateway.caching.serving import is_for, marked, reply_of
from gateway.caching.storing import make_entry
from gateway.caching.updating import freshened, updated, validators
from gateway.caching.variants import find, keep
from gateway.call import Call, Caller, Expectation, Headers, Reply
from gateway.errors import CallTimeout, StatusRefused
from gateway.limit import Limit, LimitsState
from gateway.policy import CachePolicy
from gateway.verdict import is_passing, judge

_NOT_MODIFIED = 304

_CONDITIONS = frozenset({"if-none-match", "if-modified-since", "if-match", "if-unmodified-since", "if-range", "range"})
"""Fields by which a call asks for less than all of it, on its own account."""


@dataclass(frozen=True, slots=True)
class Keep:
    """Replies are kept by the rules of RFC 9111."""

    policy: CachePolicy = field(repr=False)
    store: Store = field(repr=False)
    scopes: tuple[str, ...] = field(default=(), repr=False)
    """What everything that is kept here can be purged by, besides its upstream, its resource and its tags."""

    limits: LimitsState = field(default_factory=LimitsState, repr=False, compare=False)
    clock: Callable[[], float] = field(default=now, repr=False)

    def __call__(self, caller: Caller) -> Caller:
        """A caller that keeps what comes."""
        return partial(self._call, caller)

    async def _call(self, caller: Caller, call: Call) -> Reply:
        place = call.place
        if place is None or not place.key:
            return await caller(call)
        async with AsyncExitStack() as held:
            lease = await self._lease(held, place.key, call.deadline)  # 1
            news = await find(self.store, place.key, call.headers) if lease is not None else None
            if news and self._is_new(news, call, place):
                call.span.own[telemetry.CACHE_STATUS] = "hit"
                return reply_of(news, call, "hit")
            return await self._ask(caller, call, place)

    async def _lease(self, held: AsyncExitStack, key: str, deadline: float) -> bool | None:
        """Wait for it, but not beyond the deadline."""
        limit = Limit(self.limits, deadline)
        try:
            with limit:
                return await held.enter_async_context(self.store.lease(key))
        except TimeoutError:
            if not limit.expired:
                raise
            raise CallTimeout("the deadline has passed while another process asked") from None

    def _is_new(self, entry: Entry, call: Call, place: Place) -> bool:
        """Another has kept it meanwhile, and it is good."""
        if place.entry and entry.at <= place.entry.at:
            return False
        now = self.clock()
        return decide(entry, now) is Use.FRESH and is_for(entry, call, now, self.policy.negative_ttl)

    async def _ask(self, caller: Caller, call: Call, place: Place) -> Reply:
        asking = () if _has_conditions(call) or not place.entry else validators(place.entry)
        asked_at = self.clock()
        try:
            reply = await caller(_conditional(call, asking) if asking else call)  # 2
        except StatusRefused as error:
            entry = await self._refused(call, place, error.reply, asked_at)
            raise StatusRefused(marked(error.reply, "miss", entry)) from error
        if asking and place.entry and reply.status == _NOT_MODIFIED:
            return await self._revalidated(call, place, place.entry, reply, asked_at)
        if not call.expects.takes(reply.status):
            return marked(reply, "miss", await self._refused(call, place, reply, asked_at))
        entry = make_entry(self.policy, call, reply, asked_at, self._scopes(place))
        await self._keep(call, place, entry)  # 4
        return marked(reply, "miss", entry)

    async def _revalidated(self, call: Call, place: Place, old: Entry, reply: Reply, asked_at: float) -> Reply:  # 3
        entry = freshened(old, reply, self.policy, call, asked_at, self._scopes(place))
        await self._keep(call, place, entry)
        call.span.own[telemetry.CACHE_STATUS] = "revalidated"
        if entry:
            return reply_of(entry, call, "revalidated")
        whole = updated(old, reply.headers)
        return marked(judge(call, whole.status, whole.headers, whole.body), "revalidated", None)

    async def _refused(self, call: Call, place: Place, reply: Reply, asked_at: float) -> Entry | None:  # 5
        entry = make_entry(self.policy, call, reply, asked_at, self._scopes(place))
        if entry or not is_passing(reply.status):
            await self._keep(call, place, entry)
        return entry

    async def _keep(self, call: Call, place: Place, entry: Entry | None) -> None:
        if entry:
            call.span.own[telemetry.CACHE_TTL] = entry.lifetime
            await keep(self.store, place.key, self.policy, call.headers, entry)
        elif place.entry:
            await self.store.delete(place.key)

    def _scopes(self, place: Place) -> tuple[str, ...]:
        return (*self.scopes, *scopes_of(place))


def _has_conditions(call: Call) -> bool:
    return any(name in _CONDITIONS for name, _ in call.headers)


def _conditional(call: Call, asking: Headers) -> Call:
    return replace(call, headers=(*call.headers, *asking), expects=_with_304(call.expects))


@lru_cache(maxsize=1024)
def _with_304(expects: Expectation) -> Expectation:
    """What the step expects, and the word that nothing has changed. As many as there are in the config."""
    return replace(expects, handled=expects.handled | {_NOT_MODIFIED})

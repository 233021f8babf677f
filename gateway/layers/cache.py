"""Cache: serve what is kept, and ask for what is not.

Above everything that costs: a hit waits for nothing, takes no permit and needs no healthy upstream. What is asked for goes on with its
place, so that those below know what is wanted and what there is already. Raises what it asks for raises, `StatusRefused` for a refusal
that is remembered, and with status 504 where the call itself takes only what is kept.

The key is what would really be sent, header by header, so that two clients share an entry only when the upstream could not tell them
apart either; unless the policy says what tells them apart. What changes with every call (`traceparent`, the remaining time) is added below.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial

from gateway import telemetry
from gateway.caching import Background, Entry, Place, Store
from gateway.caching.clock import now
from gateway.caching.directives import NONE, Directives, of_request
from gateway.caching.freshness import Use, decide, may_serve_on_error
from gateway.caching.keys import key_of
from gateway.caching.refreshing import RefreshesState
from gateway.caching.serving import is_for, reply_of
from gateway.caching.variants import find
from gateway.call import Call, Caller, Reply
from gateway.errors import BadReply, CallError, StatusRefused
from gateway.policy import CachePolicy
from gateway.telemetry import Span
from gateway.verdict import is_outage


@dataclass(frozen=True, slots=True)
class Cache:
    """What is kept is served, by the rules of RFC 9111 and 5861."""

    policy: CachePolicy
    store: Store = field(repr=False)
    background: Background = field(repr=False)
    """Fetches anew what is served stale."""

    refreshes: RefreshesState = field(repr=False, compare=False)
    """The upstream's."""

    within: float = field(default=10.0, repr=False)
    """Seconds that fetching anew may take."""

    heeds: bool = field(default=False, repr=False)
    """Calls may say themselves what they take (`Cache-Control`); nobody looks for it where none is sent."""

    clock: Callable[[], float] = field(default=now, repr=False)

    def __call__(self, caller: Caller) -> Caller:
        """A caller that asks the store first."""
        return partial(self._call, caller)

    async def _call(self, caller: Caller, call: Call) -> Reply:
        own, asked = call.span.own, of_request(call.headers) if self.heeds else NONE
        place = self._place(call)
        if place is None or "no-store" in asked:
            own[telemetry.CACHE_STATUS] = "bypass"
            return await caller(call)
        place.entry = await self._kept(place, call)
        if place.entry and (reply := self._served(caller, call, place, place.entry, asked)):
            return reply
        if "only-if-cached" in asked:
            own[telemetry.CACHE_STATUS] = "miss"
            raise StatusRefused(Reply(504, cache="miss"))
        return await self._asked(caller, call, place, asked)

    def _place(self, call: Call) -> Place | None:
        """Where the reply belongs; None when it is not to be kept."""
        said = call.place
        if said is None:
            return Place(key_of(call, self.policy))
        return Place(key_of(call, self.policy), said.named, said.tags) if said.named != () else None

    async def _kept(self, place: Place, call: Call) -> Entry | None:
        entry = await find(self.store, place.key, call.headers)
        return entry if entry and is_for(entry, call, self.clock(), self.policy.negative_ttl) else None

    def _served(self, caller: Caller, call: Call, place: Place, entry: Entry, asked: Directives) -> Reply | None:
        """The entry, when it may be served as it is; its value is the caller's own. Raises the refusal that it is."""
        use = decide(entry, self.clock(), asked)
        if use is Use.ASK:
            return None
        word = "hit" if use is Use.FRESH else "stale"
        call.span.own[telemetry.CACHE_STATUS] = word
        if use is Use.REVALIDATE_BEHIND:
            self._refresh(caller, call, place)
        try:
            return reply_of(entry, call, word)
        except BadReply:
            # Another step had no use for its body, and kept it unread.
            place.entry = None
            return None

    async def _asked(self, caller: Caller, call: Call, place: Place, asked: Directives) -> Reply:
        call.span.own[telemetry.CACHE_STATUS] = "miss"
        try:
            return await caller(call.varied(call.span, call.deadline, call.attempt, place))
        except CallError as error:
            entry = place.entry
            if not entry or "no-cache" in asked or not is_outage(error) or not may_serve_on_error(entry, self.clock()):
                raise
            call.span.own[telemetry.CACHE_STATUS] = "stale"
            return reply_of(entry, call, "stale")

    def _refresh(self, caller: Caller, call: Call, place: Place) -> None:
        """Have it fetched anew, unless somebody does that already."""
        now = self.clock()
        if self.refreshes.begin(place.key, now, now + self.within):
            self.background(f"refresh {call.upstream}", call.span, partial(self._refreshed, caller, call, place))

    async def _refreshed(self, caller: Caller, call: Call, place: Place, span: Span) -> None:
        deadline = asyncio.get_running_loop().time() + self.within
        try:
            await caller(call.varied(span, deadline, 1, place))
        except BaseException:
            self.refreshes.put_off(place.key, self.clock())
            raise
        self.refreshes.end(place.key)

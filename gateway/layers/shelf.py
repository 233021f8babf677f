"""The shelf: where a loop keeps the replies of single items, although it fetches them in batches. No layer: a batch is one call, and what it
brings is many replies.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from gateway.caching import Entry, Place, Store
from gateway.caching.clock import now
from gateway.caching.freshness import Use, decide, may_serve_on_error
from gateway.caching.keys import digest_of, key_of, scopes_of
from gateway.caching.serving import is_for, reply_of
from gateway.caching.storing import make_entry
from gateway.caching.variants import find_all, keep_all
from gateway.call import Call, Reply
from gateway.errors import CallError
from gateway.policy import CachePolicy

_OF_THE_BATCH = frozenset({"etag", "last-modified", "content-length"})
"""Fields of a reply that say nothing of one item in it."""


@dataclass(frozen=True, slots=True)
class Items:
    """Items are kept one by one, whichever batch they came in."""

    policy: CachePolicy
    store: Store = field(repr=False)
    scopes: tuple[str, ...] = field(default=(), repr=False)
    clock: Callable[[], float] = field(default=now, repr=False)

    async def kept(self, items: Sequence[Sequence[Call]]) -> Sequence[Reply | None]:
        """What is kept for each item, in one trip: `hit`, or `stale`."""
        places = [self._place(calls) for calls in items]
        sought = [(place.key, calls[0].headers) for place, calls in zip(places, items, strict=True) if place]
        found = iter(await find_all(self.store, sought))
        # What is stale is fetched all the same, and stands in for a failure only.
        return [self._reply(next(found), calls[0]) if place else None for place, calls in zip(places, items, strict=True)]

    async def keep(self, items: Sequence[Sequence[Call]], replies: Sequence[Reply], asked_at: float) -> None:
        """Keep what a batch had for these items, if it may be kept, in one trip."""
        found = []
        for calls, reply in zip(items, replies, strict=True):
            place = self._place(calls)
            if place and (entry := self._entry(place, calls[0], reply, asked_at)):
                found.append((place.key, calls[0].headers, entry))
        await keep_all(self.store, self.policy, found)

    def _place(self, calls: Sequence[Call]) -> Place | None:
        call, *others = calls
        said = call.place or Place()
        if said.named == ():
            return None
        key = key_of(call, self.policy)
        return Place("-".join([key, *map(digest_of, others)]), said.named, said.tags)

    def _reply(self, entry: Entry | None, call: Call) -> Reply | None:
        time = self.clock()
        if entry is None or not is_for(entry, call, time, 0.0):
            return None
        is_fresh = decide(entry, time) is Use.FRESH
        if not is_fresh and not may_serve_on_error(entry, time):
            return None
        try:
            return reply_of(entry, call, "hit" if is_fresh else "stale")
        except CallError:
            return None

    def _entry(self, place: Place, call: Call, reply: Reply, asked_at: float) -> Entry | None:
        scopes = (*self.scopes, *scopes_of(place))
        own = Reply(reply.status, tuple(line for line in reply.headers if line[0] not in _OF_THE_BATCH), reply.body)
        return make_entry(self.policy, call, own, asked_at, scopes)

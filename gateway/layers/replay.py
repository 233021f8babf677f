"""Replay: keep what goes by, and play it to who asks for it again.

In the cache's place where bodies go by: above everything that costs. A reply is taped on its way to the client, who waits for nothing of
it; one that is torn, cancelled or too long is not kept. Calls that are the same are not joined: each client has its own reply. Raises what
it asks for raises.

A client's own conditions and ranges (where they reach the call) are answered from what is kept; where nothing is, they go on to the
upstream as they are. What is stale is asked about by its own validators (RFC 9111, section 4.3.1).
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from functools import partial

from gateway import telemetry
from gateway.caching import Background, Entry, Place, Store, variants
from gateway.caching.cache_status import Forward, Member
from gateway.caching.clock import now
from gateway.caching.conditions import OF_A_READER, OF_A_WRITER
from gateway.caching.directives import of_request
from gateway.caching.freshness import Use, decide, may_serve_on_error
from gateway.caching.keys import key_of, scopes_of
from gateway.caching.playing import play
from gateway.caching.refreshing import RefreshesState
from gateway.caching.storing import make_entry
from gateway.caching.taping import Tape, TapesState
from gateway.caching.updating import updated, validators
from gateway.call import Call, Caller, Reply
from gateway.errors import CallError
from gateway.passage import Flow, Passage
from gateway.policy import CachePolicy
from gateway.telemetry import Span

_FAILING = frozenset({500, 502, 503, 504})
"""Statuses that what is stale is better than (RFC 5861, section 4)."""


@dataclass(frozen=True, slots=True)
class Asked:
    """A call that is not served from what is kept, or not from that alone."""

    caller: Caller
    call: Call
    """As the client made it."""

    passage: Passage
    plain: Call
    """For the whole reply, whatever the client has of it: what is kept is kept of this."""

    key: str
    entry: Entry | None


@dataclass(frozen=True, slots=True)
class Replay:
    """What goes by is kept, by the rules of RFC 9111 and 5861."""

    policy: CachePolicy
    store: Store = field(repr=False)
    background: Background = field(repr=False)
    """Fetches anew what is served stale."""

    refreshes: RefreshesState = field(repr=False, compare=False)
    scopes: tuple[str, ...] = field(default=(), repr=False)
    """What all of it is purged by, beside its upstream and resource."""

    within: float = field(default=10.0, repr=False)
    """Seconds that fetching anew may take."""

    clock: Callable[[], float] = field(default=now, repr=False)
    tapes: TapesState = field(default_factory=TapesState, repr=False, compare=False)

    def __call__(self, caller: Caller) -> Caller:
        """A caller that plays what it has."""
        return partial(self._call, caller)

    async def _call(self, caller: Caller, call: Call) -> Reply:
        passage, wishes = call.passage, of_request(call.headers)
        if passage is None or "no-store" in wishes or not _may_be_played(call):
            call.span.own[telemetry.CACHE_STATUS] = "bypass"
            return await caller(call)
        plain = _plain(call)
        key = key_of(plain, self.policy)
        entry = await variants.find(self.store, key, plain.headers)
        asked = Asked(caller, call, passage, plain, key, entry)
        use = decide(entry, self.clock(), wishes) if entry else Use.ASK
        if entry and use is not Use.ASK:
            if use is Use.FRESH:
                return await self._play(asked, entry, "hit", Member(hit=True))
            self._refresh(asked)
            return await self._play(asked, entry, "stale", Member(hit=True))
        if "only-if-cached" in wishes:
            call.span.own[telemetry.CACHE_STATUS] = "miss"
            await passage.begin(504, [(b"content-length", b"0"), (b"cache-control", b"no-store")])
            return Reply(504, cache="miss")
        return await (caller(call) if call.method == "HEAD" else self._ask(asked))

    async def _ask(self, asked: Asked) -> Reply:
        """Have the reply go by, unless what is kept holds still, or is better than a failure."""
        entry, member = asked.entry, Member(fwd=_reason(asked.entry, self.clock()))
        asked.call.span.own[telemetry.CACHE_STATUS] = "miss"
        call = _asking(asked) if entry and validators(entry) else asked.call
        with self.tapes.room(asked.key, self.policy.max_size) as longest:
            tape = self._tape(asked, asked.passage, member, longest)
            try:
                reply = await asked.caller(replace(call, passage=tape))
            except CallError:
                if entry is None or not self._stands_in(entry, member) or (tape.head and not tape.is_held):
                    raise
                return await self._play(asked, entry, "stale", replace(member, detail="error"))
        news = await self._keep(asked, tape)
        if entry is None or not tape.is_held:
            return Reply(reply.status, reply.headers, cache="miss")
        member = replace(member, fwd_status=reply.status)
        return await self._play(asked, news or entry, "revalidated" if news else "stale", member)

    def _stands_in(self, entry: Entry, member: Member) -> bool:
        """It is better than a failure; not for who takes nothing without asking (RFC 9111, section 5.2.1.4)."""
        return member.fwd == "stale" and may_serve_on_error(entry, self.clock())

    def _tape(self, asked: Asked, passage: Passage | None, member: Member, longest: int) -> Tape:
        """What the upstream's reply goes onto, so many bytes of it at most."""
        entry, known, at = asked.entry, validators(asked.entry) if asked.entry else (), self.clock()
        scopes = (*self.scopes, *scopes_of(replace(asked.call.place or Place(), key=asked.key)))

        def judge(reply: Reply) -> Entry | None:
            return make_entry(self.policy, asked.plain, reply, at, scopes)

        def holds(status: int) -> bool:
            if status == 304:
                return bool(known)
            return status in _FAILING and entry is not None and self._stands_in(entry, member)

        flow = passage.flow if passage else Flow(0, asked.passage.flow.idle)
        return Tape(passage, flow, judge, longest, holds, member)

    async def _keep(self, asked: Asked, tape: Tape) -> Entry | None:
        """Keep what has been taped, or what a 304 has made as good as new. Gives the latter, also where it is not to be kept any more."""
        old, head = asked.entry, tape.head
        if not tape.is_held:
            entry = news = tape.entry
        elif old and head and head.status == 304:
            whole = updated(old, head.headers)
            entry = tape.judge(whole)
            news = entry or replace(old, headers=whole.headers, at=self.clock(), age=0.0)
        else:
            return None
        if entry:
            asked.call.span.own[telemetry.CACHE_TTL] = entry.lifetime
            await variants.keep(self.store, asked.key, self.policy, asked.plain.headers, entry)
        elif tape.is_held:
            await self.store.delete(asked.key)
        return news

    async def _play(self, asked: Asked, entry: Entry, word: str, member: Member) -> Reply:
        """Give the client what is kept."""
        asked.call.span.own[telemetry.CACHE_STATUS] = word
        now = self.clock()
        left = entry.at + entry.lifetime - now
        played = play(entry, asked.call.method, asked.call.headers, now, member.lasting(left))
        await played.into(asked.passage)
        return Reply(played.status, entry.headers, cache=word)

    def _refresh(self, asked: Asked) -> None:
        """Have it fetched anew, unless somebody does that already."""
        now = self.clock()
        if self.refreshes.begin(asked.key, now, now + self.within):
            self.background(f"refresh {asked.call.upstream}", asked.call.span, partial(self._refreshed, asked))

    async def _refreshed(self, asked: Asked, span: Span) -> None:
        deadline = asyncio.get_running_loop().time() + self.within
        tape = self._tape(asked, None, Member(fwd="stale"), self.policy.max_size)
        try:
            await asked.caller(replace(_asking(asked), passage=tape, span=span, deadline=deadline))
            await self._keep(asked, tape)
        except BaseException:
            self.refreshes.put_off(asked.key, self.clock())
            raise
        self.refreshes.end(asked.key)


def _may_be_played(call: Call) -> bool:
    """It is for reading alone, and the config knows what tells it apart."""
    has_place = call.place is None or call.place.named != ()
    return has_place and not any(name in OF_A_WRITER for name, _ in call.headers)


def _plain(call: Call) -> Call:
    """The same call for the whole reply, whatever its client has of it."""
    if call.method == "GET" and not any(name in OF_A_READER for name, _ in call.headers):
        return call
    return replace(call, method="GET", headers=tuple(line for line in call.headers if line[0] not in OF_A_READER))


def _asking(asked: Asked) -> Call:
    """The call for the whole, unless that is the same as what is kept."""
    known = validators(asked.entry) if asked.entry else ()
    return replace(asked.plain, headers=(*asked.plain.headers, *known))


def _reason(entry: Entry | None, now: float) -> Forward:
    if entry is None:
        return "uri-miss"
    return "request" if decide(entry, now) is Use.FRESH else "stale"

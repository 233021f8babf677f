"""Cache: keep good replies, and serve them without asking again.

Above everything that costs: a hit waits for nothing and needs no healthy upstream. Raises nothing of its own.

The key is what would really be sent, header by header, so that two clients share an entry only when the upstream could not tell them
apart either. What changes with every call (`traceparent`, the remaining time) is added below this layer.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from functools import partial
from typing import Any

from gateway import telemetry
from gateway.caching import Entry, Store
from gateway.caching.clock import now
from gateway.caching.entry import FORMAT
from gateway.call import NO_BODY, Call, Caller, Expectation, Reply
from gateway.formats import SPLICED
from gateway.formats.decode import JsonText
from gateway.formats.encode import encode_json
from gateway.policy import CachePolicy

_NOT_SHARED = {"no-store", "private", "no-cache"}
"""Directives of `Cache-Control` by which an upstream keeps a reply out of here."""


@dataclass(frozen=True, slots=True)
class Cache:
    """Replies kept for the policy's ttl."""

    policy: CachePolicy
    store: Store = field(repr=False)
    clock: Callable[[], float] = field(default=now, repr=False)

    def __call__(self, caller: Caller) -> Caller:
        """A caller that asks the store first."""
        return partial(self._call, caller)

    async def _call(self, caller: Caller, call: Call) -> Reply:
        if self.policy.ttl is None or (call.place and call.place.named == ()):
            return await caller(call)
        key = self._key(call)
        reply = await self._kept(key, call.expects)
        if reply:
            call.span.own[telemetry.CACHE_STATUS] = "hit"
            return reply
        call.span.own[telemetry.CACHE_STATUS] = "miss"
        reply = await caller(call)
        await self._keep(key, call, reply)
        return Reply(reply.status, reply.headers, reply.body, reply.value, cache="miss")

    async def kept(self, calls: Sequence[Call]) -> Reply | None:
        """What is kept for a call that is not made by itself, but is one of a batch."""
        return await self._kept(self._key(*calls), calls[0].expects)

    async def keep(self, calls: Sequence[Call], reply: Reply) -> None:
        """Keep what a batch had for this call, if it may be kept."""
        await self._keep(self._key(*calls), calls[0], reply)

    def _key(self, *calls: Call) -> str:
        """Steps that keep replies for different times do not share them: neither gets one that is older than it allows."""
        return "-".join([f"{self.policy.ttl or 0:g}", *map(key_of, calls)])

    # A store in trouble costs its hits and nothing else: whatever it raises, the call goes on without it.

    async def _kept(self, key: str, expects: Expectation) -> Reply | None:
        entry = None
        with suppress(Exception):
            entry = await self.store.get(key)
        # Another step may make the same call and take other statuses for good.
        if entry is None or not expects.takes(entry.status) or entry.at + entry.lifetime <= self.clock():
            return None
        try:
            return Reply(entry.status, entry.headers, entry.body, _value(entry, expects), cache="hit")
        except ValueError:
            return None

    async def _keep(self, key: str, call: Call, reply: Reply) -> None:
        if may_store(call, reply):
            ttl = self.policy.ttl or 0.0
            call.span.own[telemetry.CACHE_TTL] = ttl
            entry = Entry(reply.status, reply.headers, reply.body, self.clock(), ttl)
            with suppress(Exception):
                await self.store.set(key, entry, ttl=ttl)


def key_of(call: Call) -> str:
    """A digest of all that is sent, and of how its reply is read: no user data in it, and no two calls that differ share it."""
    told: list[Any] = [call.place.named] if call.place and call.place.named else [call.target, list(call.headers), call.body]
    sent = encode_json([FORMAT, call.expects.format.name, call.upstream, call.method, *told])
    return hashlib.sha256(sent).hexdigest()


def may_store(call: Call, reply: Reply) -> bool:
    """The reply is a good one, and its upstream does not say that it is for one client only."""
    if not call.expects.takes(reply.status) or reply.header("set-cookie") is not None or "*" in _members(reply, "vary"):
        return False
    return not _members(reply, "cache-control") & _NOT_SHARED


def _members(reply: Reply, name: str) -> set[str]:
    """What a field that is a list has in it, in lower case and without arguments, on however many lines it is written."""
    values = (value for key, value in reply.headers if key == name)
    return {member.partition("=")[0].strip().lower() for value in values for member in value.split(",")}


def _value(entry: Entry, expects: Expectation) -> Any:
    """What was checked on its way in is the text that it was, for as long as it is whole; what was decoded is decoded again."""
    if not entry.body and entry.status in NO_BODY:
        return None
    return JsonText(entry.body) if expects.format is SPLICED else expects.format.decode(entry.body, entry.headers)

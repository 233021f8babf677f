"""Cache: keep good replies, and serve them without asking again.

Above everything that costs: a hit waits for nothing and needs no healthy upstream. Raises nothing of its own.

The key is what would really be sent, header by header, so that two clients share an entry only when the upstream could not tell them
apart either. What changes with every call (`traceparent`, the remaining time) is added below this layer.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from functools import partial
from typing import Any, Protocol

from gateway import telemetry
from gateway.call import NO_BODY, Call, Caller, Expectation, Headers, Reply
from gateway.formats import SPLICED
from gateway.formats.decode import JsonText, decode_json
from gateway.formats.encode import encode_json
from gateway.policy import CachePolicy

FORMAT = 3
"""Of the stored bytes; an entry of another format is a miss."""

_NOT_SHARED = {"no-store", "private", "no-cache"}
"""Directives of `Cache-Control` by which an upstream keeps a reply out of here."""


class Store(Protocol):
    """What the layer asks of storage: aiocache's interface, with bytes for values."""

    async def get(self, key: str) -> Any:
        """The bytes stored under this key, None when there are none."""

    async def set(self, key: str, value: Any, ttl: float) -> Any:
        """Keep these bytes for so many seconds."""


@dataclass(frozen=True, slots=True)
class Cache:
    """Replies kept for the policy's ttl."""

    policy: CachePolicy
    store: Store = field(repr=False)

    def __call__(self, caller: Caller) -> Caller:
        """A caller that asks the store first."""
        return partial(self._call, caller)

    async def _call(self, caller: Caller, call: Call) -> Reply:
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
        return "-".join([f"{self.policy.ttl:g}", *map(key_of, calls)])

    # A store in trouble costs its hits and nothing else: whatever it raises, the call goes on without it.

    async def _kept(self, key: str, expects: Expectation) -> Reply | None:
        stored = None
        with suppress(Exception):
            stored = await self.store.get(key)
        return _unpack(key, stored, expects)

    async def _keep(self, key: str, call: Call, reply: Reply) -> None:
        if may_store(call, reply):
            call.span.own[telemetry.CACHE_TTL] = self.policy.ttl
            packed = _pack(key, reply)
            with suppress(Exception):
                await self.store.set(key, packed, ttl=self.policy.ttl)


def key_of(call: Call) -> str:
    """A digest of all that is sent, and of how its reply is read: no user data in it, and no two calls that differ share it."""
    sent = encode_json([FORMAT, call.expects.format.name, call.upstream, call.method, call.target, list(call.headers), call.body])
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


def _pack(key: str, reply: Reply) -> bytes:
    """A line with all but the body, then the body. Key and length are in it so that a mixed-up or torn entry is known for one."""
    return encode_json([FORMAT, key, len(reply.body), reply.status, list(reply.headers)]) + b"\n" + reply.body


def _unpack(key: str, stored: bytes | None, expects: Expectation) -> Reply | None:
    """What was packed under this key, None for anything else."""
    if stored is None:
        return None
    try:
        line, _, body = stored.partition(b"\n")
        version, owner, size, status, headers = decode_json(line)
        # Another step may make the same call and take other statuses for good.
        if (version, owner, size) != (FORMAT, key, len(body)) or not expects.takes(status):
            return None
        fields = tuple((name, text) for name, text in headers)
        return Reply(status, fields, body, _value(status, fields, body, expects), cache="hit")
    except (TypeError, ValueError):
        return None


def _value(status: int, headers: Headers, body: bytes, expects: Expectation) -> Any:
    """What was checked on its way in is the text that it was, for as long as it is whole; what was decoded is decoded again."""
    if not body and status in NO_BODY:
        return None
    return JsonText(body) if expects.format is SPLICED else expects.format.decode(body, headers)

"""Cache: keep good replies, and serve them without asking again.

Above everything that costs: a hit waits for nothing and needs no healthy upstream. Raises nothing of its own.

The key is what would really be sent, header by header, so that two clients share an entry only when the upstream could not tell them
apart either. What changes with every call (`traceparent`, the remaining time) is added below this layer.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any, Protocol

from gateway import telemetry
from gateway.call import Call, Caller, Reply
from gateway.decode import decode_json
from gateway.policy import CachePolicy

FORMAT = 1
"""Of the stored bytes; an entry of another format is a miss."""


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
        key = key_of(call)
        if reply := _unpack(await self.store.get(key)):
            call.span.attributes[telemetry.CACHE_STATUS] = "hit"
            return reply
        call.span.attributes[telemetry.CACHE_STATUS] = "miss"
        reply = await caller(call)
        if may_store(call, reply):
            call.span.attributes[telemetry.CACHE_TTL] = self.policy.ttl
            await self.store.set(key, _pack(reply), ttl=self.policy.ttl)
        return replace(reply, cache="miss")


def key_of(call: Call) -> str:
    """A digest of all that is sent: no user data in it, and no two calls that differ share it."""
    sent = json.dumps([FORMAT, call.upstream, call.method, call.target, call.headers, call.body.hex()])
    return hashlib.sha256(sent.encode()).hexdigest()


def may_store(call: Call, reply: Reply) -> bool:
    """The reply is a good one, and its upstream does not say that it is for one client only."""
    if not call.expects.takes(reply.status) or reply.header("set-cookie") or reply.header("vary") == "*":
        return False
    directives = {part.partition("=")[0].strip().lower() for part in (reply.header("cache-control") or "").split(",")}
    return not directives & {"no-store", "private", "no-cache"}


def _pack(reply: Reply) -> bytes:
    """A line with all but the body, then the body."""
    return json.dumps([FORMAT, reply.status, reply.headers]).encode() + b"\n" + reply.body


def _unpack(stored: bytes | None) -> Reply | None:
    if stored is None:
        return None
    line, _, body = stored.partition(b"\n")
    version, status, headers = json.loads(line)
    if version != FORMAT:
        return None
    value = decode_json(body) if body else None
    return Reply(status, tuple((name, text) for name, text in headers), body, value, cache="hit")

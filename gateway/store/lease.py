"""Leases: the right to make something, for one process among all that share a Redis.

A key with the holder's token, which expires unless he renews it, and which only he takes away. Who has made it leaves word for a moment that it
is done, so that those who wait go on at once, whether it was kept or not. Of a holder who failed, one of them takes the place.
"""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from gateway.store.link import Link

LASTS = 3.0
"""Seconds until a holder who is gone has lost it; he renews it three times in these."""

PATIENCE = 10.0
"""Seconds after which whoever waits goes on without. Calls have earlier deadlines, most of them."""

SOON, LATER = 0.005, 0.05
"""Seconds between two looks at whether it is free, at first and at most."""

DONE = b"done"
"""What stands there, for a second, once it is done."""

_TAKE = """
local held = redis.call('get', KEYS[1])
if held and (held ~= 'done' or ARGV[3] == 'waits') then return held end
redis.call('set', KEYS[1], ARGV[1], 'px', ARGV[2])
return ARGV[1]
"""
_RENEW = "if redis.call('get', KEYS[1]) == ARGV[1] then return redis.call('pexpire', KEYS[1], ARGV[2]) end"
_END = """
if redis.call('get', KEYS[1]) ~= ARGV[1] then return 0 end
if ARGV[2] == 'done' then return redis.call('set', KEYS[1], 'done', 'px', 1000) end
return redis.call('del', KEYS[1])
"""


@asynccontextmanager
async def lease(link: Link, name: str) -> AsyncIterator[bool]:
    """Hold it while the block lasts, or wait until whoever holds it is done. True: it is ours."""
    held = Held(link, name)
    is_ours = await held.take()
    if is_ours:
        held.renew_later()
    how = "failed"
    try:
        yield is_ours
        how = "done"
    finally:
        if is_ours:
            held.end(how)


class Held:
    """A lease, from when it is asked for to its end."""

    def __init__(self, link: Link, name: str) -> None:
        self._link, self._name = link, name
        self._token = secrets.token_hex(8).encode()
        self._renewing: asyncio.TimerHandle | None = None

    async def take(self) -> bool:
        """Wait for it. False: somebody is done with it, two others have failed or are at it, or Redis is in trouble."""
        loop, wait, holders = asyncio.get_running_loop(), SOON, set[bytes]()
        until = loop.time() + PATIENCE
        found = await self._try("comes")
        while isinstance(found, bytes) and found not in (self._token, DONE) and loop.time() < until:
            holders.add(found)
            if len(holders) > 2:
                break
            await asyncio.sleep(wait)
            wait = min(LATER, wait * 1.5)
            found = await self._try("waits")
        return bool(found == self._token)

    def renew_later(self) -> None:
        """Have it renewed before it is lost, again and again."""
        self._renewing = asyncio.get_running_loop().call_later(LASTS / 3, self._renew)

    def end(self, how: str) -> None:
        """Give it back, `done` or `failed`. Nobody waits for that."""
        if self._renewing:
            self._renewing.cancel()
        self._link.tell(("EVAL", _END, 1, self._name, self._token, how))

    async def _try(self, how: str) -> Any:
        replies = await self._link.ask(("EVAL", _TAKE, 1, self._name, self._token, int(LASTS * 1000), how))
        return replies[0] if replies else None

    def _renew(self) -> None:
        self._link.tell(("EVAL", _RENEW, 1, self._name, self._token, int(LASTS * 1000)))
        self.renew_later()

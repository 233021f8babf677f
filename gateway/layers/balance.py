"""Balance: choose the host that an attempt goes to.

Below the bulkhead, which counts the calls of the whole upstream. Above a host's own stack: what is below it knows one host, so that one
that is down does not cost the others their calls. Raises `Unreachable` when no host is known.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import lru_cache, partial
from urllib.parse import urlsplit

from gateway import telemetry
from gateway.call import Call, Caller, Reply
from gateway.errors import Unreachable, Unsent
from gateway.states.hosts import HostsState, choose
from gateway.syntax import PORTS


@dataclass(frozen=True, slots=True)
class Balance:
    """Of two hosts drawn by lot the one that has less to do; a retry goes to another one than the attempt before."""

    hosts: HostsState
    chance: Callable[[], float] = field(default=random.random, repr=False)
    """Gives numbers from 0 up to 1; injected, so that a test knows them."""

    def over(self, callers: Mapping[str, Caller]) -> Caller:
        """A caller over those of the hosts, which go by their URLs, and come and go with them."""
        return partial(self._call, callers)

    async def _call(self, callers: Mapping[str, Caller], call: Call) -> Reply:
        if not self.hosts.now:
            raise Unreachable("no host is known")
        loop = asyncio.get_running_loop()
        began = loop.time()
        host = choose(self.hosts.now, call.tried, began, self.chance)
        caller = callers[host.url]
        call.tried.append(host.url)
        call.span.own.update(_attributes(host.url))
        host.in_flight += 1
        try:
            reply = await caller(call)
        except Unsent:
            # Nothing was asked of it, so that its time says nothing.
            raise
        except BaseException:
            # Whoever is cancelled has waited at least so long.
            host.observe(loop.time() - began, loop.time())
            raise
        finally:
            host.in_flight -= 1
        host.observe(loop.time() - began, loop.time())
        return reply


@lru_cache(1024)
def _attributes(url: str) -> Mapping[str, telemetry.Attribute]:
    parts = urlsplit(url)
    return {telemetry.SERVER_ADDRESS: parts.hostname or "", telemetry.SERVER_PORT: parts.port or PORTS[parts.scheme]}

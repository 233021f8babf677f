"""Balance: choose the host that an attempt goes to.

Below the bulkhead, which counts the calls of the whole upstream. Above a host's own stack: what is below it knows one host, so that one
that is down does not cost the others their calls. Raises nothing of its own.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import partial
from typing import TypeAlias
from urllib.parse import urlsplit

from gateway import telemetry
from gateway.call import Call, Caller, Reply
from gateway.errors import Unsent
from gateway.hosts import HostState, choose
from gateway.syntax import PORTS

_Way: TypeAlias = tuple[Caller, Mapping[str, telemetry.Attribute]]
"""To a host, and what an attempt's span says of it."""


@dataclass(frozen=True, slots=True)
class Balance:
    """Of two hosts drawn by lot the one that has less to do; a retry goes to another one than the attempt before."""

    hosts: tuple[HostState, ...]
    chance: Callable[[], float] = field(default=random.random, repr=False)
    """Gives numbers from 0 up to 1; injected, so that a test knows them."""

    def over(self, callers: Mapping[str, Caller]) -> Caller:
        """A caller over those of the hosts, which go by their URLs."""
        return partial(self._call, {url: (caller, _attributes(url)) for url, caller in callers.items()})

    async def _call(self, ways: Mapping[str, _Way], call: Call) -> Reply:
        loop = asyncio.get_running_loop()
        began = loop.time()
        host = choose(self.hosts, call.tried, began, self.chance)
        caller, attributes = ways[host.url]
        call.tried.append(host.url)
        call.span.own.update(attributes)
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


def _attributes(url: str) -> Mapping[str, telemetry.Attribute]:
    parts = urlsplit(url)
    return {telemetry.SERVER_ADDRESS: parts.hostname or "", telemetry.SERVER_PORT: parts.port or PORTS[parts.scheme]}

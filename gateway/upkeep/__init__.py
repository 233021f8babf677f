"""Upkeep: what goes on beside the calls while the gateway runs. Hosts are looked for again, and each is asked how it is.

No call waits for any of it, and all of it ends with the app's lifespan.
"""

from __future__ import annotations

import asyncio
import logging
import random
from collections.abc import Callable, Coroutine, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

from gateway.call import Call, Expectation
from gateway.errors import CallError
from gateway.events import HOST_HEALTHY, HOST_UNHEALTHY, HOSTS_FOUND, HOSTS_NOT_FOUND
from gateway.formats import Format
from gateway.policy import HealthPolicy, show_duration
from gateway.stack import Sender, WaysState
from gateway.states.health import HealthState
from gateway.states.hosts import HostState, Place
from gateway.telemetry import SpanType, Trace
from gateway.transport import Unknown
from gateway.upkeep.discovery import Find

EARLY = 0.1
"""Part of the time between two rounds that may be left out, by chance: those that began together do not stay together."""

PATIENCE = 2.0
"""Seconds for looking for hosts; the gateway starts to serve without them when it takes longer."""

SOON = 1.0
"""Seconds after which they are looked for again when none is known."""

_WELL = Expectation(format=Format("any", "*/*", lambda _body, _headers: None))
_SPAN = SpanType("health check", "client")

_log = logging.getLogger("gateway.hosts")


@dataclass(slots=True, eq=False)
class Upkeep:
    """The tasks of one upstream."""

    state: WaysState
    find: Find | None = field(default=None, repr=False)
    """Looks for the hosts, where they are to be looked for."""

    chance: Callable[[], float] = field(default=random.random, repr=False)
    checks: dict[str, asyncio.Task[None]] = field(default_factory=dict, repr=False)
    """By the host's URL."""

    search: asyncio.Task[None] | None = field(default=None, init=False, repr=False)
    is_lost: bool = field(default=False, init=False)
    """The name leads nowhere; the hosts are those that it led to before."""

    async def start(self) -> None:
        """Begin with all there is to do. Where hosts are to be looked for they are known when this has ended, if they are to be had."""
        if self.find:
            await self._look(self.find)
            self.search = _begin(self._look_again(self.find))
        elif not self.state.hosts.now:
            # Whoever brings a transport of their own sees the name, and decides where that leads.
            self.state.lead_to(map(Place, self.state.upstream.hosts))
        self._attend(self.state.hosts.now)

    async def stop(self) -> None:
        """End it all, and wait until it has ended."""
        tasks = [*self.checks.values(), *((self.search,) if self.search else ())]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def _look_again(self, find: Find) -> None:
        policy = self.state.upstream.discover
        assert policy is not None  # there is nothing to find otherwise
        while True:
            pause = policy.every if self.state.hosts.now else min(policy.every, SOON)
            await asyncio.sleep(pause * (1 - EARLY * self.chance()))
            joined, gone = await self._look(find)
            self._attend(joined)
            for host in gone:
                if task := self.checks.pop(host.url, None):
                    task.cancel()

    async def _look(self, find: Find) -> tuple[Sequence[HostState], Sequence[HostState]]:
        """Look where the hosts are now. Gives those that have joined and those that have gone; none, when nobody can say."""
        try:
            async with asyncio.timeout(PATIENCE):
                places = await find()
        except (Unknown, TimeoutError) as error:
            self._tell_lost(str(error) or "no answer in time")
            return (), ()
        self.is_lost = False
        joined, gone = self.state.lead_to(places)
        if joined or gone:
            name, hosts = self.state.upstream.name, [host.url for host in self.state.hosts.now]
            _log.info("%s: hosts %s", name, ", ".join(hosts), extra=HOSTS_FOUND.of(upstream=name, hosts=hosts))
        return joined, gone

    def _tell_lost(self, why: str) -> None:
        if not self.is_lost:
            name = self.state.upstream.name
            told = HOSTS_NOT_FOUND.of(upstream=name, reason=why)
            _log.warning("%s: no hosts found, those known before stay: %s", name, why, extra=told)
        self.is_lost = True

    def _attend(self, joined: Iterable[HostState]) -> None:
        if policy := self.state.upstream.health:
            for host in joined:
                self.checks[host.url] = _begin(self._watch(host, self.state.senders[host.url], policy))

    async def _watch(self, host: HostState, sender: Sender, policy: HealthPolicy) -> None:
        """Ask a host how it is, again and again."""
        loop, health = asyncio.get_running_loop(), HealthState(policy)
        # Hosts are not asked all at once, neither by one process nor by many that start together.
        due = loop.time() + policy.every * self.chance()
        while True:
            await asyncio.sleep(due - loop.time())
            due = loop.time() + policy.every * (1 - EARLY * self.chance())
            trouble = await self._trouble(sender, policy)
            if health.hear(good=trouble is None):
                self.state.hosts.note(host, is_healthy=health.is_healthy)
                _tell(self.state.upstream.name, host, policy, trouble)

    async def _trouble(self, sender: Sender, policy: HealthPolicy) -> str | None:
        """Why a host does not answer as it should; None when it does."""
        limit = min(policy.timeout, policy.every)
        deadline = asyncio.get_running_loop().time() + limit
        try:
            async with asyncio.timeout_at(deadline):
                await sender(self._call(policy.path, deadline))
        except CallError as error:
            return str(error)
        except TimeoutError:
            return f"no reply within {show_duration(limit)}"
        return None

    def _call(self, path: str, deadline: float) -> Call:
        upstream = self.state.upstream
        # A trace of its own, that nobody keeps.
        trace = Trace(random.getrandbits(128) or 1, sampled=False, next_id=lambda: random.getrandbits(64) or 1, recorded=False)
        headers = tuple(upstream.headers.items())
        return Call(upstream.name, "GET", path, deadline, trace.span(_SPAN, None), path, headers, expects=_WELL)


def _begin(work: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
    task = asyncio.create_task(work)
    task.add_done_callback(_tell_bug)
    return task


def _tell_bug(task: asyncio.Task[None]) -> None:
    """Nobody waits for these tasks, so that nobody else would hear of it."""
    if not task.cancelled() and (error := task.exception()):
        _log.error("a bug has ended the upkeep of a host", exc_info=error)


def _tell(name: str, host: HostState, policy: HealthPolicy, trouble: str | None) -> None:
    """A change, once: a line for each check would hide it."""
    if trouble is None:
        _log.info("%s: %s is healthy again", name, host.url, extra=HOST_HEALTHY.of(upstream=name, host=host.url))
    else:
        told = HOST_UNHEALTHY.of(upstream=name, host=host.url, reason=trouble)
        _log.warning("%s: %s is unhealthy, %d checks failed in a row: %s", name, host.url, policy.unhealthy, trouble, extra=told)

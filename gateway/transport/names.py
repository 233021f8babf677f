"""Names → addresses, looked up once for everybody who asks, kept briefly, and never in the way of other hosts.

asyncio's own look-up runs in the loop's shared pool of a few threads, which a handful of slow names fill up for everybody (python/cpython
#112169), and a look-up that nobody waits for any more keeps its thread.
"""

from __future__ import annotations

import asyncio
import contextlib
import ipaddress
import socket
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from math import inf

KEEP = 10.0
"""Seconds that an answer is good for: short enough to follow a host that moves."""

KEEP_DOUBTED = 1.0
"""Seconds that it is good for when nobody was found there: a host that is down is not looked up for each call."""

MOST_AT_ONCE = 64
"""Look-ups in flight. Each has a thread, which a slow name server can hold for half a minute."""


class Unknown(Exception):
    """The name has no address, or too many look-ups are in flight."""


def look_up(host: str) -> Sequence[str]:
    """Ask the system's resolver; blocks. Raises `OSError`."""
    found = socket.getaddrinfo(host, None, type=socket.SOCK_STREAM)
    return tuple(dict.fromkeys(str(address[0]) for *_, address in found))


@dataclass(slots=True)
class NamesState:
    """What is known of names, and who is being asked."""

    look_up: Callable[[str], Sequence[str]] = field(default=look_up, repr=False)
    clock: Callable[[], float] = field(default=time.monotonic, repr=False)
    known: dict[str, tuple[float, float, Sequence[str]]] = field(default_factory=dict)
    """Each with the time it was learned at, and the seconds it is good for."""

    asked: dict[str, asyncio.Future[Sequence[str]]] = field(default_factory=dict)
    """Look-ups in flight."""

    async def addresses(self, host: str) -> Sequence[str]:
        """The addresses of a host, best first. Raises `Unknown`."""
        if _is_address(host):
            return (host,)
        learned, keep, addresses = self.known.get(host, (-inf, 0.0, ()))
        if self.clock() < learned + keep:
            return addresses
        return await self.ask(host)

    async def ask(self, host: str) -> Sequence[str]:
        """The same as they are now, whatever was learned before. Raises `Unknown`."""
        if host not in self.asked:
            self._ask(host)
        # Others wait for the same answer: one who stops waiting must not take it from them.
        found = await asyncio.shield(self.asked[host])
        if not found:
            raise Unknown(f"{host} has no address")
        return found

    def doubt(self, host: str) -> None:
        """Nobody was found where it should be: it may have moved."""
        if host in self.known:
            learned, _, addresses = self.known[host]
            self.known[host] = (learned, KEEP_DOUBTED, addresses)

    def _ask(self, host: str) -> None:
        if len(self.asked) >= MOST_AT_ONCE:
            raise Unknown("too many names are being looked up")
        loop = asyncio.get_running_loop()
        answer: asyncio.Future[Sequence[str]] = loop.create_future()

        def ask() -> None:
            try:
                found = self.look_up(host)
            except Exception:  # whatever a resolver raises, nobody may be left waiting
                found = ()
            # The loop may have ended, and with it everybody who waited.
            with contextlib.suppress(RuntimeError):
                loop.call_soon_threadsafe(self._answered, host, found)

        # A daemon: a name server that does not answer must not keep the process.
        try:
            threading.Thread(target=ask, name=f"look up {host}", daemon=True).start()
        except RuntimeError as error:
            raise Unknown("no thread is left to look a name up") from error
        self.asked[host] = answer

    def _answered(self, host: str, found: Sequence[str]) -> None:
        if found:
            self.known[host] = (self.clock(), KEEP, found)
        self.asked.pop(host).set_result(found)


def _is_address(host: str) -> bool:
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return False
    return True

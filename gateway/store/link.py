"""The connection to Redis: one for the whole process, which keeps itself up.

    down ── connected, and caught up with what was purged ──▶ up ◀── heard of after all ──┐
     ▲                                                         │ nothing heard for 15 ms   │
     │                                                         └──────▶ late ──────────────┤
     └── 100 ms, then twice as long each time up to 2 s ◀── nothing heard for 50 ms, lost ─┘

Everything that is asked at one time goes in one trip. Whoever asks while it is down or late has nothing, at once: no request ever finds out
whether Redis is back, and none waits for a connection. What goes wrong in a trip ends the connection with it, so that no reply can reach
somebody who asked for something else; and whoever stops waiting disturbs no connection, for a trip is nobody's own.
"""

from __future__ import annotations

import asyncio
import logging
import os
import random
import ssl
from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import suppress
from typing import Any, Protocol, TypeAlias

from redis.asyncio import ConnectionPool
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.exceptions import ResponseError

from gateway.events import STORE_BACK, STORE_LOST

_log = logging.getLogger("gateway.store")

CONNECTING = 1.0
"""Seconds for a connection, its handshakes and what is to be caught up with. Nobody waits for it."""

GIVEN_UP = 0.05
"""Seconds of silence that end a connection. Shorter ones are had where machines are busy, and a new connection costs more than they do."""

EVERY = 0.2
"""Seconds after which a trip is made although nobody asks for anything: what others have purged is heard of, and a loss is noticed."""

FIRST, LONGEST = 0.1, 2.0
"""Seconds until it is tried again: after a loss, and at most."""

STEADY = 10.0
"""Seconds that it has to be up for to be as good as new."""

AT_ONCE = 128
"""Commands that go in one trip, about; the others take the next."""

SLOWEST = 50e6
"""Bytes a second that the way there carries, or it is too slow to be of use."""

TURNS = 5
"""Times that the loop goes round before silence is one. A process that was busy has not yet looked at what has come in the meantime."""

Command: TypeAlias = tuple[str | bytes | int | float, ...]
Trip: TypeAlias = Callable[[Sequence[Command]], Awaitable[Sequence[Any]]]
"""Commands → a reply to each. Where Redis refuses one, its error is the reply."""


class News(Protocol):
    """What goes along with every trip: nothing is had from Redis before it is known what of it is void."""

    async def catch_up(self, trip: Trip) -> None:
        """Learn what has happened since the last connection."""

    def commands(self) -> Sequence[Command]:
        """What to ask before anything else."""

    def hear(self, replies: Sequence[Any]) -> None:
        """The replies to it. What it raises ends the connection."""


class Link:
    """A connection that is up or down."""

    def __init__(
        self,
        url: str,
        timeout: float,
        tls: Mapping[str, Any] | None = None,
        *,
        chance: Callable[[], float] = random.random,
    ) -> None:
        self.is_up = False
        # Its own retries would take seconds, and its own limits would end what has come but was not looked at.
        options = {"retry": Retry(NoBackoff(), 0), "socket_timeout": None, "socket_connect_timeout": CONNECTING, "protocol": 2}
        # Nor does it say whose library it is: who may do no more than is needed may not.
        options["driver_info"] = None
        # One for good: it keeps what TLS trusts, which takes 20 ms to read.
        self._connection = ConnectionPool.from_url(url, **options, **(tls or {})).make_connection()  # type: ignore[no-untyped-call]
        self._timeout = timeout
        self._chance = chance
        self._waiting: list[tuple[Sequence[Command], asyncio.Future[Sequence[Any] | None] | None]] = []
        self._under_way = self._waiting
        self._asked = asyncio.Event()
        self._keeper: asyncio.Task[None] | None = None
        self._times = 0
        self._since = self._heard = 0.0
        self._was_missed = self._was_late = False

    def __repr__(self) -> str:
        # Not where to: the URL has a password.
        return f"Link({'up' if self.is_up else 'down'})"

    def start(self, news: News) -> None:
        """Connect, sooner or later."""
        self._since = asyncio.get_running_loop().time()
        self._keeper = asyncio.create_task(self._keep(news))

    async def stop(self) -> None:
        """Make a last trip with what was told, if it can be made, and close the connection."""
        if self._keeper is None:
            return
        with suppress(TimeoutError):
            async with asyncio.timeout(self._timeout):
                await self.ask()
        self._keeper.cancel()
        await asyncio.gather(self._keeper, return_exceptions=True)

    async def ask(self, *commands: Command) -> Sequence[Any] | None:
        """A reply to each command, an error where Redis refuses it; None when there is no connection, or it is late or lost on the way."""
        if not self.is_up:
            return None
        future: asyncio.Future[Sequence[Any] | None] = asyncio.get_running_loop().create_future()
        self._waiting.append((commands, future))
        self._asked.set()
        return await future

    def tell(self, *commands: Command) -> None:
        """Commands whose replies nobody waits for, after those that are waiting; lost without a connection."""
        if self.is_up:
            self._waiting.append((commands, None))
            self._asked.set()

    def wake(self) -> None:
        """Make a trip now, for the news' sake."""
        self._asked.set()

    async def _keep(self, news: News) -> None:
        try:
            while True:
                await self._live(news)
                await asyncio.sleep(self._pause())
        finally:
            self._let_go()

    async def _live(self, news: News) -> None:
        """From one connection to its end."""
        try:
            async with asyncio.timeout(CONNECTING):
                await self._connection.connect()
                await news.catch_up(self._trip)
            self._rise()
            while True:
                await self._carry(news)
        except Exception as error:
            # Whatever it is, somebody's garbage included: it costs the connection, and nobody a request.
            self._fall(error)
        finally:
            await self._connection.disconnect(nowait=True)

    async def _carry(self, news: News) -> None:
        if not self._asked.is_set():
            with suppress(TimeoutError):
                async with asyncio.timeout(EVERY):
                    await self._asked.wait()
        self._under_way = self._take()
        before = news.commands()
        replies = await self._trip([*before, *(command for commands, _ in self._under_way for command in commands)])
        news.hear(replies[: len(before)])
        self.is_up = True
        at = len(before)
        for commands, future in self._under_way:
            if future and not future.done():
                future.set_result(replies[at : at + len(commands)])
            at += len(commands)

    def _take(self) -> list[tuple[Sequence[Command], asyncio.Future[Sequence[Any] | None] | None]]:
        count = number = 0
        while number < len(self._waiting) and count < AT_ONCE:
            count += len(self._waiting[number][0])
            number += 1
        taken, self._waiting = self._waiting[:number], self._waiting[number:]
        if not self._waiting:
            self._asked.clear()
        return taken

    async def _trip(self, commands: Sequence[Command]) -> Sequence[Any]:
        """Raises `TimeoutError` when nothing is heard for too long, and what redis-py raises."""
        packed = self._connection.pack_commands(commands)
        self._heard = asyncio.get_running_loop().time() + sum(map(len, packed)) / SLOWEST
        exchange = asyncio.create_task(self._exchange(packed, len(commands)))
        try:
            if in_time := await self._hears(exchange, self._timeout):
                self._was_late = False
            else:
                # Once: what is always late, or late to begin with, is as good as down.
                forgives, self._was_late = self.is_up and not self._was_late, True
                self._let_go()
                in_time = forgives and await self._hears(exchange, max(self._timeout, GIVEN_UP))
            if not in_time:
                raise TimeoutError
            return exchange.result()
        finally:
            if not exchange.done():
                exchange.cancel()
                await asyncio.wait({exchange})

    async def _hears(self, exchange: asyncio.Task[list[Any]], silence: float) -> bool:
        """Wait for its end; False when nothing was heard for so long."""
        loop = asyncio.get_running_loop()
        while not exchange.done() and (left := self._heard + silence - loop.time()) > 0:
            await asyncio.wait({exchange}, timeout=left)
            for _ in range(TURNS):
                if not exchange.done():
                    await asyncio.sleep(0)
        return exchange.done()

    async def _exchange(self, packed: list[bytes], count: int) -> list[Any]:
        loop, replies = asyncio.get_running_loop(), []
        await self._connection.send_packed_command(packed, check_health=False)
        for _ in range(count):
            try:
                replies.append(await self._connection.read_response())
            except ResponseError as refused:
                replies.append(refused)
            self._heard = max(self._heard, loop.time())
        return replies

    def _rise(self) -> None:
        now = asyncio.get_running_loop().time()
        if self._was_missed:
            down = now - self._since
            _log.warning("redis is back after %.1f s", down, extra=STORE_BACK.of(seconds=round(down, 3)))
        self.is_up, self._was_missed, self._since = True, False, now

    def _fall(self, error: Exception) -> None:
        now = asyncio.get_running_loop().time()
        if not self._was_missed:
            why = reason_of(error)
            told = STORE_LOST.of(reason=why)
            _log.warning("redis is gone (%s): what is kept is kept by each process for itself until it is back", why, extra=told)
            self._times = 0 if self.is_up and now - self._since >= STEADY else self._times
            self._since, self._was_missed = now, True
        self._let_go()

    def _let_go(self) -> None:
        """Nobody waits any more, and nobody begins to."""
        self.is_up = False
        for _, future in [*self._under_way, *self._waiting]:
            if future and not future.done():
                future.set_result(None)
        self._waiting = []
        self._asked.clear()

    def _pause(self) -> float:
        self._times = min(self._times + 1, 10)
        return min(LONGEST, FIRST * 2.0 ** (self._times - 1)) * (0.5 + self._chance())


def reason_of(error: BaseException) -> str:
    """What is wrong, in words that have nothing of the URL in them: a password that is written in the wrong place is part of a host's name."""
    cause = error.__cause__ or error.__context__ or error
    if isinstance(cause, TimeoutError):
        return "no reply in time"
    if isinstance(cause, ssl.SSLError):
        return str(getattr(cause, "verify_message", None) or cause.reason or "no TLS").lower()
    if isinstance(cause, OSError) and cause.errno and cause.errno > 0:
        return os.strerror(cause.errno).lower()
    if isinstance(cause, RuntimeError):
        return "connection closed"  # as uvloop says it of what is written to one
    return type(error).__name__

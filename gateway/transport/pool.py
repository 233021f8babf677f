"""Connections of one origin: which is used next, how many there may be, when an idle one is too old.

What was used last is used next: the rest grow old and are closed, so that a quiet hour leaves none. There are as many places as there may
be connections. A place belongs to a connection, or to somebody who makes one, or is free; when it becomes free it is handed to whoever has
waited longest, and who is cancelled in that very moment hands it on. So no place is lost, and none is taken twice.

A connection that is made for a call is not the call's: whoever waits takes the first that comes, new or free (as in Go's `net/http`).
"""

from __future__ import annotations

import asyncio
import random
from collections import OrderedDict
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from functools import cached_property

from gateway.errors import Unreachable
from gateway.transport.connection import Connection


@dataclass(frozen=True, slots=True)
class PoolLimits:
    """What one origin may hold."""

    connections: int = 512
    """Open at once; whoever needs another waits."""

    idle_for: float = 4.0
    """Seconds an idle connection is kept: below the 5 s after which common servers close theirs."""

    max_age: float = 60.0
    """Seconds after which a connection is not used again, so that a name's new address is found. Each goes a little earlier, by chance:
    those that were opened together are not opened again together."""


@dataclass
class PoolState:
    """The connections of one origin."""

    limits: PoolLimits
    connect: Callable[[], Awaitable[Connection]] = field(repr=False)
    making: int = 0
    """Places of those who make a connection."""

    connections: dict[Connection, float] = field(default_factory=dict, repr=False)
    """All there are, in use or idle, each with the loop's time at which it is too old."""

    idle: dict[Connection, float] = field(default_factory=dict, repr=False)
    """Each with the loop's time at which it was put back; the newest last."""

    dialling: OrderedDict[asyncio.Future[Connection], None] = field(default_factory=OrderedDict, repr=False)
    """Those who wait for a connection while one is made for them, the oldest first."""

    waiting: OrderedDict[asyncio.Future[Connection | None], None] = field(default_factory=OrderedDict, repr=False)
    """Those behind them, who wait for a connection or for a place to make one (None)."""

    chance: Callable[[], float] = field(default=random.random, repr=False)
    on_empty: Callable[[], None] | None = field(default=None, repr=False)
    """Told when nothing is open any more."""

    keepers: int = 0
    """Those who hold on to it although nothing is open."""

    is_closed: bool = False
    _dials: set[asyncio.Task[None]] = field(default_factory=set, repr=False)
    _sweeper: asyncio.TimerHandle | None = field(default=None, repr=False)

    @cached_property
    def loop(self) -> asyncio.AbstractEventLoop:
        """The loop that all of them are in. Kept, since asking for the running one is a system call each time (0.4 µs)."""
        return asyncio.get_running_loop()

    @property
    def open(self) -> int:
        """Places taken."""
        return self.making + len(self.connections)

    def take_idle(self) -> Connection | None:
        """The connection that was used last, if it is not too old."""
        if self.idle:
            connection, since = self.idle.popitem()
            if since > self.loop.time() - self.limits.idle_for:
                return connection
            connection.close()
            # All others are older.
            self._sweep()
        return None

    async def take(self, *, fresh: bool = False) -> Connection:
        """A connection to use, `fresh`: one that nobody has used before. Raises what connecting raises."""
        if fresh:
            return await self._take_fresh()
        while True:
            if connection := self.take_idle():
                return connection
            given = None if self._claim() else await self._turn()
            if given is None:
                given = await self._first_to_come()
            # It may have ended since it was handed over, and then its place has gone to somebody else.
            if not given.is_closed:
                return given

    async def _take_fresh(self) -> Connection:
        while not self._claim():
            given = next(iter(self.idle)) if self.idle else await self._turn()
            if given is None:
                break
            if not given.is_closed:
                self._vacate(given)
                break
        return await self._make()

    def put_back(self, connection: Connection) -> None:
        """The connection is free again."""
        if connection.is_closed:
            return
        now = self.loop.time()
        if self.is_closed or now >= self.connections[connection]:
            connection.close()
            return
        if (self.dialling or self.waiting) and self._give(connection):
            return
        self.idle[connection] = now
        if self._sweeper is None:
            self._sweep_later()

    def closed(self, connection: Connection) -> None:
        """The connection is no more, idle or not."""
        self.idle.pop(connection, None)
        if connection in self.connections:
            del self.connections[connection]
            self.making += 1
            self._pass_on()

    def close(self) -> None:
        """Close what is idle; what is in use closes when it is put back."""
        self.is_closed = True
        if self._sweeper is not None:
            self._sweeper.cancel()
        for connection in list(self.idle):
            connection.close()

    def _claim(self) -> bool:
        """Take a place to make a connection in, if there is one."""
        if self.open >= self.limits.connections:
            return False
        self.making += 1
        return True

    async def _first_to_come(self) -> Connection:
        """The connection that is made in a place which is the caller's already, or one that comes free before that stands.

        Of hundreds of connections that are asked for at once a host may let some wait for a second, in which the others carry thousands of
        calls. What was made in vain is there for the next; who leaves takes what is being made along.
        """
        waiter: asyncio.Future[Connection] = self.loop.create_future()
        dial = self.loop.create_task(self._make_for(waiter))
        self.dialling[waiter] = None
        self._dials.add(dial)
        dial.add_done_callback(self._dials.discard)
        try:
            connection = await waiter
        except asyncio.CancelledError:
            dial.cancel()
            # Who looks afterwards finds nothing left of it.
            await asyncio.wait([dial])
            if not waiter.cancelled() and not waiter.exception():
                self.put_back(waiter.result())
            raise
        finally:
            self.dialling.pop(waiter, None)
            # The error that it may hold has this frame.
            del waiter
        if connection.is_closed and not connection.uses:
            raise Unreachable("no connection") from EOFError("it ended before it was used")
        return connection

    async def _make_for(self, waiter: asyncio.Future[Connection]) -> None:
        try:
            connection = await self._make()
        except Exception as error:
            if not waiter.done():
                waiter.set_exception(error.with_traceback(None))
        else:
            self.put_back(connection) if waiter.done() else waiter.set_result(connection)

    async def _make(self) -> Connection:
        """A new connection, in a place that is the caller's already."""
        try:
            connection = await self.connect()
        except BaseException:
            self._pass_on()
            raise
        self.making -= 1
        self.connections[connection] = self.loop.time() + self.limits.max_age * (1 - self.chance() / 4)
        return connection

    def _pass_on(self) -> None:
        """A place of those who make a connection is not needed any more."""
        if self._hand_on(None):
            return
        self.making -= 1
        if not self.open and self.on_empty:
            self.on_empty()

    def _vacate(self, connection: Connection) -> None:
        """Close a connection and keep its place."""
        del self.connections[connection]
        self.making += 1
        self.idle.pop(connection, None)
        connection.close()

    async def _turn(self) -> Connection | None:
        """Wait for a connection, or for a place (None)."""
        waiter: asyncio.Future[Connection | None] = self.loop.create_future()
        self.waiting[waiter] = None
        try:
            return await waiter
        except asyncio.CancelledError:
            if waiter.cancelled():
                self.waiting.pop(waiter, None)
            elif (given := waiter.result()) is None:
                self._pass_on()
            else:
                self.put_back(given)
            raise

    def _give(self, connection: Connection) -> bool:
        """Hand a connection to who has waited longest. A place is of no use to those who have one: `_hand_on`."""
        while self.dialling:
            waiter, _ = self.dialling.popitem(last=False)
            if not waiter.done():
                waiter.set_result(connection)
                return True
        return self._hand_on(connection)

    def _hand_on(self, given: Connection | None) -> bool:
        while self.waiting:
            waiter, _ = self.waiting.popitem(last=False)
            if not waiter.done():
                waiter.set_result(given)
                return True
        return False

    def _sweep(self) -> None:
        """Close what has been idle for too long. The oldest comes first, so that a call never looks at all of them."""
        too_old = self.loop.time() - self.limits.idle_for
        while self.idle:
            connection, since = next(iter(self.idle.items()))
            if since > too_old:
                return
            del self.idle[connection]
            connection.close()

    def _sweep_later(self) -> None:
        self._sweeper = self.loop.call_later(self.limits.idle_for, self._swept)

    def _swept(self) -> None:
        self._sweeper = None
        self._sweep()
        if self.idle:
            self._sweep_later()

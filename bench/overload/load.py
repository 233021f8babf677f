"""`python -m bench.overload.load ORDER`: requests at the times they are due, whatever becomes of the ones before.

It prints the number of each stretch when it begins, and one more when the last has ended, so that whoever reads the gateway's clock knows
when to. What became of every request goes to a file, whose name it prints at the end. A latency counts from the time at which its request was due, whether or not a connection was
free then and whether or not we were late ourselves: nothing that goes wrong keeps a request from being counted.
"""

from __future__ import annotations

import asyncio
import json
import sys
import time
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from random import Random
from typing import cast

import uvloop

from bench.load import body_length
from bench.overload.arrivals import Stretch, arrivals, boundaries

PENDING, LOST, GIVEN_UP, WRONG = 0, -1, -2, -3
"""What stands in place of a status: nothing yet; the connection ended; the client's patience did; a 200 of another length or id."""

TICK = 0.001
"""Seconds between two looks at what is due: as fine as the loop's timers are. Looking without a pause would take the core from the upstreams."""

BURST = 32
"""Requests that are sent before answers are read, when more than these are due at a time."""


@dataclass(frozen=True)
class Order:
    """What to ask for, when, and how long to wait for it."""

    port: int
    path: str
    """What comes before the id."""

    first_id: int
    ids: int
    length: int
    """Bytes of a right answer."""

    stretches: Sequence[Stretch]
    connections: int
    """Open at once, at most; a request that finds them all busy waits for one."""

    patience: float
    """Seconds after which a client leaves, and closes its connection."""

    file: str
    """Where it is written what became of each request. A pipe would do, were it not that Python drops what a pipe does not take at once
    when it is told not to buffer (`PYTHONUNBUFFERED`)."""

    seed: int = 1


@dataclass(slots=True)
class Asked:
    """A request, and what became of it."""

    due: float
    """Seconds from the start, as all times here."""

    number: int
    """The id that is asked for."""

    noticed: float = 0.0
    """When we got to it; `due`, had we been on time."""

    ended: float = 0.0
    status: int = PENDING
    client: Client | None = None


class Client(asyncio.Protocol):
    """A connection that asks what it is given, and says when it is free again."""

    _transport: asyncio.Transport

    def __init__(self, crowd: Crowd) -> None:
        self._crowd = crowd
        self._answer = b""
        self.asked: Asked | None = None

    @property
    def is_open(self) -> bool:
        """Whether something may still be asked."""
        return not self._transport.is_closing()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Asyncio's: the connection stands."""
        self._transport = cast(asyncio.Transport, transport)
        self._crowd.free(self)

    def ask(self, asked: Asked, request: bytes) -> None:
        """Send a request."""
        self.asked, asked.client, self._answer = asked, self, b""
        self._transport.write(request)

    def leave(self) -> None:
        """Close the connection, with a request under way."""
        self._transport.abort()

    def data_received(self, data: bytes) -> None:
        """Asyncio's: bytes came."""
        self._answer = self._answer + data if self._answer else data
        size, asked = body_length(self._answer), self.asked
        if size is None or asked is None:
            return
        self.asked = asked.client = None
        self._crowd.answered(asked, self._answer, size)
        if b"\r\nconnection: close" in self._answer[:-size].lower():
            self.leave()
        if self.is_open:
            self._crowd.free(self)

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002 - the signature is asyncio's
        """Asyncio's: the connection has ended."""
        self._crowd.lost(self)


class Crowd:
    """All the clients: takes each request when it is due, and finds it a connection."""

    def __init__(self, order: Order, loop: asyncio.AbstractEventLoop) -> None:
        self.all: list[Asked] = []
        self._order, self._loop = order, loop
        self._open = 0
        self._idle: list[Client] = []
        self._waiting: deque[Asked] = deque()
        self._unsettled: deque[Asked] = deque()
        self._connecting: set[asyncio.Task[None]] = set()
        self._start = self._ends = 0.0

    async def run(self) -> None:
        """Ask for everything, and wait until all of it has been answered or given up."""
        self._start = time.perf_counter()
        for number, begins in enumerate(boundaries(self._order.stretches)):
            self._loop.call_later(begins, partial(print, number, flush=True))
            self._ends = begins
        for due in arrivals(self._order.stretches, Random(self._order.seed)):
            while due > self._now():
                await self._rest(TICK)
            self._arrive(due)
            if len(self.all) % BURST == 0:
                await self._rest(0)
        while self._unsettled or self._now() < self._ends:
            await self._rest(TICK)

    def free(self, client: Client) -> None:
        """A connection may be used: by the request that has waited longest, if one waits."""
        while self._waiting:
            asked = self._waiting.popleft()
            if asked.status == PENDING:
                client.ask(asked, request(self._order, asked.number))
                return
        self._idle.append(client)

    def answered(self, asked: Asked, answer: bytes, size: int) -> None:
        """A whole answer is there."""
        status = int(answer[9:12])
        if status == 200 and (size != self._order.length or b"%d" % asked.number not in answer):
            status = WRONG
        self._settle(asked, status)

    def lost(self, client: Client) -> None:
        """A connection has ended, perhaps under a request."""
        self._open -= 1
        if client.asked:
            self._settle(client.asked, LOST)
        if self._waiting:
            self._connect()

    async def _rest(self, seconds: float) -> None:
        """Let answers be read, then settle what nobody waits for any longer; requests are due in order, so that the first ones tell."""
        await asyncio.sleep(seconds)
        now = self._now()
        while self._unsettled and (self._unsettled[0].status or now - self._unsettled[0].due > self._order.patience):
            asked = self._unsettled.popleft()
            if asked.status == PENDING:
                self._settle(asked, GIVEN_UP)
                if asked.client:
                    asked.client.leave()

    def _arrive(self, due: float) -> None:
        asked = Asked(due, self._order.first_id + len(self.all) % self._order.ids, self._now())
        self.all.append(asked)
        self._unsettled.append(asked)
        while self._idle:
            client = self._idle.pop()
            if client.is_open:
                client.ask(asked, request(self._order, asked.number))
                return
        self._waiting.append(asked)
        self._connect()

    def _connect(self) -> None:
        if self._open < self._order.connections:
            self._open += 1
            task = self._loop.create_task(self._dial())
            self._connecting.add(task)
            task.add_done_callback(self._connecting.discard)

    async def _dial(self) -> None:
        try:
            await self._loop.create_connection(lambda: Client(self), "127.0.0.1", self._order.port)
        except OSError:
            self._open -= 1
            if self._waiting:
                self._settle(self._waiting.popleft(), LOST)

    def _settle(self, asked: Asked, status: int) -> None:
        if asked.status == PENDING:
            asked.status, asked.ended = status, self._now()

    def _now(self) -> float:
        return time.perf_counter() - self._start


def request(order: Order, number: int) -> bytes:
    """The bytes of a request."""
    return b"GET %b%d HTTP/1.1\r\nHost: 127.0.0.1:%d\r\nUser-Agent: bench\r\nAccept: */*\r\n\r\n" % (
        order.path.encode(),
        number,
        order.port,
    )


async def execute(order: Order) -> list[Asked]:
    """Carry an order out."""
    crowd = Crowd(order, asyncio.get_running_loop())
    await crowd.run()
    return crowd.all


def main(order: Order) -> None:
    """Write down when each request was due, when we got to it, when it ended, and how."""
    asked = uvloop.run(execute(order))
    seen = [(round(one.due, 6), round(one.noticed, 6), round(one.ended, 6), one.status) for one in asked]
    Path(order.file).write_text(json.dumps(seen))
    print(json.dumps(order.file), flush=True)


if __name__ == "__main__":
    written = Order(**json.loads(sys.argv[1]))
    main(replace(written, stretches=[Stretch(*stretch) for stretch in written.stretches]))

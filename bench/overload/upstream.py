"""`python -m bench.overload.upstream WORKERS SECONDS`: an upstream that can do so much and no more, as one with a pool of threads.

So many workers, each of which takes so long for a request, and a queue without end before them. Like most of its kind it does not notice
that a caller has left, and does the work all the same: what is asked for in vain delays everybody behind it.
"""

from __future__ import annotations

import asyncio
import heapq
import json
import sys
from functools import partial
from typing import cast

import uvloop

from bench.data import body
from bench.server import response


class Workers:
    """When each worker will be free: all that there is to know of a queue in which the first is served first."""

    def __init__(self, count: int, seconds: float) -> None:
        self._free_at = [0.0] * count
        self._seconds = seconds

    def take(self, now: float) -> float:
        """Give a request to the worker who is free first; tells when it will be done."""
        done = max(now, self._free_at[0]) + self._seconds
        heapq.heapreplace(self._free_at, done)
        return done


class Requests(asyncio.Protocol):
    """A connection, whose requests come one after the other."""

    _transport: asyncio.Transport

    def __init__(self, workers: Workers, loop: asyncio.AbstractEventLoop) -> None:
        self._workers, self._loop = workers, loop
        self._head = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Asyncio's: the connection stands."""
        self._transport = cast(asyncio.Transport, transport)

    def data_received(self, data: bytes) -> None:
        """Asyncio's: bytes came; a GET ends with its head."""
        self._head += data
        if self._head.endswith(b"\r\n\r\n"):
            _, target, _ = self._head.split(b" ", 2)
            self._head = b""
            self._loop.call_at(self._workers.take(self._loop.time()), self._answer, target.decode())

    def _answer(self, target: str) -> None:
        if not self._transport.is_closing():
            self._transport.write(response(body(target)))


async def serve(count: int, seconds: float) -> None:
    """Answer on a free port of the loopback until standard input ends."""
    loop = asyncio.get_running_loop()
    server = await loop.create_server(partial(Requests, Workers(count, seconds), loop), "127.0.0.1", 0, backlog=1024)
    print(json.dumps([server.sockets[0].getsockname()[1]]), flush=True)
    await loop.run_in_executor(None, sys.stdin.read)


if __name__ == "__main__":
    uvloop.run(serve(int(sys.argv[1]), float(sys.argv[2])))

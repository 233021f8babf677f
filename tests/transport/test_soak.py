"""Many calls at once, a third of them given up at some moment: nothing is lost, and everybody gets the reply to what was asked."""

from __future__ import annotations

import asyncio
import os
import random
from collections import Counter
from pathlib import Path
from typing import Any

import httpx
import pytest

from gateway.transport import PoolLimits

pytestmark = pytest.mark.slow

CALLS = int(os.environ.get("SOAK_CALLS", "10000"))
"""By hand: SOAK_CALLS=100000."""

WORKERS = 40
PLACES = 16
SOON = 0.004


def descriptors() -> int:
    """Open in this process; 0 where nothing says how many."""
    folder = Path("/proc/self/fd")
    return len(os.listdir(folder)) if folder.is_dir() else 0


class Moody:
    """A server that answers with what it was asked for, now and then late, in pieces, in chunks, or for the last time."""

    def __init__(self, server: Any, chance: random.Random) -> None:
        self.server = server
        self.chance = chance

    async def __call__(self, asked: Any) -> Any:
        """An answer in one of its moods."""
        body = asked.target.encode() + asked.body
        mood = self.chance.random()
        if mood < 0.5:
            await asyncio.sleep(self.chance.random() * SOON)
        if mood < 0.1:
            return (self.server.reply(body, "200 OK", "Connection: close"), self.server.then.FIN)
        if mood < 0.15:
            return (self.server.reply(body), self.server.then.FIN)  # a keep-alive that was a lie
        if mood < 0.2:
            return self.server.reply(body) + b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nEVIL"
        if mood < 0.4:
            chunks = [b"%x\r\n%b\r\n" % (len(body[at : at + 7]), body[at : at + 7]) for at in range(0, len(body), 7)]
            return (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", *chunks, b"0\r\n\r\n")
        return self.server.reply(body)


class Crowd:
    """Workers that share a number of calls, and give up a part of them."""

    def __init__(self, wire: Any, url: str, chance: random.Random) -> None:
        self.wire = wire
        self.url = url
        self.chance = chance
        self.outcomes: Counter[str] = Counter()
        self.number = 0

    async def call(self, *, calls: int, given_up: float) -> None:
        """Make so many calls."""
        last = self.number + calls

        async def worker() -> None:
            while self.number < last:
                self.number += 1
                await self._one(self.number, self.chance.random() < given_up)

        await asyncio.gather(*(worker() for _ in range(WORKERS)))

    async def _one(self, number: int, is_given_up: bool) -> None:
        method, parts = ("POST", {"content": self._body()}) if number % 10 == 0 else ("GET", {})
        task = asyncio.create_task(self.wire.send(method, f"{self.url}/{number}", **parts))
        if is_given_up:
            asyncio.get_running_loop().call_later(self.chance.random() * SOON, task.cancel)
        expected = f"/{number}" + ("onetwo" if parts else "")
        try:
            self.outcomes["right" if (await task).text == expected else "wrong"] += 1
        except asyncio.CancelledError:
            self.outcomes["given up"] += 1
        except httpx.ReadError:
            # Of a POST nobody knows; a GET is asked again.
            self.outcomes["post cut" if method == "POST" else "get cut"] += 1

    async def _body(self) -> Any:
        yield b"one"
        await asyncio.sleep(0)
        yield b"two"


async def test_a_crowd_that_gives_up_loses_nothing(wiring: Any, server: Any) -> None:
    """No place, no descriptor, no task; and never a reply in the wrong hands."""
    chance = random.Random(7)
    server.always(Moody(server, chance))
    descriptors_before, tasks_before = descriptors(), len(asyncio.all_tasks())
    async with wiring(pool=PoolLimits(connections=PLACES)) as ours:
        crowd = Crowd(ours, server.url, chance)
        await crowd.call(calls=CALLS, given_up=0.3)
        stormy = dict(crowd.outcomes)
        crowd.outcomes.clear()

        await crowd.call(calls=1000, given_up=0.0)

        assert stormy.get("given up", 0) > CALLS * 0.1
        assert not {"wrong", "get cut"} & {*stormy, *crowd.outcomes}
        assert crowd.outcomes["right"] >= 970
        (pool,) = ours.transport.pools.values()
        assert pool.making == 0
        assert pool.open == len(pool.idle) <= PLACES
        assert not pool.waiting

    await server.until(lambda: not server.writers)
    await asyncio.sleep(0.01)
    assert server.in_flight == 0
    assert len(asyncio.all_tasks()) == tasks_before
    assert descriptors() <= descriptors_before

"""Many who want the same at the same time: what they share, and what becomes of it when who asked first is no luck to the others."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence
from itertools import count

from faults import replies
from faults.claims import require
from faults.gateway import Answer, new_client
from faults.server import Asked
from faults.stage import Stage

CROWD = 200
"""Clients at a time."""

GONE = 0.2
"""Seconds after which a call is given up that nobody waits for."""

_numbers = count()
"""What nobody has asked for before."""


async def leader_leaves(stage: Stage) -> str:
    """Who asked first goes away: the call goes on for the others."""
    path, hits, held = _path(), stage.server.hits, _Held(replies.KEPT)
    stage.server.always(held.answer)
    leader = asyncio.create_task(stage.ask(path))
    await stage.server.until(lambda: stage.server.hits > hits)
    others = asyncio.create_task(stage.gateway.many(CROWD, path))
    await _have_come(stage, CROWD)
    leader.cancel()
    await asyncio.sleep(GONE)
    held.go.set()
    return _alike(await others, "200", stage.server.hits - hits, 1)


async def all_leave(stage: Stage) -> str:
    """Nobody waits any more: the call is given up."""
    path, hits, abandoned = _path(), stage.server.hits, stage.server.abandoned
    stage.server.always(replies.HANGS)
    clients = asyncio.create_task(stage.gateway.many(CROWD // 10, path))
    await _have_come(stage, CROWD // 10)
    clients.cancel()
    await asyncio.wait((clients,))
    left = time.perf_counter()
    await stage.server.until(lambda: stage.server.abandoned > abandoned)
    took = time.perf_counter() - left
    require(took <= GONE + stage.slack, f"given up {took * 1000:.0f} ms after the last had left")
    require(stage.server.hits - hits == 1, f"{stage.server.hits - hits} calls")
    return f"given up {took * 1000:.0f} ms after the last had left"


async def leader_fails(stage: Stage) -> str:
    """The one call fails: all get that failure, and do not ask again one after the other."""
    path, hits, held = _path(), stage.server.hits, _Held(replies.status("503 Service Unavailable"))
    stage.server.always(held.answer)
    crowd = asyncio.create_task(stage.gateway.many(CROWD, path))
    await _have_come(stage, CROWD)
    held.go.set()
    return _alike(await crowd, "502 upstream-error", stage.server.hits - hits, 2)


async def hot_key_expires(stage: Stage, seconds: float = 4.0, per_second: int = 50) -> str:
    """What all want is kept for a second: each time it has to be fetched anew one call does that, and nobody waits for it."""
    stage.server.always((0.2, replies.KEPT))
    path, hits = "/hot", stage.server.hits
    await stage.ask(path)
    async with new_client(stage.gateway.url) as client:

        async def one(number: int) -> Answer:
            await asyncio.sleep(number / per_second)
            return await stage.gateway.ask(path, client=client)

        answers = await asyncio.gather(*map(one, range(int(seconds * per_second))))
    calls, slowest = stage.server.hits - hits, max(one.seconds for one in answers)
    said = _alike(answers, "200", calls, 1 + int(seconds + stage.slack))
    require(slowest < 0.2 + stage.slack, f"the slowest waits {slowest * 1000:.0f} ms")
    return f"{said} in {seconds:g} s, the slowest in {slowest * 1000:.0f} ms"


class _Held:
    """An answer that is not given before it may go."""

    def __init__(self, answer: bytes) -> None:
        self.go = asyncio.Event()
        self._answer = answer

    async def answer(self, _: Asked) -> bytes:
        """What a server says, when it does."""
        await self.go.wait()
        return self._answer


async def _have_come(stage: Stage, clients: int) -> None:
    """So many requests are being answered: each has a task of the server's, and one for its step."""
    while (await stage.gateway.levels()).tasks - stage.before.tasks < 2 * clients:
        pass


def _path() -> str:
    return f"/shared/{next(_numbers)}"


def _alike(answers: Sequence[Answer], wanted: str, calls: int, most: int) -> str:
    seen = {str(one) for one in answers}
    require(seen == {wanted}, f"answers {sorted(seen)}")
    require(calls <= most, f"{calls} calls for {len(answers)} requests")
    return f"{len(answers)} × {wanted} of {calls} call{'s' * (calls > 1)}"

"""Faults that take more than one reply to play."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from itertools import count
from typing import Any

from faults import replies
from faults.claims import require
from faults.gateway import Answer, new_client
from faults.server import FaultServer
from faults.stage import Stage

_numbers = count()
"""What nobody has asked for before."""


@dataclass(frozen=True)
class NextIsClean:
    """After such a reply the next caller gets its own, on a connection of its own, and not what was left over."""

    answer: Any
    status: int = 200
    wait: float = 0.0
    """Seconds until the next one asks."""

    async def __call__(self, stage: Stage) -> str:
        """Play it."""
        stage.server.always(self.answer)
        got = await stage.ask()
        require(got.status == self.status, str(got))
        await asyncio.sleep(self.wait)
        opened = stage.server.opened
        stage.server.always(replies.body(b'"own"'))
        after = await stage.ask()
        require(b'"own"' in after.body, f"the next one gets {after.body[:40]!r}")
        require(stage.server.opened == opened + 1, "the connection is used again")
        return f"{got}, the next one gets its own"


@dataclass(frozen=True)
class IsNotKept:
    """What is no whole reply is not served again from the cache."""

    answer: Any

    async def __call__(self, stage: Stage) -> str:
        """Play it."""
        stage.server.always(self.answer)
        path = f"/kept/{next(_numbers)}"
        got = await stage.ask(path)
        require(got.status >= 500, f"{got} of a torn reply")
        await stage.upstreams.heal()
        hits = stage.server.hits
        after = await stage.ask(path)
        require((after.status, stage.server.hits - hits) == (200, 1), f"{after} from the cache")
        return "not cached"


async def idle_close(stage: Stage, requests: int = 2000, at_once: int = 50) -> str:
    """An upstream that closes idle connections just when they are used again."""
    idle = 0.05
    stage.server.always((replies.KEPT, idle, FaultServer.then.FIN))
    async with new_client(stage.gateway.url) as client:

        async def ask_again(number: int) -> list[Answer]:
            answers = []
            for turn in range(requests // at_once):
                answers.append(await stage.gateway.ask(client=client))
                # Just before, at, and just after the moment.
                await asyncio.sleep(idle - 0.0003 + 0.001 * ((number + turn) % 11) / 10)
            return answers

        rounds = await asyncio.gather(*map(ask_again, range(at_once)))
    failed = [one for answers in rounds for one in answers if one.status != 200]
    require(not failed, f"{len(failed)} of {requests} failed: {failed[0] if failed else ''}")
    return f"{requests} × 200 over {stage.server.opened} connections"


async def parts(stage: Stage, answer: bytes) -> str:
    """A part that cannot be read leaves the others as they are."""
    stage.server.always(answer)
    got = await stage.ask("/parts")
    require(got.status == 200 and b'"ok":true' in got.body and got.headers["gateway-complete"] == "false", str(got))
    return "other parts intact"


async def first_fails(stage: Stage) -> str:
    """One failure, and all is well again."""
    hits = stage.server.hits
    stage.server.replies(replies.status("503 Service Unavailable"))
    got = await stage.ask("/retried")
    require((got.status, stage.server.hits - hits) == (200, 2), f"{got} of {stage.server.hits - hits} calls")
    return f"{got} of two calls"


async def redirect(stage: Stage) -> str:
    """A reply that sends whoever believes it to somebody else."""
    hits = stage.upstreams.sturdy.hits
    stage.server.always(replies.status("302 Found", f"Location: {stage.upstreams.sturdy.url}/latest/meta-data/"))
    got = await stage.ask()
    require((got.status, got.slug) == (502, "upstream-error"), str(got))
    require(stage.upstreams.sturdy.hits == hits, "followed")
    return f"{got}, not followed"

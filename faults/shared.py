"""The shared cache in trouble: what those wait whose answer would be kept in it, beside others who ask for what is kept nowhere."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from itertools import count

from faults import replies
from faults.claims import Unplayable, require
from faults.clients import Crowd, together, waited
from faults.gateway import Answer
from faults.proxy import Mode
from faults.redis import FaultRedis
from faults.server import Asked, FaultServer
from faults.stage import Stage

Break = Callable[[FaultRedis], Awaitable[None]]

PER_SECOND = 40.0
"""Requests of each kind."""

BEFORE, LASTS = 2, 5
"""Seconds in which all is well, and those of a fault."""

KNOWN = int(PER_SECOND * LASTS)
"""Things that are in Redis before, and so many are asked for again while the fault lasts."""

FILLER = "x" * 500
"""Part of each, so that a connection that ends early ends in the middle of one."""

AT_FIRST, LATER = 20.0, 1.0
"""Milliseconds that a request may take longer than before: in the first second, and after it."""

LATE_FOR = 0.1
"""Part of what Redis has that is asked for again where it is well: on a machine that is busy it may be late."""

BACK = 3.5
"""Seconds in which something must be kept in it again."""

_runs = count()


@dataclass(frozen=True)
class Slows:
    """A fault makes nobody's answer wrong, and hardly anybody's late; when it is over Redis is used again, by itself."""

    fault: Break = field(repr=False)
    later: float = LATER
    """Milliseconds that a request may take longer after the first second."""

    serves: bool = False
    """What Redis has is had from it all the while."""

    async def __call__(self, stage: Stage) -> str:
        """Play it."""
        redis = stage.upstreams.redis
        if redis is None:
            raise Unplayable("no redis-server here")
        visitors = Visitors(stage)
        await visitors.know()
        before = await visitors.come(BEFORE)
        await self.fault(redis)
        hits = visitors.hits()
        first, later = await visitors.come(1), await visitors.come(LASTS - 1)
        asked = (visitors.hits() - hits) / KNOWN
        await redis.heal()
        said = f"{before} before; {first} in the first second; {later} later; {1 - asked:.0%} of what it had was had"
        usual = before.worse(0.99) + stage.slack * 1000
        require(first.worse(0.99) <= usual + AT_FIRST and later.worse(0.99) <= usual + self.later, said)
        require(not self.serves or asked <= LATE_FOR + stage.slack, said)
        return f"{said}; back after {await _back(stage, redis):.1f} s"


@dataclass(frozen=True)
class Waits:
    """How long those waited who look into the cache, and those who came in the same moments and do not."""

    these: Sequence[Answer]
    others: Sequence[Answer]

    def worse(self, share: float) -> float:
        """Milliseconds that this share of these waited longer, at most."""
        return waited(self.these, share) - waited(self.others, share)

    def __str__(self) -> str:
        return f"{self.worse(0.5):+.1f} ms (p99 {self.worse(0.99):+.1f})"


class Visitors:
    """A third ask for what Redis has, a third for what nobody has, and a third for what is kept nowhere: of an upstream that says what it was
    asked for.
    """

    def __init__(self, stage: Stage) -> None:
        self._gateway, self._server = stage.gateway, stage.server
        self._run, self._turns = next(_runs), count()
        self._server.always(_echo)

    async def know(self) -> None:
        """Have everything asked for that Redis is to have."""
        known = self._known()
        self._check(known, await Crowd(self._gateway, known, 2 * PER_SECOND).number(KNOWN))

    async def come(self, seconds: int) -> Waits:
        """They come for so long. Raises `Unmet` when one of them has not got what he asked for."""
        turn = next(self._turns)
        paths = (self._known(), f"/kept/new-{self._run}-{turn}-{{}}", f"/plain/{self._run}-{turn}-{{}}")
        answers = await together(*(Crowd(self._gateway, path, PER_SECOND).come(seconds) for path in paths))
        for path, got in zip(paths, answers, strict=True):
            self._check(path, got)
        return Waits([*answers[0], *answers[1]], answers[2])

    def hits(self) -> int:
        """How often the upstream was asked for what Redis has."""
        return sum(f"/known-{self._run}-" in one.target for one in self._server.asked)

    def _known(self) -> str:
        return f"/kept/known-{self._run}-{{}}"

    def _check(self, path: str, answers: Sequence[Answer]) -> None:
        for number, got in enumerate(answers):
            target = "/" + path.format(number).rpartition("/")[2]
            require(got.status == 200, f"{got} for {target}")
            require(f'"{target} '.encode() in got.body, f"another's answer for {target}: {got.body[:60]!r}")


async def nothing(_: FaultRedis) -> None:
    """All is well."""


def becomes(mode: Mode, measure: float = 0.0) -> Break:
    """Its connections break so."""

    async def fault(redis: FaultRedis) -> None:
        await redis.proxy.become(mode, measure)

    return fault


def _echo(asked: Asked) -> bytes:
    return FaultServer.reply(f'"{asked.target} {FILLER}"'.encode(), "200 OK", replies.JSON)


async def _back(stage: Stage, redis: FaultRedis) -> float:
    """Seconds until something is kept there again."""
    began, run = time.perf_counter(), next(_runs)
    for number in count():
        before = await redis.client.dbsize()
        await stage.ask(f"/kept/back-{run}-{number}")
        if await redis.client.dbsize() > before:
            break
        require(time.perf_counter() - began < BACK + stage.slack, f"nothing is kept {BACK:g} s after the end of the fault")
        await asyncio.sleep(0.05)
    return time.perf_counter() - began

"""An upstream that is down: how much it is asked meanwhile, and how soon all is well when it is back."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Sequence
from typing import Any

from faults import replies
from faults.claims import require
from faults.clients import Crowd, good, together
from faults.gateway import Answer
from faults.guards import AMPLIFICATION
from faults.row import LATE
from faults.stage import Stage

UNAVAILABLE = replies.status("503 Service Unavailable")

PER_SECOND = 50.0
"""Requests for each of the upstreams."""

HOLDS_FOR = 10.0
"""Seconds for which what is well again is watched."""

HOLDS = 0.99
"""Share of the requests that must be answered then."""

THROTTLED_FOR = 10
"""Seconds in which a throttle must let all calls through again."""

NEARLY_ALL = 0.95
"""What that is: its share of the calls to turn away comes down to nothing bit by bit."""


def down(answer: Any, seconds: float) -> Callable[[Stage], Any]:
    """For so long each call is answered so; by one who only tries again, and by one who has a breaker as well."""

    async def play(stage: Stage) -> str:
        return "; ".join(await together(_insistent(stage, answer, seconds), _shielded(stage, answer, seconds)))

    return play


async def minute(stage: Stage, seconds: float = 60.0) -> str:
    """A whole one, for those and for one who asks less."""
    return "; ".join(await together(down(UNAVAILABLE, seconds)(stage), _throttled(stage, seconds)))


async def _throttled(stage: Stage, seconds: float) -> str:
    """Who asks less of an upstream that turns everything away asks as much as ever when it does not."""
    _, calls = await _asked_while_down(stage, "throttled", UNAVAILABLE, seconds)
    answers = await _crowd(stage, "throttled").come(2 * THROTTLED_FOR)
    share = [good(second) for second in _seconds(answers)]
    back = max((number + 1 for number, one in enumerate(share) if one < NEARLY_ALL), default=0)
    shares = ", ".join(f"{one:.0%}" for one in share)
    require(back <= THROTTLED_FOR + stage.slack, f"a throttle: good in each second {shares}")
    return f"a throttle: {calls:.2f}, {NEARLY_ALL:.0%} good after {back} s"


async def _insistent(stage: Stage, answer: Any, seconds: float) -> str:
    answers, calls = await _asked_while_down(stage, "insistent", answer, seconds)
    after = await _crowd(stage, "insistent").come(HOLDS_FOR)
    require(good(after) >= HOLDS, f"retries alone: afterwards {good(after):.1%} good")
    return f"{len(answers)} requests each; retries alone: {calls:.2f} calls a request, then {good(after):.1%} good"


async def _shielded(stage: Stage, answer: Any, seconds: float) -> str:
    answers, calls = await _asked_while_down(stage, "shielded", answer, seconds)
    ended = time.perf_counter()
    opens = max(int(one.headers.get("retry-after", 0)) for one in answers[-5:])
    crowd = _crowd(stage, "shielded")
    while (await crowd.number(1))[0].status != 200:
        is_late = time.perf_counter() - ended > opens + 1 + stage.slack
        require(not is_late, f"with a breaker: open for {opens} s more, and not back a second later")
        await asyncio.sleep(LATE)
    back = time.perf_counter() - ended
    after = await crowd.come(HOLDS_FOR)
    require(good(after) >= HOLDS, f"with a breaker: back after {back:.1f} s, then {good(after):.1%} good")
    return f"with a breaker: {calls:.2f}, open for {opens} s more, back after {back:.1f}, then {good(after):.1%} good"


async def _asked_while_down(stage: Stage, upstream: str, answer: Any, seconds: float) -> tuple[list[Answer], float]:
    """The answers of that time, and the calls that came of each request."""
    server = stage.upstreams.own[upstream]
    hits = server.hits
    server.always(answer)
    answers = await _crowd(stage, upstream).come(seconds)
    calls = (server.hits - hits) / len(answers)
    require(calls <= AMPLIFICATION, f"{upstream}: {calls:.2f} calls a request")
    require(not good(answers), f"{upstream}: {good(answers):.0%} good of nothing")
    server.always(replies.KEPT)
    return answers, calls


def _crowd(stage: Stage, upstream: str) -> Crowd:
    return Crowd(stage.gateway, f"/{upstream}", PER_SECOND)


def _seconds(answers: Sequence[Answer]) -> list[Sequence[Answer]]:
    size = round(PER_SECOND)
    return [answers[begin : begin + size] for begin in range(0, len(answers), size)]

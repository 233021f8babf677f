"""Plays rows one after the other, each bounded, and looks after each whether the gateway is as before."""

from __future__ import annotations

import asyncio
import gc
import sys
import time
from collections.abc import Iterable
from dataclasses import dataclass

import httpx

from faults.claims import Unmet, Unplayable
from faults.row import Row
from faults.stage import Stage, settle, staged


@dataclass(frozen=True)
class Played:
    """What came of a row."""

    row: Row
    word: str
    """`ok`, `FAILED` or `skipped`."""

    seen: str
    seconds: float
    steady: str = ""
    """What the gateway holds afterwards, beside what it held before."""

    @property
    def is_good(self) -> bool:
        """Nothing that is required is missing."""
        return self.word != "FAILED"


async def play_all(rows: Iterable[Row], slack: float) -> list[Played]:
    """Play these rows. Raises `Broken` when the gateway does not start."""
    played = []
    _say("starting the gateway and those it calls")
    async with staged(slack) as stage:
        for row in rows:
            one = await _play(row, stage)
            for _ in range(1, row.tries):
                if not one.is_good:
                    _say(f"{row.number:4} again; {one.seen}")
                    one = await _play(row, stage)
            _say(f"{row.number:4} {one.word:7} {row.fault}: {one.seen}")
            played.append(one)
    return played


async def _play(row: Row, stage: Stage) -> Played:
    # What is measured must not wait until we have looked for our own garbage.
    gc.collect()
    gc.disable()
    began = time.perf_counter()
    seen: list[str] = []

    def ended(word: str, *more: str, steady: str = "") -> Played:
        return Played(row, word, "; ".join((*seen, *more)), time.perf_counter() - began, steady)

    try:
        async with asyncio.timeout(row.longest):
            await stage.upstreams.heal()
            for play in row.plays:
                seen.append(await play(stage))  # noqa: PERF401 - what was seen before a failure is told too
            return ended("ok", steady=await settle(stage, row.afterwards, row.recovers))
    except Unplayable as why:
        return ended("skipped", str(why))
    except Unmet as why:
        return ended("FAILED", str(why))
    except TimeoutError:
        return ended("FAILED", f"not over within {row.longest:g} s")
    except (httpx.HTTPError, OSError) as error:
        return ended("FAILED", f"the gateway does not answer: {type(error).__name__}")
    finally:
        gc.enable()


def _say(text: str) -> None:
    """Progress, apart from the table."""
    print(text, file=sys.stderr, flush=True)

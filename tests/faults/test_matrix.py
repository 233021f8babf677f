"""The matrix: it is played to a real gateway, a row that is not as required is seen, and so is what stays behind."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

import pytest

from faults import replies, shared
from faults.__main__ import main
from faults.claims import Unmet, Unplayable
from faults.matrix import ROWS, SHARED
from faults.report import report
from faults.row import Gets, Row
from faults.run import Played, play_all
from faults.stage import Stage

SLACK = 3.0
"""Seconds: nothing here is about speed."""

LONG = {"F8", "F25", "F34"} | {row.number for row in SHARED} - {"R6", "R9"}
"""Rows that take several seconds each; `make faults` plays them too."""


@pytest.mark.slow
def test_the_gateway_does_what_is_required(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    """Every row but the long ones, and status 0; those of the shared cache are shorter than `make faults` plays them."""
    for name, value in {"BEFORE": 1, "LASTS": 2, "PER_SECOND": 20.0, "KNOWN": 40}.items():
        monkeypatch.setattr(shared, name, value)
    rows = [row.number for row in (*ROWS, *SHARED) if row.number not in LONG]

    status = main(["--only", ",".join(rows), "--slack", str(SLACK)])

    out = capsys.readouterr().out
    assert status == 0, out
    assert [line.split(" | ")[0].strip("| ") for line in out.splitlines() if line.startswith(("| F", "| R"))] == rows


async def leaves_calls_behind(stage: Stage) -> str:
    """An upstream that has a call in hand for ever: somebody who did not let go of it."""
    stage.server.in_flight += 1
    return "all well"


async def cannot_be(stage: Stage) -> str:
    raise Unplayable("no such thing here")


async def is_unmet(stage: Stage) -> str:
    raise Unmet("answers 200")


@pytest.mark.slow
def test_what_is_not_as_required_is_seen() -> None:
    """A wrong status, a call that is left in flight, and what a row says itself; a row that cannot be played is no failure."""
    plays: list[Callable[[Stage], Awaitable[str]]] = [
        Gets(replies.CLOSES, 200), Gets(replies.CLOSES, 502, "upstream-disconnected", hits=7), cannot_be, is_unmet, leaves_calls_behind
    ]  # fmt: skip
    rows = [Row(f"T{number}", "a fault", "anything", (play,)) for number, play in enumerate(plays)]

    played = asyncio.run(play_all(rows, 0.0))

    assert [one.word for one in played] == ["FAILED", "FAILED", "skipped", "FAILED", "FAILED"]
    assert [one.is_good for one in played] == [False, False, True, False, False]
    assert [one.seen.partition(" in ")[0] for one in played[:2]] == ["502 upstream-disconnected"] * 2
    assert played[4].seen == "all well; afterwards 1 calls in flight"


def test_rows_that_are_not_there_are_named(capsys: pytest.CaptureFixture[str]) -> None:
    """Status 2, before anything is started."""
    assert main(["--only", "F3,F99"]) == 2
    assert "no row F99; there are F1 to F58, R1 to R9, S1 to S9" in capsys.readouterr().err


@pytest.mark.slow
def test_what_may_be_played_again_fails_when_it_fails_twice() -> None:
    """A figure may meet a bad moment of the machine; a second one is none."""
    seen: list[str] = []

    async def fails_at_first(stage: Stage) -> str:
        seen.append("played")
        if len(seen) == 1:
            raise Unmet("late")
        return "in time"

    rows = [Row("T1", "a fault", "anything", (fails_at_first,), tries=2), Row("T2", "a fault", "anything", (is_unmet,), tries=2)]

    played = asyncio.run(play_all(rows, 0.0))

    assert [(one.word, one.seen) for one in played] == [("ok", "in time"), ("FAILED", "answers 200")]
    assert len(seen) == 2


def test_every_row_is_there_once() -> None:
    """F1 to F36, and those of a crowd, in order; then those of the cache that is shared."""
    assert [row.number for row in ROWS] == [f"F{number}" for number in (*range(1, 37), 40, 41, 58)]
    assert [row.number for row in SHARED] == [f"R{number}" for number in range(1, 10)]


def test_the_table_tells_the_rows_that_failed() -> None:
    """And says in so many words which rows of the matrix nobody played."""
    row = Row("F3", "hangs | or not", "504", ())

    text = report([Played(row, "FAILED", "200", 1.04), Played(row, "ok", "504", 1.0, "+0 tasks")])

    assert "| F3 | hangs ¦ or not | 504 | **FAILED** 200 | 1.0 s |  |" in text
    assert "| F3 | hangs ¦ or not | 504 | 504 | 1.0 s | +0 tasks |" in text
    assert "F46 to F57: not played" in text
    assert text.endswith("1 FAILED, 1 ok")

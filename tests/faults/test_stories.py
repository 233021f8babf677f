"""The stories: clients come when they are to, figures are what they say, and the page tells of a run of all there are."""

from __future__ import annotations

import re
from types import SimpleNamespace
from typing import cast

import pytest

from faults import replies
from faults.__main__ import main
from faults.clients import Crowd, good, percentile, waited
from faults.gateway import Answer, RunningGateway
from faults.matrix import SHARED
from faults.report import PAGE, SECTIONS, section, written
from faults.run import Played
from faults.server import FaultServer, served
from faults.stories import STORIES

SLACK = 3.0
"""Seconds: nothing here is about speed."""

SHORT = ["S6", "S9"]
"""Stories that take some seconds; the others take up to two minutes each."""

GOOD = (replies.body(b"{}"), FaultServer.then.FIN)


@pytest.mark.slow
def test_the_short_stories_are_as_required(capsys: pytest.CaptureFixture[str]) -> None:
    """With status 0."""
    status = main(["--only", ",".join(SHORT), "--slack", str(SLACK)])

    out = capsys.readouterr().out
    assert status == 0, out
    assert re.findall(r"^\| (S\d+) ", out, re.MULTILINE) == SHORT


@pytest.mark.slow
async def test_a_crowd_comes_at_its_rate_whatever_becomes_of_it() -> None:
    """What the others wait for keeps nobody away, and the wait counts from when somebody was to come."""
    async with served() as server:
        server.replies((0.3, *GOOD))
        server.always(GOOD)
        crowd = Crowd(cast(RunningGateway, SimpleNamespace(url=server.url)), "/it", per_second=50.0)

        answers = await crowd.come(0.2)

    assert [one.status for one in answers] == [200] * 10
    assert answers[0].seconds >= 0.3
    assert min(one.seconds for one in answers[1:]) < 0.3
    assert server.asked[0].target == "/it"


@pytest.mark.slow
async def test_who_leaves_while_an_answer_takes_its_time_is_counted() -> None:
    """The server notices when it was to write."""
    async with served() as server:
        server.always((0.05, *GOOD))
        crowd = Crowd(cast(RunningGateway, SimpleNamespace(url=server.url)), "/it")
        _, writer = await crowd.connect()
        await server.until(lambda: server.in_flight == 1)

        writer.close()
        await server.until(lambda: not server.in_flight)

        assert (server.hits, server.abandoned) == (1, 1)


def test_figures_of_a_crowd() -> None:
    """A percentile is the value that so many do not exceed."""
    answers = [Answer(200 if number > 25 else 503, number / 1000, b"", {}) for number in range(1, 101)]

    assert [percentile([3.0, 1.0, 2.0], share) for share in (0.0, 0.5, 0.99, 1.0)] == [1.0, 2.0, 3.0, 3.0]
    assert (waited(answers, 0.99), good(answers)) == (pytest.approx(99), 0.75)


def test_every_story_is_there_once() -> None:
    """S1 to S9, in order."""
    assert [row.number for row in STORIES] == [f"S{number}" for number in range(1, 10)]


@pytest.mark.parametrize("part", SECTIONS)
def test_the_page_tells_of_a_run_of_all_rows(part: str) -> None:
    """With what is required of them as it stands, and what was seen. If not: `make faults ARGS="--only PART --write-docs"`."""
    page = PAGE.read_text().splitlines()
    table = section(SECTIONS[part], [Played(row, "ok", "", 0.0) for row in SECTIONS[part]]).splitlines()[2:]

    told = [line for line in page if line.startswith(table[0][:3])]

    assert [line.split(" | ")[:3] for line in told] == [line.split(" | ")[:3] for line in table]
    assert not [line for line in told if "FAILED" in line or "skipped" in line]


def test_a_story_that_is_not_of_the_run_is_not_in_its_table() -> None:
    """Nor are the rows of the matrix."""
    played = [Played(row, "FAILED", "1.3 calls", 60.0) for row in (STORIES[0], SHARED[0])]

    assert section(STORIES, played).count("\n") == 2


def test_what_was_not_played_stays_on_the_page() -> None:
    """A run of one part leaves the others' tables as they are."""
    page = "<!-- bench: shared -->\nold\n<!-- end -->\n<!-- bench: stories -->\nolder\n<!-- end -->"

    told = written(page, [Played(SHARED[0], "ok", "as ever", 1.0)])

    assert "| R1 |" in told
    assert "\nold\n" not in told
    assert "\nolder\n" in told

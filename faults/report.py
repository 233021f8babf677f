"""The table."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from functools import partial

from bench.docs import filled
from faults import ROOT
from faults.matrix import ELSEWHERE, SHARED
from faults.row import Row
from faults.run import Played
from faults.stories import STORIES

PAGE = ROOT / "docs" / "faults.md"

_HEAD = ("", "fault", "required", "seen", "time", "afterwards")


def report(played: Sequence[Played]) -> str:
    """What was seen, as Markdown."""
    counts = Counter(one.word for one in played)
    summary = ", ".join(f"{count} {word}" for word, count in counts.items())
    return "\n".join((*_table(played), "", *(f"{rows}: not played; {why}." for rows, why in ELSEWHERE.items()), "", summary))


SECTIONS = {"shared": SHARED, "stories": STORIES}
"""What the page has of a run."""


def section(rows: Sequence[Row], played: Sequence[Played]) -> str:
    """These rows alone."""
    return "\n".join(_table([one for one in played if one.row in rows]))


def written(page: str, played: Sequence[Played]) -> str:
    """The page with a table for each part that was played; the others are as they were."""
    rows = [one.row for one in played]

    def fill(name: str, _: Sequence[Played]) -> str:
        before = page.partition(f"<!-- bench: {name} -->\n")[2].partition("\n<!-- end -->")[0]
        return section(SECTIONS[name], played) if set(SECTIONS[name]) & set(rows) else before

    return filled(page, {name: partial(fill, name) for name in SECTIONS}, played)


def _table(played: Sequence[Played]) -> Iterator[str]:
    yield f"| {' | '.join(_HEAD)} |"
    yield f"| {' | '.join('---' for _ in _HEAD)} |"
    for one in played:
        word = "" if one.word == "ok" else f"**{one.word}** "
        cells = (one.row.number, one.row.fault, one.row.required, f"{word}{one.seen}", f"{one.seconds:.1f} s", one.steady)
        yield f"| {' | '.join(cell.replace('|', '¦') for cell in cells)} |"

"""The table."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence

from faults import ROOT
from faults.matrix import ELSEWHERE
from faults.run import Played
from faults.stories import STORIES

PAGE = ROOT / "docs" / "faults.md"

_HEAD = ("", "fault", "required", "seen", "time", "afterwards")


def report(played: Sequence[Played]) -> str:
    """What was seen, as Markdown."""
    counts = Counter(one.word for one in played)
    summary = ", ".join(f"{count} {word}" for word, count in counts.items())
    return "\n".join((*_table(played), "", *(f"{rows}: not played; {why}." for rows, why in ELSEWHERE.items()), "", summary))


def stories(played: Sequence[Played]) -> str:
    """Their rows alone."""
    return "\n".join(_table([one for one in played if one.row in STORIES]))


SECTIONS = {"stories": stories}
"""What the page has of a run."""


def _table(played: Sequence[Played]) -> Iterator[str]:
    yield f"| {' | '.join(_HEAD)} |"
    yield f"| {' | '.join('---' for _ in _HEAD)} |"
    for one in played:
        word = "" if one.word == "ok" else f"**{one.word}** "
        cells = (one.row.number, one.row.fault, one.row.required, f"{word}{one.seen}", f"{one.seconds:.1f} s", one.steady)
        yield f"| {' | '.join(cell.replace('|', '¦') for cell in cells)} |"

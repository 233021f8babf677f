"""The table of wishes is whole, and says plainly what became of each."""

from __future__ import annotations

import re
from pathlib import Path

WISHES = (Path(__file__).parents[2] / "docs" / "wishes.md").read_text(encoding="utf-8")
ROWS = [[cell.strip() for cell in row.strip("|").split("|")] for row in re.findall(r"^\| W.*$", WISHES, re.MULTILINE)]


def test_every_wish_has_its_row() -> None:
    """Twenty-two, in order, each with where it was asked for and with its answer first."""
    assert [row[0] for row in ROWS] == [f"W{number}" for number in range(1, 23)]
    for _, _, threads, answer in ROWS:
        assert all(re.fullmatch(r"[A-Za-z-]+#\d+", thread) for thread in threads.split(", "))
        assert re.match(r"\*\*(Yes|In part|Not yet)", answer)

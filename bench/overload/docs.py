"""Fills the tables of `docs/overload.md` and draws its picture from a kept run, so that the page cannot say anything else."""

from __future__ import annotations

from bench import HERE, ROOT
from bench.docs import filled
from bench.overload.picture import draw
from bench.overload.report import SECTIONS
from bench.overload.results import Results

PAGE = ROOT / "docs" / "overload.md"
PICTURE = PAGE.with_suffix(".svg")
KEPT = HERE / "results" / "overload.json"
"""The run that the page tells of; made with `make overload ARGS="--save overload"`."""


def write() -> None:
    """Bring the page up to date."""
    results = Results.read(KEPT)
    PAGE.write_text(filled(PAGE.read_text(), SECTIONS, results))
    PICTURE.write_text(draw(results))

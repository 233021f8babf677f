"""Fills the tables of `docs/performance.md` from a kept run, so that the page cannot say anything else."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import TypeVar

from bench import HERE, ROOT
from bench.report import SECTIONS
from bench.results import Results

PAGE = ROOT / "docs" / "performance.md"
KEPT = HERE / "results" / "reference.json"
"""The run that the page tells of; made with `make bench ARGS="--save reference"`."""

Found = TypeVar("Found")

_BLOCK = re.compile(r"(<!-- bench: ([\w -]+) -->\n).*?(<!-- end -->)", re.DOTALL)


def filled(page: str, sections: Mapping[str, Callable[[Found], str]], results: Found) -> str:
    """The page with each block as its section makes it of the results. Raises `KeyError` for a block that nobody knows."""

    def fill(block: re.Match[str]) -> str:
        return f"{block[1]}{sections[block[2]](results)}\n{block[3]}"

    return _BLOCK.sub(fill, page)


def write() -> None:
    """Bring the page up to date."""
    PAGE.write_text(filled(PAGE.read_text(), SECTIONS, Results.read(KEPT)))

"""The lines of a config that something comes from, as they are written: `${KEY}` stays what it is, and what is a secret by its name is left out."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import takewhile
from pathlib import Path

from gateway.formats.hiding import depth, hide_in_lines

MOST = 400
"""Lines."""


def lines_of(file: str, first: int) -> list[str]:
    """What stands on this line and belongs to it: all that is further in. Nothing, where the file is not there."""
    try:
        text = Path(file).read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError, ValueError):
        return []
    return [*hide_in_lines(block(text.splitlines(), first))]


def block(lines: Sequence[str], first: int) -> list[str]:
    """A line, and those after it that are further in."""
    own, rest = lines[first - 1 : first], lines[first : first + MOST]
    out = depth(own[0]) if own else 0
    # What a line has opened may be closed as far out as it stands.
    found = [*own, *takewhile(lambda line: not line.strip() or depth(line) > out or line.strip()[0] in ")]}", rest)]
    while found and not found[-1].strip():
        found.pop()
    return found

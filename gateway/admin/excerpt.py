"""The lines of a config that something comes from, as they are written: `${KEY}` stays what it is, and what is a secret by its name is left out."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from itertools import takewhile
from pathlib import Path

MOST = 400
"""Lines."""

HIDDEN = "…"

_SECRET = re.compile(
    r"""([\w-]*(?:authorization|cookie|token|secret|password|api[-_]?key)[\w-]*["']?\s*:)[ \t]*("[^"]*"|'[^']*'|[^\s,}](?:[^,}]*[^\s,}])?)?""",
    re.I,
)


def lines_of(file: str, first: int) -> list[str]:
    """What stands on this line and belongs to it: all that is further in. Nothing, where the file is not there."""
    try:
        text = Path(file).read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError, ValueError):
        return []
    return [*_without_secrets(block(text.splitlines(), first))]


def block(lines: Sequence[str], first: int) -> list[str]:
    """A line, and those after it that are further in."""
    own, rest = lines[first - 1 : first], lines[first : first + MOST]
    depth = _depth(own[0]) if own else 0
    # What a line has opened may be closed as far out as it stands.
    found = [*own, *takewhile(lambda line: not line.strip() or _depth(line) > depth or line.strip()[0] in ")]}", rest)]
    while found and not found[-1].strip():
        found.pop()
    return found


def _without_secrets(lines: Sequence[str]) -> Iterator[str]:
    within: int | None = None
    for line in lines:
        if within is not None and (not line.strip() or _depth(line) > within):
            continue
        within = None
        told = _SECRET.sub(rf"\1 {HIDDEN}", line)
        if told != line and _SECRET.sub("", line).strip("- '\"") == "":
            # Its value may go on below.
            within = _depth(line)
        yield told


def _depth(line: str) -> int:
    return len(line) - len(line.lstrip())

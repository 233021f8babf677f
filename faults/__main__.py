"""`python -m faults`: plays the matrix and the stories to a running gateway, and prints what was seen."""

from __future__ import annotations

import argparse
import asyncio
import signal
import sys
from collections.abc import Sequence
from pathlib import Path

from bench.processes import Broken
from faults.matrix import ROWS, SHARED
from faults.report import PAGE, report, written
from faults.row import Row
from faults.run import play_all
from faults.stories import STORIES

PARTS = {"MATRIX": ROWS, "SHARED": SHARED, "STORIES": STORIES}
ALL = [row for rows in PARTS.values() for row in rows]


def main(args: Sequence[str] | None = None) -> int:
    """Play and print. Exit status: 0 all as required, 1 not all, 2 not to be played, 130 interrupted."""
    asked = _arguments().parse_args(args)
    try:
        rows = _wanted(asked.only)
        # make is told to end with SIGTERM as often as with Ctrl-C.
        signal.signal(signal.SIGTERM, signal.default_int_handler)
        played = asyncio.run(play_all(rows, asked.slack))
    except (ValueError, Broken) as error:
        print(f"faults: {error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print("interrupted; everything that was started has been ended", file=sys.stderr)
        return 130
    text = report(played)
    print(text)
    if asked.save:
        asked.save.write_text(text + "\n")
    if asked.write_docs:
        PAGE.write_text(written(PAGE.read_text(), played))
    return 0 if all(one.is_good for one in played) else 1


def _arguments() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m faults",
        description="Every fault of the matrix and of the shared cache, and every story, against a running gateway.",
    )
    parser.add_argument("--only", default="", metavar="F3,…", help="these rows alone, or a part: matrix, shared, stories")
    parser.add_argument(
        "--slack", type=float, default=0.0, metavar="SECONDS", help="what answers may take longer on a machine that is busy"
    )
    parser.add_argument("--save", type=Path, metavar="FILE", help="write the table down as well")
    parser.add_argument(
        "--write-docs", action="store_true", help="put the tables of the shared cache and of the stories into docs/faults.md"
    )
    return parser


def _wanted(only: str) -> list[Row]:
    """The rows of these numbers or parts, or all. Raises `ValueError`."""
    names = {name.strip().upper() for name in only.split(",") if name.strip()} or set(PARTS)
    known = {name: {row.number for row in rows} for name, rows in PARTS.items()}
    known |= {row.number: {row.number} for row in ALL}
    if unknown := names - set(known):
        spans = ", ".join(f"{rows[0].number} to {rows[-1].number}" for rows in PARTS.values())
        raise ValueError(f"no row {', '.join(sorted(unknown))}; there are {spans}")
    numbers = set[str]().union(*(known[name] for name in names))
    return [row for row in ALL if row.number in numbers]


if __name__ == "__main__":
    sys.exit(main())

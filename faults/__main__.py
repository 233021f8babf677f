"""`python -m faults`: plays the matrix to a running gateway, and prints what was seen."""

from __future__ import annotations

import argparse
import asyncio
import signal
import sys
from collections.abc import Sequence
from pathlib import Path

from bench.processes import Broken
from faults.matrix import ROWS
from faults.report import report
from faults.row import Row
from faults.run import play_all


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
    return 0 if all(one.is_good for one in played) else 1


def _arguments() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m faults", description="Every fault of the matrix, against a running gateway.")
    parser.add_argument("--only", default="", metavar="F3,…", help="these rows alone")
    parser.add_argument(
        "--slack", type=float, default=0.0, metavar="SECONDS", help="what answers may take longer on a machine that is busy"
    )
    parser.add_argument("--save", type=Path, metavar="FILE", help="write the table down as well")
    return parser


def _wanted(only: str) -> list[Row]:
    """The rows of these numbers, or all. Raises `ValueError`."""
    names = [name.strip().upper() for name in only.split(",") if name.strip()]
    if unknown := set(names) - {row.number for row in ROWS}:
        raise ValueError(f"no row {', '.join(sorted(unknown))}; there are {ROWS[0].number} to {ROWS[-1].number}")
    return [row for row in ROWS if not names or row.number in names]


if __name__ == "__main__":
    sys.exit(main())

"""`python -m bench.overload`: the command line."""

from __future__ import annotations

import argparse
import signal
import sys
from collections.abc import Sequence
from dataclasses import asdict

from bench.__main__ import RESULTS, load_average, machine
from bench.overload import docs
from bench.overload.picture import draw
from bench.overload.report import report
from bench.overload.results import Results
from bench.overload.run import measure
from bench.overload.trial import CONNECTIONS, PATIENCE, Settings
from bench.processes import Broken
from bench.run import say

FULL = Settings(before=0.75, load=2.5, after=3.0, calibration=1.0, multiples=(0.5, 1.0, 2.0, 5.0, 10.0), is_compared=True)
QUICK = Settings(before=0.5, load=1.5, after=1.0, calibration=0.5, multiples=(0.5, 2.0, 10.0), is_compared=False)


def main(args: Sequence[str] | None = None) -> int:
    """Measure, print and draw. Exit status: 0 measured, 1 the gateway did not work, 130 interrupted."""
    asked = arguments().parse_args(args)
    if asked.write_docs:
        docs.write()
        return 0
    # make is told to end with SIGTERM as often as with Ctrl-C.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    settings = QUICK if asked.quick else FULL
    results = Results(machine(), {**asdict(settings), "connections": CONNECTIONS, "patience": PATIENCE})
    try:
        measure(results, settings)
    except KeyboardInterrupt:
        say("interrupted; everything that was started has been ended")
        return 130
    except Broken as reason:
        say(f"overload: {reason}")
        return 1
    results.machine["load average, start and end"] += load_average()
    keep(results, asked.save)
    return 0


def keep(results: Results, name: str) -> None:
    """Print the report, and write it down with its picture."""
    text = report(results)
    results.save(RESULTS / f"{name}.json")
    (RESULTS / f"{name}.md").write_text(text)
    (RESULTS / f"{name}.svg").write_text(draw(results))
    print(text)


def arguments() -> argparse.ArgumentParser:
    """What may be said."""
    parser = argparse.ArgumentParser(
        prog="python -m bench.overload", description="What becomes of answers when more is asked than can be done."
    )
    parser.add_argument("--quick", action="store_true", help="shorter, fewer levels, and without the comparison: under a minute")
    parser.add_argument(
        "--save", default="latest-overload", metavar="NAME", help="results/NAME.json, .md and .svg (default: latest-overload)"
    )
    parser.add_argument(
        "--write-docs", action="store_true", help="measure nothing; fill docs/overload.md, draw docs/overload.svg"
    )
    return parser


if __name__ == "__main__":
    sys.exit(main())

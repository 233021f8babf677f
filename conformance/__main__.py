"""`python -m conformance`: plays the suite to a gateway, and prints what passes."""

from __future__ import annotations

import argparse
import signal
import sys
from collections.abc import Sequence
from pathlib import Path
from tempfile import TemporaryDirectory

from bench.processes import Broken
from conformance.report import failed, report, write
from conformance.stage import play
from conformance.suite import PACKAGE, SOURCE, fetch


def main(args: Sequence[str] | None = None) -> int:
    """Play and print. Exit status: 0 no required test fails that could pass, 1 one does, 2 not to be played, 130 interrupted."""
    asked = _arguments().parse_args(args)
    # make is told to end with SIGTERM as often as with Ctrl-C.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        with TemporaryDirectory(prefix="fanin-conformance-", ignore_cleanup_errors=True) as folder:
            suite = fetch(asked.suite, Path(folder))
            results = play(suite, asked.id)
            if isinstance(results, str):
                print(results)
                return 0
            text = report(suite, results)
            if asked.write:
                write(suite, text)
    except Broken as error:
        print(f"conformance: {error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print("interrupted; everything that was started has been ended", file=sys.stderr)
        return 130
    print(text)
    return 1 if failed(suite, results) else 0


def _arguments() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m conformance", description="The public suite for HTTP caches, against a gateway."
    )
    parser.add_argument(
        "--suite", default=PACKAGE, metavar="PACKAGE", help=f"what npm is asked for: a package, {SOURCE}, a folder"
    )
    parser.add_argument("--id", default="", metavar="TEST", help="this test alone, with what is sent and received")
    parser.add_argument("--write", action="store_true", help="bring docs/cache-tests.md up to date")
    return parser


if __name__ == "__main__":
    sys.exit(main())

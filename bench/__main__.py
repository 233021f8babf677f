"""`python -m bench`: the command line."""

from __future__ import annotations

import argparse
import os
import platform
import signal
import sys
from dataclasses import asdict
from typing import Any

from bench import HERE
from bench.cores import available
from bench.processes import Children
from bench.report import report
from bench.results import Results
from bench.roster import chosen
from bench.run import Bench, Settings, say, set_up
from bench.workloads import WORKLOADS

FULL = Settings(rounds=5, requests=10_000, seconds=6.0, warm=5_000)
QUICK = Settings(rounds=3, requests=3_000, seconds=2.0, warm=2_000)


def main() -> int:
    """Measure and report. Exit status: 0 measured, 2 asked for what there is not, 130 interrupted."""
    asked = arguments().parse_args()
    usual = QUICK if asked.quick else FULL
    settings = Settings(asked.rounds or usual.rounds, asked.requests or usual.requests, usual.seconds, usual.warm)
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    results = Results(machine(), asdict(settings))
    try:
        peers = set_up(chosen(asked.only), results)
        with Children() as children:
            bench = Bench(settings, children, results)
            for name in asked.workload or WORKLOADS:
                workload = WORKLOADS[name]
                bench.measure(workload, [peer for peer in peers if peer.serves(workload)])
    except ValueError as error:
        say(f"bench: {error}")
        return 2
    except KeyboardInterrupt:
        say("interrupted")
        return 130
    results.save(HERE / "results" / f"{asked.save}.json")
    text = report(results)
    (HERE / "results" / f"{asked.save}.md").write_text(text)
    print(text)
    return 0


def arguments() -> argparse.ArgumentParser:
    """What may be said."""
    parser = argparse.ArgumentParser(
        prog="python -m bench", description="What a request costs: Fanin and its peers, side by side."
    )
    parser.add_argument("--quick", action="store_true", help="fewer rounds of fewer requests: under three minutes")
    parser.add_argument("--only", type=names, default=[], metavar="PEER,…", help="these peers and their variants alone")
    parser.add_argument("--workload", type=names, default=[], metavar="NAME,…", help="these workloads alone")
    parser.add_argument("--rounds", type=int, metavar="N", help="rounds of each workload")
    parser.add_argument("--requests", type=int, metavar="N", help="requests in a round")
    parser.add_argument("--save", default="latest", metavar="NAME", help="results/NAME.json and .md (default: latest)")
    return parser


def names(text: str) -> list[str]:
    """A list, written with commas."""
    return [name.strip() for name in text.split(",") if name.strip()]


def machine() -> dict[str, Any]:
    """What it runs on, but for its name."""
    return {
        "cores": len(available()) or os.cpu_count(),
        "system": f"{platform.system()} {platform.release()}",
        "python": platform.python_version(),
        "load": [round(value, 2) for value in os.getloadavg()],
    }


if __name__ == "__main__":
    sys.exit(main())

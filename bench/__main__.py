"""`python -m bench`: the command line."""

from __future__ import annotations

import argparse
import os
import platform
import signal
import sys
from collections.abc import Iterable, Sequence
from contextlib import closing
from dataclasses import asdict, replace
from typing import Any

from bench import HERE, docs
from bench.checking import check_seconds
from bench.cores import available, share_out
from bench.peers import Peer, fanin
from bench.processes import Broken, Children
from bench.report import report
from bench.results import Results
from bench.roster import chosen
from bench.run import Run, Settings, say, set_up
from bench.stage import Stage
from bench.workloads import WORKLOADS, Workload

# Many short rounds: a machine that others use too drifts by half within a minute, and the least of many is what it does undisturbed.
FULL = Settings(rounds=13, requests=3_000, seconds=3.0, soak=50_000)
QUICK = Settings(rounds=2, requests=1_000, seconds=0.5, soak=5_000)
RESULTS = HERE / "results"


def main(args: Sequence[str] | None = None) -> int:
    """Measure and report. Exit status: 0 measured, 2 asked for what there is not, 130 interrupted."""
    asked = arguments().parse_args(args)
    if asked.write_docs:
        docs.write()
        return 0
    try:
        peers, workloads = chosen(asked.only), wanted(asked.workload)
    except ValueError as error:
        say(f"bench: {error}")
        return 2
    # make is told to end with SIGTERM as often as with Ctrl-C.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        results = measure(peers, workloads, settings(asked))
    except KeyboardInterrupt:
        say("interrupted; everything that was started has been ended")
        return 130
    keep(results, asked.save)
    return 0


def measure(peers: Iterable[Peer], workloads: Sequence[Workload], settings: Settings) -> Results:
    """A whole run."""
    results = Results(machine(), asdict(settings))
    present = set_up(peers, results)
    pairs = [(workload, peer) for workload in workloads for peer in present if workload.name in peer.workloads]
    cores = share_out(available(), max((peer.workers for peer in present), default=1)).rest
    with Children() as children, closing(Stage(children, cores)) as stage:
        run = Run(settings, stage, children, results)
        run.measure(pairs)
        if (WORKLOADS["aggregate-3"], fanin.PEER) in pairs:
            run.soak(WORKLOADS["aggregate-3"], fanin.PEER)
        if fanin.THOUSAND in present:
            try:
                results.check_seconds = check_seconds(children.folder, stage.origins)
            except Broken as reason:
                results.left_out["check of 1,000 endpoints"] = str(reason)
    results.machine["load average, start and end"] += load_average()
    return results


def keep(results: Results, name: str) -> None:
    """Print the report and write it down."""
    text = report(results)
    results.save(RESULTS / f"{name}.json")
    (RESULTS / f"{name}.md").write_text(text)
    print(text)


def arguments() -> argparse.ArgumentParser:
    """What may be said."""
    parser = argparse.ArgumentParser(
        prog="python -m bench", description="What a request costs: Fanin and its peers, side by side."
    )
    parser.add_argument("--quick", action="store_true", help="fewer rounds of fewer requests: under three minutes")
    parser.add_argument("--only", type=names, default=[], metavar="PEER,…", help="these peers and their variants alone")
    parser.add_argument("--workload", type=names, default=[], metavar="NAME,…", help="these workloads alone")
    parser.add_argument("--rounds", type=count, metavar="N", help="rounds")
    parser.add_argument("--requests", type=count, metavar="N", help="requests in a round")
    parser.add_argument("--soak", type=count, metavar="N", help="requests in a row, to watch memory and open files")
    parser.add_argument("--save", default="latest", metavar="NAME", help="results/NAME.json and .md (default: latest)")
    parser.add_argument("--write-docs", action="store_true", help="measure nothing; fill docs/performance.md")
    return parser


def settings(asked: argparse.Namespace) -> Settings:
    """How much to measure: as usual, but for what was said."""
    said = {name: getattr(asked, name) for name in ("rounds", "requests", "soak") if getattr(asked, name)}
    return replace(QUICK if asked.quick else FULL, **said)


def wanted(names: Sequence[str]) -> list[Workload]:
    """The workloads of these names, or all. Raises `ValueError`."""
    unknown = [name for name in names if name not in WORKLOADS]
    if unknown:
        raise ValueError(f"no workload {', '.join(unknown)}; there are {', '.join(WORKLOADS)}")
    return [workload for name, workload in WORKLOADS.items() if not names or name in names]


def names(text: str) -> list[str]:
    """A list, written with commas."""
    return [name.strip() for name in text.split(",") if name.strip()]


def count(text: str) -> int:
    """A number of at least one."""
    number = int(text)
    if number < 1:
        raise ValueError(text)
    return number


def machine() -> dict[str, Any]:
    """What it runs on, but for its name."""
    return {
        "cores": len(available()) or os.cpu_count() or 1,
        "system": f"{platform.system()} {platform.release().split('-')[0]}, {platform.machine()}",
        "python": platform.python_version(),
        "load average, start and end": load_average(),
    }


def load_average() -> list[float]:
    """Of the last minute, where the system tells."""
    return [round(os.getloadavg()[0], 1)] if hasattr(os, "getloadavg") else []


if __name__ == "__main__":
    sys.exit(main())

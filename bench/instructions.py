"""`python -m bench.instructions`: how many instructions a request takes, by valgrind's cachegrind.

Time says what a request costs on a machine, and differs by half from minute to minute where others use it too. Instructions are the same to
half a percent, whatever else runs: what a change costs is seen at once. They say nothing of the kernel, nor of how long one of them takes, and
valgrind hides what the processor has for hashes and their like. A run takes fifty times as long as the requests would.

A gateway is started twice, and asked for few and for many: what starting and ending take is in both.
"""

from __future__ import annotations

import argparse
import json
import re
import shutil
import signal
import sys
from collections.abc import Sequence
from contextlib import closing
from dataclasses import asdict, replace

from bench.cores import available, share_out
from bench.load import Order, Sample
from bench.peers import Peer, Scene, fanin
from bench.processes import Broken, Children, Command, hear, tell
from bench.run import say
from bench.runner import Runner
from bench.stage import Stage
from bench.workloads import WORKLOADS, Workload

PEERS = (fanin.UNTRACED, fanin.JOURNAL, fanin.PEER)
FEW, MANY = 300, 900
CONNECTIONS = 8
"""So many that neighbours share what they can, and so few that nobody waits for a second: what is late is asked again."""

PATIENCE = 300.0
"""Seconds for all of the requests, and as many for the end of the process."""

_VALGRIND = ("valgrind", "--tool=cachegrind", "--cache-sim=no", "--cachegrind-out-file=/dev/null")
_TOLD = re.compile(r"^==\d+== I\s+refs:\s+([\d,]+)$", re.MULTILINE)


def main(args: Sequence[str] | None = None) -> int:
    """Measure and print. Exit status: 0 measured, 1 a gateway did not work, 2 there is no valgrind, 130 interrupted."""
    asked = arguments().parse_args(args)
    if not shutil.which("valgrind"):
        say("instructions: needs valgrind, which is a package of that name")
        return 2
    # make is told to end with SIGTERM as often as with Ctrl-C.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        print(table(asked.workload, {peer.name: per_request(peer, WORKLOADS[asked.workload]) for peer in PEERS}))
    except KeyboardInterrupt:
        say("interrupted; everything that was started has been ended")
        return 130
    except Broken as reason:
        say(f"instructions: {reason}")
        return 1
    return 0


def table(workload: str, found: dict[str, float]) -> str:
    """Thousands a request, and as shares of the first."""
    [first, *_] = found.values()
    lines = [f"| {name} | {count / 1e3:,.0f} | {count / first:.2f} |" for name, count in found.items()]
    return "\n".join([f"| {workload} | thousands of instructions | × the first |", "| --- | --- | --- |", *lines])


def per_request(peer: Peer, workload: Workload) -> float:
    """Instructions of one more request. Raises `Broken`."""
    few, many = (counted(peer, workload, requests) for requests in (FEW, MANY))
    return (many - few) / (MANY - FEW)


def counted(peer: Peer, workload: Workload, requests: int) -> int:
    """Instructions of a whole process that is asked so often. Raises `Broken`."""
    say(f"{workload.name}: {peer.name} is asked {requests} times")
    with Children() as children, closing(Stage(children, share_out(available(), 1).rest)) as stage:
        # Its spans come too late to be counted, and are not.
        runner = Runner(stage, children, replace(peer, command=lambda scene: slowed(peer, scene), traced=0.0), workload)
        runner.start()
        runner.check()
        numbers = workload.numbers()
        order = Order(runner.port, workload.path, numbers.start, len(numbers), CONNECTIONS, 0, requests, PATIENCE, runner.length)
        load = children.talk("bench.load", stage.cores, json.dumps(asdict(order)))
        hear(load)
        tell(load)
        sample = Sample(**hear(load))
        if sample.wrong or sample.requests < requests:
            raise Broken(f"{peer.name}: {sample.wrong} of {sample.requests} answers were wrong")
        runner.process.terminate()
        runner.process.wait(PATIENCE)
        return read(children.said(runner.process))


def slowed(peer: Peer, scene: Scene) -> Command:
    """A peer's command, carried out by valgrind; what depends on the order of sets is the same each time."""
    command = peer.command(scene)
    return replace(command, args=(*_VALGRIND, *command.args), env={**command.env, "PYTHONHASHSEED": "0"})


def read(said: str) -> int:
    """What valgrind says at the end. Raises `Broken`."""
    if told := _TOLD.search(said):
        return int(told[1].replace(",", ""))
    raise Broken(f"valgrind did not count: {' | '.join(said.strip().splitlines()[-3:])}")


def arguments() -> argparse.ArgumentParser:
    """What may be said."""
    parser = argparse.ArgumentParser(prog="python -m bench.instructions", description="How many instructions a request takes.")
    parser.add_argument("--workload", choices=WORKLOADS, default="aggregate-3", help="%(default)s")
    return parser


if __name__ == "__main__":
    sys.exit(main())

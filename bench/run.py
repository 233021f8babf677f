"""A run: everybody is set up, started and checked; then come rounds that alternate over all of them."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterable
from dataclasses import dataclass

from bench import measure
from bench.peers import Missing, Peer
from bench.processes import Broken, Children
from bench.results import Results, Round, Watched
from bench.runner import Runner
from bench.stage import Stage
from bench.workloads import Workload

STRIDES = 10
"""How often the soak looks at memory and open files."""

_BEGAN = time.monotonic()


@dataclass(frozen=True)
class Settings:
    """How much to measure."""

    rounds: int
    requests: int
    """In a round, at 32 connections; a tenth of them at one."""

    seconds: float
    """That a round may take: a slow peer answers fewer requests."""

    soak: int
    """Requests in a row, to watch memory and open files."""


def set_up(peers: Iterable[Peer], results: Results) -> list[Peer]:
    """The peers that can be had; the others are left out by name, with the reason."""
    present = []
    for peer in peers:
        say(f"setting up {peer.name}")
        try:
            results.versions[peer.name] = peer.prepare()
            present.append(peer)
        except Missing as reason:
            _leave_out(results, peer.name, reason)
    return present


@dataclass(frozen=True)
class Run:
    """What a run works with; `results` is what comes of it."""

    settings: Settings
    stage: Stage
    children: Children
    results: Results

    def measure(self, pairs: Iterable[tuple[Workload, Peer]]) -> None:
        """Measure everybody at everything: a round has all of them, so that what disturbs one disturbs its neighbours too."""
        runners = [runner for workload, peer in pairs if (runner := self._ready(workload, peer))]
        for number in range(1, self.settings.rounds + 1):
            for runner in list(runners):
                try:
                    self._round(runner, number)
                except Broken as reason:
                    _leave_out(self.results, runner.name, reason)
                    runners.remove(runner)
        self.children.end(*(runner.process for runner in runners))

    def soak(self, workload: Workload, peer: Peer) -> None:
        """Ask one peer for long, and look at what it holds every tenth of the way."""
        runner = self._ready(workload, peer, keep=False)
        if runner is None:
            return
        done = 0
        for _ in range(STRIDES):
            done += self._load(runner, max(workload.connections), self.settings.soak // STRIDES, 1e9).requests
            seen = Watched(done, measure.resident_mib(runner.process.pid), measure.open_files(runner.process.pid))
            self.results.soak.append(seen)
            say(f"soak, {seen.requests} requests: {seen.mib:.1f} MiB, {seen.files} open files")
        self.children.end(runner.process)

    def _ready(self, workload: Workload, peer: Peer, *, keep: bool = True) -> Runner | None:
        """A peer that is started, and gives right answers; None, with the reason told, when it will not do."""
        runner = Runner(self.stage, self.children, peer, workload)
        say(f"{runner.name} starts, and is checked")
        try:
            runner.start()
            runner.check()
        except (Broken, Missing) as reason:
            _leave_out(self.results, runner.name, reason)
            return None
        if keep:
            self.results.workloads.setdefault(workload.name, {})[peer.name] = runner.measured
        return runner

    def _round(self, runner: Runner, number: int) -> None:
        for connections in runner.workload.connections:
            share = runner.workload.share / (1 if connections > 1 else 10)
            taken = self._load(runner, connections, max(1, int(self.settings.requests * share)))
            runner.measured.rounds.setdefault(connections, []).append(taken)
            say(f"round {number} of {self.settings.rounds}, {runner.name}, {connections} at once: {_glimpse(taken)}")
        if measure.IS_POSSIBLE:
            runner.measured.peak_mib = measure.peak_mib(runner.process.pid)

    def _load(self, runner: Runner, connections: int, requests: int, seconds: float = 0.0) -> Round:
        return runner.load(connections, requests, seconds or self.settings.seconds)


def say(text: str) -> None:
    """Progress, apart from the table, with the seconds since the start."""
    print(f"{time.monotonic() - _BEGAN:4.0f} s  {text}", file=sys.stderr, flush=True)


def _glimpse(taken: Round) -> str:
    cost = f"{taken.cpu_us:.0f} µs of CPU, " if taken.cpu_us is not None else ""
    wrong = f", {taken.wrong} WRONG" if taken.wrong else ""
    return f"{cost}{taken.per_second:.0f}/s{wrong}"


def _leave_out(results: Results, name: str, reason: Exception) -> None:
    results.left_out[name] = str(reason)
    say(f"{name} is left out: {reason}")

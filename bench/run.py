"""A run: set up, start, check, then rounds that alternate over the peers."""

from __future__ import annotations

import json
import subprocess
import sys
import time
import urllib.request
from collections.abc import Sequence
from dataclasses import asdict, dataclass

from bench import measure
from bench.cores import Cores, available, share_out
from bench.load import Order, Sample
from bench.peers import Missing, Peer, Scene
from bench.processes import Broken, Children, free_port, hear, tell
from bench.results import Measured, Results, Round
from bench.workloads import Workload

QUIET = 1.2
"""Seconds without a new span after which no more are waited for; the exporter sends twice as often."""


@dataclass(frozen=True)
class Settings:
    """How much to measure."""

    rounds: int
    requests: int
    """In a round, at 32 connections; a tenth of them at one."""

    seconds: float
    """That a round may take: a slow peer answers fewer requests."""

    warm: int
    """Requests before the first round, so that what compiles at run time has done so."""


@dataclass
class Runner:
    """A peer that answers, and what was measured of it."""

    peer: Peer
    process: subprocess.Popen[str]
    port: int
    length: int
    measured: Measured


class Bench:
    """Measures workloads and fills in results; the processes it starts are the context's."""

    def __init__(self, settings: Settings, children: Children, results: Results) -> None:
        self._settings = settings
        self._children = children
        self._results = results
        self._rest = share_out(available(), 1).rest
        self._upstream = children.talk("bench.upstream", self._rest)
        self._origins = [f"http://127.0.0.1:{port}" for port in hear(self._upstream)]
        self._collector = children.talk("bench.collector", self._rest)
        [port] = hear(self._collector)
        self._collector_url = f"http://127.0.0.1:{port}"

    def measure(self, workload: Workload, peers: Sequence[Peer]) -> None:
        """Measure everybody at one workload, in rounds that alternate: what disturbs one disturbs its neighbours too."""
        runners = [runner for peer in peers if (runner := self._begin(workload, peer))]
        try:
            for number in range(1, self._settings.rounds + 1):
                for connections in workload.connections:
                    for runner in runners:
                        self._round(workload, runner, connections, number)
        finally:
            for runner in runners:
                self._children.end(runner.process)

    def _begin(self, workload: Workload, peer: Peer) -> Runner | None:
        """Start a peer, look at its answers and warm it up; None when it will not do."""
        try:
            runner = self._start(workload, peer)
            runner.measured.spans = self._check(workload, runner)
            self._load(workload, runner, max(workload.connections), self._settings.warm, 0)
        except (Broken, Missing) as reason:
            self._results.left_out[f"{workload.name}/{peer.name}"] = str(reason)
            say(f"{workload.name}: {peer.name} is left out: {reason}")
            return None
        self._results.workloads.setdefault(workload.name, {})[peer.name] = runner.measured
        return runner

    def _start(self, workload: Workload, peer: Peer) -> Runner:
        port = free_port()
        scene = Scene(port, self._origins, self._collector_url, workload, self._children.folder)
        process = self._children.start(peer.command(scene), self._cores(peer).peer)
        self._children.serving(process, port)
        return Runner(peer, process, port, 0, Measured())

    def _check(self, workload: Workload, runner: Runner) -> int:
        """Every answer is what the upstreams gave, whatever the id; gives the spans that one request leaves."""
        before, asked = self._spans(), workload.numbers()[:: max(1, workload.ids // 10)]
        for number in asked:
            url = f"http://127.0.0.1:{runner.port}{workload.path}{number}"
            try:
                with urllib.request.urlopen(url, timeout=30) as reply:
                    body = reply.read()
            except OSError as error:
                raise Broken(f"{workload.path}{number} was answered with {error}") from error
            if json.loads(body) != workload.answer(number):
                raise Broken(f"{workload.path}{number} was answered wrongly: {body[:200]!r}")
            runner.length = len(body)
        if not runner.peer.is_traced:
            return 0
        spans = self._drain(before) / len(asked)
        if spans != int(spans) or not spans:
            raise Broken(f"{spans} spans a request came to the collector")
        return int(spans)

    def _round(self, workload: Workload, runner: Runner, connections: int, number: int) -> None:
        requests = max(1, int(self._settings.requests * workload.share / (1 if connections > 1 else 10)))
        try:
            taken = self._load(workload, runner, connections, 2 * connections, requests)
        except Broken as reason:
            self._results.left_out[f"{workload.name}/{runner.peer.name}"] = str(reason)
            return
        runner.measured.rounds.setdefault(connections, []).append(taken)
        if measure.IS_POSSIBLE:
            runner.measured.peak_mib = measure.peak_mib(runner.process.pid)
        cost = f"{taken.cpu_us:.0f} µs" if taken.cpu_us is not None else f"{taken.per_second:.0f}/s"
        wrong = f", {taken.wrong} WRONG" if taken.wrong else ""
        say(f"{workload.name} round {number}, {connections} connections: {runner.peer.name} {cost}{wrong}")

    def _load(self, workload: Workload, runner: Runner, connections: int, warm: int, requests: int) -> Round:
        """Send requests, and read every clock before and after those that count."""
        order = Order(
            runner.port, workload.path, workload.numbers()[0], workload.ids, connections, warm, requests,
            self._settings.seconds, runner.length,
        )  # fmt: skip
        load = self._children.talk("bench.load", self._rest, json.dumps(asdict(order)))
        try:
            hear(load)
            traced = runner.peer.is_traced
            before_spans = self._drain(self._spans()) + self._spans() if traced else 0
            before_peer, before_rest = self._clock(runner.process.pid), self._rest_clock()
            tell(load)
            sample = Sample(**hear(load))
            rest = self._rest_clock() - before_rest + sample.cpu
            spans = self._drain(before_spans, sample.requests * runner.measured.spans) if traced else 0
            cpu = self._clock(runner.process.pid) - before_peer
        finally:
            self._children.end(load)
        return self._judge(runner, sample, cpu, rest, sample.requests * runner.measured.spans - spans)

    def _judge(self, runner: Runner, sample: Sample, cpu: float, rest: float, spans_lost: int) -> Round:
        known, cores = measure.IS_POSSIBLE, self._cores(runner.peer)
        return Round(
            requests=sample.requests,
            cpu_us=cpu / max(1, sample.requests) * 1e6 if known else None,
            per_second=sample.requests / sample.seconds if sample.seconds else 0.0,
            p50_ms=sample.p50 * 1e3,
            p99_ms=sample.p99 * 1e3,
            wrong=sample.wrong,
            peer_busy=cpu / sample.seconds / len(cores.peer) if known else None,
            rest_busy=rest / sample.seconds / len(cores.rest) if known else None,
            spans_lost=spans_lost,
        )

    def _cores(self, peer: Peer) -> Cores:
        return share_out(available(), peer.workers)

    def _clock(self, pid: int) -> float:
        return measure.cpu_seconds(pid) if measure.IS_POSSIBLE else 0.0

    def _rest_clock(self) -> float:
        return self._clock(self._upstream.pid) + self._clock(self._collector.pid)

    def _spans(self) -> int:
        with urllib.request.urlopen(f"{self._collector_url}/count", timeout=10) as reply:
            return int(reply.read())

    def _drain(self, before: int, expected: int | None = None) -> int:
        """Wait until the expected spans have come, or none come any more; gives how many came."""
        seen, since = self._spans(), time.monotonic()
        while time.monotonic() - since < QUIET and (expected is None or seen - before < expected):
            time.sleep(0.02)
            now = self._spans()
            if now != seen:
                seen, since = now, time.monotonic()
        return seen - before


def say(text: str) -> None:
    """Progress, apart from the table."""
    print(text, file=sys.stderr, flush=True)


def set_up(peers: Sequence[Peer], results: Results) -> list[Peer]:
    """The peers that can be had; the others are left out by name, with the reason."""
    present = []
    for peer in peers:
        say(f"setting up {peer.name} …")
        try:
            results.versions[peer.name] = peer.prepare()
            present.append(peer)
        except Missing as reason:
            results.left_out[peer.name] = str(reason)
            say(f"{peer.name} is left out: {reason}")
    return present

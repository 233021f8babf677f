"""One peer at one workload: started, looked at, and measured as often as it takes."""

from __future__ import annotations

import json
import subprocess
import urllib.request
from collections.abc import Iterable
from dataclasses import asdict
from fractions import Fraction

from bench import measure
from bench.cores import available, share_out
from bench.load import Order, Sample
from bench.peers import ALL, Peer, Scene
from bench.processes import Broken, Children, free_port, hear, tell
from bench.results import Measured, Round
from bench.stage import Stage
from bench.workloads import Workload

LOOKED_AT = 10
"""Answers that are compared, in full, with what the upstreams gave."""


class Runner:
    """A peer that answers. Raises `Broken` where it does not, or answers wrongly."""

    def __init__(self, stage: Stage, children: Children, peer: Peer, workload: Workload) -> None:
        self.peer, self.workload = peer, workload
        self.measured = Measured()
        self.port = free_port()
        self.length = 0
        """Bytes of a right answer, once one was looked at."""
        self._stage, self._children = stage, children
        self._process: subprocess.Popen[str] | None = None

    @property
    def process(self) -> subprocess.Popen[str]:
        """The root of its process tree, once it is started."""
        assert self._process is not None
        return self._process

    @property
    def name(self) -> str:
        """Who does what."""
        return f"{self.workload.name}: {self.peer.name}"

    def start(self) -> None:
        """Start it, on cores of its own, and wait until it listens."""
        stage = self._stage
        scene = Scene(self.port, stage.origins, stage.collector, self.workload, self._children.folder, stage.silent)
        self._process = self._children.start(self.peer.command(scene), share_out(available(), self.peer.workers).peer)
        self._children.serving(self._process, self.port)

    def check(self) -> None:
        """Every answer must be what the upstreams gave, whatever the id; and every request must leave its spans."""
        numbers = self.workload.numbers()
        asked = numbers[:: max(1, len(numbers) // LOOKED_AT)]
        self._look_at(asked)
        if self.peer.traced == ALL:
            before = self._stage.drain()
            # Once more: what is in the cache by now leaves fewer spans.
            self._look_at(asked)
            spans = Fraction(self._stage.drain() - before, len(asked))
            if not spans or spans.denominator > 1:
                raise Broken(f"{float(spans):g} spans a request came to the collector")
            self.measured.spans = int(spans)

    def _look_at(self, numbers: Iterable[int]) -> None:
        for number in numbers:
            path = f"{self.workload.path}{number}"
            body = self._fetch(path)
            if json.loads(body) != self.workload.answer(number):
                raise Broken(f"{path} was answered wrongly: {body[:200]!r}")
            self.length = len(body)

    def _fetch(self, path: str) -> bytes:
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{self.port}{path}", timeout=30) as reply:
                return bytes(reply.read())
        except OSError as error:
            raise Broken(f"{path} was answered with {error}") from error

    def load(self, connections: int, requests: int, seconds: float) -> Round:
        """Send requests, and read every clock before and after those that count."""
        numbers = self.workload.numbers()
        warm = self.peer.warm * self.workload.share / (1 if connections > 1 else 10)
        asked = (numbers.start, len(numbers), connections, max(2 * connections, int(warm)), requests, seconds, self.length)
        order = Order(self.port, self.workload.path, *asked)
        spans = self._stage.spans()
        load = self._children.talk("bench.load", self._stage.cores, json.dumps(asdict(order)))
        try:
            spans += self._arrived(spans, hear(load))
            peer, rest = measure.cpu_seconds(self.process.pid), self._stage.cpu_seconds()
            tell(load)
            sample = Sample(**hear(load))
            rest = self._stage.cpu_seconds() - rest + sample.cpu
            came = self._arrived(spans, sample.requests)
            # Read last: what is exported after the last answer belongs to the requests as well.
            peer = measure.cpu_seconds(self.process.pid) - peer
        finally:
            self._children.end(load)
        lost = sample.requests * self.measured.spans - came if self.peer.traced == ALL else 0
        return self._judge(sample, peer, rest, lost)

    def _arrived(self, before: int, requests: int) -> int:
        """Spans that came for so many requests; waits until they all have, or no more do."""
        if not self.peer.traced:
            return 0
        expected = before + requests * self.measured.spans if self.peer.traced == ALL else None
        return self._stage.drain(expected) - before

    def _judge(self, sample: Sample, cpu: float, rest: float, spans_lost: int) -> Round:
        return Round(
            requests=sample.requests,
            cpu_us=cpu / max(1, sample.requests) * 1e6 if measure.IS_POSSIBLE else None,
            per_second=sample.requests / sample.seconds,
            p50_ms=sample.p50 * 1e3,
            p99_ms=sample.p99 * 1e3,
            wrong=sample.wrong,
            rest_busy=rest / sample.seconds / max(1, len(self._stage.cores)) if measure.IS_POSSIBLE else None,
            spans_lost=spans_lost,
        )

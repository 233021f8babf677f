"""What stands behind every peer during a run: the upstreams, and the collector of spans."""

from __future__ import annotations

import socket
import time
import urllib.request

from bench import measure
from bench.processes import Children, hear

QUIET = 0.6
"""Seconds without a new span after which no more are waited for; the exporter is told to send three times as often."""


class Stage:
    """Upstreams and collector, on the cores that are not the peer's."""

    def __init__(self, children: Children, cores: frozenset[int]) -> None:
        self.cores = cores
        self._upstream = children.talk("bench.upstream", cores)
        self._collector = children.talk("bench.collector", cores)
        self.origins = [f"http://127.0.0.1:{port}" for port in hear(self._upstream)]
        [port] = hear(self._collector)
        self.collector = f"http://127.0.0.1:{port}"
        # The system itself takes connections, and as many bytes as it keeps for whoever listens; nobody reads them.
        self._silent = socket.create_server(("127.0.0.1", 0))
        self.silent = f"http://127.0.0.1:{self._silent.getsockname()[1]}"

    def close(self) -> None:
        """Let go of what is this process's own."""
        self._silent.close()

    def cpu_seconds(self) -> float:
        """What both have used so far."""
        return measure.cpu_seconds(self._upstream.pid) + measure.cpu_seconds(self._collector.pid)

    def spans(self) -> int:
        """Spans that have come so far, from whomever."""
        with urllib.request.urlopen(f"{self.collector}/count", timeout=10) as reply:
            return int(reply.read())

    def drain(self, expected: int | None = None) -> int:
        """Wait until there are so many spans, or no more come; gives how many there are."""
        seen, since = self.spans(), time.monotonic()
        while time.monotonic() - since < QUIET and (expected is None or seen < expected):
            time.sleep(0.02)
            now = self.spans()
            if now != seen:
                seen, since = now, time.monotonic()
        return seen

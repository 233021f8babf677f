"""What `gateway check` costs on a config of 1,000 endpoints: loading, compiling, and the start of Python."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from resource import RUSAGE_CHILDREN, getrusage

from bench.peers import Scene
from bench.peers.fanin import repeated, upstreams
from bench.processes import Broken
from bench.workloads import WORKLOADS

TIMES = 3


def check_seconds(folder: Path, origins: Sequence[str]) -> float:
    """Seconds of CPU, the least of `TIMES`. Raises `Broken` with what it found."""
    config = repeated(Scene(0, origins, "", WORKLOADS["aggregate-3"], folder))
    return min(_once(config, {**os.environ, **upstreams(origins)}) for _ in range(TIMES))


def _once(config: Path, env: dict[str, str]) -> float:
    before = _children()
    done = subprocess.run(
        [sys.executable, "-m", "gateway", "check", config], env=env, capture_output=True, text=True, check=False
    )
    if done.returncode:
        raise Broken(f"gateway check: {(done.stdout + done.stderr).strip()[:500]}")
    return _children() - before


def _children() -> float:
    """CPU of the children that have ended so far."""
    usage = getrusage(RUSAGE_CHILDREN)
    return usage.ru_utime + usage.ru_stime

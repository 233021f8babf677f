"""Starts processes and is sure to end them, with everything that they started."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory
from types import TracebackType
from typing import Any

from bench import ROOT
from bench.cores import pinned

START = 30.0
"""Seconds that a peer may take until it listens."""

GRACE = 5.0
"""Seconds that a process may take to leave when it is asked to."""


class Broken(Exception):
    """A peer or a part of the bench that does not work; the text says how it showed."""


@dataclass(frozen=True)
class Command:
    """What to run, where, and what it finds in its environment besides ours."""

    args: Sequence[str | Path]
    env: Mapping[str, str] = field(default_factory=dict)
    cwd: Path = ROOT


class Children:
    """The processes of a run, each the leader of a group; leaving the context ends them all and drops their files."""

    def __init__(self) -> None:
        self._running: list[subprocess.Popen[str]] = []
        self._logs: dict[int, Path] = {}
        self._folder = TemporaryDirectory(prefix="fanin-bench-", ignore_cleanup_errors=True)
        self.folder = Path(self._folder.name)
        """For what lives as long as the run: logs, generated configs."""

    def __enter__(self) -> Children:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        # A second Ctrl-C must not keep anything alive.
        interrupted = signal.signal(signal.SIGINT, signal.SIG_IGN)
        self.end(*self._running)
        self._folder.cleanup()
        signal.signal(signal.SIGINT, interrupted)

    def start(self, command: Command, cores: frozenset[int]) -> subprocess.Popen[str]:
        """Start a peer; what it prints goes to a log that `serving` quotes when it fails."""
        file = self.folder / f"{len(self._logs)}.log"
        with file.open("w") as log:
            child = self._start(command, cores, stdin=subprocess.DEVNULL, stdout=log, stderr=subprocess.STDOUT)
        self._logs[child.pid] = file
        return child

    def talk(self, module: str, cores: frozenset[int], *args: str) -> subprocess.Popen[str]:
        """Start a module of ours that is spoken to over its standard streams."""
        command = Command([sys.executable, "-m", module, *args])
        return self._start(command, cores, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=None)

    def end(self, *children: subprocess.Popen[str]) -> None:
        """End processes and their groups: ask all, wait, insist."""
        for number in (signal.SIGTERM, signal.SIGKILL):
            for child in children:
                # Also when the leader has left: its workers may not have.
                with suppress(ProcessLookupError):
                    os.killpg(child.pid, number)
            end = time.monotonic() + GRACE
            for child in children:
                with suppress(subprocess.TimeoutExpired):
                    child.wait(max(0.0, end - time.monotonic()))
        for child in children:
            for stream in filter(None, (child.stdin, child.stdout)):
                stream.close()
        self._running = [child for child in self._running if child not in children]

    def serving(self, child: subprocess.Popen[str], port: int) -> None:
        """Wait until a peer listens. Raises `Broken` with the end of its log."""
        end = time.monotonic() + START
        while time.monotonic() < end and child.poll() is None:
            with suppress(OSError), socket.create_connection(("127.0.0.1", port), timeout=1):
                return
            time.sleep(0.05)
        log = self.said(child).strip().splitlines()
        how = "left" if child.poll() is not None else f"did not listen within {START:g} s"
        raise Broken(f"{how}: {' | '.join(log[-3:]) or 'it printed nothing'}")

    def said(self, child: subprocess.Popen[str]) -> str:
        """What a peer has printed so far."""
        return self._logs[child.pid].read_text(errors="replace")

    def _start(self, command: Command, cores: frozenset[int], **streams: Any) -> subprocess.Popen[str]:
        with pinned(cores):
            child = subprocess.Popen(
                list(map(str, command.args)),
                env={**os.environ, **command.env},
                cwd=command.cwd,
                text=True,
                start_new_session=True,  # a group of its own; and Ctrl-C is ours to act upon
                **streams,
            )
        self._running.append(child)
        return child


def hear(child: subprocess.Popen[str]) -> Any:
    """The next line that a module of ours has to say, decoded. Raises `Broken` when it has left."""
    assert child.stdout is not None
    line = child.stdout.readline()
    if not line:
        raise Broken("a process of the bench left early")
    return json.loads(line)


def tell(child: subprocess.Popen[str]) -> None:
    """Let a module of ours go on."""
    assert child.stdin is not None
    child.stdin.write("\n")
    child.stdin.flush()


def free_port() -> int:
    """A port that nobody listens on just now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])

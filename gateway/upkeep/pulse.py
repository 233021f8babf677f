"""How a process is: how late its event loop is, and how much of the memory it may have is taken. One timer for all of it."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable
from pathlib import Path
from typing import TypeAlias

BEAT = 0.25
"""Seconds between two looks."""

BEATS_OF_MEMORY = 4
"""Beats between two looks at the memory: the kernel is asked for it (10 µs)."""

_RESIDENT = Path("/proc/self/statm")
_LIMITS = (Path("/sys/fs/cgroup/memory.max"), Path("/sys/fs/cgroup/memory/memory.limit_in_bytes"))
"""What a container may have, in the two ways that Linux says it."""


Look: TypeAlias = Callable[[float, float, float], None]
"""Is told seconds that the loop is late, the share of the memory that is taken, and the time of the loop."""


class Pulse:
    """`with Pulse(look):` has it called on every beat, in the loop that runs."""

    def __init__(self, look: Look) -> None:
        self._look = look
        self._loop = asyncio.get_running_loop()
        self._allowed = allowed_memory()
        self._memory = 0.0
        self._beats = 0

    def __enter__(self) -> None:
        self._wait()

    def __exit__(self, *_: object) -> None:
        self._timer.cancel()

    def _wait(self) -> None:
        due = self._loop.time() + BEAT
        self._timer = self._loop.call_at(due, self._beat, due)

    def _beat(self, due: float) -> None:
        if self._beats % BEATS_OF_MEMORY == 0:
            self._memory = resident_memory() / self._allowed
        self._beats += 1
        now = self._loop.time()
        self._look(now - due, self._memory, now)
        self._wait()


def resident_memory() -> int:
    """Bytes that this process has in memory; 0 where nobody says."""
    try:
        return int(_RESIDENT.read_bytes().split()[1]) * os.sysconf("SC_PAGE_SIZE")
    except OSError:
        return 0


def allowed_memory() -> int:
    """Bytes that it may have: the container's limit, or what the machine has."""
    texts = [file.read_text().strip() for file in _LIMITS if file.exists()]
    return min((os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE"), *(int(text) for text in texts if text.isdigit())))

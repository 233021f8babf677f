"""Who runs where: the peer has a core of its own, everything else shares the others."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass


@dataclass(frozen=True)
class Cores:
    """The cores for the peer and those for the load, the upstreams and the collector; all the same where there is only one."""

    peer: frozenset[int]
    rest: frozenset[int]

    @property
    def are_apart(self) -> bool:
        """Whether the peer has its core to itself."""
        return not self.peer & self.rest


def share_out(available: frozenset[int], workers: int) -> Cores:
    """A core a worker for the peer as long as one is left for the rest."""
    ordered = sorted(available)
    count = max(1, min(workers, len(ordered) - 1))
    return Cores(frozenset(ordered[:count]), frozenset(ordered[count:] or ordered))


def available() -> frozenset[int]:
    """The cores that this process may use; empty where the system does not say."""
    return frozenset(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else frozenset()


@contextmanager
def pinned(cores: frozenset[int]) -> Iterator[None]:
    """Processes that are started meanwhile stay on these cores, since they inherit it; without effect where nobody can be told to."""
    if not cores:
        yield
        return
    before = os.sched_getaffinity(0)
    os.sched_setaffinity(0, cores)
    try:
        yield
    finally:
        os.sched_setaffinity(0, before)

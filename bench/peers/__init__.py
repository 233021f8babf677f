"""The peers, one file each: what it is, what it takes to have it here, how it is started. What runs lies in `bench/apps/`."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from bench.processes import Command
from bench.workloads import Part, Workload

ALL = 1.0


class Missing(Exception):
    """A peer that cannot be had on this machine; the text is the reason."""


@dataclass(frozen=True)
class Scene:
    """What a peer finds when it starts."""

    port: int
    """Where to listen, on 127.0.0.1."""

    origins: Sequence[str]
    """`http://127.0.0.1:PORT` of each upstream."""

    collector: str
    """The same of the collector."""

    workload: Workload
    folder: Path
    """For files that it generates."""

    silent: str = ""
    """Where a collector takes connections and never says a word."""

    def url(self, part: Part) -> str:
        """What a part calls, but for the id at its end."""
        return f"{self.origins[part.origin]}{part.prefix}"

    def parts(self) -> Mapping[str, str]:
        """Name of each part → what it calls, but for the id at its end."""
        return {part.name: self.url(part) for part in self.workload.parts}


@dataclass(frozen=True)
class Peer:
    """Somebody who answers the same requests."""

    name: str
    about: str
    prepare: Callable[[], str]
    """Sets it up and gives its version. Raises `Missing`."""

    command: Callable[[Scene], Command]
    workloads: tuple[str, ...] = ("aggregate-3",)
    """What it is measured at."""

    warm: int = 1_000
    """Requests before each measurement, so that whatever compiles or adapts at run time has done so."""

    workers: int = 1
    traced: float = 0.0
    """Share of the requests that leave spans at the collector; when it is `ALL`, they are counted."""

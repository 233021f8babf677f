"""What processes tell each other of their figures, and what all of them come to together.

Each tells its own, again and again; whoever is asked adds up what all have told last. What has been counted stays when a process goes: a sum
that fell would be taken for a new beginning by whoever watches it. What is read at a moment goes with its process.

A word is a line of JSON for what upstreams are like, and one for each series: made in a thread, and of ten thousand series in one piece, it
would keep all other threads from running for a tenth of a second.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import asdict
from functools import reduce
from operator import add

from gateway.formats.decode import Undecodable, decode_json
from gateway.formats.encode import encode_json
from gateway.metrics.conditions import Condition
from gateway.metrics.figures import Snapshot
from gateway.telemetry import METRICS

_STRANGE = (Undecodable, LookupError, TypeError, ValueError, AttributeError)
_COUNTED = frozenset(metric.name for metric in METRICS if metric.kind != "gauge")


def tell(snapshot: Snapshot, upstreams: Sequence[Condition] = ()) -> bytes:
    """A snapshot, and what upstreams are like, as another process may read it."""
    return b"\n".join((encode_json({"upstreams": [asdict(one) for one in upstreams]}), *map(encode_json, snapshot.told())))


def hear(told: bytes, *, is_there: bool = True) -> Snapshot:
    """What a process has told; of one that is no more, what it has counted. Nothing, where it speaks as another version does."""
    try:
        _, *lines = told.split(b"\n")
        return Snapshot.heard(one for one in map(decode_json, lines) if is_there or one[0] in _COUNTED)
    except _STRANGE:
        return Snapshot()


def hear_upstreams(told: bytes) -> list[Condition]:
    """What upstreams are like as a process has told it."""
    try:
        return [Condition.heard(one) for one in decode_json(told.partition(b"\n")[0]).get("upstreams", ())]
    except _STRANGE:
        return []


def together(snapshots: Iterable[Snapshot]) -> Snapshot:
    """All of them, added up."""
    return reduce(add, snapshots, Snapshot())


def add_up(told: Sequence[bytes]) -> bytes:
    """One word for those of several processes that are no more."""
    return tell(together(hear(one, is_there=False) for one in told))

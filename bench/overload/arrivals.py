"""When requests are due: an open loop, which does not wait for answers, as strangers do not wait for each other."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from random import Random
from typing import NamedTuple


class Stretch(NamedTuple):
    """A time in which requests come at one rate."""

    rate: float
    """Requests per second, on average."""

    seconds: float


def arrivals(stretches: Iterable[Stretch], chance: Random) -> Iterator[float]:
    """Seconds from the start at which each request is due: a Poisson process, whose rate changes from stretch to stretch."""
    begins = 0.0
    for stretch in stretches:
        ends = begins + stretch.seconds
        due = begins + chance.expovariate(stretch.rate)
        while due < ends:
            yield due
            due += chance.expovariate(stretch.rate)
        begins = ends


def boundaries(stretches: Iterable[Stretch]) -> Iterator[float]:
    """Seconds from the start at which each stretch begins, and the last one ends."""
    begins = 0.0
    yield begins
    for stretch in stretches:
        begins += stretch.seconds
        yield begins

"""One level: everything is started afresh, loaded, looked at, and ended, so that no level is the worse for the one before.

What the core can do is asked of the same gateway right before and right after: a machine that others use too is half as fast a minute later.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import asdict, dataclass
from itertools import pairwise
from pathlib import Path
from statistics import fmean

from bench import measure
from bench.cores import available, share_out
from bench.overload import figures
from bench.overload.arrivals import Stretch, boundaries
from bench.overload.figures import Seen
from bench.overload.load import GIVEN_UP, Order
from bench.overload.results import Level
from bench.overload.scenarios import PEERS, SERVICE, WORKERS, Scenario
from bench.processes import Children, hear
from bench.runner import Runner
from bench.stage import Stage

CALM = 0.5
"""Multiple of the capacity before and after a load."""

WARM = 0.5
"""Seconds of answers before anything is looked at: connections are made, which costs more than to use them."""

WIDTH = 32
"""Clients of a closed loop: enough to keep the gateway busy, and fewer than it would turn away."""

CONNECTIONS = 1500
PATIENCE = 2.0
"""Seconds after which a client leaves."""


@dataclass(frozen=True)
class Settings:
    """How much is measured."""

    before: float
    """Seconds of calm, whose latencies are what recovery is measured by."""

    load: float
    after: float
    calibration: float
    """Seconds in which the capacity is looked for, before each level and after it."""

    multiples: Sequence[float]
    """Of the capacity, one after the other."""

    is_compared: bool
    """Whether the gateway without its guards is measured too."""


class Behind(Stage):
    """What stands behind the gateway: the static upstreams, and a fourth one of limited capacity."""

    def __init__(self, children: Children) -> None:
        super().__init__(children, share_out(available(), 1).rest)
        self._limited = children.talk("bench.overload.upstream", self.cores, str(WORKERS), str(SERVICE))
        self.origins += [f"http://127.0.0.1:{port}" for port in hear(self._limited)]

    def cpu_seconds(self) -> float:
        """What all of them have used so far."""
        return super().cpu_seconds() + measure.cpu_seconds(self._limited.pid)


@contextmanager
def running(scenario: Scenario, guard: str) -> Iterator[tuple[Runner, Behind, Children]]:
    """A gateway that gives right answers and has its connections, and what stands behind it. Raises `Broken`."""
    with Children() as children, closing(Behind(children)) as behind:
        runner = Runner(behind, children, PEERS[guard], scenario.workload)
        runner.start()
        runner.check()
        runner.load(WIDTH, 1_000_000, WARM)
        yield runner, behind, children


@dataclass(frozen=True)
class Capacity:
    """What can be done at the most."""

    per_second: float
    """Right answers."""

    cost_us: float | None = None
    """CPU of one, where the gateway's own CPU is what limits."""


def between(before: Capacity, after: Capacity) -> Capacity:
    """What it was meanwhile, on a machine whose speed drifts."""
    costs = [one.cost_us for one in (before, after) if one.cost_us is not None]
    return Capacity(fmean((before.per_second, after.per_second)), fmean(costs) if costs else None)


def calibrate(scenario: Scenario, runner: Runner, seconds: float) -> Capacity:
    """As it is known, or as a closed loop finds it now."""
    if scenario.capacity is not None:
        return Capacity(scenario.capacity)
    found = runner.load(WIDTH, 1_000_000, seconds)
    return Capacity(found.per_second, found.cpu_us)


def trial(scenario: Scenario, guard: str, multiple: float, settings: Settings) -> Level:
    """A level, from calm through the load to calm."""
    with running(scenario, guard) as (runner, behind, children):
        before = calibrate(scenario, runner, settings.calibration)
        stretches = (
            Stretch(CALM * before.per_second, settings.before),
            Stretch(multiple * before.per_second, settings.load),
            Stretch(CALM * before.per_second, settings.after),
        )
        order = ordered(scenario, runner, stretches, children.folder / "seen.json")
        load = children.talk("bench.overload.load", behind.cores, json.dumps(asdict(order)))
        clocks = []
        for _ in boundaries(stretches):
            hear(load)
            clocks.append((measure.cpu_seconds(runner.process.pid), behind.cpu_seconds() + measure.cpu_seconds(load.pid)))
        seen = [Seen(*one) for one in json.loads(Path(hear(load)).read_text())]
        capacity = between(before, calibrate(scenario, runner, settings.calibration))
    ours, rest = ((ends - begins) / settings.load for begins, ends in zip(clocks[1], clocks[2], strict=True))
    return level(seen, multiple, stretches, capacity, ours, rest / max(1, len(behind.cores)))


def ordered(scenario: Scenario, runner: Runner, stretches: Sequence[Stretch], file: Path) -> Order:
    """What the load is told."""
    path, numbers = scenario.workload.path, scenario.workload.numbers()
    asked = (numbers.start, len(numbers), runner.length)
    return Order(runner.port, path, *asked, stretches, CONNECTIONS, PATIENCE, str(file))


def level(
    seen: list[Seen], multiple: float, stretches: Sequence[Stretch], capacity: Capacity, busy: float, rest_busy: float
) -> Level:
    """The figures of the middle stretch."""
    before, during, after = pairwise(boundaries(stretches))
    loaded = figures.due_within(seen, *during)
    return Level(
        multiple=multiple,
        capacity=capacity.per_second,
        cost_us=capacity.cost_us,
        asked=len(loaded) / (during[1] - during[0]),
        good=figures.goodput(seen, *during),
        shed=figures.share(loaded, 503),
        failed=figures.failed(loaded),
        given_up=figures.share(loaded, GIVEN_UP),
        p50_ms=figures.latency_ms(loaded, 0.5),
        p99_ms=figures.latency_ms(loaded, 0.99),
        shed_p99_ms=figures.latency_ms(loaded, 0.99, 503),
        recovery=figures.recovery(seen, before, after),
        busy=busy if measure.IS_POSSIBLE else None,
        rest_busy=rest_busy if measure.IS_POSSIBLE else None,
        late_ms=figures.lateness_ms(loaded),
    )

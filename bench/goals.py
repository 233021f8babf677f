"""What the product means to reach, row by row, and whether a run shows it.

Fanin is measured with tracing on and exported in every row but where it says otherwise; the peers have none.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from statistics import linear_regression

from bench.results import Results

AGGREGATE = "aggregate-3"
CALLS = (1, 3, 10, 20)
SOAKED = 1_000_000


@dataclass(frozen=True)
class Goal:
    """A row: what is measured and the bound it should keep. `None` from `measure` means that this run does not tell."""

    name: str
    limit: float
    measure: Callable[[Results], float | None]
    unit: str = ""
    is_floor: bool = False
    """Whether the bound is the least, not the most."""

    def is_reached(self, results: Results) -> bool | None:
        """Whether this run reached it; None when it does not tell."""
        value = self.measure(results)
        if value is None:
            return None
        return value >= self.limit if self.is_floor else value <= self.limit


def against(peer: str, workload: str = AGGREGATE) -> Callable[[Results], float | None]:
    """CPU per request of Fanin, in shares of the peer's."""
    return lambda results: ratio(results.cost(workload, "fanin"), results.cost(workload, peer))


def of_fanin(variant: str) -> Callable[[Results], float | None]:
    """CPU per request of a variant of Fanin, in shares of the usual one's."""
    return lambda results: ratio(results.cost(AGGREGATE, variant), results.cost(AGGREGATE, "fanin"))


def journal(results: Results) -> float | None:
    """Keeping traces, in shares of keeping and exporting none."""
    return ratio(results.cost(AGGREGATE, "fanin-journal"), results.cost(AGGREGATE, "fanin-untraced"))


def without_collector(results: Results) -> float | None:
    """The slowest request in a hundred while a collector refuses or hangs, in shares of what it is while one takes everything."""
    away = [ratio(slowest(results, variant), slowest(results, "fanin")) for variant in ("fanin-refused", "fanin-unanswered")]
    return max((one for one in away if one is not None), default=None)


def slowest(results: Results, peer: str) -> float | None:
    """The milliseconds within which 99 requests in a hundred are answered, in the best round."""
    measured = results.workloads.get(AGGREGATE, {}).get(peer)
    return min((one.p99_ms for one in measured.at(32)), default=None) if measured else None


def against_krakend(results: Results) -> float | None:
    """Against KrakenD itself where it took part, else against what stands in for it."""
    return against("krakend")(results) or against("go")(results)


def reshaping(results: Results) -> float | None:
    """Picking twelve fields, in shares of merging the same three replies whole."""
    return ratio(results.cost("reshape", "fanin"), results.cost(AGGREGATE, "fanin"))


def calls(results: Results) -> tuple[list[float], list[float]]:
    """Numbers of calls that were measured, and the CPU µs of a request with so many."""
    costs = {number: results.cost(f"aggregate-{number}", "fanin") for number in CALLS}
    known = {number: cost for number, cost in costs.items() if cost is not None}
    return [float(number) for number in known], list(known.values())


def per_call(results: Results) -> float | None:
    """CPU µs of each further call, by the straight line that fits best."""
    numbers, costs = calls(results)
    return linear_regression(numbers, costs).slope if len(numbers) == len(CALLS) else None


def off_the_line(results: Results) -> float | None:
    """How far the worst point lies from that line, in shares of its own cost."""
    numbers, costs = calls(results)
    if len(numbers) < len(CALLS):
        return None
    slope, start = linear_regression(numbers, costs)
    return max(abs(start + slope * number - cost) / cost for number, cost in zip(numbers, costs, strict=True))


def throughput(results: Results) -> float | None:
    """Requests per second of two workers, in shares of one's; only where each had a core and one was left for the load."""
    found = results.workloads.get(AGGREGATE, {})
    if results.machine["cores"] < 3 or not {"fanin", "fanin-workers"} <= found.keys():
        return None
    return ratio(found["fanin-workers"].per_second(32), found["fanin"].per_second(32))


def growth(results: Results) -> float | None:
    """Memory at the end of the soak, in shares of what it was after the first fifth; told of a million requests only."""
    if not results.soak or results.soak[-1].requests < SOAKED:
        return None
    return ratio(results.soak[-1].mib, results.soak[len(results.soak) // 5 - 1].mib)


def most_memory(results: Results) -> float | None:
    """The most memory of a worker: after every kind of request that it was asked, and in the soak."""
    found = results.workloads.get(AGGREGATE, {}).get("fanin")
    peaks = [seen.mib for seen in results.soak] + ([found.peak_mib] if found and found.peak_mib else [])
    return max(peaks, default=None)


def ratio(ours: float | None, theirs: float | None) -> float | None:
    """One by the other, where both are known."""
    return ours / theirs if ours is not None and theirs else None


GOALS: Sequence[Goal] = (
    Goal("aggregate-3 against Node: fastify and undici", 0.70, against("fastify")),
    Goal("aggregate-3 against KrakenD, or the Go that stands in for it", 0.45, against_krakend),
    Goal("aggregate-3 against nginx with Lua", 1.8, against("nginx")),
    Goal("aggregate-3 against FastAPI with a shared stock AsyncClient", 1 / 30, against("fastapi-shared")),
    Goal("tracing: all exported against off", 1.30, against("fanin-untraced")),
    Goal("journal: on against all off", 1.40, journal),
    Goal("p99 with a collector that refuses or hangs against one that takes all", 1.02, without_collector),
    Goal("an answer from the cache against a constant reply of the bare server", 1.6, against("bare", "kept")),
    Goal("each further upstream call", 25, per_call, "µs"),
    Goal("from 1 to 20 calls: worst distance from a straight line", 0.1, off_the_line),
    Goal("1,000 endpoints against 1", 1.1, of_fanin("fanin-thousand")),
    Goal("check of the 1,000", 2, lambda results: results.check_seconds, "s"),
    Goal("reshaping into twelve fields against splicing", 1.35, reshaping),
    Goal("three parts of 100 KiB against aiohttp and orjson", 0.2, against("aiohttp", "large")),
    Goal("two workers against one: CPU per request", 1.1, of_fanin("fanin-workers")),
    Goal("two workers against one: requests per second", 1.8, throughput, is_floor=True),
    Goal("memory at the end of a million requests against its first fifth", 1.05, growth),
    Goal("memory of a worker", 80, most_memory, "MiB"),
)

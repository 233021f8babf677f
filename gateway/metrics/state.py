"""Finished traces, counted.

1  each span is counted with those of its type that had the same of what matters (status, outcome, what the cache did)
2  a type counts what it sees for the first time only so often: whatever an upstream may think of, there is no end of memory to be had
3  metrics are made of that when somebody looks: several of the same counts

What tells series apart comes from plans and upstreams, and from words of our own; an upstream's part in it is the status.

Counted on the loop, and read in threads, without a lock: each is copied in one step of the interpreter's, so that what is read may lack the
last request, and never has one twice.
"""

from __future__ import annotations

import os
from bisect import bisect_left
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import TypeAlias

from gateway import telemetry
from gateway.metrics.conditions import Condition
from gateway.metrics.figures import BOUNDS, Distribution, Snapshot, Value
from gateway.metrics.sharing import tell
from gateway.plan import Plan
from gateway.telemetry import Attribute, SpanType, Trace

MOST = 100
"""What a type of spans may have that differs; all further is counted as one."""

Key: TypeAlias = Attribute | tuple[Attribute | None, ...]
Own: TypeAlias = Mapping[str, Attribute | None]
Told: TypeAlias = tuple[str, Own, Value]
Gauges: TypeAlias = Callable[[], Iterable[Told]]

_SERVER = (telemetry.HTTP_STATUS, telemetry.ERROR_TYPE, telemetry.CACHE_STATUS)
_STEP = (telemetry.STEP_OUTCOME, telemetry.ERROR_TYPE, telemetry.CACHE_STATUS)
_CLIENT = (telemetry.HTTP_STATUS, telemetry.ERROR_TYPE, telemetry.HTTP_RESEND_COUNT)
_HOST = (telemetry.SERVER_ADDRESS, telemetry.SERVER_PORT)
_OVERFLOW: Own = {telemetry.OVERFLOW: True}


@dataclass(slots=True)
class _Counted:
    """The spans of one type."""

    names: tuple[str, ...]
    """What matters of a span's own attributes, first what nearly every span has."""

    labels: Mapping[str, Attribute]
    tell: Callable[[Mapping[str, Attribute], Own, Distribution], Iterator[Told]]
    by: dict[Key, Distribution] = field(default_factory=dict)
    """By the values that they have; by the first one, where a span has no other. Nothing of a span's is the empty one."""

    def meet(self, key: Key) -> Distribution:
        """A new count."""
        return self.by.setdefault(key if len(self.by) < MOST else (), Distribution())  # 2

    def told(self) -> Iterator[Told]:
        """What metrics make of what was counted."""  # 3
        for key, one in self.by.copy().items():
            own = dict(zip(self.names, key if isinstance(key, tuple) else (key,), strict=False)) if key != () else _OVERFLOW
            yield from self.tell(self.labels, own, one.copy())


class MetricsState:
    """The figures of one process since it began."""

    def __init__(self, plans: Collection[Plan], gauges: Gauges = tuple) -> None:
        """Of these plans; the gauges are read when somebody looks."""
        self._gauges = gauges
        self._types: dict[SpanType, _Counted] = dict.fromkeys((telemetry.SHAPE, telemetry.TRANSFORM), UNCOUNTED)
        self._begun: dict[SpanType, int] = {}
        self._partial: dict[SpanType, int] = {}
        self._found = {recipe.upstream.name for plan in plans for recipe in plan.recipes if recipe.upstream.discover}
        """Upstreams whose hosts come and go, so that they are no label."""

        self._endpoints = [{telemetry.HTTP_METHOD: plan.method, telemetry.HTTP_ROUTE: plan.path} for plan in plans]
        for endpoint, plan in zip(self._endpoints, plans, strict=True):
            for step in plan.steps:
                named = _only(step.span.attributes, (telemetry.STEP_NAME, telemetry.UPSTREAM_NAME))
                self._types[step.span] = _Counted(_STEP, {**endpoint, **named}, _of_step)

    def begin(self, of: SpanType) -> None:
        """A trace has begun; work in the background is no request."""
        if of.kind == "server":
            self._begun[of] = self._begun.get(of, 0) + 1

    def note(self, trace: Trace) -> None:
        """A trace is over: all of its spans have ended."""
        find, keeps = self._types.get, trace.recorded and trace.sampled
        for span in trace.spans:  # 1
            counted, own = find(span.type) or self._meet(span.type), span.own
            if counted is UNCOUNTED:
                if own.get(telemetry.ANSWER_COMPLETE) is False:
                    self._partial[trace.root.type] = self._partial.get(trace.root.type, 0) + 1
                continue
            # A span that nobody records has one thing to tell, if all is well: made into a key of several, it would take half as long again.
            key: Key | None = own.get(counted.names[0])
            if key is None or len(own) > 1:
                key = tuple(map(own.get, counted.names))
            taken = counted.by.get(key) or counted.meet(key)
            ended = span.end or 0
            took = ended - span.start
            bucket = bisect_left(BOUNDS, took)
            taken.counts[bucket] += 1
            taken.nanoseconds += took
            if keeps:
                taken.exemplars[bucket] = ended, took, trace.id, span.id

    def take(self) -> Callable[[], Snapshot]:
        """What there is now: gauges are read at once, on the loop; what is counted here, wherever there is time for it."""
        return partial(self._made, [*self._gauges()])

    def snapshot(self) -> Snapshot:
        """The same, at once."""
        return self.take()()

    def tell(self, upstreams: Sequence[Condition] = ()) -> Callable[[], bytes]:
        """The same for other processes, and with it what upstreams are like."""
        take = self.take()
        return lambda: tell(take(), upstreams)

    def _meet(self, of: SpanType) -> _Counted:
        """A type that is seen for the first time: they are made when the gateway starts, or an upstream is first called. Those of work in the
        background are made again and again, and not remembered.
        """
        if of.kind == "internal":
            return UNCOUNTED
        if of.kind == "server":
            counted = _Counted(_SERVER, _only(of.attributes, telemetry.SERVER_DURATION.attributes), _of_server)
        else:
            host = () if of.attributes[telemetry.UPSTREAM_NAME] in self._found else _HOST
            counted = _Counted((*_CLIENT, *host), _only(of.attributes, telemetry.CLIENT_DURATION.attributes), _of_client)
        self._types[of] = counted
        return counted

    def _made(self, gauges: Iterable[Told]) -> Snapshot:
        counted = (told for one in self._types.copy().values() for told in one.told())
        return Snapshot.of((*counted, *self._others(), *gauges))

    def _others(self) -> Iterator[Told]:
        yield telemetry.WORKERS.name, {telemetry.PROCESS: os.getpid()}, 1
        yield telemetry.RELOADS.name, {}, 0
        for endpoint in self._endpoints:
            # What is not there yet would not be missed: a counter that begins with 1 has not grown.
            yield telemetry.PARTIAL.name, endpoint, 0
        for of, lacking in self._partial.copy().items():
            yield telemetry.PARTIAL.name, _only(of.attributes, telemetry.PARTIAL.attributes), lacking
        for of in self._begun.copy():
            yield telemetry.SERVER_ACTIVE.name, _only(of.attributes, telemetry.SERVER_ACTIVE.attributes), self._active(of)

    def _active(self, of: SpanType) -> int:
        ended = sum(taken.count for taken in self._types.get(of, UNCOUNTED).by.copy().values())
        # Looked up last: who ends in between has begun before.
        return self._begun[of] - ended


UNCOUNTED = _Counted((), {}, lambda *_: iter(()))
"""Types that nothing is told of."""


def _only(own: Mapping[str, Attribute], names: Iterable[str]) -> dict[str, Attribute]:
    return {name: own[name] for name in names if name in own}


def _of_server(labels: Mapping[str, Attribute], own: Own, taken: Distribution) -> Iterator[Told]:
    yield telemetry.SERVER_DURATION.name, {**labels, **_without(telemetry.CACHE_STATUS, own)}, taken
    yield from _of_cache(labels, own, taken)


def _of_step(labels: Mapping[str, Attribute], own: Own, taken: Distribution) -> Iterator[Told]:
    yield telemetry.STEP_DURATION.name, {**labels, **_without(telemetry.CACHE_STATUS, own)}, taken
    yield from _of_cache(labels, own, taken)


def _of_cache(labels: Mapping[str, Attribute], own: Own, taken: Distribution) -> Iterator[Told]:
    if status := own.get(telemetry.CACHE_STATUS):
        yield telemetry.CACHE_REQUESTS.name, {**labels, telemetry.CACHE_STATUS: status}, taken.count


def _of_client(labels: Mapping[str, Attribute], own: Own, taken: Distribution) -> Iterator[Told]:
    yield telemetry.CLIENT_DURATION.name, {**labels, **_without(telemetry.HTTP_RESEND_COUNT, own)}, taken
    if own.get(telemetry.HTTP_RESEND_COUNT):
        yield telemetry.RETRIES.name, {telemetry.UPSTREAM_NAME: labels[telemetry.UPSTREAM_NAME]}, taken.count


def _without(name: str, own: Own) -> Own:
    return {key: value for key, value in own.items() if key != name and value is not None}

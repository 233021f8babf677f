"""Finished traces, counted.

1  each span is counted with those of its type that had the same of what matters (status, outcome, what the cache did)
2  a type counts what it sees for the first time only so often: whatever an upstream may think of, there is no end of memory to be had
3  metrics are made of that when somebody looks: several of the same counts

What tells series apart comes from plans and upstreams, and from words of our own; an upstream's part in it is the status.
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
from gateway.metrics.figures import BOUNDS, Distribution, Snapshot, Value, exemplar
from gateway.metrics.sharing import tell
from gateway.plan import Plan
from gateway.telemetry import Attribute, Span, SpanType, Trace

MOST = 100
"""What a type of spans may have that differs; all further is counted as one."""

Key: TypeAlias = tuple[Attribute | None, ...]
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

    names: tuple[str, str, str]
    """What matters of a span's own attributes."""

    labels: Mapping[str, Attribute]
    tell: Callable[[Mapping[str, Attribute], Own, Distribution], Iterator[Told]]
    further: tuple[str, ...] = ()
    by: dict[Key, Distribution] = field(default_factory=dict)

    def meet(self, key: Key) -> Distribution:
        """A new count."""
        return self.by.setdefault(key if len(self.by) < MOST else (), Distribution())  # 2

    def told(self, taken: Iterable[tuple[Key, Distribution]]) -> Iterator[Told]:
        """What metrics make of what was counted."""  # 3
        for key, one in taken:
            own = dict(zip((*self.names, *self.further), key, strict=True)) if key else _OVERFLOW
            yield from self.tell(self.labels, own, one)


class MetricsState:
    """The figures of one process since it began."""

    def __init__(self, plans: Collection[Plan], gauges: Gauges = tuple) -> None:
        """Of these plans; the gauges are read when somebody looks."""
        self._gauges = gauges
        self._types: dict[SpanType, _Counted] = {}
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
        """A request has come."""
        if of.kind == "server":
            self._begun[of] = self._begun.get(of, 0) + 1

    def note(self, trace: Trace) -> None:
        """A trace is over: all of its spans have ended."""
        find, keeps = self._types.get, trace.recorded and trace.sampled
        for span in trace.spans:  # 1
            counted = find(span.type) or self._meet(span.type)
            if counted is UNCOUNTED:
                self._look(trace, span)
                continue
            # Written out, since this is done eight times a request: with a call for each part of it, it takes twice as long.
            own, (one, two, three) = span.own.get, counted.names
            key: Key = (own(one), own(two), own(three))
            if counted.further:
                key += tuple(map(own, counted.further))
            taken = counted.by.get(key) or counted.meet(key)
            took = (span.end or 0) - span.start
            bucket = bisect_left(BOUNDS, took)
            taken.counts[bucket] += 1
            taken.nanoseconds += took
            if keeps:
                taken.exemplars[bucket] = exemplar(span)

    def take(self) -> Callable[[], Snapshot]:
        """What there is now: taken at once, on the loop, and made a snapshot of wherever there is time for it."""
        taken = [(counted, [(key, one.copy()) for key, one in counted.by.items()]) for counted in self._types.values()]
        return partial(_made, taken, [*self._others(), *self._gauges()])

    def snapshot(self) -> Snapshot:
        """The same, at once."""
        return self.take()()

    def tell(self, upstreams: Sequence[Condition] = ()) -> Callable[[], bytes]:
        """The same for other processes, and with it what upstreams are like."""
        take = self.take()
        return lambda: tell(take(), upstreams)

    def _meet(self, of: SpanType) -> _Counted:
        """A type that is seen for the first time: they are made when the gateway starts, or an upstream is first called."""
        counted = UNCOUNTED
        if of.kind == "server":
            counted = _Counted(_SERVER, _only(of.attributes, telemetry.SERVER_DURATION.attributes), _of_server)
        elif of.kind == "client":
            further = () if of.attributes[telemetry.UPSTREAM_NAME] in self._found else _HOST
            counted = _Counted(_CLIENT, _only(of.attributes, telemetry.CLIENT_DURATION.attributes), _of_client, further)
        self._types[of] = counted
        return counted

    def _look(self, trace: Trace, span: Span) -> None:
        if span.own.get(telemetry.ANSWER_COMPLETE) is False:
            self._partial[trace.root.type] = self._partial.get(trace.root.type, 0) + 1

    def _others(self) -> Iterator[Told]:
        yield telemetry.WORKERS.name, {telemetry.PROCESS: os.getpid()}, 1
        yield telemetry.RELOADS.name, {}, 0
        for endpoint in self._endpoints:
            # What is not there yet would not be missed: a counter that begins with 1 has not grown.
            yield telemetry.PARTIAL.name, endpoint, 0
        for of, lacking in self._partial.items():
            yield telemetry.PARTIAL.name, _only(of.attributes, telemetry.PARTIAL.attributes), lacking
        for of, begun in self._begun.items():
            yield telemetry.SERVER_ACTIVE.name, _only(of.attributes, telemetry.SERVER_ACTIVE.attributes), begun - self._ended(of)

    def _ended(self, of: SpanType) -> int:
        return sum(taken.count for taken in self._types.get(of, UNCOUNTED).by.values())


UNCOUNTED = _Counted(("", "", ""), {}, lambda *_: iter(()))
"""Types that nothing is told of."""


def _made(taken: Iterable[tuple[_Counted, Iterable[tuple[Key, Distribution]]]], others: Iterable[Told]) -> Snapshot:
    return Snapshot.of((*(told for counted, found in taken for told in counted.told(found)), *others))


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

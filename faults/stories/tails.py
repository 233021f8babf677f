"""One call in a hundred takes a second: who asks again when it is late has it in time, and asks hardly more."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable, Iterator
from random import Random
from typing import Any

from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.trace.v1.trace_pb2 import Span, Status

from faults import replies
from faults.claims import require
from faults.clients import Crowd, waited
from faults.stage import Stage
from gateway.telemetry import HEDGE

REQUESTS = 1500
PER_SECOND = 75.0

FIRST = 150
"""Requests in which the gateway learns what is usual."""

SLOW = 0.01
"""Share of the calls."""

LIMIT_MS = 100.0
"""That 99 % of the answers may take."""

EXTRA = 0.05
"""Further calls, as a share of those that were to be made."""

EXPORTED = 1.0
"""Seconds in which spans have reached the collector."""

SAMPLED = "traceparent: 00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01\r\n"


def hedged(path: str, fan_out: int) -> Callable[[Stage], Any]:
    """Answers that need so many calls."""

    async def play(stage: Stage) -> str:
        server, chance = stage.upstreams.own["tailed"], Random(fan_out)
        crowd = Crowd(stage.gateway, path, PER_SECOND, SAMPLED)
        server.always((0.01, replies.KEPT))
        await crowd.number(FIRST)
        hits, abandoned, batches = server.hits, server.abandoned, stage.upstreams.collector.hits
        server.always(lambda _: (1.0 if chance.random() < SLOW else 0.01, replies.KEPT))
        answers = await crowd.number(REQUESTS)
        p99, extra = waited(answers, 0.99), (server.hits - hits) / (REQUESTS * fan_out) - 1
        said = f"{fan_out} a request: p99 {p99:.0f} ms, {extra:+.1%} calls"
        require({one.status for one in answers} == {200}, f"{said}; {Counter(str(one) for one in answers)}")
        require(p99 <= LIMIT_MS + stage.slack * 1000 and extra <= EXTRA, said)
        return f"{said}, {await _losers(stage, abandoned, batches)}"

    return play


async def _losers(stage: Stage, abandoned: int, batches: int) -> str:
    """What became of the copies that were not needed: of those that lost, and in the trace."""
    server, collector = stage.upstreams.own["tailed"], stage.upstreams.collector
    await server.until(lambda: not server.in_flight)
    await asyncio.sleep(EXPORTED)
    spans = [span for batch in collector.asked[batches:] for span in _spans(batch.body)]
    won = sum(_text(span, HEDGE) == "won" for span in spans)
    errors = sum(span.status.code == Status.STATUS_CODE_ERROR for span in spans)
    ended = server.abandoned - abandoned
    require(0 < won <= ended, f"{ended} copies cancelled of {won} that lost")
    require(not errors, f"{errors} spans are errors")
    return f"{ended} copies cancelled, none an error"


def _spans(batch: bytes) -> Iterator[Span]:
    for resource in ExportTraceServiceRequest.FromString(batch).resource_spans:
        for scope in resource.scope_spans:
            yield from scope.spans


def _text(span: Span, name: str) -> str:
    return next((one.value.string_value for one in span.attributes if one.key == name), "")

"""Trace: a span for every attempt.

Outermost of an upstream's stack, so that the span covers everything one attempt waits for. Below retry, so that each attempt has its
own. Raises nothing of its own.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import partial
from urllib.parse import urlsplit

from gateway import telemetry
from gateway.call import Call, Caller, Reply
from gateway.errors import CallError, CallTimeout, StatusRefused
from gateway.passage import Flow
from gateway.plan.recipe import Upstream
from gateway.syntax import PORTS
from gateway.telemetry import LONGEST_HEAD, Exchange, Head, Span, SpanType


@dataclass(frozen=True, slots=True)
class Trace:
    """A CLIENT span per attempt, by OpenTelemetry's conventions for HTTP clients."""

    upstream: Upstream = field(repr=False)
    _has_several: bool = field(init=False, repr=False)
    """Hosts: which one an attempt went to, only a span of its own can tell."""

    def __post_init__(self) -> None:
        object.__setattr__(self, "_has_several", bool(self.upstream.others))

    def __call__(self, caller: Caller) -> Caller:
        """A caller that leaves a span behind."""
        return partial(self._attempt, caller, {})

    async def _attempt(self, caller: Caller, types: dict[tuple[str, str], SpanType], call: Call) -> Reply:
        # As many as there are steps that call this upstream.
        of = types.get((call.method, call.template)) or types.setdefault((call.method, call.template), self._type(call))
        with self._began(of, call) as span:
            if call.attempt > 1:
                span.own[telemetry.HTTP_RESEND_COUNT] = call.attempt - 1
            # A cancellation is neither caught nor an error: whoever cancels has no use for the reply.
            try:
                reply = await caller(call.varied(span, call.deadline, call.attempt) if span.id else call)
            except CallTimeout:
                # Cut off on purpose: nothing says that the upstream failed.
                raise
            except CallError as error:
                if error.status:
                    span.own[telemetry.HTTP_STATUS] = error.status
                if isinstance(error, StatusRefused):
                    _keep(error.reply, span)
                span.fail(str(error.status) if isinstance(error, StatusRefused) else telemetry.error_type(error))
                raise
            finally:
                if call.passage:
                    _measure(call.passage.flow, span)
            span.own[telemetry.HTTP_STATUS] = reply.status
            _keep(reply, span)
            if reply.status >= 400:
                span.fail(str(reply.status))
            return reply

    def _began(self, of: SpanType, call: Call) -> Span:
        trace = call.span.trace
        if not trace.recorded and not self._has_several:
            # The upstream is told the step's span, and that nobody keeps it.
            return trace.gauge(of)
        span = call.span.child(of)
        if trace.recorded:
            # The query is left out: it may hold tokens, and no list of their names is complete.
            span.own[telemetry.URL_FULL] = self.upstream.url + call.target.partition("?")[0]
            if trace.exchanges is not None:
                trace.exchanges[span.id] = Exchange(call.target, _head(call))
        return span

    def _type(self, call: Call) -> SpanType:
        url = urlsplit(self.upstream.url)
        attributes: dict[str, telemetry.Attribute] = {
            telemetry.UPSTREAM_NAME: self.upstream.name,
            telemetry.SERVER_ADDRESS: url.hostname or "",
            telemetry.SERVER_PORT: url.port or PORTS[url.scheme],
            telemetry.HTTP_METHOD: call.method,
            telemetry.URL_TEMPLATE: call.template,
        }
        return SpanType(f"{call.method} {call.template}", "client", attributes)


def _keep(reply: Reply, span: Span) -> None:
    """What came back, where that is kept."""
    if (kept := span.trace.exchanges) and span.id in kept:
        kept[span.id].came = _head(reply)


def _head(of: Call | Reply) -> Head | None:
    if not of.body:
        return None
    kind = next((value for name, value in of.headers if name == "content-type"), "")
    return Head(kind, of.body[:LONGEST_HEAD], len(of.body))


def _measure(flow: Flow, span: Span) -> None:
    """What has gone by, however it ended."""
    span.own[telemetry.HTTP_REQUEST_SIZE] = flow.sent
    if flow.status:
        span.own[telemetry.HTTP_STATUS] = flow.status
        span.own[telemetry.HTTP_RESPONSE_SIZE] = flow.received

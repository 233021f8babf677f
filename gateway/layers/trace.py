"""Trace: a span for every attempt.

Outermost of an upstream's stack, so that the span covers everything one attempt waits for. Below retry, so that each attempt has its
own. Raises nothing of its own.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from functools import partial
from urllib.parse import urlsplit

from gateway import telemetry
from gateway.call import Call, Caller, Reply
from gateway.errors import CallError, StatusRefused
from gateway.plan import Upstream

_PORTS = {"http": 80, "https": 443}


@dataclass(frozen=True, slots=True)
class Trace:
    """A CLIENT span per attempt, by OpenTelemetry's conventions for HTTP clients."""

    upstream: Upstream = field(repr=False)

    def __call__(self, caller: Caller) -> Caller:
        """A caller that leaves a span behind."""
        url = urlsplit(self.upstream.url)
        fixed: dict[str, telemetry.Attribute] = {
            telemetry.UPSTREAM_NAME: self.upstream.name,
            telemetry.SERVER_ADDRESS: url.hostname or "",
            telemetry.SERVER_PORT: url.port or _PORTS[url.scheme],
        }
        return partial(self._attempt, caller, fixed)

    async def _attempt(self, caller: Caller, fixed: dict[str, telemetry.Attribute], call: Call) -> Reply:
        with call.span.child(f"{call.method} {call.template}", "client") as span:
            span.attributes |= fixed | self._of_call(call)
            # A cancellation is neither caught nor an error: whoever cancels has no use for the reply.
            try:
                reply = await caller(replace(call, span=span))
            except CallError as error:
                refused = error.reply.status if isinstance(error, StatusRefused) else None
                if refused:
                    span.attributes[telemetry.HTTP_STATUS] = refused
                span.fail(str(refused or telemetry.error_type(error)))
                raise
            span.attributes[telemetry.HTTP_STATUS] = reply.status
            if reply.status >= 400:
                span.fail(str(reply.status))
            return reply

    def _of_call(self, call: Call) -> dict[str, telemetry.Attribute]:
        # The query is left out of url.full: it may hold tokens, and no list of their names is complete.
        path = call.target.partition("?")[0]
        attributes: dict[str, telemetry.Attribute] = {
            telemetry.HTTP_METHOD: call.method,
            telemetry.URL_FULL: f"{self.upstream.url}{path}",
            telemetry.URL_TEMPLATE: call.template,
        }
        if call.attempt > 1:
            attributes[telemetry.HTTP_RESEND_COUNT] = call.attempt - 1
        return attributes

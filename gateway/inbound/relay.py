"""An endpoint whose answer is its upstream's own: both bodies go by as they come."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

from starlette.types import Receive, Scope, Send

from gateway import telemetry
from gateway.call import Call, Caller, Callers, Failed, Reply
from gateway.errors import BadReply, CallTimeout
from gateway.execute import Ran, run
from gateway.guard import IS_HEAD
from gateway.inbound.endpoint import Endpoint
from gateway.inbound.passage import ClientPassage, CutOff, leave_out
from gateway.inbound.request import Picked, Refused, pick_headers, read_patience, read_request
from gateway.inbound.response import Response, problem_response
from gateway.limit import Limit
from gateway.passage import Flow
from gateway.problem import COMPLETE, RawHeaders, of_error, of_status
from gateway.syntax import BODILESS, NOT_IN_A_HEADER
from gateway.telemetry import Span

_DATE = b"date"
_FRAMING = frozenset((b"content-length", b"transfer-encoding"))


@dataclass(frozen=True, slots=True)
class Relay(Endpoint):
    """A passthrough. Until its answer has begun it fails as any endpoint does, with a problem; from then on by cutting the connection."""

    async def _respond(self, scope: Scope, headers: Picked, receive: Receive, send: Send, span: Span) -> Response | None:
        try:
            patience = read_patience(headers)
            values = read_request(self.plan, scope, headers)
            passage = self._passage(scope, receive, send, span)
            ran = await self._pass(passage, values, span, patience, is_head=IS_HEAD in scope)
        except Refused as refused:
            return problem_response(refused.problem)
        if not passage.flow.status:
            return self._answer(self.plan, ran, span)
        for outcome in ran.outcomes.values():
            if isinstance(outcome, Failed):
                raise CutOff(str(outcome.error))
        await passage.end()
        return None

    async def _pass(
        self, passage: ClientPassage, values: Mapping[str, Any], span: Span, patience: float, *, is_head: bool
    ) -> Ran:
        """Let both bodies go by. The endpoint's time is for the head alone, a client's own for all of it."""
        now = self.limits.loop.time()
        whole = Limit(self.limits, now + patience)
        (recipe,) = self.plan.recipes
        callers = Callers({recipe.key: partial(self._call, self.callers.of[recipe.key], passage, is_head)})
        try:
            with self.visits.of(passage.departure), whole:
                return await run(self.plan, callers, values, now + min(self.plan.timeout, patience), span)
        except TimeoutError:
            if not whole.expired:
                raise
            error = CallTimeout("the client waits no longer")
            raise (CutOff(str(error)) if passage.flow.status else Refused(of_error(error))) from None
        finally:
            span.own[telemetry.HTTP_REQUEST_SIZE] = passage.flow.sent
            span.own[telemetry.HTTP_RESPONSE_SIZE] = passage.flow.received

    async def _call(self, caller: Caller, passage: ClientPassage, is_head: bool, call: Call) -> Reply:
        method = "HEAD" if is_head and call.method == "GET" else call.method
        return await caller(replace(call, method=method, passage=passage))

    def _passage(self, scope: Scope, receive: Receive, send: Send, span: Span) -> ClientPassage:
        assert self.plan.passthrough  # it would be another endpoint
        flow = Flow(_length(scope) if self.plan.takes_body else 0, self.plan.passthrough.idle)
        return ClientPassage(flow, receive, send, self.limits, partial(self._head, send, span))

    def _head(self, send: Send, span: Span, status: int, headers: Iterable[tuple[bytes, bytes]]) -> RawHeaders:
        """The head of the answer: what is kept of the reply's, and what every answer says. Raises `BadReply`."""
        assert self.plan.passthrough
        named = [(name.lower(), value.strip()) for name, value in headers]
        gone = _of_the_connection(named) | (_FRAMING if status in BODILESS else frozenset())
        keeps = self.plan.passthrough.keeps
        kept = [line for line in named if line[0] in keeps and line[0] not in gone]
        if any(NOT_IN_A_HEADER.search(value.decode("latin-1")) for _, value in kept):
            raise BadReply("a header with a control character")
        # When it was made is the origin's to say, also where it has been kept (RFC 9110, section 6.6.1).
        dates = [line for line in named if line[0] == _DATE]
        if len(dates) == 1 and leave_out(send, _DATE):
            kept = [*dates, *kept]
        own = [COMPLETE, (b"traceparent", span.traceparent.encode())]
        if self.server_timing:
            (step,) = self.plan.steps
            since = next(one for one in span.trace.spans if one.type is step.span)
            own.append((b"server-timing", f'{step.name};dur={since.milliseconds};desc="{status}"'.encode()))
        span.own[telemetry.HTTP_STATUS] = status
        if status >= 500:
            span.fail(str(status))
        return [*kept, *own]


def _of_the_connection(headers: RawHeaders) -> frozenset[bytes]:
    """Names of fields that the reply's `Connection` says are not for whoever is behind it (RFC 9110, section 7.6.1)."""
    lists = [value for name, value in headers if name == b"connection"]
    return frozenset(name.strip().lower() for name in b",".join(lists).split(b",")) if lists else frozenset()


def _length(scope: Scope) -> int | None:
    """Bytes of the client's body, None where it does not say. Raises `Refused`."""
    framing = pick_headers(scope["headers"], _FRAMING)
    if b"content-length" in framing:
        length = framing[b"content-length"][0]
        if not (length.isdigit() and len(length) < 19):
            raise Refused(of_status(400, "Bad Request", "a Content-Length is a number of bytes"))
        return int(length)
    # Later versions of HTTP have frames in place of chunks.
    return None if framing or not scope["http_version"].startswith("1") else 0

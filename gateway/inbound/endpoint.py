"""One endpoint, ready to answer: request in, plan run, answer out, and the trace of it handed on."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine, Mapping
from dataclasses import dataclass, field
from typing import Any

from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from gateway import telemetry
from gateway.call import Caller
from gateway.execute import run
from gateway.export import Tracing
from gateway.inbound.request import ClientGone, Refused, read_request
from gateway.inbound.response import answer, problem_response, server_timing
from gateway.plan import Plan
from gateway.telemetry import Attribute, Span, SpanType

TRACEPARENT = "gateway.traceparent"
"""Where in the scope a request that came upon a bug leaves its trace, for whoever answers it."""


@dataclass(frozen=True, slots=True)
class Endpoint:
    """A plan with the callers of its steps."""

    plan: Plan
    callers: Mapping[str, Caller] = field(repr=False)
    tracing: Tracing = field(repr=False)
    server_timing: bool = True
    """Tell clients how long each step took."""

    revision: str = ""
    """Which config this is, for the trace."""

    _span: SpanType = field(init=False, repr=False)

    def __post_init__(self) -> None:
        attributes: dict[str, Attribute] = {
            telemetry.HTTP_METHOD: self.plan.method,
            telemetry.HTTP_ROUTE: self.plan.path,
            telemetry.PLAN_STEPS: len(self.plan.steps),
            telemetry.CONFIG_REVISION: self.revision,
        }
        object.__setattr__(self, "_span", SpanType(f"{self.plan.method} {self.plan.path}", "server", attributes))

    @property
    def path(self) -> str:
        """The path as written: where middleware that asks the scope for its `route` looks for a name."""
        return self.plan.path

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request (ASGI). A client that leaves ends whatever is in flight for it."""
        trace = self.tracing.begin(self._span, _carrier(scope), self._attributes(scope))
        try:
            response = await self._respond(scope, receive, trace.root)
            response.headers["traceparent"] = trace.root.traceparent
            trace.root.own[telemetry.HTTP_STATUS] = response.status_code
            if response.status_code >= 500:
                trace.root.fail(str(response.status_code))
            await response(scope, receive, send)
        except ClientGone:
            # There is nobody to answer, and nothing went wrong.
            pass
        except Exception as error:
            trace.root.fail(telemetry.error_type(error))
            scope[TRACEPARENT] = trace.root.traceparent
            raise
        finally:
            self.tracing.finish(trace)

    async def _respond(self, scope: Scope, receive: Receive, span: Span) -> Response:
        deadline = asyncio.get_running_loop().time() + self.plan.timeout
        try:
            values = await read_request(self.plan, scope, receive, deadline)
        except Refused as refused:
            return problem_response(refused.problem)
        ran = await _while_connected(receive, run(self.plan, self.callers, values, deadline, span))
        response = answer(self.plan, ran, span)
        if self.server_timing:
            response.headers["server-timing"] = server_timing(self.plan, ran, span.trace)
        return response

    def _attributes(self, scope: Scope) -> dict[str, Attribute]:
        attributes: dict[str, Attribute] = {
            telemetry.URL_PATH: scope["path"],
            telemetry.URL_SCHEME: scope["scheme"],
            telemetry.PROTOCOL_VERSION: scope["http_version"],
        }
        if client := scope.get("client"):
            attributes[telemetry.CLIENT_ADDRESS] = client[0]
        if server := scope.get("server"):
            attributes[telemetry.SERVER_ADDRESS] = server[0]
            if server[1]:
                attributes[telemetry.SERVER_PORT] = server[1]
        if agent := next((value for name, value in scope["headers"] if name == b"user-agent"), None):
            attributes[telemetry.USER_AGENT] = agent.decode("latin-1")
        return attributes


async def _while_connected(receive: Receive, work: Coroutine[Any, Any, Any]) -> Any:
    """The result of the work; it is cancelled, and its cancellation awaited, when the client leaves first. Raises `ClientGone`.

    No ASGI server cancels a handler whose client has left: the only word of it is a message that somebody has to wait for.
    """
    working = asyncio.ensure_future(work)
    leaving = asyncio.ensure_future(_client_leaves(receive))
    try:
        await asyncio.wait({working, leaving}, return_when=asyncio.FIRST_COMPLETED)
        if not working.done():
            raise ClientGone
        return working.result()
    finally:
        working.cancel()
        leaving.cancel()
        await asyncio.gather(working, leaving, return_exceptions=True)


async def _client_leaves(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass


def _carrier(scope: Scope) -> dict[str, str]:
    """The headers that a trace goes on from (W3C Trace Context, section 3): one `traceparent`, and a `tracestate` in any number of parts."""
    parents, states = (
        [value.decode("latin-1") for name, value in scope["headers"] if name == wanted]
        for wanted in (b"traceparent", b"tracestate")
    )
    return {"traceparent": parents[0], "tracestate": ",".join(states)} if len(parents) == 1 else {}

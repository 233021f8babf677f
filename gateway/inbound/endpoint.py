"""One endpoint, ready to answer: request in, plan run, answer out, and the trace of it handed on."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from concurrent.futures import Executor
from contextvars import copy_context
from dataclasses import dataclass, field
from functools import partial
from typing import Any, TypeVar

from starlette.types import Receive, Scope, Send

from gateway import telemetry
from gateway.answer.shape import Shaped
from gateway.call import Callers
from gateway.deadline import GRPC, SECONDS
from gateway.errors import CallTimeout
from gateway.execute import Ran, run
from gateway.export import Tracing
from gateway.idempotency import KEY
from gateway.inbound.choice import Choices
from gateway.inbound.delivery import Delivery
from gateway.inbound.events import form_for, is_over
from gateway.inbound.explain import HEADER as EXPLAIN
from gateway.inbound.explain import Explaining, explain, explained
from gateway.inbound.once import Once
from gateway.inbound.parts import Parts
from gateway.inbound.request import Picked, Refused, pick_headers, read_body, read_patience, read_request
from gateway.inbound.response import Response, answer, problem_response, server_timing
from gateway.inbound.visit import ClientGone, VisitsState
from gateway.limit import Limit, LimitsState
from gateway.plan import Plan
from gateway.problem import COMPLETE, Problem, of_error, of_status
from gateway.telemetry import CURRENT, Attribute, Span, SpanType

CONDITION = b"if-none-match"
"""What a GET may be made under: that the client has not got the answer already."""

_WANTED = frozenset(
    (
        *(b"traceparent", b"tracestate", b"user-agent", SECONDS.encode(), GRPC.encode()),
        *(b"accept", b"last-event-id", CONDITION, EXPLAIN),
    )
)
"""Header fields that every trace has a use for, and those that say how an answer is wanted, and how soon."""

_LARGE = 64 * 1024
"""Bytes of an answer whose request is in flight until the client has taken it, so that only so many wait for slow readers."""

Made = TypeVar("Made")


@dataclass(frozen=True, slots=True)
class Endpoint:
    """A plan with the callers of its steps."""

    plan: Plan
    callers: Callers = field(repr=False)
    tracing: Tracing = field(repr=False)
    limits: LimitsState = field(repr=False)
    visits: VisitsState = field(repr=False)
    threads: Executor = field(repr=False)
    """Where answers are made whose functions take long."""

    once: Once | None = None
    """What runs a request with a key once; None where keys mean nothing."""

    server_timing: bool = True
    """Tell clients how long each step took."""

    revision: str = ""
    """Which config this is, for the trace."""

    explaining: Explaining = field(default_factory=Explaining)
    """Who is told how an answer was made."""

    _choices: Choices = field(init=False, repr=False)
    _span: SpanType = field(init=False, repr=False)
    _wanted: frozenset[bytes] = field(init=False, repr=False)

    def __post_init__(self) -> None:
        attributes: dict[str, Attribute] = {
            telemetry.HTTP_METHOD: self.plan.method,
            telemetry.HTTP_ROUTE: self.plan.path,
            telemetry.PLAN_STEPS: len(self.plan.steps),
            telemetry.CONFIG_REVISION: self.revision,
        }
        object.__setattr__(self, "_choices", Choices(self.plan))
        object.__setattr__(self, "_span", SpanType(f"{self.plan.method} {self.plan.path}", "server", attributes))
        object.__setattr__(self, "_wanted", _WANTED | {name.encode() for name in self.plan.headers})

    @property
    def path(self) -> str:
        """The path as written: where middleware that asks the scope for its `route` looks for a name."""
        return self.plan.path

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request (ASGI). A client that leaves ends whatever is in flight for it, unless it has given a key."""
        headers = pick_headers(scope["headers"], self._wanted)
        is_explained = EXPLAIN in headers and self._is_explained(scope, headers)
        trace = self.tracing.begin(self._span, _carrier(headers), partial(_attributes, scope, headers), is_wanted=is_explained)
        root = trace.root
        logged = CURRENT.set(root)
        try:
            if response := await self._respond(scope, headers, receive, send, root):
                if is_explained:
                    told = explain(trace, {step.name: step.needs for step in self.plan.steps})
                    response = explained(response, self.tracing.redaction.texts(told))
                if response.status >= 500:
                    root.fail(str(response.status))
                await _send(response, root, send)
        except ClientGone:
            # There is nobody to answer, and nothing went wrong.
            pass
        except Exception as error:
            # A bug of ours: the client learns that it is one and which trace to look up, the server's log has the rest.
            root.fail(telemetry.error_type(error))
            if telemetry.HTTP_STATUS not in root.own:
                await _send(problem_response(of_status(500, "Internal Server Error")), root, send)
            raise
        finally:
            self.tracing.finish(trace)
            CURRENT.reset(logged)

    def _is_explained(self, scope: Scope, headers: Picked) -> bool:
        """Whether the answer is to say how it was made; then nobody has it already. Nobody else gets to see the key."""
        is_explained = self.explaining.allows(scope, headers.pop(EXPLAIN))
        if is_explained:
            headers.pop(CONDITION, None)
        return is_explained

    async def _respond(self, scope: Scope, headers: Picked, receive: Receive, send: Send, span: Span) -> Response | None:
        """The response; None when it has been sent."""
        began = self.limits.loop.time()
        form = form_for(headers[b"accept"]) if b"accept" in headers else None
        if form and is_over(headers.get(b"last-event-id", ())):
            return Response(204, [COMPLETE], b"")
        try:
            deadline = began + min(self.plan.timeout, read_patience(headers))
            plan, values = self._read(scope, headers)
            if plan.takes_body:
                values |= await read_body(plan, headers, receive, self.limits, deadline)
            key = self.once.key_of(headers) if self.once else None
        except Refused as refused:
            return problem_response(refused.problem)
        if self.once and key:
            # Whole, and to its end although the client may leave: what it comes to is kept, and is what he will ask for again.
            work = partial(self._run, plan, {**values, KEY: key}, deadline, span)
            return await self.once.respond(key, scope, headers, values, work)
        if form:
            off_loop = partial(self._off_loop, deadline, span)
            delivery = Delivery(Parts(plan, form), send, span, self.limits, off_loop, self.server_timing)
            with self.visits.of(receive):
                left = await delivery(run(plan, self.callers, values, deadline, span, delivery.note))
            return problem_response(left) if isinstance(left, Problem) else self._answer(plan, left, span) if left else None
        with self.visits.of(receive):
            response = await self._run(plan, values, deadline, span)
        return self._unless_known(response, headers)

    def _unless_known(self, response: Response, headers: Picked) -> Response:
        return response.unless_known(headers[CONDITION]) if CONDITION in headers and self.plan.method == "GET" else response

    def _read(self, scope: Scope, headers: Picked) -> tuple[Plan, dict[str, Any]]:
        """The plan for a request, and the values that it runs on. Raises `Refused`."""
        values = read_request(self.plan, scope, headers)
        return (self._choices.of(values["query"]) if values["query"] else self.plan), values

    async def _run(self, plan: Plan, values: Mapping[str, Any], deadline: float, span: Span) -> Response:
        shaped = None
        ran = await run(plan, self.callers, values, deadline, span)
        if plan.shape.off_loop and not ran.broken:
            try:
                shaped = await self._off_loop(deadline, span, partial(plan.shape, ran.scope))
            except CallTimeout as error:
                return problem_response(of_error(error))
        return self._answer(plan, ran, span, shaped)

    def _answer(self, plan: Plan, ran: Ran, span: Span, shaped: Shaped | None = None) -> Response:
        response = answer(plan, ran, span, shaped)
        if self.server_timing:
            response.timing = server_timing(plan, ran, span.trace)
        return response

    async def _off_loop(self, deadline: float, span: Span, make: Callable[[], Made]) -> Made:
        """What takes long, made in a thread. Raises `CallTimeout`; the thread then ends whenever its function does."""
        try:
            with span.child(telemetry.TRANSFORM), Limit(self.limits, deadline):
                return await self.limits.loop.run_in_executor(self.threads, copy_context().run, make)
        except TimeoutError as error:
            raise CallTimeout("a function in the answer took too long") from error


async def _send(response: Response, root: Span, send: Send) -> None:
    if response.timing:
        response.add(b"server-timing", response.timing)
    response.add(b"traceparent", root.traceparent)
    root.own[telemetry.HTTP_STATUS] = response.status
    await send({"type": "http.response.start", "status": response.status, "headers": response.headers})
    if len(response.body) > _LARGE:
        await send({"type": "http.response.body", "body": response.body, "more_body": True})
        await send({"type": "http.response.body", "body": b""})
    else:
        await send({"type": "http.response.body", "body": response.body})


def _attributes(scope: Scope, headers: Picked) -> dict[str, Attribute]:
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
    if agents := headers.get(b"user-agent"):
        attributes[telemetry.USER_AGENT] = agents[0].decode("latin-1")
    return attributes


def _carrier(headers: Picked) -> dict[str, str]:
    """The headers that a trace goes on from (W3C Trace Context, section 3): one `traceparent`, and a `tracestate` in any number of parts."""
    parents = headers.get(b"traceparent", ())
    if len(parents) != 1:
        return {}
    states = b",".join(headers.get(b"tracestate", ()))
    return {"traceparent": parents[0].decode("latin-1"), "tracestate": states.decode("latin-1")}

"""What stands before an endpoint: it lets requests in, or turns them away before anything is done for them.

Turned away is before the body is read, and without a trace. The connection is kept.
"""

from __future__ import annotations

import asyncio
import logging

from starlette.types import ASGIApp, Receive, Scope, Send

from gateway.events import REQUESTS_SHED
from gateway.inbound.route import Endpoints, Others
from gateway.plan import Plan
from gateway.problem import OVERLOADED
from gateway.states.shedding import SheddingState

_HEADERS, _BODY = OVERLOADED.as_http()

LET_IN = "gateway.let_in"
"""In the scope of a request that has been let in at the door."""

_log = logging.getLogger(__name__)


class Admission:
    """ASGI in, ASGI out."""

    def __init__(self, plan: Plan, endpoint: ASGIApp, state: SheddingState) -> None:
        self.path = plan.path
        """As the endpoint has it: where middleware that asks the scope for its `route` looks for a name."""

        self._endpoint = endpoint
        self._state = state
        self._priority = plan.priority
        self._places = state.places(plan.priority)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Have the request answered, or turn it away."""
        state = self._state
        # Who has passed the door is not judged twice.
        if state.in_flight >= self._places or (state.share and LET_IN not in scope and state.relieves(self._priority)):
            await self._refuse(send)
            return
        state.in_flight += 1
        try:
            await self._endpoint(scope, receive, send)
        finally:
            state.in_flight -= 1

    def turns_away(self, coming: int) -> bool:
        """There is no place for one more, with so many let in who have not begun. Counts it, if so."""
        state = self._state
        if state.in_flight + coming < self._places and not (state.share and state.relieves(self._priority)):
            return False
        self._count()
        return True

    def _count(self) -> None:
        if count := self._state.refuse(asyncio.get_running_loop().time()):
            told = REQUESTS_SHED.of(count=count, in_flight=self._state.in_flight)
            _log.warning("turned away: %d since this was said last; %d in flight", count, self._state.in_flight, extra=told)

    async def _refuse(self, send: Send) -> None:
        self._count()
        # A list of its own: a user's middleware may add to it.
        await send({"type": "http.response.start", "status": OVERLOADED.status, "headers": [*_HEADERS]})
        await send({"type": "http.response.body", "body": _BODY})


class Door:
    """Turns requests away for their heads alone, before the server makes anything of them: 20 µs of CPU, where an answer through ASGI costs
    75 and more. A gateway that is asked for five times what it can do would otherwise do nothing but refuse.
    """

    def __init__(self, state: SheddingState, endpoints: Endpoints, others: Others) -> None:
        self._state = state
        self._endpoints = endpoints
        self._others = others
        self._fewest = state.places("low")
        self._loop = asyncio.get_running_loop()
        self._coming = 0
        """Let in, in this round of the loop; they begin in the next one."""

    def __call__(self, method: str, target: bytes) -> bool:
        """Whether a request with this head is turned away."""
        state = self._state
        is_full = state.in_flight + self._coming >= self._fewest or state.share
        if is_full and self._has_no_place(method, target.partition(b"?")[0].decode("latin-1")):
            return True
        if not self._coming:
            self._loop.call_soon(self._begin_round)
        self._coming += 1
        return False

    def _has_no_place(self, method: str, path: str) -> bool:
        admission = self._endpoints.at("GET" if method == "HEAD" else method, path)
        return isinstance(admission, Admission) and not self._others.may_want(path) and admission.turns_away(self._coming)

    def _begin_round(self) -> None:
        self._coming = 0

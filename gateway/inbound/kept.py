"""An endpoint whose answers are kept: one that is there is served for the price of looking it up.

1  what is kept under the request's key is served while it is fresh, and a while longer, as the policy has it, while a newer one is made
2  else the plan runs, once for all who ask for the same meanwhile: here, and in other processes that share the store
3  a whole answer that may be kept is, before anybody gets it; what is for one client only, all others ask for themselves
4  in place of a failure, or of half an answer, the one that is there is served if it is not too old for that

Of a request no more is read than its key takes, until there is something to run.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any

from starlette.types import Receive, Scope, Send

from gateway import telemetry
from gateway.answer.freshness import entry_of, retention
from gateway.caching import Background, Entry, Store
from gateway.caching.cache_status import Member
from gateway.caching.clock import now
from gateway.caching.flights import FlightsState
from gateway.caching.freshness import Use, decide, may_serve_on_error
from gateway.caching.refreshing import RefreshesState
from gateway.errors import CallTimeout
from gateway.inbound.endpoint import Endpoint
from gateway.inbound.errand import Errand, Made
from gateway.inbound.events import form_for
from gateway.inbound.heads import HeadsState, head_of_kept
from gateway.inbound.places import Places
from gateway.inbound.request import Picked, Refused, read_patience
from gateway.inbound.response import Response, problem_response
from gateway.limit import Limit
from gateway.plan import Plan
from gateway.plan.keeping import Keeping
from gateway.problem import of_error
from gateway.telemetry import Span

GRACE = 0.05
"""Seconds beyond its time that work may take to say itself that there is no more of it."""


@dataclass(frozen=True, slots=True)
class KeptState:
    """What the endpoints have in common that keep their answers."""

    store: Store
    background: Background
    flights: FlightsState[Made | Entry] = field(default_factory=FlightsState)
    """Answers that are being made, by their keys."""

    heads: HeadsState = field(default_factory=HeadsState)
    refreshes: RefreshesState = field(default_factory=RefreshesState)
    """Those that are made while no request waits."""


@dataclass(frozen=True, slots=True)
class Kept(Endpoint):
    """An endpoint that keeps its answers."""

    keeping: Keeping = field(kw_only=True)
    state: KeptState = field(kw_only=True, repr=False)
    places: Places = field(kw_only=True, repr=False)
    clock: Callable[[], float] = field(default=now, kw_only=True, repr=False)

    async def _respond(self, scope: Scope, headers: Picked, receive: Receive, send: Send, span: Span) -> Response | None:
        if b"accept" in headers and form_for(headers[b"accept"]):
            # What is sent in parts is made for the one who gets it.
            return await Endpoint._respond(self, scope, headers, receive, send, span)
        try:
            key = self.places.of(scope, headers)
            if key is None:
                return await Endpoint._respond(self, scope, headers, receive, send, span)
            entry = await self.state.store.get(key)
            use = decide(entry, self.clock()) if entry is not None else Use.ASK
            if entry is not None and use is not Use.ASK:  # 1
                if use is not Use.FRESH:
                    self._refresh(key, scope, headers, span)
                response = self._serve(key, entry, span)
            else:
                response = await self._ask(key, entry, scope, headers, receive, span)
        except Refused as refused:
            return problem_response(refused.problem)
        return self._unless_known(response, headers)

    async def _ask(self, key: str, entry: Entry | None, scope: Scope, headers: Picked, receive: Receive, span: Span) -> Response:
        """The answer that is made now, for this request or for another one; if that fails, the one that is there. Raises `Refused`."""
        deadline = self.limits.loop.time() + min(self.plan.timeout, read_patience(headers))
        errand = Errand(key, *self._read(scope, headers), deadline, span)
        span.own[telemetry.CACHE_STATUS] = "miss"
        with self.visits.of(receive):
            made = await self._join(errand)
            if isinstance(made, Made) and not made.response.is_for_all and made.by is not span:  # 3
                made = Made(await self._run(errand.plan, errand.values, deadline, span), span)
        if isinstance(made, Entry):
            return self._serve(key, made, span)
        if entry is not None and made.has_failed and may_serve_on_error(entry, self.clock()):  # 4
            return self._serve(key, entry, span, instead_of=made.response.status)
        return made.told_to(span, "miss" if entry is None else "stale")

    async def _join(self, errand: Errand) -> Made | Entry:
        try:
            if not self.keeping.policy.coalesce:
                return await self._go(errand)
            return (await self.state.flights.join(errand.key, partial(self._go, errand), errand.deadline, errand.span))[0]
        except CallTimeout as error:
            return errand.late or Made(problem_response(of_error(error)), errand.span)

    async def _go(self, errand: Errand) -> Made | Entry:
        """Have the answer made, unless another process has just done so. Raises `CallTimeout`."""
        store = self.state.store
        try:
            with Limit(self.limits, errand.deadline + GRACE):
                async with store.lease(errand.key):  # 2
                    entry = await store.get(errand.key)
                    if entry is not None and decide(entry, self.clock()) is Use.FRESH:
                        return entry
                    made = await self._keep(errand, entry)
        except TimeoutError as error:
            raise CallTimeout("the answer took too long") from error
        if made.has_failed and self.limits.loop.time() >= errand.deadline:
            errand.late = made
            raise CallTimeout("the answer took too long")
        return made

    async def _keep(self, errand: Errand, old: Entry | None) -> Made:  # 3
        asked, store = self.clock(), self.state.store
        response = await self._run(errand.plan, errand.values, errand.deadline, errand.span)
        made = Made(response, errand.span)
        entry = self._entry(errand, response, asked)
        if entry is not None:
            await store.set(errand.key, entry, retention(entry))
        elif old is not None and not made.has_failed:
            # It is no answer to this any more, not even in need.
            await store.delete(errand.key)
        return replace(made, is_kept=entry is not None)

    def _entry(self, errand: Errand, response: Response, asked: float) -> Entry | None:
        """What is kept of an answer."""
        scopes = self.places.scopes_of(errand.key, errand.values)
        if not (response.good and response.is_for_all and scopes):
            return None
        return entry_of(self.keeping.policy, response.as_text(), response.body, response.good, asked, scopes)

    def _serve(self, key: str, entry: Entry, span: Span, instead_of: int | None = None) -> Response:
        """What is kept, as a response; `instead_of` is the status of one that is no good."""
        at = self.clock()
        left = entry.at + entry.lifetime - at
        span.own[telemetry.CACHE_STATUS] = "hit" if left > 0 else "stale"
        if instead_of:
            head = head_of_kept(entry, at, Member(fwd="stale", fwd_status=instead_of, ttl=left))
        else:
            head = [*self.state.heads.of(key, entry, at)]
        return Response(entry.status, head, entry.body)

    def _refresh(self, key: str, scope: Scope, headers: Picked, span: Span) -> None:
        """Have a newer answer made, if nobody does already. Raises `Refused`."""
        at = self.clock()
        if self.state.refreshes.begin(key, at, at + self.plan.timeout):
            self.state.background(f"refresh {self.plan.path}", span, partial(self._renew, key, *self._read(scope, headers)))

    async def _renew(self, key: str, plan: Plan, values: Mapping[str, Any], span: Span) -> None:
        made = await self._join(Errand(key, plan, values, self.limits.loop.time() + plan.timeout, span))
        if isinstance(made, Made) and made.has_failed:
            span.fail(str(made.response.status))
            self.state.refreshes.put_off(key, self.clock())
        else:
            self.state.refreshes.end(key)

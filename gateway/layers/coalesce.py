"""Coalesce: calls that would send the same at the same time are one call, and all get its reply.

Below cache: only what is not kept is asked for. Above keep, retry and all that costs: those who join share one lease, one sequence of
attempts, one permit. Raises what the shared call raises, an exception of his own to each, and `CallTimeout` to who has waited until his
deadline.

Calls are the same when an upstream could not tell them apart, whatever the cache's own key leaves out: a reply that turns out to be for one
client only has reached no other.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import partial

from gateway.caching.flights import FlightsState
from gateway.call import Call, Caller, Reply
from gateway.verdict import judge


@dataclass(frozen=True, slots=True)
class Coalesce:
    """A call joins the one that is the same, if there is one in flight."""

    flights: FlightsState[Reply] = field(default_factory=FlightsState, repr=False, compare=False)
    """Those of the steps that treat a reply as this one does: they accept the same, and try as hard to get it."""

    def __call__(self, caller: Caller) -> Caller:
        """A caller that asks once for all who want to know."""
        return partial(self._call, caller)

    async def _call(self, caller: Caller, call: Call) -> Reply:
        # The place too: what is kept under another key has to be fetched for that one.
        key = (call.place and call.place.key, call.method, call.target, tuple(call.headers), call.body)
        reply, is_own = await self.flights.join(key, partial(caller, call), call.deadline, call.span)
        if is_own:
            return reply
        # Decoded for each: values may be changed by who has them.
        own = judge(call, reply.status, reply.headers, reply.body)
        return Reply(own.status, own.headers, own.body, own.value, "collapsed", reply.entry)

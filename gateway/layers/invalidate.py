"""Invalidate: what a write has made worthless is not served any more (RFC 9111, section 4.4).

Outermost of a step that writes to an upstream of which something is kept: it sees what the call came to, not its attempts. Raises nothing of
its own.

A write of which nobody knows how it ended may have been done; then too what is kept is of no use.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial

from gateway.caching.clock import now
from gateway.caching.invalidation import voided
from gateway.call import Call, Caller, Reply
from gateway.errors import StatusRefused, Unsent

_DONE = Reply(204)
"""What a write whose end nobody knows may have come to."""


@dataclass(frozen=True, slots=True)
class Invalidate:
    """Writes void what is kept of what they write to."""

    urls: tuple[str, ...] = field(repr=False)
    """Of the upstream's hosts."""

    tell: Callable[[str, float], None] = field(repr=False)
    """Voids what has a scope and was asked for by a time, wherever it is kept."""

    clock: Callable[[], float] = field(default=now, repr=False)

    def __call__(self, caller: Caller) -> Caller:
        """A caller that tells what it has changed."""
        return partial(self._call, caller)

    async def _call(self, caller: Caller, call: Call) -> Reply:
        try:
            reply = await caller(call)
        except Unsent:
            raise
        except StatusRefused as error:
            self._void(call, error.reply if error.reply.status < 500 else _DONE)
            raise
        except BaseException:
            self._void(call, _DONE)
            raise
        self._void(call, reply)
        return reply

    def _void(self, call: Call, reply: Reply) -> None:
        # What was asked for before the write ended may show what was before it.
        at = self.clock()
        for scope in voided(call, reply.status, reply.headers, self.urls):
            self.tell(scope, at)

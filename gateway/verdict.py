"""One verdict for everybody: what retry, cache and, later, breaker and metrics think of an attempt is decided here."""

from __future__ import annotations

from enum import Enum
from typing import TYPE_CHECKING

from gateway.call import Reply
from gateway.errors import (
    AttemptTimeout,
    BadReply,
    Disconnected,
    StatusRefused,
    TooLarge,
    Unreachable,
)

if TYPE_CHECKING:
    from gateway.call import Call
    from gateway.errors import CallError

IDEMPOTENT = frozenset({"GET", "HEAD", "OPTIONS", "PUT", "DELETE"})
"""Methods that do the same when sent twice (RFC 9110, section 9.2.2)."""

PASSING = frozenset({408, 425, 429, 500, 502, 503, 504})
"""Statuses that may be another one a moment later."""


class Verdict(Enum):
    """What an attempt came to."""

    OK = "ok"
    RETRYABLE = "retryable"
    FATAL = "fatal"


def classify(call: Call, result: Reply | CallError) -> Verdict:
    """Judge an attempt. A failure is retryable when it may pass and sending the call again cannot do something twice."""
    if isinstance(result, Reply):
        return Verdict.OK
    if call.passage:
        # Nothing that has gone by is there to be sent, or taken back, again.
        return Verdict.RETRYABLE if isinstance(result, Unreachable) and not call.passage.flow.sent else Verdict.FATAL
    if isinstance(result, Unreachable):
        return Verdict.RETRYABLE
    if call.method in IDEMPOTENT and _may_pass(result):
        return Verdict.RETRYABLE
    return Verdict.FATAL


def _may_pass(error: CallError) -> bool:
    if isinstance(error, StatusRefused):
        return error.reply.status in PASSING
    # A reply that is too large will be as large again.
    return isinstance(error, AttemptTimeout | Disconnected | BadReply) and not isinstance(error, TooLarge)

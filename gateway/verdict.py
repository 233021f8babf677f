"""One verdict for everybody: whether an attempt may be made again, and what it says of its host, is decided here and nowhere else."""

from __future__ import annotations

from enum import Enum
from typing import TYPE_CHECKING

from gateway.call import NO_BODY, Reply
from gateway.errors import (
    AttemptTimeout,
    BadReply,
    CallTimeout,
    Disconnected,
    StatusRefused,
    TooLarge,
    Unreachable,
)
from gateway.formats.decode import Undecodable

if TYPE_CHECKING:
    from gateway.call import Call, Headers
    from gateway.errors import CallError

IDEMPOTENT = frozenset({"GET", "HEAD", "OPTIONS", "PUT", "DELETE"})
"""Methods that do the same when sent twice (RFC 9110, section 9.2.2)."""

IDEMPOTENCY_KEY = "idempotency-key"
"""Header by which an upstream knows a call that it has had before."""

PASSING = frozenset({408, 425, 429, 500, 502, 503, 504})
"""Statuses that may be another one a moment later."""


class Verdict(Enum):
    """What an attempt came to."""

    OK = "ok"
    RETRYABLE = "retryable"
    FATAL = "fatal"


def judge(call: Call, status: int, headers: Headers, body: bytes) -> Reply:
    """The reply with its value, when it is a good one. Raises `StatusRefused`, `BadReply`."""
    if not call.expects.takes(status):
        reply = Reply(status, headers, body)
        if status in call.expects.handled:
            return reply
        raise StatusRefused(reply)
    if not body and (status in NO_BODY or call.method != "GET"):
        return Reply(status, headers, body)
    try:
        return Reply(status, headers, body, call.expects.format.decode(body, headers))
    except Undecodable as error:
        raise BadReply(f"status {status}, and the body is {error}", status) from error


def classify(call: Call, result: Reply | CallError) -> Verdict:
    """Judge an attempt. A failure is retryable when it may pass and sending the call again cannot do something twice."""
    if isinstance(result, Reply):
        return Verdict.OK
    if call.passage:
        # Nothing that has gone by is there to be sent, or taken back, again.
        return Verdict.RETRYABLE if isinstance(result, Unreachable) and not call.passage.flow.sent else Verdict.FATAL
    if isinstance(result, Unreachable):
        return Verdict.RETRYABLE
    if is_repeatable(call) and _may_pass(result):
        return Verdict.RETRYABLE
    return Verdict.FATAL


def is_repeatable(call: Call) -> bool:
    """Sending it twice does the same as sending it once: by its method, or since it carries a key for that."""
    return call.method in IDEMPOTENT or any(name == IDEMPOTENCY_KEY for name, _ in call.headers)


def _may_pass(error: CallError) -> bool:
    if isinstance(error, StatusRefused):
        return error.reply.status in PASSING
    # A reply that is too large will be as large again.
    return isinstance(error, AttemptTimeout | Disconnected | BadReply) and not isinstance(error, TooLarge)


def is_failing(status: int) -> bool:
    """A reply with this status says that its host is in trouble, whether the step takes it for a good one or not."""
    return status >= 500


def is_fault(error: CallError, *, hasty: bool) -> bool | None:
    """An attempt's end is its host's fault; None when it says nothing of the host.

    `hasty` says that the attempt had hardly any time before its deadline: whoever is in a hurry must not make a host look bad.
    """
    if isinstance(error, StatusRefused):
        return is_failing(error.reply.status)
    if isinstance(error, CallTimeout):
        return None if hasty else True
    # A reply that is too large was asked for.
    if isinstance(error, TooLarge):
        return False
    return True if isinstance(error, Unreachable | Disconnected | BadReply | AttemptTimeout) else None


def is_outage(error: CallError) -> bool:
    """The failure is one of the upstream, or of the way to it, and not what it has to say: what was kept of it is better (RFC 5861, section
    4).
    """
    return is_passing(error.reply.status) if isinstance(error, StatusRefused) else True


def is_passing(status: int) -> bool:
    """A refusal with this status says nothing of what was asked for: it may be another one a moment later."""
    return status in PASSING or is_failing(status)


def is_refusing(status: int) -> bool:
    """A reply with this status turns the call away because there are too many."""
    return status in (429, 503)


def is_refusal(error: CallError, *, hasty: bool) -> bool | None:
    """An attempt was turned away because there are too many, or it looks like it; None when the error says nothing of that. `hasty`: as
    for `is_fault`.
    """
    if isinstance(error, StatusRefused):
        return is_refusing(error.reply.status)
    if isinstance(error, Disconnected | BadReply):
        return False
    return is_fault(error, hasty=hasty)

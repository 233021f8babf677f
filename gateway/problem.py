"""Errors → what clients are told: RFC 9457 objects, and `Proxy-Status` (RFC 9209). HTTP statuses are decided here and nowhere else.

Nothing internal is told: no host, no path of an upstream, no body, no text of an exception.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from http.client import responses
from math import ceil
from typing import Any, TypeAlias

from gateway import errors
from gateway.formats.encode import encode_json
from gateway.inputs import Misfit

MEDIA_TYPE = "application/problem+json"

RawHeaders: TypeAlias = list[tuple[bytes, bytes]]
"""Header fields as servers take them, names in lower case."""

COMPLETE = (b"gateway-complete", b"true")
INCOMPLETE = (b"gateway-complete", b"false")
"""Header that says, always, whether the client has everything."""

NO_STORE = (b"cache-control", b"no-store")
"""What is incomplete is not to be kept by anybody."""

_MEDIA_TYPE = (b"content-type", MEDIA_TYPE.encode())

TYPE = "urn:problem:fanin:"
"""What every problem's `type` begins with; `docs/reference/problems.md` describes each."""

PASSED_ON = {
    404: "upstream-not-found",
    409: "upstream-conflict",
    410: "upstream-gone",
    422: "upstream-unprocessable",
    429: "upstream-too-many-requests",
}
"""Statuses of a required upstream that mean the same to the client; told from the gateway's own by their type."""


@dataclass(frozen=True, slots=True)
class Problem:
    """One RFC 9457 problem."""

    status: int
    slug: str
    title: str
    detail: str | None = None
    members: Mapping[str, Any] = field(default_factory=dict)
    headers: Mapping[str, str] = field(default_factory=dict)

    def as_http(self) -> tuple[RawHeaders, bytes]:
        """Headers and body of a response that is this problem and nothing else."""
        body = encode_json(self.as_json())
        own = [(name.lower().encode("latin-1"), value.encode("latin-1")) for name, value in self.headers.items()]
        return [INCOMPLETE, NO_STORE, *own, (b"content-length", b"%d" % len(body)), _MEDIA_TYPE], body

    def as_json(self, **more: Any) -> dict[str, Any]:
        """The problem as an `application/problem+json` object."""
        problem = {"type": TYPE + self.slug, "title": self.title, "status": self.status}
        if self.detail:
            problem["detail"] = self.detail
        return {**problem, **self.members, **more}


@dataclass(frozen=True, slots=True)
class _Fault:
    status: int
    slug: str
    title: str
    proxy: str
    """The word for it in `Proxy-Status` (RFC 9209, section 2.3)."""


_FAULTS: Mapping[type[errors.CallError], _Fault] = {
    errors.Unreachable: _Fault(502, "upstream-unreachable", "An upstream cannot be reached", "connection_refused"),
    errors.Disconnected: _Fault(502, "upstream-disconnected", "An upstream broke the connection", "connection_terminated"),
    errors.TooLarge: _Fault(502, "upstream-too-large", "An upstream's reply is too large", "http_response_body_size"),
    errors.BadReply: _Fault(502, "upstream-invalid-reply", "An upstream's reply cannot be read", "http_protocol_error"),
    errors.StatusRefused: _Fault(502, "upstream-error", "An upstream answered with an error", "http_protocol_error"),
    errors.BreakerOpen: _Fault(503, "breaker-open", "An upstream is left alone after failures", "destination_unavailable"),
    errors.BulkheadFull: _Fault(503, "bulkhead-full", "An upstream has as much to do as it may", "connection_limit_reached"),
    errors.Throttled: _Fault(503, "throttled", "An upstream is asked less, since it turns away", "destination_unavailable"),
    errors.Paused: _Fault(503, "upstream-paused", "An upstream has asked to be left alone", "destination_unavailable"),
    errors.AttemptTimeout: _Fault(504, "upstream-timeout", "An upstream took too long", "http_response_timeout"),
    errors.CallTimeout: _Fault(504, "deadline", "The answer took too long", "http_response_timeout"),
    errors.NotThere: _Fault(404, "item-not-found", "An item is not there", "http_request_error"),
    errors.TooManyItems: _Fault(502, "too-many-items", "There are more items than the limit", "proxy_internal_response"),
    errors.Unrendered: _Fault(502, "step-unsendable", "A value that the next call needs is missing", "proxy_internal_response"),
}

_SECONDS = re.compile(r"[0-9]{1,9}")
"""A `Retry-After` that goes on to the client; an upstream could send any number of digits."""

LONGEST_WAIT = 300
"""Seconds that a client is told to wait at most."""

_PROXY_BY_STATUS = {4: "http_request_error", 5: "destination_unavailable"}
"""RFC 9209 has no word for a proper reply that is not good enough, and says the status beside it. Its nearest words: a 4xx is an error in
the request, a 5xx says that the upstream is not available; what is left (a redirect, a 2xx not accepted) gets the catch-all."""


def of_error(error: errors.CallError) -> Problem:
    """What a client is told of a step that failed."""
    error = root_of(error)
    fault = _fault(error)
    if isinstance(error, errors.Unrendered) and error.by_client:
        return Problem(400, "unusable-input", "An input cannot be used", str(error))
    if isinstance(error, errors.TooManyItems) and error.by_client:
        return Problem(400, fault.slug, fault.title, str(error))
    if isinstance(error, errors.StatusRefused) and error.reply.status in PASSED_ON:
        status = error.reply.status
        wait = error.reply.header("retry-after")
        headers = (
            {"retry-after": str(min(int(wait), LONGEST_WAIT))} if status == 429 and wait and _SECONDS.fullmatch(wait) else {}
        )
        return Problem(status, PASSED_ON[status], f"An upstream answered {status}", headers=headers)
    if isinstance(error, errors.Rejected):
        return Problem(fault.status, fault.slug, fault.title, headers={"retry-after": _whole(error.retry_after)})
    return Problem(fault.status, fault.slug, fault.title)


def _whole(seconds: float) -> str:
    """Seconds for `Retry-After`: whole ones, at least one, and none that a client would rather give up for."""
    return str(min(max(1, ceil(seconds)), LONGEST_WAIT))


def of_end(status: int) -> Problem:
    """What a client is told when a step has ended the answer."""
    return Problem(status, "ended", responses.get(status, "The answer ends here"))


def of_inputs(misfits: Iterable[Misfit]) -> Problem:
    """What a client is told of inputs that do not fit: their names and what is wrong, never their values."""
    wrong = [{"in": one.where, "name": one.name, "detail": one.message} for one in misfits]
    return Problem(422, "invalid-input", "An input does not fit", members={"inputs": wrong})


def of_unknown(detail: str) -> Problem:
    """What is told to who names something of the config that is not there."""
    return Problem(422, "unknown-name", "There is nothing of this name", detail)


def of_status(status: int, title: str, detail: str | None = None, headers: Mapping[str, str] | None = None) -> Problem:
    """A problem that HTTP's own status says all about: 404, 405, 413 and their like."""
    return Problem(status, title.lower().replace(" ", "-"), title, detail, headers=headers or {})


OVERLOADED = Problem(503, "overloaded", "The gateway has as much to do as it can do in time", headers={"retry-after": "1"})
KEY_MISSING = Problem(400, "idempotency-key-missing", "An Idempotency-Key is required")
KEY_IN_USE = Problem(
    409, "idempotency-key-in-use", "A request with this Idempotency-Key is in progress", headers={"retry-after": "1"}
)
KEY_REUSED = Problem(422, "idempotency-key-reused", "This Idempotency-Key was given to another request")


def of_bad_timeout(detail: str) -> Problem:
    """What a client is told that says how long it waits, and not in a way that can be understood."""
    return Problem(400, "timeout-invalid", "The time to wait cannot be read", detail)


def of_bad_key(detail: str) -> Problem:
    """What a client is told of an `Idempotency-Key` that is none."""
    return Problem(400, "idempotency-key-invalid", "An Idempotency-Key cannot be used", detail)


def proxy_status(step: str, upstream: str, error: errors.CallError) -> str:
    """A member of `Proxy-Status`: which step failed, at which upstream, and why."""
    error = root_of(error)
    word, received = _fault(error).proxy, ""
    if isinstance(error, errors.StatusRefused):
        word = _PROXY_BY_STATUS.get(error.reply.status // 100, word)
        received = f";received-status={error.reply.status}"
    return f'fanin;error={word};next-hop="{upstream}"{received};details="step {step}"'


def root_of(error: errors.CallError) -> errors.CallError:
    """The failure that a failure goes back to."""
    while isinstance(error, errors.NeedFailed):
        error = error.cause
    return error


def _fault(error: errors.CallError) -> _Fault:
    return next(_FAULTS[kind] for kind in type(error).__mro__ if kind in _FAULTS)

"""`Gateway-Explain: 1`: the answer says how it was made. For who is on this machine, or has the key; decided on the head alone.

The explanation stands in a member `gateway` where the answer is an object, else in a header. An answer that has one is this client's own:
it is not for any cache, and known by no `ETag`.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from hmac import compare_digest
from ipaddress import ip_address
from typing import Any

from gateway import telemetry
from gateway.formats.decode import Undecodable, decode_json
from gateway.formats.encode import encode_json
from gateway.inbound.response import Response
from gateway.problem import NO_STORE
from gateway.story import Needs, step_of, steps_of
from gateway.story.critical import critical_path, spans_on
from gateway.story.telling import tell
from gateway.telemetry import Span, Trace

HEADER = b"gateway-explain"
MEMBER = "gateway"
ANYBODY_HERE = b"1"

LONGEST = 4096
"""Bytes of an explanation in a header; of a longer one only the beginning is said."""

_ALWAYS = ("trace", "endpoint", "duration_ms")

_PASSED_ON = frozenset((b"forwarded", b"x-forwarded-for", b"x-real-ip", b"via"))
"""Fields by which a proxy says that it asks for somebody else."""

_NOT_KEPT = frozenset((b"etag", b"cache-control", b"age", b"content-length"))


@dataclass(frozen=True, slots=True)
class Explaining:
    """Who is told how an answer was made."""

    key: str | None = field(default=None, repr=False)
    """What may be given in place of `1`, from anywhere."""

    def allows(self, scope: Mapping[str, Any], given: list[bytes]) -> bool:
        """Whether this request is to be explained; one that may not be is answered as if it had not asked."""
        if self.key and len(given) == 1 and compare_digest(given[0], self.key.encode()):
            return True
        return given == [ANYBODY_HERE] and _is_from_here(scope)


def _is_from_here(scope: Mapping[str, Any]) -> bool:
    """The client is on this machine, and not a proxy that is: every client of that one is, seen from here."""
    try:
        is_local = ip_address((scope.get("client") or ("",))[0]).is_loopback
    except ValueError:
        return False
    return is_local and not any(name in _PASSED_ON for name, _ in scope["headers"])


def explain(trace: Trace, needs: Needs) -> dict[str, Any]:
    """What there is to tell of a request that is as good as over: times in milliseconds since it began."""
    root = trace.root
    root.end = trace.now()
    try:
        steps, told = steps_of(trace.spans), tell(trace, needs)
        path = spans_on(critical_path(trace, needs), trace)
        return {
            "trace": f"{trace.id:032x}",
            "endpoint": root.name,
            "duration_ms": _ms(root.end - root.start),
            "cache": root.own.get(telemetry.CACHE_STATUS),
            "critical": list(dict.fromkeys(step_of(span) for span in path if step_of(span))),
            "steps": {name: {**_times(span, root), **told[name].as_json()} for name, span in steps.items()},
        }
    finally:
        # It ends when the answer has been sent.
        root.end = None


def explained(response: Response, told: Mapping[str, Any]) -> Response:
    """The response with an explanation."""
    kept = [line for line in response.headers if line[0] not in _NOT_KEPT]
    body, header = _with_member(response.body, told), []
    if body is None:
        body, header = response.body, [(HEADER, _on_a_line(told))]
    length = [(b"content-length", b"%d" % len(body))] if body else []
    return Response(response.status, [*kept, *header, *length, NO_STORE], body, is_final=response.is_final)


def _with_member(body: bytes, told: Mapping[str, Any]) -> bytes | None:
    """The object with one member more; None where it is none, or has that one already."""
    try:
        value = decode_json(body)
    except Undecodable:
        return None
    if not isinstance(value, dict) or MEMBER in value:
        return None
    # Spliced in: what an upstream has sent stays as it came, to the digit.
    before = body.rstrip()[:-1] + (b"," if value else b"")
    return b"%b%b:%b}" % (before, encode_json(MEMBER), encode_json(told))


def _on_a_line(told: Mapping[str, Any]) -> bytes:
    line = json.dumps(told, separators=(",", ":")).encode()
    if len(line) <= LONGEST:
        return line
    return json.dumps({name: told[name] for name in _ALWAYS}, separators=(",", ":")).encode()


def _times(span: Span, root: Span) -> dict[str, float]:
    return {"start_ms": _ms(span.start - root.start), "duration_ms": _ms((span.end or span.start) - span.start)}


def _ms(nanoseconds: int) -> float:
    return round(nanoseconds / 1e6, 3)

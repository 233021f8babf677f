"""Idempotency keys: what makes two requests the same one, and what becomes of the second (draft-ietf-httpapi-idempotency-key-header).

Pure: who sent what under which key is decided here, kept and replayed elsewhere.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, TypeAlias

from gateway.deadline import GRPC, SECONDS
from gateway.expressions.reference import Scope
from gateway.formats.decode import decode_json
from gateway.formats.encode import encode_json
from gateway.verdict import IDEMPOTENCY_KEY

KEY = "idempotency key"
"""Where the scope has the client's key; no reference can name it."""

LONGEST = 128
"""Characters of a key: what is added for a step still fits into the 255 that upstreams take."""

CREDENTIALS = "authorization"
"""The header by which two clients with the same key are told apart."""

FORMAT = 1
"""Of the kept bytes; an outcome of another format is none."""

_QUOTED = re.compile(rb'"((?:[ !#-\[\]-~]|\\["\\])+)"')
_BARE = re.compile(rb"[!#-+\--:<-~]+")
_ESCAPED = re.compile(r"\\(.)")
_OF_ONE_ATTEMPT = frozenset(
    {IDEMPOTENCY_KEY, "traceparent", "tracestate", "x-request-id", "x-correlation-id", "user-agent", "accept", "last-event-id"}
    | {SECONDS, GRPC}
)
"""Header fields that may differ between a request and its repetition."""

_DECIDED = frozenset({404, 410, 422})
"""Refusals that an upstream will not think better of. 409 and 429 it will: one is told while another request is at work."""

Fate: TypeAlias = Literal["run", "replay", "busy", "reused"]


class BadKey(ValueError):
    """The header is not a key."""


@dataclass(frozen=True, slots=True)
class Key:
    """A client's key."""

    text: str = field(repr=False)
    quoted: bool = False
    """Written as the draft has it, and not bare as most clients do; it is sent on as it came."""

    def sent(self, suffix: str = "") -> str:
        """The key as a header, with more text behind it."""
        text = self.text + suffix
        if not self.quoted:
            return text
        return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'


@dataclass(frozen=True, slots=True)
class Carried:
    """The client's key as one call sends it on, so that the upstream too can tell a repetition."""

    recipe: str
    among: Sequence[str] = field(repr=False)
    """Every recipe of the plan that writes to the same upstream: of several, each has a key of its own."""

    def __call__(self, scope: Scope) -> str | None:
        """The header's value, None where the client gave no key."""
        key: Key | None = scope.get(KEY)
        if key is None:
            return None
        suffix = f":{self.recipe}" if len(self.among) > 1 else ""
        for name in ("item", "items"):
            if name in scope:  # a loop makes a call of the same recipe for each
                suffix += f":{_digest([scope[name]])[:16]}"
        return key.sent(suffix)


@dataclass(frozen=True, slots=True)
class Kept:
    """What a request came to."""

    fingerprint: str
    status: int
    headers: Sequence[tuple[bytes, bytes]] = field(repr=False)
    body: bytes = field(repr=False)

    def pack(self) -> bytes:
        """A line with all but the body, then the body."""
        headers = [(name.decode("latin-1"), value.decode("latin-1")) for name, value in self.headers]
        return encode_json([FORMAT, self.fingerprint, len(self.body), self.status, headers]) + b"\n" + self.body


def unpack(stored: bytes | None) -> Kept | None:
    """What was packed; None for anything else."""
    line, _, body = (stored or b"").partition(b"\n")
    try:
        version, fingerprint, size, status, headers = decode_json(line)
        if (version, size) != (FORMAT, len(body)):
            return None
        fields = [(bytes(name, "latin-1"), bytes(value, "latin-1")) for name, value in headers]
        return Kept(fingerprint, status, fields, body)
    except (TypeError, ValueError):
        return None


def read_key(lines: Sequence[bytes]) -> Key | None:
    """The key of a request, None where it has none. Raises `BadKey`."""
    if not lines:
        return None
    quoted, bare = _QUOTED.fullmatch(lines[0].strip()), _BARE.fullmatch(lines[0].strip())
    if len(lines) > 1 or not (quoted or bare):
        raise BadKey("a key is one text of visible ASCII")
    text = _ESCAPED.sub(r"\1", quoted[1].decode()) if quoted else lines[0].strip().decode()
    if len(text) > LONGEST:
        raise BadKey(f"a key has at most {LONGEST} characters")
    return Key(text, bool(quoted))


def place_of(key: Key, credentials: Iterable[bytes]) -> str:
    """Where the outcome of this client's key is kept: nothing of the key or the credentials can be read from it."""
    return _digest([FORMAT, key.text, *credentials])


def fingerprint_of(request: Iterable[Any], headers: Iterable[tuple[str, Sequence[bytes]]]) -> str:
    """What must be the same for a repetition: the request's method, path, query and body, and the headers that the endpoint reads."""
    return _digest([*request, *((name, list(values)) for name, values in sorted(headers) if name not in _OF_ONE_ATTEMPT)])


def fate_of(fingerprint: str, flying: str | None, kept: Kept | None) -> Fate:
    """What becomes of a request, by the fingerprint of the one that is in flight under its key, and by what has been kept."""
    before = flying if flying is not None else kept.fingerprint if kept else None
    if before is None:
        return "run"
    if before != fingerprint:
        return "reused"
    return "busy" if flying is not None else "replay"


def is_decided(status: int) -> bool:
    """The outcome is one that a repetition should get, too. After any other the key is free, and the repetition runs."""
    return 200 <= status < 300 or status in _DECIDED


def _digest(parts: list[Any]) -> str:
    return hashlib.sha256(encode_json(parts)).hexdigest()

"""What a call may carry: how its body is written, and what it then says it is."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlencode

from gateway.expressions.reference import Unresolved, as_text
from gateway.formats.encode import Unencodable, encode_json


@dataclass(frozen=True, slots=True)
class Encoding:
    """A way to write a body."""

    name: str
    """As `encode` has it in the config."""

    media_type: str | None = field(repr=False)
    """Its `Content-Type`; None where the client's own goes on."""

    write: Callable[[Any], bytes] = field(repr=False)
    """The bytes of a value. Raises `Unencodable`."""


def _write_form(value: dict[str, Any]) -> bytes:
    """`name=value` pairs. A list repeats its name, what is absent is left out."""
    pairs = [(name, one) for name, given in value.items() for one in (given if isinstance(given, list) else (given,))]
    try:
        return urlencode([(name, as_text(one)) for name, one in pairs if one is not None]).encode()
    except (Unresolved, UnicodeEncodeError) as error:
        raise Unencodable("a value that a form has no place for") from error


def _write_text(value: Any) -> bytes:
    try:
        return as_text(value).encode()
    except (Unresolved, UnicodeEncodeError) as error:
        raise Unencodable("a value that is no text, or none") from error


JSON_BODY = Encoding("json", "application/json", encode_json)
AS_IT_CAME = Encoding("as it came", None, bytes)
"""The client's own, not looked into."""

ENCODINGS = {
    one.name: one
    for one in (
        JSON_BODY,
        Encoding("form", "application/x-www-form-urlencoded", _write_form),
        Encoding("text", "text/plain; charset=utf-8", _write_text),
    )
}
"""By name."""

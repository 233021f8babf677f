"""Values → JSON. A `JsonText` among them is written as it came."""

from __future__ import annotations

from typing import Any

import msgspec

_ENCODER = msgspec.json.Encoder()


class Unencodable(ValueError):
    """There is something in the value that JSON has no form for, such as half a surrogate pair; the message does not quote it."""


def encode_json(value: Any) -> bytes:
    """A value as JSON in UTF-8; what is no number, or infinite, is null. Raises `Unencodable`."""
    try:
        return _ENCODER.encode(value)
    except (msgspec.EncodeError, ValueError, TypeError, RecursionError) as error:
        raise Unencodable("a value that JSON has no form for") from error

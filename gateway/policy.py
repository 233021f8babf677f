"""The parameters of layers, default and bounds beside each field; the field's docstring is its manual.

A policy is written in the config as it stands here (`retry: {attempts: 3}`) and is what the layer gets: there is nothing to compile.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Annotated, Any, TypeAlias

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, WithJsonSchema
from pydantic_core import PydanticCustomError

LONGEST = 86_400.0
"""Seconds that any duration may have."""

_UNITS = {"us": 1e-6, "ms": 1e-3, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0}
_DURATION = re.compile(r"([0-9]+(?:\.[0-9]+)?)(us|ms|s|m|h|d)")
_SIZES = {"B": 1, "KiB": 1024, "MiB": 1024**2, "GiB": 1024**3}
_SIZE = re.compile(r"([0-9]{1,15})(B|KiB|MiB|GiB)")


def _seconds(written: Any) -> Any:
    match = _DURATION.fullmatch(written) if isinstance(written, str) else None
    if not match:
        raise PydanticCustomError("duration", "not a duration; write a number with its unit, such as 500ms, 2s or 5m")
    seconds = float(match[1]) * _UNITS[match[2]]
    if not 0 < seconds <= LONGEST:
        raise PydanticCustomError("duration", "should be more than 0s and at most 1d")
    return seconds


def _bytes(written: Any) -> Any:
    match = _SIZE.fullmatch(written) if isinstance(written, str) else None
    if not match:
        raise PydanticCustomError("size", "not a size; write a whole number with its unit, such as 64KiB or 10MiB")
    return int(match[1]) * _SIZES[match[2]]


Duration: TypeAlias = Annotated[
    float,
    BeforeValidator(_seconds),
    WithJsonSchema({"type": "string", "pattern": f"^{_DURATION.pattern}$", "examples": ["500ms", "2s", "5m"]}),
]
"""Seconds, written with a unit: `500ms`, `2s`, `5m`, `1h`."""

Size: TypeAlias = Annotated[
    int,
    BeforeValidator(_bytes),
    Field(gt=0),
    WithJsonSchema({"type": "string", "pattern": f"^{_SIZE.pattern}$", "examples": ["64KiB", "10MiB"]}),
]
"""Bytes, written with a unit: `64KiB`, `10MiB`."""


def show_duration(seconds: float) -> str:
    """Seconds in the largest unit that shows them exactly: 0.5 → `500ms`, 300 → `5m`."""
    for unit in ("d", "h", "m", "s", "ms"):
        amount = round(seconds / _UNITS[unit], 6)
        if amount >= 1 and amount == int(amount):
            return f"{int(amount)}{unit}"
    return f"{seconds * 1e6:g}us"


class Policy(BaseModel):
    """What all policies share: frozen, and a key that is not known is refused."""

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)


class RetryPolicy(Policy):
    """Send again what failed in passing. Harm it can do: it is new load on an upstream that is already in trouble."""

    attempts: int = Field(2, ge=1, le=10)
    """Sends in all, the first included."""

    backoff: Duration = Field(0.025, json_schema_extra={"default": "25ms"})
    """Longest wait before the second attempt; it doubles with each further one. The wait is drawn evenly from 0 up to it."""

    max_backoff: Duration = Field(0.25, json_schema_extra={"default": "250ms"})
    """No wait is drawn from more than this."""

    def __str__(self) -> str:
        return f"retry {self.attempts}"


class CachePolicy(Policy):
    """Keep good replies. Harm it can do: an answer that is up to `ttl` old."""

    ttl: Duration
    """How long a reply is served without asking again."""

    def __str__(self) -> str:
        return f"cache {show_duration(self.ttl)}"


class IdempotencyPolicy(Policy):
    """Run a request once for its `Idempotency-Key`. Harm it can do: a client that uses a key again too soon gets an old outcome."""

    ttl: Duration = Field(86_400.0, json_schema_extra={"default": "24h"})
    """How long an outcome is kept for those who repeat the request."""

    required: bool = False
    """A request without a key is a 400."""

    def __str__(self) -> str:
        return f"idempotent {show_duration(self.ttl)}"


class TlsPolicy(Policy):
    """Whom an upstream must prove to be, and who we are to it. There is no way to leave one unverified."""

    ca: Path | None = None
    """File with the certificates to trust, in place of the system's."""

    certificate: Path | None = None
    """File with our own, shown to an upstream that asks for one; its key may be in the same file."""

    key: Path | None = None
    """File with the key of `certificate`, not encrypted."""

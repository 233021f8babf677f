"""How durations, sizes, shares, switches and names of headers are written, and what all policies have in common."""

from __future__ import annotations

import re
from typing import Annotated, Any, Literal, TypeAlias

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, WithJsonSchema
from pydantic_core import PydanticCustomError

LONGEST = 86_400.0
"""Seconds that any duration may have."""

_UNITS = {"us": 1e-6, "ms": 1e-3, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0}
_DURATION = re.compile(r"([0-9]+(?:\.[0-9]+)?)(us|ms|s|m|h|d)")
_SIZES = {"B": 1, "KiB": 1024, "MiB": 1024**2, "GiB": 1024**3}
_SIZE = re.compile(r"([0-9]{1,15})(B|KiB|MiB|GiB)")
HEADER_NAME = r"^[A-Za-z0-9!#$%&'*+.^_`|~-]+$"
_SHARE = re.compile(r"([0-9]+(?:\.[0-9]+)?)%")


def _seconds(written: Any) -> Any:
    match = _DURATION.fullmatch(written) if isinstance(written, str) else None
    if not match:
        raise PydanticCustomError("duration", "not a duration; write a number with its unit, such as 500ms, 2s or 5m")
    seconds = float(match[1]) * _UNITS[match[2]]
    if not 0 < seconds <= LONGEST:
        raise PydanticCustomError("duration", "should be more than 0s and at most 1d")
    return seconds


def _seconds_or_none(written: Any) -> Any:
    match = _DURATION.fullmatch(written) if isinstance(written, str) else None
    return 0.0 if match and not float(match[1]) else _seconds(written)


def _bytes(written: Any) -> Any:
    match = _SIZE.fullmatch(written) if isinstance(written, str) else None
    if not match:
        raise PydanticCustomError("size", "not a size; write a whole number with its unit, such as 64KiB or 10MiB")
    return int(match[1]) * _SIZES[match[2]]


def _share(written: Any) -> Any:
    match = _SHARE.fullmatch(written) if isinstance(written, str) else None
    if not match:
        raise PydanticCustomError("share", "not a share; write it in percent, such as 10%")
    share = float(match[1]) / 100
    if not 0 < share <= 1:
        raise PydanticCustomError("share", "should be more than 0% and at most 100%")
    return share


Duration: TypeAlias = Annotated[
    float,
    BeforeValidator(_seconds),
    WithJsonSchema({"type": "string", "pattern": f"^{_DURATION.pattern}$", "examples": ["500ms", "2s", "5m"]}),
]
"""Seconds, written with a unit: `500ms`, `2s`, `5m`, `1h`."""

Lapse: TypeAlias = Annotated[
    float,
    BeforeValidator(_seconds_or_none),
    WithJsonSchema({"type": "string", "pattern": f"^{_DURATION.pattern}$", "examples": ["0s", "30s", "1h"]}),
]
"""Seconds, of which there may be none: a duration, or `0s`."""

Size: TypeAlias = Annotated[
    int,
    BeforeValidator(_bytes),
    Field(gt=0),
    WithJsonSchema({"type": "string", "pattern": f"^{_SIZE.pattern}$", "examples": ["64KiB", "10MiB"]}),
]
"""Bytes, written with a unit: `64KiB`, `10MiB`."""

Share: TypeAlias = Annotated[
    float,
    BeforeValidator(_share),
    WithJsonSchema({"type": "string", "pattern": f"^{_SHARE.pattern}$", "examples": ["10%", "50%"]}),
]
"""A part of the whole, from 0 to 1, written in percent: `10%`."""

HeaderName: TypeAlias = Annotated[str, Field(pattern=HEADER_NAME, max_length=128)]


def _false_is_none(value: Any) -> Any:
    return None if value is False else value


def or_off(kind: Any) -> Any:
    """A validator for a field that `false` turns off."""
    return BeforeValidator(_false_is_none, json_schema_input_type=kind | Literal[False] | None)


def _true_is_empty(value: Any) -> Any:
    if value is not None and not isinstance(value, bool | dict | BaseModel):
        raise PydanticCustomError("switch", "should be true, false, or keys with their values")
    return {} if value is True else _false_is_none(value)


def or_on(kind: Any) -> Any:
    """A validator for a field that `true` turns on, as it is unless written, and `false` off."""
    return BeforeValidator(_true_is_empty, json_schema_input_type=kind | bool | None)


def show_duration(seconds: float) -> str:
    """Seconds in the largest unit that shows them exactly: 0.5 → `500ms`, 300 → `5m`."""
    if not seconds:
        return "0s"
    for unit in ("d", "h", "m", "s", "ms"):
        amount = round(seconds / _UNITS[unit], 6)
        if amount >= 1 and amount == int(amount):
            return f"{int(amount)}{unit}"
    return f"{seconds * 1e6:g}us"


def show_share(share: float) -> str:
    """A share in percent: 0.1 → `10%`."""
    return f"{share * 100:g}%"


class Policy(BaseModel):
    """What all policies share: frozen, and a key that is not known is refused."""

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)

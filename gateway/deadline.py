"""How long somebody waits, as headers say it: read from clients, written for upstreams.

Seconds (`X-Request-Timeout: 1.5`), or gRPC's way, a whole number and its unit (`grpc-timeout: 1500m`).
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from math import inf

SECONDS = "x-request-timeout"
GRPC = "grpc-timeout"

_SECONDS = re.compile(rb"-?[0-9]{1,9}(?:\.[0-9]{1,9})?")
_GRPC = re.compile(rb"(-?[0-9]{1,8})([HMSmun])")
_UNITS = {b"H": 3600.0, b"M": 60.0, b"S": 1.0, b"m": 1e-3, b"u": 1e-6, b"n": 1e-9}


class BadTimeout(ValueError):
    """A header that says how long the client waits, and is not to be understood."""


def read_timeout(headers: Mapping[bytes, Sequence[bytes]]) -> float:
    """Seconds that a client waits, the fewer where it says so in both ways; infinite where it does not say. Raises `BadTimeout`."""
    waits = inf
    if lines := headers.get(b"x-request-timeout"):
        if len(lines) > 1 or not _SECONDS.fullmatch(lines[0]):
            raise BadTimeout("X-Request-Timeout is one number of seconds, such as 2 or 0.5")
        waits = float(lines[0])
    if lines := headers.get(b"grpc-timeout"):
        match = _GRPC.fullmatch(lines[0])
        if len(lines) > 1 or not match:
            raise BadTimeout("grpc-timeout is one number of up to 8 digits and a unit of H, M, S, m, u and n, such as 2S or 500m")
        waits = min(waits, int(match[1]) * _UNITS[match[2]])
    return waits


def line_writer(name: str | None) -> Callable[[float], str]:
    """What writes the seconds that are left as a line of a request's head; without a name, none."""
    if name is None:
        return lambda _: ""
    if name == GRPC:
        # A day in milliseconds has the 8 digits that there may be.
        return lambda left: f"{GRPC}: {int(left * 1000)}m\r\n"
    return lambda left: f"{name}: {left:.3f}\r\n"

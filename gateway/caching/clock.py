"""The time by which entries are kept: seconds since the epoch, and nobody who sets the machine's clock moves it."""

from __future__ import annotations

import time

_EPOCH = (time.time_ns() - time.monotonic_ns()) / 1e9
"""When the process began, as it was told then: processes that share a store agree as well as their clocks do."""


def now() -> float:
    """Seconds since the epoch."""
    return _EPOCH + time.monotonic()

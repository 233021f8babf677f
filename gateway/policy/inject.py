"""What is done on purpose to calls, so that a bad day can be rehearsed."""

from __future__ import annotations

from typing import Literal, TypeAlias

from pydantic import Field, model_validator
from pydantic_core import PydanticCustomError

from gateway.policy.units import Duration, Policy, Share, show_duration, show_share

Mode: TypeAlias = Literal["hang", "reset", "garbage"]
"""How a call fails other than with a status."""


class InjectPolicy(Policy):
    """Break calls on purpose, where the host's own faults would show. Nothing of it happens unless the process was told to inject.
    Harm it can do: all that real faults can, to real users.
    """

    latency: Duration | None = None
    """A call waits so long before it is sent."""

    jitter: Duration | None = None
    """Moves `latency` by up to so much, either way and never below nothing."""

    status: int | None = Field(None, ge=400, le=599)
    """A failing call is answered with this. 503, when only `error_rate` says that calls fail."""

    mode: Mode | None = None
    """How a failing call fails, in place of a status: nobody answers (`hang`), the connection breaks (`reset`), or what comes back is not
    HTTP (`garbage`)."""

    error_rate: Share | None = None
    """How many of the calls fail. All of them, where `status` or `mode` is written."""

    share: Share = Field(1.0, json_schema_extra={"default": "100%"})
    """How many of the calls anything is done to; `error_rate` is of these."""

    @model_validator(mode="after")
    def _makes_sense(self) -> InjectPolicy:
        if self.status and self.mode:
            raise PydanticCustomError("inject", "a call fails in one way; write 'status' or 'mode'")
        if self.jitter and not self.latency:
            raise PydanticCustomError("inject", "'jitter' moves a latency; write 'latency' too")
        if not (self.latency or self.failure):
            raise PydanticCustomError("inject", "does nothing; write 'latency', 'error_rate', 'status' or 'mode'")
        return self

    @property
    def failure(self) -> Mode | int | None:
        """What comes of a call that fails; None where none does."""
        return self.mode or self.status or (503 if self.error_rate else None)

    def __str__(self) -> str:
        swing = f" ± {show_duration(self.jitter)}" if self.jitter else ""
        waits = f"{show_duration(self.latency)}{swing}" if self.latency else ""
        rate = f" for {show_share(self.error_rate)}" if self.error_rate else ""
        fails = f"{self.failure}{rate}" if self.failure else ""
        some = f" to {show_share(self.share)}:" if self.share < 1 else ""
        return f"inject{some} {', '.join(filter(None, (waits, fails)))}"

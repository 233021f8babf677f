"""What a service is told to do wrong, and the decision for one request. Nothing here waits or sends.

A `Setting` is what somebody put on the switch; `play` turns it into what one request gets; `after_one` gives
the setting that is left when a request has been decided.
"""

from __future__ import annotations

from dataclasses import dataclass
from random import Random
from typing import Literal, TypeAlias

from pydantic import BaseModel, ConfigDict, Field, model_validator
from pydantic_core import from_json

Mode: TypeAlias = Literal["hang", "reset", "garbage", "html", "trickle"]
"""How a failure looks on the wire; `services.faults` plays them.

- `hang`: the request is taken and never answered
- `reset`: the connection is reset (TCP RST) without a byte of an answer
- `garbage`: bytes that are not HTTP, then the connection ends
- `html`: 200 with an HTML page, as a broken proxy in between would send
- `trickle`: the true answer, a byte every 200 ms after its headers
"""

TEN_MINUTES_MS = 600_000


class Setting(BaseModel):
    """The switch, `PUT /_chaos`: each one replaces the whole setting before it. Without fields all is well."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True, allow_inf_nan=False)

    latency_ms: float | None = Field(default=None, ge=0, le=TEN_MINUTES_MS)
    """Takes the place of the usual latency; `null`: the usual latency stays."""

    jitter_ms: float = Field(default=0, ge=0, le=TEN_MINUTES_MS)
    """The latency, usual or not, is moved by up to so much, either way, never below zero."""

    error_rate: float | None = Field(default=None, ge=0, le=1)
    """The chance that a request fails; `null`: 1 if there is a mode, else 0."""

    status: int = Field(default=503, ge=400, le=599)
    """What a failing request is answered with, when there is no mode."""

    mode: Mode | None = None
    """How a failing request fails; `null`: with a status."""

    times: int | None = Field(default=None, ge=1)
    """The faults (`error_rate`, `mode`) are for so many requests, then they are gone; `null`: until further notice."""

    @model_validator(mode="before")
    @classmethod
    def _read_whatever_its_type(cls, value: object) -> object:
        # `curl -X PUT -d '{...}'` calls its JSON a form; the framework then hands it on unread.
        return from_json(value) if isinstance(value, bytes) else value

    @model_validator(mode="after")
    def _counts_something(self) -> Setting:
        if self.times is not None and self.error_rate is None and self.mode is None:
            raise ValueError("times counts faults: it needs error_rate or mode")
        return self


@dataclass(frozen=True)
class Latency:
    """How long a service usually takes: `ms`, and two to four times as long with the chance `tail`."""

    ms: float
    tail: float = 0.0

    def stretched(self, chance: float, stretch: float) -> float:
        """Give the milliseconds of one request; both arguments are draws from 0 up to 1."""
        return self.ms * (2 + 2 * stretch) if chance < self.tail else self.ms


@dataclass(frozen=True)
class Play:
    """What one request gets: a delay in seconds, then a failure (a mode or a status) or, with `None`, its answer."""

    delay: float
    failure: Mode | int | None = None


def play(setting: Setting, usual: Latency, chance: Random) -> Play:
    """Decide one request. It takes the same number of draws whatever the setting, so latencies never shift failures."""
    tail, stretch, swing, fall = (chance.random() for _ in range(4))
    plain = usual.stretched(tail, stretch) if setting.latency_ms is None else setting.latency_ms
    milliseconds = plain + setting.jitter_ms * (2 * swing - 1)
    return Play(delay=max(0.0, milliseconds) / 1000, failure=_failure(setting, fall))


def after_one(setting: Setting) -> Setting:
    """Give the setting that is left after one request: one time less, and no fault after the last."""
    if setting.times is None:
        return setting
    if setting.times > 1:
        return setting.model_copy(update={"times": setting.times - 1})
    return Setting(latency_ms=setting.latency_ms, jitter_ms=setting.jitter_ms)


def _failure(setting: Setting, fall: float) -> Mode | int | None:
    always = 0.0 if setting.mode is None else 1.0
    rate = always if setting.error_rate is None else setting.error_rate
    return (setting.mode or setting.status) if fall < rate else None

"""Which traces are exported although the sampler did not take them: decided when a request is over, by what became of it."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from gateway.policy.units import Duration, Policy, or_off


class TelemetryPolicy(Policy):
    """Export the traces that somebody will want to look at, besides those that the sampler takes. Harm it can do: everything is recorded as
    if it were exported, and in an outage everything is.
    """

    keep_slow: Annotated[Duration | None, or_off(Duration)] = Field(None)
    """Export what took as long as this, or longer. Off unless written."""

    keep_failed: bool = False
    """Export what was answered with a 5xx, and answers that lack something."""

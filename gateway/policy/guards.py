"""What keeps calls away from an upstream, or from one of its hosts, that is in trouble."""

from __future__ import annotations

from typing import Annotated

from pydantic import AfterValidator, Field
from pydantic_core import PydanticCustomError

from gateway.policy.units import Duration, Policy, Share


def _lets_some_through(share: float) -> float:
    if share > 0.99:
        raise PydanticCustomError("share", "should be at most 99%: somebody must find out when the upstream is well again")
    return share


class BreakerPolicy(Policy):
    """Leave a host alone that fails, and ask it again with one call. Harm it can do: it turns calls away that would have gone well."""

    failure_rate: Share = Field(0.5, json_schema_extra={"default": "50%"})
    """It opens when so many of the calls within `window` failed, or more, if there were at least `least`."""

    least: int = Field(20, ge=1, le=100_000)
    """Calls within `window` below which no share of them says anything."""

    window: Duration = Field(10.0, json_schema_extra={"default": "10s"})
    """How far back calls are counted."""

    consecutive: int = Field(5, ge=1, le=100_000)
    """It opens after so many failures in a row, however few calls there were."""

    slow: Duration | None = None
    """A call that takes so long is slow. Without it none is."""

    slow_rate: Share = Field(0.5, json_schema_extra={"default": "50%"})
    """It opens when so many of the calls within `window` were slow, or more, if there were at least `least`."""

    open: Duration = Field(1.0, json_schema_extra={"default": "1s"})
    """For how long it is open, give or take half of it, before one call is let through; it doubles with each such call that fails."""

    longest: Duration = Field(30.0, json_schema_extra={"default": "30s"})
    """It doubles up to this. A call let through that has not ended after so long makes way for another."""

    patience: Duration = Field(0.5, json_schema_extra={"default": "500ms"})
    """A call that had less time than this before its deadline says nothing of the host when it runs out of it."""

    def __str__(self) -> str:
        return "breaker"


class EjectPolicy(Policy):
    """Send no calls to a host that fails while others do not. Harm it can do: the others have to do its work too."""

    consecutive: int = Field(5, ge=1, le=100_000)
    """A host is out after so many failures in a row."""

    out: Duration = Field(30.0, json_schema_extra={"default": "30s"})
    """For how long, the first time: twice as long the second time, three times the third. Each time as long that it was in again without
    being put out takes one of them back."""

    longest: Duration = Field(300.0, json_schema_extra={"default": "5m"})
    """It is never out for longer."""

    most: Share = Field(0.1, json_schema_extra={"default": "10%"})
    """No more of the hosts than this are out at once; one may always be, as long as another is left to ask."""

    patience: Duration = Field(0.5, json_schema_extra={"default": "500ms"})
    """A call that had less time than this before its deadline says nothing of the host when it runs out of it."""

    def __str__(self) -> str:
        return "eject"


class ThrottlePolicy(Policy):
    """Ask an upstream less that turns calls away. Harm it can do: it goes on for a while after the upstream is well again."""

    factor: float = Field(2.0, ge=1.0, le=100.0)
    """So many calls are made for each that the upstream takes. With 2 half of what it sees are too many, and it learns at once when it
    can take more; nearer to 1 it is spared more."""

    window: Duration = Field(3.0, json_schema_extra={"default": "3s"})
    """How far back calls are counted. Twice as long is what it takes to let all calls through after an outage."""

    least: int = Field(20, ge=1, le=100_000)
    """Calls within `window` below which none is turned away."""

    most: Annotated[Share, AfterValidator(_lets_some_through)] = Field(0.9, json_schema_extra={"default": "90%"})
    """No more than this part of the calls is turned away: the rest finds out how the upstream is."""

    patience: Duration = Field(0.5, json_schema_extra={"default": "500ms"})
    """A call that had less time than this before its deadline says nothing of the upstream when it runs out of it."""

    def __str__(self) -> str:
        return "throttle"

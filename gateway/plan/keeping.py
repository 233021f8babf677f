"""How the answers of a plan are kept: for how long, told apart by what, purged by what."""

from __future__ import annotations

from dataclasses import dataclass, field

from gateway.plan.recipe import Label
from gateway.policy import CachePolicy


@dataclass(frozen=True, slots=True)
class Keeping:
    """What tells requests apart is what the plan can read of them: anything else changes no answer."""

    policy: CachePolicy
    path: tuple[str, ...] = field(default=(), repr=False)
    """Parameters of the path."""

    query: tuple[str, ...] = field(default=(), repr=False)
    """Parameters of the query."""

    headers: tuple[str, ...] = field(default=(), repr=False)
    """Header fields, in lower case."""

    label: Label | None = field(default=None, repr=False)
    """What the config says of that in its own words."""

    scopes: tuple[str, ...] = field(default=(), repr=False)
    """What every answer is purged by: the endpoint, and the upstreams of its steps."""

    def __str__(self) -> str:
        return str(self.policy)

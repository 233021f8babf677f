"""Which hosts an upstream has, and which of them are well."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from gateway.policy.units import Duration, Policy, show_duration


class HealthPolicy(Policy):
    """Ask each host how it is, and send no calls to one that is not well. Harm it can do: a check that is mistaken takes a good host out."""

    path: str
    """What is asked for, with GET: a path on the host itself, such as `/livez`. Any 2xx is a good answer."""

    every: Duration = Field(5.0, json_schema_extra={"default": "5s"})
    """From the beginning of one check of a host to that of the next; up to a tenth less, by chance. At least 100ms."""

    timeout: Duration = Field(1.0, json_schema_extra={"default": "1s"})
    """A check that takes longer, or as long as `every`, has failed."""

    unhealthy: int = Field(3, ge=1, le=100)
    """So many failed checks in a row take a host out."""

    healthy: int = Field(2, ge=1, le=100)
    """So many good ones in a row bring it back."""

    def __str__(self) -> str:
        return f"health {self.path} every {show_duration(self.every)}"


class DiscoverPolicy(Policy):
    """Look for the hosts of an upstream in DNS. Harm it can do: a wrong record is followed within `every`."""

    a: str | None = None
    """A name: each of its addresses (A, or AAAA) is a host."""

    srv: str | None = None
    """A name with SRV records, such as `_http._tcp.catalog.internal`: each is a host, with its port, priority and weight. Needs the package
    `dnspython`."""

    port: int | None = Field(None, ge=1, le=65535)
    """Where the hosts of `a` listen. Unless written the scheme's own, 80 or 443."""

    scheme: Literal["http", "https"] = "http"
    """How they are spoken to."""

    every: Duration = Field(10.0, json_schema_extra={"default": "10s"})
    """How often the name is looked up; up to a tenth sooner, by chance. At least 1s."""

    def __str__(self) -> str:
        return f"hosts of {self.a or self.srv} every {show_duration(self.every)}"

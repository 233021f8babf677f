"""Names → the hosts and ports that their SRV records tell (RFC 2782). Needs dnspython: the system's resolver knows addresses only."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from gateway.transport.names import Unknown

if TYPE_CHECKING:
    from dns.asyncresolver import Resolver

_HOST = re.compile(r"[A-Za-z0-9_.-]{1,253}")


@dataclass(frozen=True, slots=True)
class Service:
    """What one record says."""

    host: str
    port: int
    priority: int
    weight: int


def system_resolver() -> Resolver:
    """What the system asks, read anew each time: name servers change too."""
    from dns.asyncresolver import Resolver

    return Resolver()


async def look_up_services(name: str, make_resolver: Callable[[], Resolver] = system_resolver) -> Sequence[Service]:
    """The records of a name. Raises `Unknown` when there is none, or nobody says."""
    from dns.exception import DNSException

    try:
        # Names are completed as the system's resolver does it.
        answer = await make_resolver().resolve(name, "SRV", search=True)
    except (DNSException, OSError) as error:
        raise Unknown(f"{name} has no SRV records: {type(error).__name__}") from error
    records = [
        Service(record.target.to_text(omit_final_dot=True), record.port, record.priority, record.weight) for record in answer
    ]
    # A single dot says that the service is not to be had.
    if not (usable := [record for record in records if _HOST.fullmatch(record.host) and record.host != "." and record.port]):
        raise Unknown(f"{name} has no SRV records that name a host")
    return usable

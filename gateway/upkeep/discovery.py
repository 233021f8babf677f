"""Discovery: the hosts that a name in DNS leads to, by its addresses or by its SRV records."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from functools import partial
from ipaddress import ip_address
from typing import TypeAlias

from gateway.policy import DiscoverPolicy
from gateway.states.hosts import Place
from gateway.syntax import PORTS
from gateway.transport import NamesState, Service, look_up_services

LIGHTEST = 0.1
"""Weight of a host whose record says 0: "a very small chance of being selected" (RFC 2782) beside those that have one."""

Find: TypeAlias = Callable[[], Awaitable[Sequence[Place]]]
"""Where the hosts are now. Raises `Unknown`."""


def make_find(
    policy: DiscoverPolicy, names: NamesState, services: Callable[[str], Awaitable[Sequence[Service]]] = look_up_services
) -> Find:
    """What looks for hosts as the policy says."""
    if policy.srv is not None:
        return partial(_by_records, policy, policy.srv, services)
    assert policy.a is not None  # compiling has refused what has neither
    return partial(_by_addresses, policy, policy.a, names)


async def _by_addresses(policy: DiscoverPolicy, name: str, names: NamesState) -> Sequence[Place]:
    addresses = await names.ask(name)
    # A host commonly has an address of either kind, and is one host. The system puts the kind first that it can reach.
    kind = ip_address(addresses[0]).version
    port = policy.port or PORTS[policy.scheme]
    return [Place(_url(policy.scheme, one, port)) for one in addresses if ip_address(one).version == kind]


async def _by_records(
    policy: DiscoverPolicy, name: str, services: Callable[[str], Awaitable[Sequence[Service]]]
) -> Sequence[Place]:
    records = await services(name)
    return [Place(_url(policy.scheme, one.host, one.port), one.priority, one.weight or LIGHTEST) for one in records]


def _url(scheme: str, host: str, port: int) -> str:
    return f"{scheme}://[{host}]:{port}" if ":" in host else f"{scheme}://{host}:{port}"

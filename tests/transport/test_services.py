"""SRV records, asked for as a resolver does, of a name server that the test plays."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from typing import Any

import dns.asyncresolver
import dns.message
import dns.rcode
import dns.rrset
import pytest

from gateway.transport import Service, Unknown, look_up_services

NAME = "_http._tcp.users.internal"


@dataclass
class NameServer(asyncio.DatagramProtocol):
    """Answers what it is asked with these records, by name; with NXDOMAIN what it does not know."""

    records: dict[str, list[str]] = field(default_factory=dict)
    port: int = 0
    transport: Any = None

    def connection_made(self, transport: Any) -> None:
        self.transport = transport
        self.port = transport.get_extra_info("sockname")[1]

    def datagram_received(self, data: bytes, addr: Any) -> None:
        query = dns.message.from_wire(data)
        name = query.question[0].name
        response = dns.message.make_response(query)
        known = self.records.get(name.to_text(omit_final_dot=True))
        if known is None:
            response.set_rcode(dns.rcode.NXDOMAIN)
        elif known:
            response.answer.append(dns.rrset.from_text(name, 5, "IN", "SRV", *known))
        self.transport.sendto(response.to_wire(), addr)

    def resolver(self) -> dns.asyncresolver.Resolver:
        made = dns.asyncresolver.Resolver(configure=False)
        made.nameservers, made.port, made.lifetime = ["127.0.0.1"], self.port, 2.0
        return made


@pytest.fixture
async def server() -> AsyncIterator[NameServer]:
    """A name server on loopback."""
    made = NameServer()
    transport, _ = await asyncio.get_running_loop().create_datagram_endpoint(lambda: made, local_addr=("127.0.0.1", 0))
    yield made
    transport.close()


@pytest.mark.slow
async def test_records_say_where_a_service_is(server: NameServer) -> None:
    """Host, port, priority and weight of each."""
    server.records[NAME] = ["0 5 8081 one.internal.", "1 0 8082 two.internal."]

    found = await look_up_services(NAME, server.resolver)

    assert set(found) == {Service("one.internal", 8081, 0, 5), Service("two.internal", 8082, 1, 0)}


@pytest.mark.slow
@pytest.mark.parametrize(
    "records",
    [None, [], ["0 0 0 ."], ["0 0 80 ."], [r"0 0 80 a\032b.internal."], [r"0 0 80 user\@evil."], ["0 0 0 one.internal."]],
    ids=["no name", "no record", "no service", "root", "blank", "at", "no port"],
)
async def test_records_that_name_no_host_are_none(server: NameServer, records: list[str] | None) -> None:
    """Nobody is to be found there; nor does a record get to write into a URL."""
    if records is not None:
        server.records[NAME] = records

    with pytest.raises(Unknown):
        await look_up_services(NAME, server.resolver)


@pytest.mark.slow
async def test_a_name_server_that_is_not_there_is_no_answer(server: NameServer) -> None:
    """Within the resolver's own time, or less if whoever asks has less."""
    server.transport.close()

    with pytest.raises((Unknown, TimeoutError)):
        async with asyncio.timeout(4):
            await look_up_services(NAME, server.resolver)


async def test_a_resolver_that_cannot_be_made_is_no_answer() -> None:
    """Without `/etc/resolv.conf` there is none."""

    def no_resolver() -> Any:
        raise dns.resolver.NoResolverConfiguration

    with pytest.raises(Unknown):
        await look_up_services(NAME, no_resolver)

"""Whom a transport trusts: certificates, names, versions; and nothing is sent to anybody else."""

from __future__ import annotations

import asyncio
import ssl
import warnings
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpx
import pytest
import trustme

from gateway.policy import TlsPolicy
from gateway.transport import NamesState

pytestmark = pytest.mark.slow


@dataclass(frozen=True)
class Authority:
    """A CA, and what it has signed."""

    ca: trustme.CA
    folder: Path

    @property
    def file(self) -> Path:
        """The CA's own certificate."""
        path = self.folder / "ca.pem"
        self.ca.cert_pem.write_to_path(path)
        return path

    def server(self, *names: str, **validity: Any) -> ssl.SSLContext:
        """The context of a server with these names."""
        context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        self.ca.issue_cert(*names, **validity).configure_cert(context)
        return context

    def client(self) -> Path:
        """A client's certificate and key, in one file."""
        path = self.folder / "client.pem"
        self.ca.issue_cert("gateway@fanin.test").private_key_and_cert_chain_pem.write_to_path(path)
        return path


@pytest.fixture(scope="session")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    """A CA that the transports are told to trust."""
    return Authority(trustme.CA(), tmp_path_factory.mktemp("ca"))


async def test_a_certificate_of_the_right_name_is_trusted(wiring: Any, kind: str, serving: Any, authority: Authority) -> None:
    """By address as by name, and the connection is kept as any other."""
    server = await serving(tls=authority.server("127.0.0.1"))
    server.always(server.reply(b"x" * 300_000))

    async with wiring(kind, tls=TlsPolicy(ca=authority.file)) as wire:
        replies = [await wire.get(server.url) for _ in range(3)]

    assert [len(reply.content) for reply in replies] == [300_000] * 3
    assert server.opened == 1


LONG_AGO = datetime(2000, 1, 1, tzinfo=UTC), datetime(2001, 1, 1, tzinfo=UTC)


def _old(authority: Authority) -> ssl.SSLContext:
    context = authority.server("127.0.0.1")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        context.minimum_version = context.maximum_version = ssl.TLSVersion.TLSv1_1
    context.set_ciphers("ALL:@SECLEVEL=0")
    return context


STRANGERS = {
    "of-another-name": lambda authority: authority.server("other.test"),
    "of-another-address": lambda authority: authority.server("127.0.0.2"),
    "signed-by-nobody-we-know": lambda authority: Authority(trustme.CA(), authority.folder).server("127.0.0.1"),
    "expired": lambda authority: authority.server("127.0.0.1", not_before=LONG_AGO[0], not_after=LONG_AGO[1]),
    "tls-1.1": _old,
}


@pytest.mark.parametrize("stranger", STRANGERS)
async def test_a_stranger_gets_nothing(wiring: Any, kind: str, serving: Any, authority: Authority, stranger: str) -> None:
    """An error that says that nothing was sent, and never a step back to what is not verified."""
    server = await serving(tls=STRANGERS[stranger](authority))

    async with wiring(kind, tls=TlsPolicy(ca=authority.file)) as wire:
        with pytest.raises(httpx.ConnectError):
            await wire.get(server.url)

    assert server.hits == 0


async def test_without_a_ca_of_its_own_the_systems_are_trusted_and_no_other(
    wiring: Any, serving: Any, authority: Authority
) -> None:
    server = await serving(tls=authority.server("127.0.0.1"))

    async with wiring() as ours:
        with pytest.raises(httpx.ConnectError):
            await ours.get(server.url)

    assert server.hits == 0


async def test_a_server_that_speaks_plain_http_is_a_stranger(wiring: Any, kind: str, server: Any) -> None:
    async with wiring(kind, connect=0.2) as wire:
        with pytest.raises((httpx.ConnectError, httpx.ConnectTimeout)):  # it may wait for more of what it cannot read
            await wire.get(server.url.replace("http:", "https:"))

    assert server.hits == 0


async def test_a_client_certificate_is_shown(wiring: Any, kind: str, serving: Any, authority: Authority) -> None:
    """To a server that asks for one."""
    context = authority.server("127.0.0.1")
    authority.ca.configure_trust(context)
    context.verify_mode = ssl.CERT_REQUIRED
    server = await serving(tls=context)
    server.always(server.reply(b"ok"))

    async with wiring(kind, tls=TlsPolicy(ca=authority.file, certificate=authority.client())) as wire:
        reply = await wire.get(server.url)
    async with wiring(kind, tls=TlsPolicy(ca=authority.file)) as wire:
        with pytest.raises(httpx.TransportError):
            await wire.get(server.url)

    assert reply.content == b"ok"
    assert server.hits == 1


async def test_a_name_is_checked_as_it_is_written_not_as_it_resolves(wiring: Any, serving: Any, authority: Authority) -> None:
    """Whoever owns the look-up does not own the certificate; a name in another script goes by its ASCII form."""
    server = await serving(tls=authority.server("xn--strae-oqa.test"))
    server.always(server.reply(b"ok"))

    async with wiring(tls=TlsPolicy(ca=authority.file), names=NamesState(lambda host: ["127.0.0.1"])) as ours:
        reply = await ours.get(f"https://straße.test:{server.port}")
        with pytest.raises(httpx.ConnectError):
            await ours.get(f"https://strasse.test:{server.port}")

    assert reply.content == b"ok"
    assert server.hits == 1


@dataclass
class Mute:
    """A server that takes connections and says nothing."""

    url: str = ""
    ended: asyncio.Semaphore = field(default_factory=lambda: asyncio.Semaphore(0))

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Wait for the other side to go."""
        await reader.read()
        writer.close()
        self.ended.release()


@pytest.fixture
async def mute() -> AsyncIterator[Mute]:
    """A server that never shakes hands."""
    mute = Mute()
    async with await asyncio.start_server(mute.serve, "127.0.0.1", 0) as listening:
        mute.url = f"https://127.0.0.1:{listening.sockets[0].getsockname()[1]}"
        yield mute


async def test_a_handshake_that_hangs_is_a_timeout_of_connecting(wiring: Any, kind: str, mute: Mute) -> None:
    """Nothing was sent, and the socket is closed."""
    async with wiring(kind, connect=0.2) as wire:
        with pytest.raises(httpx.ConnectTimeout):
            await wire.get(mute.url)

        async with asyncio.timeout(2):
            await mute.ended.acquire()
        assert kind == "stock" or wire.open == 0


async def test_a_handshake_that_is_given_up_leaves_nothing(wiring: Any, mute: Mute) -> None:
    """Neither a place nor a socket; httpx's own transport leaves the socket, which is why it is not asked here."""
    async with wiring() as ours:
        waiting = asyncio.create_task(ours.get(mute.url))
        await asyncio.sleep(0.05)
        waiting.cancel()
        with pytest.raises(asyncio.CancelledError):
            await waiting

        async with asyncio.timeout(2):
            await mute.ended.acquire()
        assert ours.open == 0


@pytest.mark.parametrize("end", ["FIN", "CUT"], ids=["in-order", "by-somebody-on-the-way"])
async def test_a_body_that_only_the_end_ends_must_end_in_order(
    wiring: Any, kind: str, serving: Any, authority: Authority, end: str
) -> None:
    """Anybody on the way can end a connection, but only the upstream can say in TLS that it has."""
    server = await serving(tls=authority.server("127.0.0.1"))
    server.replies((b"HTTP/1.1 200 OK\r\n\r\n" + b"x" * 300_000, server.then[end]))

    async with wiring(kind, tls=TlsPolicy(ca=authority.file)) as wire:
        if end == "CUT":
            wire.stock_cannot("takes a body that was cut short for whole")
            with pytest.raises(httpx.ReadError):
                await wire.get(server.url)
        else:
            assert len((await wire.get(server.url)).content) == 300_000


async def test_a_name_that_tls_does_not_take_is_no_connection(wiring: Any, serving: Any, authority: Authority) -> None:
    server = await serving(tls=authority.server("127.0.0.1"))

    async with wiring(names=NamesState(lambda host: ["127.0.0.1"])) as ours:
        with pytest.raises(httpx.ConnectError):
            await ours.get(f"https://.test:{server.port}/")
        assert ours.open == 0


async def test_certificates_are_read_once(wiring: Any, serving: Any, tmp_path: Path) -> None:
    """Not for each connection: it takes longer than a call."""
    authority = Authority(trustme.CA(), tmp_path)
    server = await serving(tls=authority.server("127.0.0.1"))
    server.always(server.reply(b"ok", "200 OK", "Connection: close"))

    async with wiring(tls=TlsPolicy(ca=authority.file)) as ours:
        await ours.get(server.url)
        (tmp_path / "ca.pem").unlink()
        await ours.get(server.url)

    assert server.opened == 2

"""Ways to an upstream as a config has them, over real sockets: sockets, certificates, proxies, compression."""

from __future__ import annotations

import gzip
import ssl
import zlib
from pathlib import Path
from typing import Any

import pytest
import trustme

from gateway.call import Reply
from gateway.errors import Unreachable
from gateway.plan.recipe import Upstream
from gateway.policy import TlsPolicy
from gateway.upstream import make_client, make_sender

pytestmark = pytest.mark.slow

JSON = b'{"a": 1}'


@pytest.fixture(params=["fanin", "httpx"])
def carrier(request: pytest.FixtureRequest) -> str:
    """What carries the calls."""
    return str(request.param)


async def answers(call: Any, *upstreams: Upstream) -> list[Reply]:
    """What each of the upstreams says, all over one client."""
    async with make_client(upstreams=upstreams) as client:
        return [await make_sender(upstream, client)(call) for upstream in upstreams]


async def test_an_upstream_behind_a_unix_socket(serving: Any, make_call: Any, carrier: str, tmp_path: Path) -> None:
    """The socket leads there, and the url says who is asked for."""
    server = await serving(path=str(tmp_path / "s"))
    server.always(server.reply(JSON))

    (reply,) = await answers(make_call(), Upstream("a", "http://a.test", "", 1000, {}, carrier, unix=str(tmp_path / "s")))

    assert reply.value == {"a": 1}
    assert b"\r\nhost: a.test\r\n" in server.asked[0].head.lower()


async def test_two_sockets_of_one_host_are_two(serving: Any, make_call: Any, tmp_path: Path) -> None:
    """Each upstream has its own way, whatever another of the same url has."""
    paths = [str(tmp_path / name) for name in "ab"]
    for path in paths:
        server = await serving(path=path)
        server.always(server.reply(b'"%b"' % path.encode()))

    replies = await answers(make_call(), *(Upstream(path[-1], "http://a.test", "", 1000, {}, unix=path) for path in paths))

    assert [reply.value for reply in replies] == paths


async def test_certificates_of_ones_own(serving: Any, make_call: Any, carrier: str, tmp_path: Path) -> None:
    """An authority that the system does not know, and a certificate that shows who we are; without them nothing is sent."""
    authority, ca, ours = trustme.CA(), tmp_path / "ca", tmp_path / "ours"
    authority.cert_pem.write_to_path(ca)
    authority.issue_cert("gateway@fanin.test").private_key_and_cert_chain_pem.write_to_path(ours)
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    authority.issue_cert("127.0.0.1").configure_cert(context)
    authority.configure_trust(context)
    context.verify_mode = ssl.CERT_REQUIRED
    server = await serving(tls=context)
    server.always(server.reply(JSON))

    (reply,) = await answers(
        make_call(), Upstream("a", server.url, "", 1000, {}, carrier, tls=TlsPolicy(ca=ca, certificate=ours))
    )
    with pytest.raises(Unreachable):
        await answers(make_call(), Upstream("a", server.url, "", 1000, {}, carrier))

    assert reply.value == {"a": 1}
    assert server.hits == 1


async def test_a_proxy_is_asked_in_the_place_of_the_upstream(server: Any, make_call: Any) -> None:
    """By httpx's own transport."""
    server.always(server.reply(JSON))

    (reply,) = await answers(make_call(), Upstream("a", "http://a.test", "", 1000, {}, "httpx", proxy=server.url))

    assert reply.value == {"a": 1}
    assert server.asked[0].target == "http://a.test/users/42"


@pytest.mark.parametrize("asked", [True, False])
async def test_compression_is_asked_for_where_it_is_wanted(server: Any, make_call: Any, carrier: str, asked: bool) -> None:
    """A reply that comes compressed is decoded either way."""
    server.replies(
        server.reply(gzip.compress(JSON), "200 OK", "Content-Encoding: gzip"),
        server.reply(zlib.compress(JSON), "200 OK", "Content-Encoding: deflate"),
    )
    upstream = Upstream("a", server.url, "", 1000, {}, carrier, compression=asked)

    replies = [*await answers(make_call(), upstream), *await answers(make_call(), upstream)]

    assert [reply.value for reply in replies] == [{"a": 1}] * 2
    assert (b"accept-encoding: gzip, deflate" if asked else b"accept-encoding: identity") in server.asked[0].head.lower()

"""What reaches an upstream: what the config names, what the gateway adds, and nothing else."""

from __future__ import annotations

import asyncio
from typing import Any

import httpx
import pytest
import respx

from gateway import ConfigError, Gateway
from gateway.upstream import make_client

CONFIG = """
version: 1
upstreams: { users: { url: http://users.test } }
endpoints:
  - path: /me
    steps:
      user: { get: users /me }
"""

FORWARDING = CONFIG.replace("users.test }", "users.test, forward: { headers: [Accept-Language, X-Many], query: [lang, tag] } }")

CLIENT_HEADERS = {
    "accept": "text/html",
    "accept-encoding": "gzip, br",
    "authorization": "Bearer secret",
    "connection": "keep-alive, x-custom",
    "cookie": "session=secret",
    "forwarded": "for=10.0.0.1",
    "keep-alive": "timeout=5",
    "proxy-authorization": "Basic secret",
    "te": "trailers",
    "upgrade": "h2c",
    "user-agent": "a client",
    "x-custom": "1",
    "x-forwarded-for": "10.0.0.1",
    "x-request-timeout": "99",
}


@pytest.fixture
def me(upstreams: respx.Router) -> respx.Route:
    """The upstream that every test here asks."""
    return upstreams.get("http://users.test/me").respond(json={})


def _sent(route: respx.Route) -> dict[str, str]:
    """The header fields of the last call, without those that change with every one."""
    fields = dict(route.calls.last.request.headers)
    assert fields.pop("traceparent")
    assert fields.pop("x-request-timeout")
    return fields


async def test_nothing_of_the_client_s_reaches_an_upstream_unless_named(serve: Any, me: respx.Route) -> None:
    """Default deny: no header, no cookie, no query parameter."""
    client = await serve(CONFIG)

    await client.get("/me?token=secret&page=2", headers=CLIENT_HEADERS)

    assert str(me.calls.last.request.url) == "http://users.test/me"
    assert _sent(me) == {"host": "users.test", "accept": "application/json", "accept-encoding": "identity"}


async def test_what_forward_names_goes_along(serve: Any, me: respx.Route) -> None:
    """Headers in any spelling, repeated ones joined; query parameters encoded and in order; everything else stays."""
    client = await serve(FORWARDING)
    headers = [*CLIENT_HEADERS.items(), ("ACCEPT-LANGUAGE", "de"), ("X-Many", "1"), ("X-Many", "2")]

    await client.get("/me?tag=b%26c&lang=d%20e&tag=a&token=secret", headers=headers)

    assert me.calls.last.request.url.raw_path == b"/me?lang=d%20e&tag=b%26c&tag=a"
    assert {name: _sent(me)[name] for name in ("accept-language", "x-many")} == {"accept-language": "de", "x-many": "1, 2"}
    assert _sent(me).keys() == {"host", "accept", "accept-encoding", "accept-language", "x-many"}


async def test_what_forward_names_and_the_client_does_not_send_is_left_out(serve: Any, me: respx.Route) -> None:
    """Absent is absent: no empty field, no empty parameter."""
    client = await serve(FORWARDING)

    await client.get("/me")

    assert str(me.calls.last.request.url) == "http://users.test/me"
    assert "accept-language" not in me.calls.last.request.headers


@pytest.mark.parametrize(("field", "name"), [("Zoë €".encode(), "Zoë €"), (b"Zo\xeb", "Zoë")], ids=["UTF-8", "Latin-1"])
async def test_a_header_keeps_its_text(serve: Any, me: respx.Route, field: bytes, name: str) -> None:
    """UTF-8 goes on byte by byte; Latin-1 as UTF-8; a reference to either is the text that was meant."""
    client = await serve(FORWARDING + "    response: { name: headers.x_many }\n")

    answer = await client.get("/me", headers=[(b"x-many", field)])

    assert answer.json() == {"name": name}
    assert dict(me.calls.last.request.headers.raw)[b"x-many"] == name.encode()


@pytest.mark.looptime
async def test_upstreams_are_told_how_much_time_is_left(serve: Any, upstreams: respx.Router) -> None:
    """`X-Request-Timeout` counts down through the steps, and is the attempt's own limit where that is shorter."""
    told: list[float] = []

    async def reply(request: httpx.Request) -> httpx.Response:
        told.append(float(request.headers["x-request-timeout"]))
        await asyncio.sleep(0.7)
        return httpx.Response(200, json={"id": 1})

    upstreams.route(host="users.test").mock(side_effect=reply)
    client = await serve(
        """
version: 1
upstreams: { users: { url: http://users.test } }
endpoints:
  - path: /chain
    timeout: 2s
    steps:
      first: { get: users /a }
      second: { get: "users /b/{first.id}" }
      third: { get: "users /c/{second.id}", timeout: 550ms, optional: true }
"""
    )

    await client.get("/chain")

    assert told == pytest.approx([2.0, 1.3, 0.55], abs=0.005)


async def test_a_cookie_of_one_reply_never_goes_out_with_the_next_call(serve: Any, me: respx.Route) -> None:
    """One user's session is not the next one's, and the client sees no cookie of an upstream either."""
    me.respond(json={}, headers={"set-cookie": "session=alice; Path=/; Domain=users.test"})
    client = await serve(CONFIG)

    answers = [await client.get("/me") for _ in range(2)]

    assert not any("cookie" in call.request.headers for call in me.calls)
    assert not any("set-cookie" in answer.headers for answer in answers)


async def test_the_shared_client_keeps_no_cookie() -> None:
    """Not even one that is asked for by other means than ours: nothing is kept that could go out."""
    sent: list[str | None] = []

    def reply(request: httpx.Request) -> httpx.Response:
        sent.append(request.headers.get("cookie"))
        return httpx.Response(200, headers={"set-cookie": "session=alice"})

    async with make_client(httpx.MockTransport(reply)) as client:
        for _ in range(2):
            await client.get("http://users.test/me")

    assert sent == [None, None]


async def test_redirects_are_not_followed(serve: Any, upstreams: respx.Router, me: respx.Route) -> None:
    """An upstream cannot send the gateway anywhere: its redirect is a bad reply."""
    me.respond(302, headers={"location": "http://internal.test/admin"})
    elsewhere = upstreams.route(host="internal.test").respond(json={})
    client = await serve(CONFIG)

    answer = await client.get("/me")

    assert answer.status_code == 502
    assert not elsewhere.called


@pytest.mark.slow
async def test_no_proxy_of_the_environment_is_used(serve: Any, wire: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """With every proxy variable pointing into the void, calls still go straight to their upstream."""
    for name in ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY"):
        monkeypatch.setenv(name, "http://127.0.0.1:1")
        monkeypatch.setenv(name.lower(), "http://127.0.0.1:1")
    monkeypatch.delenv("NO_PROXY", raising=False)
    wire.plays(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}")
    client = await serve(CONFIG.replace("http://users.test", wire.url), transport=None)

    answer = await client.get("/me")

    assert (answer.status_code, wire.connections) == (200, 1)


@pytest.mark.parametrize(
    "name",
    ["connection", "Keep-Alive", "te", "Transfer-Encoding", "upgrade", "trailer", "proxy-connection", "host", "traceparent"],
)
def test_fields_of_a_connection_cannot_be_forwarded(name: str) -> None:
    """Hop-by-hop fields, and those the gateway sets itself, are refused when the config is read."""
    with pytest.raises(ConfigError, match="never passed on"):
        Gateway.from_text(CONFIG.replace("users.test }", f"users.test, forward: {{ headers: [{name}] }} }}"))

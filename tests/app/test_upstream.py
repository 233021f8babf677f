"""The innermost caller over real sockets: whatever an upstream does, it is a reply or a `CallError`, and nothing is read twice."""

from __future__ import annotations

import asyncio
import gzip
import socket
from typing import Any

import httpx
import pytest

from gateway.call import Caller, Expectation
from gateway.errors import (
    AttemptTimeout,
    BadReply,
    CallError,
    Disconnected,
    StartError,
    StatusRefused,
    TooLarge,
    Unreachable,
    Unrendered,
)
from gateway.layers.timeout import Timeout
from gateway.plan.recipe import Upstream
from gateway.transport import Transport
from gateway.upstream import Received, judge, make_client, make_sender, translate

KINDS: dict[type[Exception], type[CallError]] = {
    # Nothing was sent: it is safe to send again, whatever the method.
    httpx.ConnectError: Unreachable,
    httpx.ConnectTimeout: Unreachable,
    httpx.PoolTimeout: Unreachable,
    httpx.ProxyError: Unreachable,
    httpx.UnsupportedProtocol: Unreachable,
    # Nothing was sent, and nothing will be: the call itself is at fault.
    httpx.LocalProtocolError: Unrendered,
    httpx.InvalidURL: Unrendered,
    # It took too long, by the transport's own clock.
    httpx.ReadTimeout: AttemptTimeout,
    httpx.WriteTimeout: AttemptTimeout,
    # Something came, and it was not a reply.
    httpx.RemoteProtocolError: BadReply,
    httpx.DecodingError: BadReply,
    httpx.TooManyRedirects: BadReply,
    # Nobody knows what the upstream has done.
    httpx.ReadError: Disconnected,
    httpx.WriteError: Disconnected,
    httpx.CloseError: Disconnected,
    httpx.StreamConsumed: Disconnected,
    httpx.StreamClosed: Disconnected,
    httpx.ResponseNotRead: Disconnected,
    httpx.RequestNotRead: Disconnected,
}


def _concrete(kind: type[Exception]) -> set[type[Exception]]:
    below = {one for child in kind.__subclasses__() for one in _concrete(child)}
    return below or {kind}


def test_every_error_of_httpx_has_a_meaning() -> None:
    """Whatever httpx may raise around a call stands in the table; a new kind makes this fail."""
    raised = {one for root in (httpx.RequestError, httpx.StreamError, httpx.InvalidURL) for one in _concrete(root)}

    assert {kind for kind in raised if kind.__module__.startswith("httpx")} == set(KINDS)


@pytest.mark.parametrize(("raised", "meant"), KINDS.items(), ids=lambda kind: kind.__name__)
def test_an_error_of_httpx_becomes_ours(raised: type[Exception], meant: type[CallError]) -> None:
    """By what matters: whether anything was sent. Its text, which may quote what was sent, is not repeated."""
    takes_no_text = raised in (httpx.StreamConsumed, httpx.StreamClosed, httpx.ResponseNotRead, httpx.RequestNotRead)
    error = raised() if takes_no_text else raised("canary")

    translated = translate(error)

    assert type(translated) is meant
    assert "canary" not in str(translated)


@pytest.mark.parametrize(
    ("status", "method", "body", "value"),
    [
        (200, "GET", b'{"a": 1}', {"a": 1}),
        (200, "GET", b"null", None),
        (200, "POST", b"", None),
        (201, "GET", b"", None),
        (204, "GET", b"", None),
        (205, "GET", b"", None),
        (404, "GET", b"", None),
        (418, "GET", b"<tea>", None),
    ],
)
async def test_a_good_reply_has_its_value(make_call: Any, status: int, method: str, body: bytes, value: Any) -> None:
    """JSON; nothing where nothing is no mistake; and what `on_status` handles is not read at all."""
    call = make_call(method, expects=Expectation(frozenset({200, 201, 204, 205}), frozenset({404, 418})))

    assert judge(call, status, (), body).value == value


async def test_a_client_that_sees_to_its_own_url_is_refused_what_it_would_change(make_call: Any) -> None:
    """Dot segments and raw characters, which httpx would rewrite, are not sent: what goes out is what was rendered, or nothing."""
    sent: list[bytes] = []

    def keep(request: httpx.Request) -> httpx.Response:
        sent.append(request.url.raw_path)
        return httpx.Response(200, json={})

    async with make_client(httpx.MockTransport(keep)) as client:
        send = make_sender(Upstream("users", "http://users.test", "", 1000, {}), client)
        for target in ("/a/../b", "/a/./b", "/é", "/a b", "/a#b"):
            with pytest.raises(Unrendered):
                await send(make_call(target=target))
        for target in ("/a%2Fb", "/a%2fb", "/%2e%2e/b", "/a;b=1", "/a?b=%20c&d=e+f", "/a%3Fb", "/~a", "/a//b", "/%C3%A9"):
            await send(make_call(target=target))

    assert sent == [b"/a%2Fb", b"/a%2fb", b"/%2e%2e/b", b"/a;b=1", b"/a?b=%20c&d=e+f", b"/a%3Fb", b"/~a", b"/a//b", b"/%C3%A9"]


OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}"


def _reply(status: str, body: bytes = b"", *headers: str) -> bytes:
    return "\r\n".join((f"HTTP/1.1 {status}", *headers)).encode() + b"\r\n\r\n" + body


def _chunked(*chunks: bytes, end: bytes = b"0\r\n\r\n") -> bytes:
    body = b"".join(b"%x\r\n%b\r\n" % (len(chunk), chunk) for chunk in chunks) + end
    return _reply("200 OK", body, "Transfer-Encoding: chunked")


@pytest.mark.slow
@pytest.mark.parametrize(
    ("script", "kind"),
    [
        ("reset", Disconnected),
        (["read", "reset"], Disconnected),
        ("close", Disconnected),
        (["read", "close"], Disconnected),
        ([b"HTTP/1.1 200 OK\r\nContent-Le", "reset"], Disconnected),
        ([_reply("200 OK", b'{"a":', "Content-Length: 9"), "reset"], Disconnected),
        (b"HTTP/1.1 200 OK\r\nContent-Le", Disconnected),
        (_reply("200 OK", b'{"a":', "Content-Length: 9"), Disconnected),
        (_chunked(b'{"a":', end=b""), Disconnected),
        (_chunked(b"{}", end=b"zz\r\n"), BadReply),
        (b"\x16\x03\x01garbage\r\n\r\n", BadReply),
        (b"SSH-2.0-OpenSSH_9.2\r\n\r\n", BadReply),
        (_reply("200 OK", b"{}", "Content-Length: 2", "Content-Length: 3"), BadReply),
        (_reply("200 OK", b"x" * 1001, "Content-Length: 1001"), TooLarge),
        (_chunked(b"x" * 600, b"x" * 401), TooLarge),
        (_reply("200 OK", b"x" * 1001), TooLarge),
        (_reply("200 OK", b"{}", "Content-Encoding: br", "Content-Length: 2"), BadReply),
        (_reply("200 OK", gzip.compress(b"{}")[:-1], "Content-Encoding: gzip", "Content-Length: 21"), BadReply),
        (_reply("200 OK", gzip.compress(b" " * 1001), "Content-Encoding: gzip"), TooLarge),
        (_reply("200 OK", b"", "Content-Length: 0"), BadReply),
        (_reply("200 OK", b"<p>Hello", "Content-Length: 8", "Content-Type: text/html"), BadReply),
        (_reply("200 OK", b"[" * 900, "Content-Length: 900"), BadReply),
        (_reply("302 Found", b"", "Location: /elsewhere", "Content-Length: 0"), StatusRefused),
        (_reply("304 Not Modified"), StatusRefused),
        (_reply("503 Busy", b"<p>", "Content-Length: 3"), StatusRefused),
    ],
    ids=[
        "reset at once", "reset after the request", "closed at once", "closed after the request", "reset in the head",
        "reset in the body", "cut in the head", "cut body", "cut between chunks", "bad chunk", "TLS", "SSH", "two lengths",
        "too large by its length", "too large in chunks", "too large without a length", "brotli", "cut gzip", "bomb", "empty", "HTML", "nested",
        "redirect", "not modified", "busy",
    ],
)  # fmt: skip
async def test_a_reply_that_is_none_is_an_error_of_its_kind(
    wire: Any, send: Caller, make_call: Any, script: Any, kind: type[CallError]
) -> None:
    """Byte by byte over a real connection, and asked once: nothing here repeats a call or follows a redirect."""
    wire.plays(script)

    with pytest.raises(CallError) as caught:
        await send(make_call())

    assert type(caught.value) is kind
    assert wire.connections == 1


@pytest.mark.slow
@pytest.mark.parametrize(
    ("script", "status", "value"),
    [
        (OK, 200, {}),
        (_chunked(b'{"a"', b":1}"), 200, {"a": 1}),
        (_reply("200 OK", b'{"a": 1}'), 200, {"a": 1}),
        (_reply("200 OK", b" " * 998 + b"{}", "Content-Length: 1000"), 200, {}),
        (_reply("200 OK", b"{}", "Content-Length: 2", "Content-Encoding: identity"), 200, {}),
        (_reply("200 OK", gzip.compress(b"{}"), "content-encoding: GZip", "Content-Length: 22"), 200, {}),
        (_reply("204 No Content"), 204, None),
        (_reply("201 Created", b"", "Content-Length: 0"), 201, None),
        (b"HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n" + OK, 200, {}),
    ],
    ids=["length", "chunks", "until closed", "of the largest size", "identity", "gzip", "no content", "created", "early hints"],
)
async def test_a_good_reply_is_read_to_its_end(
    wire: Any, send: Caller, make_call: Any, script: bytes, status: int, value: Any
) -> None:
    """However its end is told."""
    wire.plays(script)

    reply = await send(make_call())

    assert (reply.status, reply.value) == (status, value)


@pytest.mark.slow
async def test_what_is_sent_is_the_call(wire: Any, send: Caller, make_call: Any) -> None:
    """Method, target, fields and body as they were decided, with what goes along with every call, and nothing else."""
    wire.plays(OK)
    call = make_call("POST", "/a%2Fb?c=%20", headers=(("accept", "application/json"), ("x-name", "Zoë")), body=b"[1]")

    await send(call)

    line, *fields = wire.heads[0].decode().removesuffix("\r\n\r\n").split("\r\n")
    names = dict(field.split(": ", 1) for field in fields)
    assert line == "POST /a%2Fb?c=%20 HTTP/1.1"
    assert 4 < float(names.pop("x-request-timeout")) <= 5
    assert names == {
        "Host": f"127.0.0.1:{wire.port}",
        "accept": "application/json",
        "x-name": "Zoë",
        "accept-encoding": "identity",
        "traceparent": call.span.traceparent,
        "Content-Length": "3",
    }


@pytest.mark.slow
async def test_nobody_listening_is_unreachable(make_call: Any) -> None:
    """Nothing was sent."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
    async with make_client() as client:
        send = make_sender(Upstream("users", f"http://127.0.0.1:{port}", "", 1000, {}), client)

        with pytest.raises(Unreachable):
            await send(make_call())


@pytest.mark.slow
@pytest.mark.parametrize(
    "field", ["Content-Length: 5000", "Content-Encoding: gzip\r\nContent-Length: 5000"], ids=["too large", "gzip"]
)
async def test_a_reply_that_is_not_read_to_its_end_closes_its_connection(
    wire: Any, send: Caller, make_call: Any, field: str
) -> None:
    """What is left of it must never be taken for the next reply."""
    wire.plays([_reply("200 OK", b"x" * 2000, field), "hang"])

    with pytest.raises(BadReply):
        await send(make_call())

    async with asyncio.timeout(20):
        await wire.left.wait()


@pytest.mark.slow
async def test_a_trickled_body_ends_with_the_attempt(wire: Any, send: Caller, make_call: Any) -> None:
    """A byte now and then keeps no call alive: the attempt's timeout covers the body, and closes the connection."""
    wire.plays([b"HTTP/1.1 200 OK\r\nContent-Length: 900\r\n\r\n", (b" ", 0.01)])

    with pytest.raises(AttemptTimeout):
        await Timeout()(send)(make_call(timeout=0.15))

    async with asyncio.timeout(20):
        await wire.left.wait()


@pytest.mark.slow
async def test_a_cancelled_call_closes_its_connection(wire: Any, send: Caller, make_call: Any) -> None:
    """An upstream that hangs sees its caller leave; the cancellation passes through."""
    asked = asyncio.Event()
    wire.plays(["read", asked, "hang"])
    calling = asyncio.ensure_future(send(make_call()))
    await asked.wait()

    calling.cancel()

    with pytest.raises(asyncio.CancelledError):
        await calling
    async with asyncio.timeout(20):
        await wire.left.wait()


@pytest.mark.slow
async def test_a_connection_is_used_again(wire: Any, send: Caller, make_call: Any) -> None:
    """Two calls one after the other need one connection."""
    wire.plays([OK, OK])

    for _ in range(2):
        await send(make_call())

    assert (wire.connections, len(wire.heads)) == (1, 2)


@pytest.mark.slow
async def test_a_connection_that_was_closed_in_the_meantime_costs_no_call(wire: Any, send: Caller, make_call: Any) -> None:
    """An upstream may close an idle connection; the next call takes another one."""
    wire.plays(OK)

    for _ in range(2):
        await send(make_call())
        async with asyncio.timeout(20):
            await asyncio.gather(*wire.tasks)

    assert (wire.connections, len(wire.heads)) == (2, 2)


@pytest.mark.slow
async def test_a_connection_that_is_closed_at_the_next_call_costs_no_read(wire: Any, send: Caller, make_call: Any) -> None:
    """Nothing came back and a GET does the same twice: it is asked again, once, on a connection of its own."""
    wire.plays([OK, "read", "close"], OK)
    await send(make_call())

    assert (await send(make_call())).status == 200
    assert wire.connections == 2


@pytest.mark.slow
async def test_a_write_is_never_sent_again_by_the_wire(wire: Any, send: Caller, make_call: Any) -> None:
    """Nobody can know whether the upstream acted on it: that is the step's to decide, not the connection's."""
    wire.plays([OK, "read", "close"], OK)
    await send(make_call())

    with pytest.raises(Disconnected):
        await send(make_call(method="POST"))

    assert wire.connections == 1


async def test_a_url_that_httpx_takes_for_none_is_found_at_the_start() -> None:
    """Not at each call: its origin is looked up once."""
    async with make_client() as client:
        with pytest.raises(StartError, match="users"):
            make_sender(Upstream("users", "http://1.2.3.999", "", 1000, {}), client)


@pytest.mark.parametrize(("chosen", "carrier"), [("fanin", Transport), ("httpx", httpx.AsyncHTTPTransport)])
async def test_an_upstream_says_what_carries_its_calls(chosen: str, carrier: type[httpx.AsyncBaseTransport]) -> None:
    """Ours unless it asks for httpx's own; the other upstreams of the same client are not touched."""
    upstreams = [
        Upstream("a", "http://a.test:1", "", 1000, {}, chosen),
        Upstream("b", "http://b.test", "", 1000, {}),
    ]

    async with make_client(upstreams=upstreams) as client:
        carriers = [type(client._transport_for_url(httpx.URL(one.url))) for one in upstreams]

    assert carriers == [carrier, Transport]


@pytest.mark.parametrize(
    ("raw", "texts"),
    [
        pytest.param([(b"X-Name", b"Zo\xc3\xab  ")], (("x-name", "Zoë"),), id="UTF-8"),
        pytest.param([(b"x-name", b"Zo\xeb"), (b"x-id", b"7")], (("x-name", "Zoë"), ("x-id", "7")), id="Latin-1"),
        pytest.param([], (), id="none"),
    ],
)
def test_headers_are_text_to_whoever_looks(raw: Any, texts: Any) -> None:
    """Names in lower case, values without the blanks behind them, in order; a reply that nobody looks at keeps its bytes."""
    received = Received(raw)

    assert received == texts
    assert (list(received), len(received)) == (list(texts), len(texts))
    assert received[:1] == texts[:1]
    assert hash(received) == hash(texts)

"""The innermost caller: call → the wire → reply. httpx's errors become ours here, and nowhere else."""

from __future__ import annotations

import asyncio
import logging
import re
from collections.abc import AsyncIterable, Iterable, Iterator, Sequence
from http.cookiejar import CookieJar, DefaultCookiePolicy
from typing import Any, cast
from urllib.parse import urlsplit

import httpx

from gateway.call import Call, Headers, Reply
from gateway.deadline import line_writer
from gateway.errors import AttemptTimeout, BadReply, CallError, Disconnected, StartError, Unreachable, Unrendered
from gateway.passage import Passage
from gateway.plan.recipe import Upstream
from gateway.policy import TlsPolicy
from gateway.syntax import PORTS, WITH_BODY
from gateway.transport import Body, Outgoing, Streamed, Transport, Whole, exchange, framed, make_context
from gateway.verdict import is_repeatable, judge

_TARGET = re.compile(r"/[!-\"$-~]*")


class Client(httpx.AsyncClient):
    """An ordinary client, and what carries its calls when it is our own."""

    wire: Transport | None = None


def make_client(transport: httpx.AsyncBaseTransport | None = None, upstreams: Iterable[Upstream] = ()) -> Client:
    """The one client that all upstreams share; a `transport` that is given carries all their calls.

    It keeps no cookies (one user's would go out with the next user's call), reads no proxy from the environment, follows no redirect,
    and has no limits of its own in time: deadlines are the stack's. Its calls go over our own transport, but for the upstreams that
    ask for httpx's.
    """
    stock = () if transport else (upstream for upstream in upstreams if upstream.transport == "httpx")
    for chatty in ("httpx", "httpcore"):
        # They log every URL with its query and every reply's headers, where tokens are. Who wants that sets the level again.
        logging.getLogger(chatty).setLevel(logging.WARNING)
    carrier = transport or Transport()
    client = Client(
        transport=carrier,
        mounts={url: _stock_transport(upstream) for upstream in stock for url in upstream.hosts},
        cookies=CookieJar(policy=DefaultCookiePolicy(allowed_domains=())),
        follow_redirects=False,
        trust_env=False,
        timeout=None,
    )
    client.wire = carrier if isinstance(carrier, Transport) else None
    return client


def _stock_transport(upstream: Upstream) -> httpx.AsyncHTTPTransport:
    return httpx.AsyncHTTPTransport(
        verify=make_context(upstream.tls or TlsPolicy()),
        http2=upstream.http2,
        proxy=upstream.proxy,
        uds=upstream.unix,
        # Without a bound: a call that is cancelled while it waits for a connection loses its place for good (encode/httpcore #1093).
        limits=httpx.Limits(max_connections=None, keepalive_expiry=4.0),
        trust_env=False,
    )


def make_sender(
    upstream: Upstream, client: Client, known: Iterable[Headers] = (), host: str | None = None
) -> OverWire | OverClient:
    """What sends calls to an upstream, or to the one of its hosts with this URL, reads the replies to their end and judges them. Raises `StartError`; what it makes,
    `CallError`.

    `known` are the headers that steps send whatever the request is: they are made into lines once.
    """
    own = client.wire if upstream.transport == "fanin" else None
    try:
        url = host or upstream.url
        return OverWire(upstream, url, own, known) if own else OverClient(upstream, url, client)
    except httpx.InvalidURL as error:
        raise StartError(f"upstream {upstream.name} has a url that cannot be called: {error}") from error


class OverWire:
    """Straight over our own wire: what httpx builds around a call, and takes apart again, costs ten times the call."""

    def __init__(self, upstream: Upstream, url: str, wire: Transport, known: Iterable[Headers]) -> None:
        # A host that was found goes by the name that it was found by.
        origin = httpx.URL(upstream.url if upstream.discover else url)
        self._wire = wire
        self._pool = wire.keep(origin, upstream.tls, upstream.unix, _address(url) if upstream.discover else None)
        self._host = f"Host: {origin.netloc.decode('ascii')}\r\n"
        self._fixed = f"{self._host}accept-encoding: {_encodings(upstream)}\r\n"
        self._max_reply = upstream.max_reply
        self._time_left = line_writer(upstream.deadline_header)
        self._known = {headers: _lines(headers) for headers in known}

    async def __call__(self, call: Call) -> Reply:
        """The reply, its status accepted and its body decoded; where bodies go by, when they have."""
        if call.passage:
            return await self._pass(call, call.passage)
        request = self._head(call, self._fixed, _framing(call.method, len(call.body))) + call.body
        ready = Outgoing(call.method, request, None, self._max_reply, is_repeatable(call))
        reply = await exchange(self._pool, ready, Whole)
        return judge(call, reply.status, Received(reply.headers), reply.body.whole())

    def close(self) -> None:
        """No further call will come."""
        self._wire.release(self._pool)

    async def _pass(self, call: Call, passage: Passage) -> Reply:
        length = passage.flow.length
        head = self._head(call, self._host, _framing(call.method, length))
        body = None if length == 0 else framed(passage.body(), length)
        reply = await exchange(self._pool, Outgoing(call.method, head, body, 0, not body and is_repeatable(call)), Streamed)
        try:
            return await _hand_on(passage, reply.status, reply.headers, reply)
        finally:
            await reply.close()

    def _head(self, call: Call, fixed: str, framing: str) -> bytes:
        """The bytes of a request without its body."""
        # Rendering lets nothing else through. Should it slip all the same, it must not become a request of its own.
        if not _TARGET.fullmatch(call.target):
            raise Unrendered("a target with a character that no target has")
        lines = self._known.get(call.headers) or _lines(call.headers)
        own = self._time_left(max(0.0, call.deadline - self._pool.loop.time())) + _trace_lines(call)
        return f"{call.method} {call.target} HTTP/1.1\r\n{fixed}{lines}{own}{framing}\r\n".encode()


class OverClient:
    """Over the client, whatever transport it has: httpx's own, or one that a test brings."""

    def __init__(self, upstream: Upstream, url: str, client: httpx.AsyncClient) -> None:
        self._upstream = upstream
        self._url = url
        self._client = client
        self._encodings = f"accept-encoding: {_encodings(upstream)}\r\n"
        self._time_left = line_writer(upstream.deadline_header)

    async def __call__(self, call: Call) -> Reply:
        """The reply, its status accepted and its body decoded; where bodies go by, when they have."""
        try:
            response = await self._client.send(self._request(call), stream=True)
            try:
                if call.passage:
                    parts = cast("httpx.AsyncByteStream", response.stream)
                    return await _hand_on(call.passage, response.status_code, response.headers.raw, parts)
                body = await self._read(response)
            finally:
                await response.aclose()
        except (httpx.HTTPError, httpx.InvalidURL, httpx.StreamError) as error:
            raise translate(error) from error
        return judge(call, response.status_code, Received(response.headers.raw), body)

    def close(self) -> None:
        """No further call will come; connections are the client's own."""

    def _request(self, call: Call) -> httpx.Request:
        url = httpx.URL(self._url + call.target)
        # httpx normalises what it is given. What is sent is what was rendered, or nothing.
        if url.raw_path != call.target.encode():
            raise Unrendered("the target would be changed on its way out")
        passage = call.passage
        fixed = _framing(call.method, passage.flow.length) if passage else self._encodings
        left = max(0.0, call.deadline - asyncio.get_running_loop().time())
        fields = fixed + _lines(call.headers) + self._time_left(left) + _trace_lines(call)
        headers = [line.split(b": ", 1) for line in fields.encode().split(b"\r\n")[:-1]]
        content = passage.body() if passage and passage.flow.length != 0 else call.body or None
        return httpx.Request(call.method, url, headers=[(name, text) for name, text in headers], content=content)

    async def _read(self, response: httpx.Response) -> bytes:
        body = Body(self._upstream.max_reply)
        if response.is_stream_consumed:
            # A transport in a test hands over a reply that has been read, and decoded.
            body.take(response.content)
        else:
            body.decode(response.headers.get("content-encoding", "identity").lower())
            async for part in response.aiter_raw():
                body.take(part)
        return body.whole()


def _address(url: str) -> tuple[str, int]:
    parts = urlsplit(url)
    return parts.hostname or "", parts.port or PORTS[parts.scheme]


def _encodings(upstream: Upstream) -> str:
    return "gzip, deflate" if upstream.compression else "identity"


def _framing(method: str, length: int | None) -> str:
    """What says where the body of a request ends."""
    if length is None:
        return "Transfer-Encoding: chunked\r\n"
    return f"Content-Length: {length}\r\n" if length or method in WITH_BODY else ""


async def _hand_on(passage: Passage, status: int, headers: Iterable[tuple[bytes, bytes]], parts: AsyncIterable[bytes]) -> Reply:
    """Hand a reply on as it comes. Raises `BadReply`, and what reading it raises."""
    if not 200 <= status <= 599:
        raise BadReply("a status that is none")
    await passage.begin(status, headers)
    async for part in parts:
        await passage.take(part)
    return Reply(status, Received(headers))


def _lines(headers: Headers) -> str:
    """Header fields as lines."""
    lines = "".join([f"{name}: {text}\r\n" for name, text in headers])
    # As above: a line break within a field makes a line too many.
    if not lines.count("\r") == lines.count("\n") == len(headers):
        raise Unrendered("a header with a line break")
    return lines


def _trace_lines(call: Call) -> str:
    """Where the upstream's own spans belong."""
    state = f"tracestate: {call.span.trace.tracestate}\r\n" if call.span.trace.tracestate else ""
    return f"{state}traceparent: {call.span.traceparent}\r\n"


class Received(Sequence[tuple[str, str]]):
    """Header fields as they came, made text when somebody looks: at most replies nobody does, and ten fields cost 4 µs."""

    __slots__ = ("_raw", "_texts")

    def __init__(self, raw: Iterable[tuple[bytes, bytes]]) -> None:
        self._raw = raw
        self._texts: Headers | None = None

    def __iter__(self) -> Iterator[tuple[str, str]]:
        return iter(self._made())

    def __getitem__(self, index: Any) -> Any:
        return self._made()[index]

    def __len__(self) -> int:
        return len(self._made())

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Sequence) and self._made() == tuple(other)

    def __hash__(self) -> int:
        return hash(self._made())

    def _made(self) -> Headers:
        if self._texts is None:
            try:
                self._texts = self._decoded("utf-8")
            except UnicodeDecodeError:
                # What HTTP has been since before UTF-8.
                self._texts = self._decoded("latin-1")
        return self._texts

    def _decoded(self, encoding: str) -> Headers:
        return tuple((name.decode().lower(), value.rstrip().decode(encoding)) for name, value in self._raw)


def translate(error: Exception) -> CallError:
    """Httpx's error as ours. What matters is whether anything was sent."""
    if isinstance(
        error, httpx.ConnectError | httpx.ConnectTimeout | httpx.PoolTimeout | httpx.UnsupportedProtocol | httpx.ProxyError
    ):
        return Unreachable("no connection")
    if isinstance(error, httpx.TimeoutException):
        return AttemptTimeout("the transport gave up waiting")
    if isinstance(error, httpx.LocalProtocolError | httpx.InvalidURL):
        return Unrendered("httpx refuses to send it")
    if isinstance(error, httpx.RemoteProtocolError) and "disconnected" not in str(error):
        return BadReply("not HTTP, or cut off")
    if isinstance(error, httpx.DecodingError | httpx.TooManyRedirects):
        return BadReply("a body that does not decode")
    return Disconnected("the connection broke")

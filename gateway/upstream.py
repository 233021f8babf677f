"""The innermost caller: call → the shared `httpx.AsyncClient` → reply. httpx's errors become ours here, and nowhere else."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from http.cookiejar import CookieJar, DefaultCookiePolicy

import httpx

from gateway.call import Call, Headers, Reply
from gateway.decode import Undecodable, check_json, decode_json
from gateway.errors import AttemptTimeout, BadReply, CallError, Disconnected, StatusRefused, TooLarge, Unreachable, Unrendered
from gateway.plan import Upstream
from gateway.transport import Transport

TIME_LEFT = "x-request-timeout"
"""Header with the seconds that are left, so that an upstream need not work for nobody."""

_NO_BODY = frozenset({201, 202, 204, 205, 304})
"""Statuses whose empty body is no mistake."""


def make_client(transport: httpx.AsyncBaseTransport | None = None, upstreams: Iterable[Upstream] = ()) -> httpx.AsyncClient:
    """The one client that all upstreams share; a `transport` that is given carries all their calls.

    It keeps no cookies (one user's would go out with the next user's call), reads no proxy from the environment, follows no redirect,
    and has no limits of its own in time: deadlines are the stack's. Its calls go over our own transport, but for the upstreams that
    ask for httpx's.
    """
    stock = () if transport else (upstream for upstream in upstreams if upstream.transport == "httpx")
    for chatty in ("httpx", "httpcore"):
        # They log every URL with its query and every reply's headers, where tokens are. Who wants that sets the level again.
        logging.getLogger(chatty).setLevel(logging.WARNING)
    return httpx.AsyncClient(
        transport=transport or Transport(),
        mounts={upstream.url: _stock_transport() for upstream in stock},
        cookies=CookieJar(policy=DefaultCookiePolicy(allowed_domains=())),
        follow_redirects=False,
        trust_env=False,
        timeout=None,
    )


def _stock_transport() -> httpx.AsyncHTTPTransport:
    # Without a bound: a call that is cancelled while it waits for a connection loses its place for good (encode/httpcore #1093).
    return httpx.AsyncHTTPTransport(limits=httpx.Limits(max_connections=None, keepalive_expiry=4.0), trust_env=False)


@dataclass(frozen=True, slots=True)
class Send:
    """Sends a call to its upstream and reads the reply to its end. Raises `CallError`."""

    upstream: Upstream
    client: httpx.AsyncClient = field(repr=False)

    async def __call__(self, call: Call) -> Reply:
        """The reply, its status accepted and its body decoded."""
        try:
            response = await self.client.send(self._request(call), stream=True)
            try:
                body = await self._read(response)
            finally:
                await response.aclose()
        except (httpx.HTTPError, httpx.InvalidURL, httpx.StreamError) as error:
            raise translate(error) from error
        return judge(call, Reply(response.status_code, _headers(response), body))

    def _request(self, call: Call) -> httpx.Request:
        left = max(0.0, call.deadline - asyncio.get_running_loop().time())
        headers = [*call.headers, ("accept-encoding", "identity"), (TIME_LEFT, f"{left:.3f}")]
        headers.append(("traceparent", call.span.traceparent))
        if call.span.trace.tracestate:
            headers.append(("tracestate", call.span.trace.tracestate))
        url = httpx.URL(self.upstream.url + call.target)
        # httpx normalises what it is given. What is sent is what was rendered, or nothing.
        if url.raw_path != call.target.encode():
            raise Unrendered("the target would be changed on its way out")
        return httpx.Request(
            call.method, url, headers=[(name.encode(), text.encode()) for name, text in headers], content=call.body or None
        )

    async def _read(self, response: httpx.Response) -> bytes:
        encoding = response.headers.get("content-encoding", "identity")
        if encoding != "identity":
            # Nobody asked for it, and a few kilobytes of it can be gigabytes.
            raise BadReply(f"encoded as {encoding[:20]!r}, which was not asked for")
        parts, size = [], 0
        # Not the raw bytes: a transport in a test may hand over a reply that has been read.
        async for part in response.aiter_bytes():
            size += len(part)
            if size > self.upstream.max_reply:
                raise TooLarge(f"more than {self.upstream.max_reply} bytes")
            parts.append(part)
        return b"".join(parts)


def judge(call: Call, reply: Reply) -> Reply:
    """The reply with its value, when it is a good one. Raises `StatusRefused`, `BadReply`."""
    if not call.expects.takes(reply.status):
        if reply.status in call.expects.handled:
            return reply
        raise StatusRefused(reply)
    if not reply.body and (reply.status in _NO_BODY or call.method != "GET"):
        return reply
    try:
        return replace(reply, value=check_json(reply.body) if call.expects.spliced else decode_json(reply.body))
    except Undecodable as error:
        raise BadReply(f"status {reply.status}, and the body is {error}") from error


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


def _headers(response: httpx.Response) -> Headers:
    return tuple((name.lower(), value) for name, value in response.headers.multi_items())

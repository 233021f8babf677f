"""Alice and Bob: whatever they ask, and in whatever order or at once, a cache changes nothing of what they get but who is asked for it.

The upstream puts all that it can see of a request into its reply. So two requests that it could tell apart, and that shared a reply, a flight or
an answer all the same, would show.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import Any, NamedTuple, TypeAlias

import httpx
from hypothesis import example, given, settings
from hypothesis import strategies as st

from gateway.app import Gateway

FORWARD = "forward: { headers: [authorization, cookie, accept-language, x-forwarded-host], query: [page] }"
CONFIG = f"""
version: 1
upstreams: {{ shop: {{ url: http://shop.test KEPT }} }}
endpoints:
  - path: /step/{{id}}
    steps: {{ it: {{ get: "shop /s/{{path.id}}", query: {{ color: "{{query.color}}" }}, {FORWARD} }} }}
  - path: /whole/{{id}}
    KEPT
    steps: {{ it: {{ get: "shop /w/{{path.id}}", query: {{ color: "{{query.color}}" }}, {FORWARD} }} }}
  - path: /raw/{{id}}
    passthrough: {{ methods: [POST, DELETE, PROPFIND] }}
    steps: {{ it: {{ get: "shop /r/{{path.id}}", KEPT {FORWARD} }} }}
  - path: /body/{{id}}
    method: POST
    steps: {{ it: {{ get: "shop /b/{{path.id}}", query: {{ color: "{{body.color}}" }}, {FORWARD} }} }}
"""
CACHES = (", cache: { ttl: 1h }", "cache: { ttl: 1h }", "cache: { ttl: 1h },")
"""What is kept of the steps' replies, of whole answers, and of what goes by."""

App: TypeAlias = Callable[[Any, Any, Any], Awaitable[None]]


class Request(NamedTuple):
    """One of a client's."""

    method: str
    path: str
    query: str
    headers: tuple[tuple[bytes, bytes], ...]
    body: bytes


ASKED = st.sampled_from(
    [
        *((method, path) for method in ("GET", "HEAD") for path in ("/step/1", "/whole/1", "/raw/1")),
        *(("POST", "/body/1"), ("POST", "/raw/1"), ("PROPFIND", "/raw/1"), ("DELETE", "/raw/1")),
    ]
)
QUERIES = st.sampled_from(["", "color=a", "color=b", "color=", "page=a", "page=a&page=b", "page=a%26color=a", "color=a&junk=1"])
NAMES = st.sampled_from([b"authorization", b"cookie", b"accept-language", b"x-forwarded-host", b"x-host", b"accept"])
VALUES = st.sampled_from([b"a", b"b", b"a, b", b"", b"\xc3\xa4"])
HEADERS = st.lists(st.tuples(NAMES, VALUES), max_size=2, unique_by=lambda line: line[0]).map(tuple)
BODIES = st.sampled_from([b'{"color": "a"}', b'{"color": "b"}'])
CHANGES = st.one_of(
    st.tuples(st.just("method"), st.sampled_from(["GET", "HEAD", "POST"])),
    st.tuples(st.just("path"), st.sampled_from(["/step/1", "/step/2", "/whole/1", "/whole/2", "/raw/2", "/body/2"])),
    st.tuples(st.just("query"), QUERIES),
    st.tuples(st.just("headers"), HEADERS),
    st.tuples(st.just("body"), BODIES),
)
REQUESTS = st.builds(
    lambda asked, query, headers, body, changes: _varied(Request(*asked, query, headers, body), changes),
    ASKED,
    QUERIES,
    HEADERS,
    BODIES,
    st.lists(CHANGES, min_size=2, max_size=4),
)
"""Several that differ from the first in one thing each."""


ALIKE = tuple(
    [Request("GET", path, query, headers, b"") for query, headers in differing]
    for path in ("/step/1", "/whole/1", "/raw/1")
    for differing in (
        (("color=a", ()), ("color=b", ())),
        (("page=a", ()), ("page=b", ())),
        (("", ((b"authorization", b"a"),)), ("", ((b"authorization", b"b"),))),
        (("", ((b"accept-language", b"a"),)), ("", ((b"accept-language", b"b"),))),
    )
)
"""Those that are most alike, wherever something is kept: asked for in every run."""


def _varied(first: Request, changes: list[tuple[str, Any]]) -> list[Request]:
    return [first, *(first._replace(**{name: value}) for name, value in changes)]


async def mirror(request: httpx.Request) -> httpx.Response:
    """The upstream, after a moment in which others may ask the same."""
    await asyncio.sleep(0)
    body = await request.aread()
    shown = sorted(
        (name, text) for name, text in request.headers.multi_items() if name not in ("traceparent", "x-request-timeout")
    )
    return httpx.Response(200, json=[request.method, request.url.raw_path.decode(), shown, body.decode()])


async def get(app: App, request: Request) -> tuple[int, bytes]:
    """Status and body of the answer."""
    got: list[Any] = []
    method, path, query, headers, body = request
    sent = () if method in ("GET", "HEAD") else ((b"content-length", b"%d" % len(body)), (b"content-type", b"application/json"))
    scope = {
        "type": "http", "http_version": "1.1", "method": method, "scheme": "http", "path": path, "raw_path": path.encode(),
        "query_string": query.encode(), "headers": [(b"host", b"a"), *sent, *headers],
    }  # fmt: skip

    parts = iter([{"type": "http.request", "body": body if sent else b""}])

    async def receive() -> Any:
        # Then the client waits for its answer.
        return next(parts, None) or await asyncio.Event().wait()

    async def send(message: Any) -> None:
        got.append(message)

    await app(scope, receive, send)
    # A server leaves out the body of the answer to a HEAD.
    return got[0]["status"], b"".join(message["body"] for message in got[1:] if method != "HEAD")


async def get_all(app: App, requests: Sequence[Request]) -> list[tuple[int, bytes]]:
    """All answers: one after the other, then all at once, then one after the other again."""
    before = [await get(app, request) for request in requests]
    at_once = await asyncio.gather(*(get(app, request) for request in requests))
    return [*before, *at_once, *[await get(app, request) for request in requests]]


def made(*caches: str) -> Gateway:
    """The gateway, with these caches or without any."""
    config = CONFIG
    for cache in caches:
        config = config.replace("KEPT", cache, 1)
    transport = httpx.MockTransport(mirror)
    return Gateway.from_text(config.replace("KEPT", ""), transport=transport)


def test_nobody_gets_what_another_one_would() -> None:
    """Method, path, query, body, credentials, and every header that is forwarded tell requests apart wherever something is kept or joined."""
    with asyncio.Runner() as runner:
        kept, plain = made(*CACHES), made()
        lifespans = kept.lifespan(), plain.lifespan()
        for one in lifespans:
            runner.run(one.__aenter__())

        @settings(max_examples=60, deadline=None)
        @given(REQUESTS)
        def same(requests: list[Request]) -> None:
            assert runner.run(get_all(kept.app, requests)) == runner.run(get_all(plain.app, requests))

        try:
            for requests in ALIKE:
                same = example(requests)(same)
            same()
            assert kept.running is not None
            assert kept.running.store.counts()[0].hits > 0
        finally:
            for one in lifespans:
                runner.run(one.__aexit__(None, None, None))

"""Passthroughs: what goes by as it came, what does not go by at all, and how an answer ends that cannot go on."""

from __future__ import annotations

import asyncio
import gzip
import re
from collections.abc import AsyncIterator, Callable
from typing import Any, get_args

import httptools
import httpx
import pytest

from gateway.inbound.passage import CutOff
from gateway.spec.words import FurtherMethod

pytestmark = pytest.mark.looptime

CONFIG = """
version: 1
upstreams: { files: { url: http://files.test, headers: { X-Key: k }, forward: { query: [page] } } }
endpoints:
  - path: /files/{name}
    timeout: 2s
    passthrough: { headers: [X-More], idle: 30s }
    steps: { file: { get: "files /f/{path.name}", query: { of: "{headers.x_user}" }, forward: { headers: [range, accept-encoding] } } }
  - path: /files/{name}
    method: POST
    timeout: 2s
    passthrough: { idle: 30s }
    steps: { file: { post: "files /f/{path.name}", retry: { attempts: 3 } } }
  - path: /dav/{name}
    passthrough: { methods: [DELETE, PROPFIND, M-SEARCH, OPTIONS] }
    steps: { file: { get: "files /f/{path.name}" } }
"""


class Parts(httpx.AsyncByteStream):
    """The body of a reply."""

    def __init__(self, parts: tuple[Any, ...], closed: asyncio.Event) -> None:
        self._parts = parts
        self._closed = closed

    async def __aiter__(self) -> AsyncIterator[bytes]:
        for part in self._parts:
            if isinstance(part, bytes):
                yield part
            elif isinstance(part, Exception):
                raise part
            else:
                await asyncio.sleep(part)

    async def aclose(self) -> None:
        self._closed.set()


class Files(httpx.AsyncBaseTransport):
    """The upstream, played by the test: `answer` makes a reply of the request, whose body it may read as it comes."""

    def __init__(self) -> None:
        self.asked: list[httpx.Request] = []
        self.closed = asyncio.Event()
        """Set when the gateway has let go of a reply's body."""

        self.answer: Callable[[httpx.Request], Any]
        self.answers(lambda _: httpx.Response(200))

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        self.asked.append(request)
        return await self.answer(request)

    def streams(self, *parts: Any, status: int = 200, **headers: str) -> None:
        """Reply with these parts: bytes, seconds to wait, or an error to raise."""
        fields = {name.replace("_", "-"): value for name, value in headers.items()}
        self.answers(lambda _: httpx.Response(status, headers=fields, stream=Parts(parts, self.closed)))

    def answers(self, make: Callable[[httpx.Request], httpx.Response]) -> None:
        """Read a request to its end, then reply."""

        async def answer(request: httpx.Request) -> httpx.Response:
            await request.aread()
            return make(request)

        self.answer = answer


class Client:
    """A client as its server shows it to the app: it sends what it is told to, and keeps what it gets, each with its time.

    A part of its body is bytes, or (bytes, seconds) after which it comes, or None: it never does.
    """

    def __init__(self, app: Any, method: str = "GET", *messages: Any, target: str = "/files/a", **headers: str) -> None:
        self.got: list[tuple[float, dict[str, Any]]] = []
        self.left = asyncio.Event()
        self.takes = asyncio.Event()
        """While it is not set, what is sent to the client goes nowhere."""

        self.takes.set()
        self._messages = list(messages)
        path, _, query = target.partition("?")
        scope = {
            "type": "http", "http_version": "1.1", "method": method, "scheme": "http", "path": path, "raw_path": path.encode(),
            "query_string": query.encode(), "client": ("127.0.0.1", 5), "server": ("127.0.0.1", 80),
            "headers": [(b"host", b"gateway"), *((name.replace("_", "-").encode(), text.encode()) for name, text in headers.items())],
        }  # fmt: skip
        self.task = asyncio.ensure_future(app(scope, self._receive, self._send))

    async def _receive(self) -> dict[str, Any]:
        if not self._messages:
            await self.left.wait()
            return {"type": "http.disconnect"}
        part = self._messages.pop(0)
        if part is None:
            return await self._receive()
        body, seconds = part if isinstance(part, tuple) else (part, 0)
        await asyncio.sleep(seconds)
        return {"type": "http.request", "body": body, "more_body": bool(self._messages)}

    async def _send(self, message: dict[str, Any]) -> None:
        await self.takes.wait()
        self.got.append((asyncio.get_running_loop().time(), message))

    @property
    def status(self) -> int:
        return int(self.got[0][1]["status"])

    @property
    def headers(self) -> dict[str, str]:
        return {name.decode(): value.decode() for name, value in self.got[0][1]["headers"]}

    @property
    def parts(self) -> list[tuple[float, bytes]]:
        """The parts of the body, with their times."""
        return [(time, message["body"]) for time, message in self.got[1:] if message["body"]]

    @property
    def body(self) -> bytes:
        return b"".join(part for _, part in self.parts)

    @property
    def is_whole(self) -> bool:
        """The answer has been ended."""
        return len(self.got) > 1 and not self.got[-1][1].get("more_body")


@pytest.fixture
def files() -> Files:
    return Files()


@pytest.fixture
async def app(serve: Any, files: Files) -> Any:
    client = await serve(CONFIG, transport=files)
    return client._transport.app


async def ended(client: Client) -> Client:
    """The client, when the app has done with it."""
    await client.task
    return client


# -- what the upstream gets -------------------------------------------------------------------------------------------


async def test_a_body_goes_up_as_it_came_and_nothing_else_unless_it_is_named(app: Any, files: Files) -> None:
    """Its type, coding and length with it; no other header, no query, but what the config says; no coding is asked for."""
    described = {"content_type": "text/x", "content_encoding": "br", "content_length": "3"}
    own = {"authorization": "mine", "cookie": "c=d", "accept_encoding": "gzip"}
    client = await ended(Client(app, "POST", b"ab", b"", b"c", target="/files/a?page=2&x=1", **described, **own))

    (request,) = files.asked
    fields = {name for name in request.headers if name not in ("traceparent", "x-request-timeout")}
    assert (client.status, request.url) == (200, "http://files.test/f/a?page=2")
    assert fields == {"host", "accept", "accept-encoding", "content-type", "content-encoding", "content-length", "x-key"}
    assert (request.headers["content-type"], request.headers["content-encoding"]) == ("text/x", "br")
    assert request.headers["accept-encoding"] == "identity"
    assert request.content == b"abc"


async def test_the_upstream_gets_each_part_of_a_body_as_it_comes(app: Any, files: Files) -> None:
    """In chunks where the client does not say how long it is; a client may take far longer than the answer may."""
    came: list[tuple[float, bytes]] = []

    async def read(request: httpx.Request) -> httpx.Response:
        came.extend([(asyncio.get_running_loop().time(), part) async for part in request.stream])
        return httpx.Response(201)

    files.answer = read
    client = await ended(Client(app, "POST", b"a", (b"b", 20), (b"c", 20), transfer_encoding="chunked"))

    assert came == [(0, b"a"), (20, b"b"), (40, b"c")]
    assert files.asked[0].headers["transfer-encoding"] == "chunked"
    assert client.status == 201


async def test_a_post_without_a_body_has_none(app: Any, files: Files) -> None:
    """It says so, as every POST does."""
    await ended(Client(app, "POST", b""))

    assert files.asked[0].headers["content-length"] == "0"


async def test_a_named_header_goes_along(app: Any, files: Files) -> None:
    """Also the codings that the client takes, which only a passthrough can pass on."""
    await ended(Client(app, range="bytes=0-4", accept_encoding="br", x_user="u", x_other="o"))

    (request,) = files.asked
    assert (request.headers["range"], request.headers["accept-encoding"]) == ("bytes=0-4", "br")
    assert request.url.query == b"of=u"
    assert "x-other" not in request.headers


async def test_a_head_is_asked_as_one(app: Any, files: Files) -> None:
    """The upstream does not send what nobody is given; the client gets the head of a GET."""
    files.answers(lambda _: httpx.Response(200, headers={"content-length": "500", "etag": '"a"'}))
    client = await ended(Client(app, "HEAD"))

    assert files.asked[0].method == "HEAD"
    assert (client.headers["content-length"], client.headers["etag"], client.body) == ("500", '"a"', b"")


@pytest.mark.parametrize("method", ["PROPFIND", "M-SEARCH", "OPTIONS"])
async def test_a_further_method_goes_by_as_it_is(app: Any, files: Files, method: str) -> None:
    """The upstream gets it in place of the step's own, with its body."""
    files.streams(b"found", status=207)
    client = await ended(Client(app, method, b"who", target="/dav/a", content_length="3", content_type="text/xml"))

    (request,) = files.asked
    assert (request.method, request.content, request.headers["content-type"]) == (method, b"who", "text/xml")
    assert (client.status, client.body) == (207, b"found")


@pytest.mark.parametrize("method", get_args(FurtherMethod))
def test_each_method_that_may_be_named_reaches_us(method: str) -> None:
    """The server's parser knows it: another one would be refused before anybody could pass it on."""
    parser = httptools.HttpRequestParser(object())

    parser.feed_data(f"{method} / HTTP/1.1\r\n\r\n".encode())

    assert parser.get_method().decode() == method


async def test_a_method_that_is_not_named_is_refused(app: Any, files: Files) -> None:
    """And those that are, are said."""
    client = await ended(Client(app, "MKCOL", target="/dav/a"))

    assert (client.status, client.headers["allow"]) == (405, "DELETE, GET, HEAD, M-SEARCH, OPTIONS, PROPFIND")
    assert files.asked == []


# -- what the client gets ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("status", [200, 206, 302, 404, 418, 429, 503])
async def test_every_status_is_the_upstreams(app: Any, files: Files, status: int) -> None:
    """With what the upstream says with it: nothing is followed, retried or replaced."""
    files.streams(b"<as it came>", status=status, location="/else", retry_after="7", content_range="bytes 0-4/9")
    client = await ended(Client(app))

    assert (client.status, client.body, client.is_whole) == (status, b"<as it came>", True)
    assert (client.headers["location"], client.headers["retry-after"]) == ("/else", "7")
    assert client.headers["content-range"] == "bytes 0-4/9"
    assert len(files.asked) == 1


async def test_of_the_replys_headers_those_are_kept_that_are_about_it_or_named(app: Any, files: Files) -> None:
    """No cookie, nothing of a connection, nothing of the upstream's own; the gateway's words are its own."""
    kept = {"content_type": "text/x", "cache_control": "max-age=5", "x_more": "1"}
    dropped = {"set_cookie": "a=b", "server": "apache", "x_less": "2", "keep_alive": "timeout=5"}
    files.streams(b"a", **kept, **dropped, gateway_complete="false", traceparent="theirs", server_timing="db")
    client = await ended(Client(app))

    own = {"gateway-complete", "traceparent", "server-timing"}
    assert set(client.headers) == {"content-type", "cache-control", "x-more", *own}
    assert client.headers["gateway-complete"] == "true"
    assert client.headers["traceparent"].startswith("00-")
    assert re.fullmatch(r'file;dur=[0-9.]+;desc="200"', client.headers["server-timing"])


async def test_a_coded_body_is_not_decoded(app: Any, files: Files) -> None:
    """Its coding and its length are still true."""
    packed = gzip.compress(b"a" * 1000)
    files.streams(packed, content_encoding="gzip", content_length=str(len(packed)))
    client = await ended(Client(app))

    assert client.body == packed
    assert (client.headers["content-encoding"], client.headers["content-length"]) == ("gzip", str(len(packed)))


@pytest.mark.parametrize("status", [204, 304])
async def test_what_has_no_body_gets_none(app: Any, files: Files, status: int) -> None:
    """Whatever the upstream announces or sends."""
    files.streams(b"abc", status=status, content_length="3", etag='"a"')
    client = await ended(Client(app))

    assert (client.status, client.body, client.is_whole) == (status, b"", True)
    assert client.headers["etag"] == '"a"'
    assert "content-length" not in client.headers


async def test_each_event_is_there_when_it_was_sent_for_longer_than_an_answer_may_take(app: Any, files: Files) -> None:
    """The endpoint's timeout is for the head; from then on only silence has a limit."""
    files.streams(b"data: 1\n\n", 20, b"data: 2\n\n", 20, b"data: 3\n\n", content_type="text/event-stream")
    client = await ended(Client(app))

    assert client.parts == [(0, b"data: 1\n\n"), (20, b"data: 2\n\n"), (40, b"data: 3\n\n")]
    assert client.is_whole


async def test_an_upstream_waits_for_a_client_that_is_slow(app: Any, files: Files) -> None:
    """One part is on its way; the next is not asked for, and the client's time is not the upstream's."""
    asked = 0

    async def body() -> AsyncIterator[bytes]:
        nonlocal asked
        for _ in range(3):
            asked += 1
            yield b"x"

    files.answers(lambda _: httpx.Response(200, content=body()))
    client = Client(app)
    await asyncio.sleep(0)
    client.takes.clear()
    await asyncio.sleep(25)
    asked_while_it_waits = asked
    client.takes.set()
    await ended(client)

    assert asked_while_it_waits <= 1
    assert client.body == b"xxx"


# -- what goes wrong --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("answer", "status", "word"),
    [
        (httpx.ConnectError("no"), 502, "upstream-unreachable"),
        (httpx.ReadError("no"), 502, "upstream-disconnected"),
        (3600, 504, "deadline"),
        (httpx.Response(999), 502, "upstream-invalid-reply"),
        (httpx.Response(200, headers=[(b"etag", b"a\nb")]), 502, "upstream-invalid-reply"),
    ],
    ids=str,
)
async def test_what_fails_before_the_head_is_a_problem(app: Any, files: Files, answer: Any, status: int, word: str) -> None:
    """As of any required step."""

    async def fail(_: httpx.Request) -> httpx.Response:
        if isinstance(answer, httpx.Response):
            return answer
        if isinstance(answer, Exception):
            raise answer
        await asyncio.sleep(answer)
        raise AssertionError

    files.answer = fail
    client = await ended(Client(app))

    assert (client.status, client.headers["gateway-complete"]) == (status, "false")
    assert f"urn:problem:fanin:{word}".encode() in client.body
    assert client.headers["proxy-status"].endswith('next-hop="files";details="step file"')
    assert client.is_whole


async def test_the_head_is_waited_for_from_the_last_byte_of_the_body(app: Any, files: Files) -> None:
    """The endpoint's timeout is the upstream's, however long the client took."""

    async def read_and_hang(request: httpx.Request) -> httpx.Response:
        await request.aread()
        await asyncio.sleep(3600)
        raise AssertionError

    files.answer = read_and_hang
    client = await ended(Client(app, "POST", b"a", (b"b", 20), transfer_encoding="chunked"))

    assert (client.status, client.got[0][0]) == (504, 22)


async def test_an_upstream_that_does_not_take_a_part_has_as_long_as_silence_may_be(app: Any, files: Files) -> None:
    """It is waited for, and not the client."""

    async def read_one(request: httpx.Request) -> httpx.Response:
        async for _ in request.stream:
            await asyncio.sleep(3600)
        raise AssertionError

    files.answer = read_one
    client = await ended(Client(app, "POST", (b"a", 5), (b"b", 0), transfer_encoding="chunked"))

    assert (client.status, client.got[0][0]) == (504, 35)
    assert b"upstream-timeout" in client.body


@pytest.mark.parametrize("ending", [httpx.ReadError("cut"), httpx.RemoteProtocolError("cut"), 3600], ids=repr)
async def test_an_answer_that_has_begun_and_cannot_go_on_is_cut_off(
    app: Any, files: Files, traces: list[Any], ending: Any
) -> None:
    """The server is told by an error, so that it closes the connection: the body is not ended, and nobody takes it for whole."""
    files.streams(b"abc", ending)
    client = Client(app)

    with pytest.raises(CutOff):
        await client.task

    assert (client.status, client.body, client.is_whole) == (200, b"abc", False)
    assert files.closed.is_set()
    assert [span.error for span in traces[0].spans] == [True, True, True]
    assert asyncio.get_running_loop().time() in (0, 30)


async def test_an_answer_that_outlasts_its_client_s_deadline_is_cut_off(app: Any, files: Files) -> None:
    """The endpoint's time is for the head. Who says how long he waits is not there any more for what comes later."""
    files.streams(b"abc", 3600)
    client = Client(app, x_request_timeout="3")

    with pytest.raises(CutOff):
        await client.task

    assert (client.status, client.body, client.is_whole) == (200, b"abc", False)
    assert (asyncio.get_running_loop().time(), files.closed.is_set()) == (3, True)


async def test_a_timeout_of_somebody_else_is_no_client_s_deadline(app: Any, files: Files) -> None:
    """It is a bug, and told as one."""

    def fail(_: httpx.Request) -> httpx.Response:
        raise TimeoutError

    files.answers(fail)
    client = Client(app, x_request_timeout="3")

    with pytest.raises(TimeoutError):
        await client.task

    assert client.status == 500


async def test_an_upload_that_outlasts_its_client_s_deadline_is_refused(app: Any, files: Files) -> None:
    """However fast its upstream would be."""
    client = await ended(Client(app, "POST", (b"a", 2), (b"b", 2), transfer_encoding="chunked", grpc_timeout="3S"))

    assert (client.status, client.got[0][0]) == (504, 3)
    assert b"urn:problem:fanin:deadline" in client.body


async def test_a_client_that_leaves_closes_the_call(app: Any, files: Files, traces: list[Any]) -> None:
    """At once, and as no error."""
    files.streams(b"abc", 3600)
    client = Client(app)
    await asyncio.sleep(10)

    client.left.set()
    await ended(client)

    assert files.closed.is_set()
    assert (client.body, client.is_whole) == (b"abc", False)
    assert asyncio.get_running_loop().time() == pytest.approx(10)
    assert not any(span.error for span in traces[0].spans)


async def test_a_client_that_leaves_behind_its_body_closes_the_call(app: Any, files: Files) -> None:
    """From its last part on the client is heard for that alone."""
    files.streams(b"abc", 3600)
    client = Client(app, "POST", b"a", b"b", content_length="2")
    await asyncio.sleep(10)

    client.left.set()
    await ended(client)

    assert files.closed.is_set()
    assert asyncio.get_running_loop().time() == pytest.approx(10)


async def test_a_client_that_leaves_in_the_middle_of_its_body_closes_the_call(app: Any, files: Files) -> None:
    """The upstream sees no end of the body."""
    ended_body = False

    async def read(request: httpx.Request) -> httpx.Response:
        nonlocal ended_body
        async for _ in request.stream:
            pass
        ended_body = True
        return httpx.Response(200)

    files.answer = read
    client = Client(app, "POST", b"a", None, transfer_encoding="chunked")
    client.left.set()
    await ended(client)

    assert (client.got, ended_body) == ([], False)


@pytest.mark.parametrize(
    ("messages", "length", "status"),
    [((b"a", (b"b", 31)), "2", 408), ((b"abc",), "2", 400), ((b"a",), "2", 400), ((b"a",), "x", 400)],
    ids=["silent", "too long", "too short", "no length"],
)
async def test_a_body_that_does_not_come_as_announced_is_refused(
    app: Any, files: Files, messages: Any, length: str, status: int
) -> None:
    """It is the client's fault, and the upstream is not taken to have failed."""
    client = await ended(Client(app, "POST", *messages, content_length=length))

    assert client.status == status
    assert "proxy-status" not in client.headers


async def test_a_client_that_takes_nothing_is_cut_off(app: Any, files: Files) -> None:
    """As silent as it may be, and no longer; the upstream is let go."""
    files.streams(b"abc", 1, b"def")
    client = Client(app)
    await asyncio.sleep(0.5)
    client.takes.clear()

    with pytest.raises(CutOff):
        await client.task

    assert files.closed.is_set()
    assert asyncio.get_running_loop().time() == pytest.approx(31)


async def test_a_call_is_made_again_while_nothing_has_been_sent(app: Any, files: Files) -> None:
    """No connection, and no byte of the body read: the next attempt has all of it."""

    async def answer(request: httpx.Request) -> httpx.Response:
        if len(files.asked) == 1:
            raise httpx.ConnectError("refused")
        return httpx.Response(200, content=await request.aread())

    files.answer = answer
    client = await ended(Client(app, "POST", b"abc", content_length="3"))

    assert (client.status, client.body) == (200, b"abc")
    assert len(files.asked) == 2


@pytest.mark.parametrize("error", [httpx.ConnectError("late"), httpx.ReadError("broken")], ids=repr)
async def test_a_call_whose_body_has_been_begun_is_not_made_again(app: Any, files: Files, error: Exception) -> None:
    """What has gone by is not there any more."""

    async def read_and_fail(request: httpx.Request) -> httpx.Response:
        await request.aread()
        raise error

    files.answer = read_and_fail
    client = await ended(Client(app, "POST", b"abc", content_length="3"))

    assert client.status == 502
    assert len(files.asked) == 1


async def test_the_record_says_what_has_gone_by(app: Any, files: Files, traces: list[Any]) -> None:
    """The attempt lasts until the last part, and so does the request."""
    files.streams(b"abc", 5, b"de")
    await ended(Client(app, "POST", b"abcd", content_length="4"))

    root, step, attempt = traces[0].spans
    sizes = {"http.request.body.size": 4, "http.response.body.size": 5, "http.response.status_code": 200}
    assert sizes.items() <= root.attributes.items()
    assert sizes.items() <= attempt.attributes.items()
    assert attempt.seconds == pytest.approx(step.seconds, abs=0.1)


async def test_the_document_says_that_the_answer_is_the_upstreams(serve: Any, files: Files) -> None:
    """Any body in, any answer out, with any status."""
    client = await serve(CONFIG, transport=files)

    paths = (await client.get("/openapi.json")).json()["paths"]

    path = paths["/files/{name}"]
    assert path["post"]["requestBody"]["content"] == {"*/*": {"schema": {}}}
    assert set(path["get"]["responses"]) == {"default"}
    assert set(paths["/dav/{name}"]) == {"get", "delete", "options"}  # OpenAPI has no word for the others

"""What goes by and is kept: for whom it is played again, how it is asked about, and what is never kept of it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest

from gateway.inbound.passage import CutOff, leave_out

pytestmark = pytest.mark.looptime

FORWARDED = "[if-match, if-none-match, if-modified-since, range, cache-control, authorization, accept-language]"
CONFIG = f"""
version: 1
upstreams: {{ files: {{ url: http://files.test, cache: {{ ttl: 1h }} }} }}
endpoints:
  - path: /files/{{name}}
    timeout: 2s
    passthrough: {{ headers: [X-More], methods: [M-SEARCH, PROPFIND] }}
    steps: {{ file: {{ get: "files /f/{{path.name}}", cache: {{ vary_on: [], max_size: 1KiB, ttl: 1m }}, forward: {{ headers: {FORWARDED} }} }} }}
  - path: /files/{{name}}
    method: PUT
    passthrough: true
    steps: {{ file: {{ put: "files /f/{{path.name}}" }} }}
  - path: /bare/{{name}}
    passthrough: true
    steps: {{ file: {{ get: "files /f/{{path.name}}" }} }}
"""


class Parts(httpx.AsyncByteStream):
    """The body of a reply: bytes, seconds to wait, or an error to raise."""

    def __init__(self, *parts: Any) -> None:
        self._parts = parts

    async def __aiter__(self) -> AsyncIterator[bytes]:
        for part in self._parts:
            if isinstance(part, Exception):
                raise part
            if isinstance(part, bytes):
                yield part
            else:
                await asyncio.sleep(part)


class Files(httpx.AsyncBaseTransport):
    """The upstream, played by the test."""

    def __init__(self) -> None:
        self.asked: list[httpx.Request] = []
        self.script: list[Any] = []

    def replies(self, *parts: Any, status: int = 200, headers: dict[str, str] | None = None) -> None:
        """Reply so to the next request; to those after the last one as to that."""
        self.script.append((status, headers or {}, parts))

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        self.asked.append(request)
        await request.aread()
        status, headers, parts = self.script.pop(0) if len(self.script) > 1 else self.script[0]
        if parts and isinstance(parts[0], httpx.TransportError):
            raise parts[0]
        return httpx.Response(status, headers=headers, stream=Parts(*parts))


@pytest.fixture
def files() -> Files:
    return Files()


@pytest.fixture
async def client(serve: Any, files: Files) -> httpx.AsyncClient:
    made: httpx.AsyncClient = await serve(CONFIG, transport=files)
    # What httpx sends by itself is not what these tests are about.
    made.headers.clear()
    return made


async def test_what_went_by_is_played_to_who_asks_again(client: httpx.AsyncClient, files: Files) -> None:
    """To the byte, with its age, and without the upstream."""
    files.replies(b"ab", b"\xff", headers={"cache-control": "max-age=60", "age": "5", "x-more": "1", "content-encoding": "br"})

    first, second = await _raw(client), await _raw(client)

    assert len(files.asked) == 1
    assert (first[0], second[0]) == (b"ab\xff", b"ab\xff")
    assert {"x-more": "1", "content-encoding": "br", "age": "5"}.items() <= second[1].items()
    assert (first[1]["cache-status"], second[1]["cache-status"]) == ("Fanin; fwd=uri-miss; fwd-status=200", "Fanin; hit; ttl=54")


async def test_a_reply_goes_by_as_it_comes_while_it_is_taped(serve: Any, files: Files) -> None:
    """The client has each part when the upstream has sent it."""
    files.replies(b"a", 3, b"b", headers={"cache-control": "max-age=60"})
    app = (await serve(CONFIG, transport=files))._transport.app

    times = await _times(app)

    assert times == [(0, b"a"), (3, b"b")]


@pytest.mark.parametrize(
    ("headers", "status", "body"),
    [
        pytest.param({}, 200, b"0123456789", id="all"),
        pytest.param({"range": "bytes=2-4"}, 206, b"234", id="a part"),
        pytest.param({"range": "bytes=-3"}, 206, b"789", id="the end"),
        pytest.param({"range": "bytes=2-4, 6-7"}, 200, b"0123456789", id="parts"),
        pytest.param({"range": "bytes=20-"}, 200, b"0123456789", id="a part that is not there"),
        pytest.param({"if-none-match": '"6", "7"'}, 304, b"", id="the same"),
        pytest.param({"if-none-match": '"8"'}, 200, b"0123456789", id="another"),
        pytest.param({"if-modified-since": "Sun, 06 Nov 1994 08:49:37 GMT"}, 304, b"", id="not since"),
    ],
)
async def test_what_a_client_wants_of_it_is_answered_from_what_is_kept(
    client: httpx.AsyncClient, files: Files, headers: dict[str, str], status: int, body: bytes
) -> None:
    """A part, or that it has it already (RFC 9110, sections 13 and 14)."""
    dated = {"etag": '"7"', "last-modified": "Sun, 06 Nov 1994 08:49:37 GMT", "cache-control": "max-age=60"}
    files.replies(b"0123456789", headers={**dated, "content-length": "10"})
    await client.get("/files/a")

    response = await client.get("/files/a", headers=headers)

    assert (response.status_code, response.content) == (status, body)
    assert response.headers["etag"] == '"7"'
    assert response.headers.get("content-length", str(len(body))) == str(len(body))
    assert len(files.asked) == 1


async def test_a_head_is_answered_from_what_a_get_left(client: httpx.AsyncClient, files: Files) -> None:
    """Its length too; and where nothing is kept it goes by as a HEAD, and leaves nothing."""
    files.replies(status=404, headers={"cache-control": "max-age=60", "content-length": "3"})
    files.replies(b"abc", headers={"cache-control": "max-age=60", "content-length": "3"})

    before = await client.head("/files/a")
    await client.get("/files/a")
    after = await client.head("/files/a")

    assert [request.method for request in files.asked] == ["HEAD", "GET"]
    assert (before.status_code, after.status_code) == (404, 200)
    assert (after.headers["content-length"], after.content) == ("3", b"")


async def test_what_is_stale_is_asked_about_by_what_it_is_known_by(client: httpx.AsyncClient, files: Files) -> None:
    """The upstream's 304 makes it as good as new, with what it says anew; the client's own condition is not passed on."""
    files.replies(b"abc", headers={"cache-control": "max-age=60", "age": "60", "etag": '"7"', "x-more": "1"})
    files.replies(status=304, headers={"cache-control": "max-age=60", "etag": '"7"', "x-more": "2"})
    await client.get("/files/a")

    asked = await client.get("/files/a", headers={"if-none-match": '"6"', "range": "bytes=0-0"})
    again = await client.get("/files/a")

    assert (files.asked[1].headers["if-none-match"], "range" in files.asked[1].headers) == ('"7"', False)
    assert (asked.status_code, asked.content, again.content) == (206, b"a", b"abc")
    assert (again.headers["x-more"], again.headers["age"]) == ("2", "0")
    assert asked.headers["cache-status"] == "Fanin; fwd=stale; fwd-status=304; ttl=59"
    assert len(files.asked) == 2


async def test_what_is_not_known_by_anything_is_asked_for_as_the_client_asks(client: httpx.AsyncClient, files: Files) -> None:
    """The 304 that its own condition comes to is its own; nothing is kept of it."""
    files.replies(status=304, headers={"cache-control": "max-age=60", "etag": '"7"'})
    files.replies(b"abc", headers={"cache-control": "max-age=60", "etag": '"7"'})

    mine = await client.get("/files/a", headers={"if-none-match": '"7"'})
    whole = await client.get("/files/a")

    assert files.asked[0].headers["if-none-match"] == '"7"'
    assert (mine.status_code, whole.content) == (304, b"abc")


async def test_a_condition_that_only_the_upstream_can_hold_to_is_its_own(client: httpx.AsyncClient, files: Files) -> None:
    """What is kept may not be what is there now (RFC 9110, section 13.1.1)."""
    files.replies(b"abc", headers={"cache-control": "max-age=60"})
    files.replies(status=412)
    await client.get("/files/a")

    response = await client.get("/files/a", headers={"if-match": '"6"'})

    assert (response.status_code, len(files.asked)) == (412, 2)


async def test_what_has_begun_is_not_followed_by_what_is_kept(client: httpx.AsyncClient, files: Files) -> None:
    """A reply that breaks off ends the answer, also where there is a stale one."""
    files.replies(b"old", headers={"cache-control": "max-age=60, stale-if-error=60", "age": "60"})
    files.replies(b"new", httpx.ReadError("cut"), headers={"cache-control": "max-age=60"})
    await client.get("/files/a")
    app: Any = client._transport

    with pytest.raises(CutOff):
        await _times(app.app)


async def test_what_has_changed_goes_by_and_is_kept_in_its_place(client: httpx.AsyncClient, files: Files) -> None:
    """The client waits no longer than for any other reply."""
    files.replies(b"old", headers={"cache-control": "max-age=60", "age": "60", "etag": '"7"'})
    files.replies(b"new", headers={"cache-control": "max-age=60", "etag": '"8"', "content-length": "3"})
    await client.get("/files/a")

    changed, again = await client.get("/files/a"), await client.get("/files/a")

    assert (changed.content, again.content, len(files.asked)) == (b"new", b"new", 2)
    assert changed.headers["cache-status"] == "Fanin; fwd=stale; fwd-status=200; stored"


@pytest.mark.parametrize(
    "headers",
    [
        pytest.param({"cache-control": "no-store"}, id="no-store"),
        pytest.param({"cache-control": "max-age=60, private"}, id="private"),
        pytest.param({"cache-control": "max-age=60", "set-cookie": "a=b"}, id="a cookie"),
        pytest.param({"cache-control": "max-age=60", "vary": "*"}, id="differs by what nobody knows"),
        pytest.param({"cache-control": "max-age=60", "content-length": "2000"}, id="too long, as it says"),
    ],
)
async def test_what_is_not_to_be_kept_goes_by_each_time(client: httpx.AsyncClient, files: Files, headers: dict[str, str]) -> None:
    """Whole, to everybody anew."""
    files.replies(b"x" * 2000 if "content-length" in headers else b"x", headers=headers)

    first, second = [await client.get("/files/a") for _ in range(2)]

    assert first.content == second.content
    assert {response.headers["cache-status"] for response in (first, second)} == {"Fanin; fwd=uri-miss; fwd-status=200"}
    assert len(files.asked) == 2


async def test_a_body_that_gets_too_long_is_let_go(client: httpx.AsyncClient, files: Files) -> None:
    """Where nobody knows before its end; the client has all of it."""
    files.replies(b"x" * 1000, b"x" * 1000, headers={"cache-control": "max-age=60"})

    first = await client.get("/files/a")
    await client.get("/files/a")

    assert (len(first.content), len(files.asked)) == (2000, 2)


async def test_a_torn_body_is_not_kept(client: httpx.AsyncClient, files: Files) -> None:
    """What came of it went by, and is nobody's reply."""
    files.replies(b"abc", httpx.ReadError("cut"), headers={"cache-control": "max-age=60"})
    files.replies(b"abcdef", headers={"cache-control": "max-age=60"})
    app: Any = client._transport
    with pytest.raises(CutOff):
        await _times(app.app)

    whole = await client.get("/files/a")

    assert (whole.content, len(files.asked)) == (b"abcdef", 2)


async def test_a_client_that_leaves_takes_what_was_taped_with_it(client: httpx.AsyncClient, files: Files) -> None:
    """Half a reply is none."""
    files.replies(b"abc", 5, b"def", headers={"cache-control": "max-age=60"})
    app: Any = client._transport
    task = asyncio.ensure_future(_times(app.app))
    await asyncio.sleep(1)

    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    whole = await client.get("/files/a")

    assert (whole.content, len(files.asked)) == (b"abcdef", 2)


async def test_who_shows_credentials_gets_his_own(client: httpx.AsyncClient, files: Files) -> None:
    """Unless the upstream says that it is for all (RFC 9111, section 3.5)."""
    files.replies(b"alice", headers={"cache-control": "max-age=60"})
    files.replies(b"bob", headers={"cache-control": "max-age=60, public"})
    files.replies(b"nobody", headers={"cache-control": "max-age=60"})

    bodies = [(await client.get("/files/a", headers={"authorization": name})).content for name in ("alice", "bob", "carol")]

    assert bodies == [b"alice", b"bob", b"bob"]


async def test_each_variant_is_for_who_asked_for_it_so(client: httpx.AsyncClient, files: Files) -> None:
    """By the headers that the upstream's `Vary` names."""
    for language in (b"de", b"en"):
        files.replies(language, headers={"cache-control": "max-age=60", "vary": "accept-language"})

    asked = ["de", "en", "DE", "en"]
    bodies = [(await client.get("/files/a", headers={"accept-language": one})).content for one in asked]

    assert (bodies, len(files.asked)) == ([b"de", b"en", b"de", b"en"], 2)


@pytest.mark.parametrize("method", ["PUT", "M-SEARCH"])
async def test_a_write_that_went_well_ends_what_is_kept(client: httpx.AsyncClient, files: Files, method: str) -> None:
    """Of what it wrote to, and so may any method that is not known to change nothing; one that failed does not (RFC 9111, section 4.4)."""
    kept = {"cache-control": "max-age=60"}
    files.replies(b"old", headers=kept)
    await client.get("/files/a")
    files.script = [(500, {}, ()), (204, {}, ()), (200, kept, (b"new",))]

    await client.request(method, "/files/a", content=b"x")
    after_failure = await client.get("/files/a")
    await client.request(method, "/files/a", content=b"x")
    after_write = await client.get("/files/a")

    assert (after_failure.content, after_write.content) == (b"old", b"new")


async def test_a_further_method_is_asked_each_time_and_may_leave_what_is_kept_alone(
    client: httpx.AsyncClient, files: Files
) -> None:
    """A PROPFIND is safe, and no GET: its reply is not kept, and it ends nothing."""
    files.replies(b"it", headers={"cache-control": "max-age=60"})
    await client.get("/files/a")

    replies = [await client.request("PROPFIND", "/files/a") for _ in range(2)]
    await client.get("/files/a")

    assert [one.status_code for one in replies] == [200, 200]
    assert [request.method for request in files.asked] == ["GET", "PROPFIND", "PROPFIND"]


@pytest.mark.parametrize(
    "failure", [{"status": 503}, {"parts": (httpx.ConnectError("refused"),)}], ids=["status", "no connection"]
)
@pytest.mark.parametrize(("said", "status"), [("stale-if-error=60", 200), ("stale-if-error=60, must-revalidate", 500)])
async def test_what_is_stale_is_better_than_a_failure(
    client: httpx.AsyncClient, files: Files, failure: dict[str, Any], said: str, status: int
) -> None:
    """As long as the upstream allows, and never where it must be asked (RFC 5861, section 4)."""
    files.replies(b"old", headers={"cache-control": f"max-age=60, {said}", "age": "60", "etag": '"7"'})
    files.replies(*failure.get("parts", ()), status=failure.get("status", 200))
    await client.get("/files/a")

    response = await client.get("/files/a")

    assert (response.status_code >= 500) == (status == 500)
    assert (response.content == b"old") == (status == 200)


async def test_what_is_a_little_stale_is_played_and_fetched_anew_behind(client: httpx.AsyncClient, files: Files) -> None:
    """The client waits for nothing; the next one has the new one (RFC 5861, section 3)."""
    files.replies(b"old", headers={"cache-control": "max-age=60, stale-while-revalidate=60", "age": "60"})
    files.replies(1, b"new", headers={"cache-control": "max-age=60"})
    await client.get("/files/a")

    stale = await client.get("/files/a")
    meanwhile = await client.get("/files/a")
    await asyncio.sleep(1.5)
    fresh = await client.get("/files/a")

    assert (stale.content, meanwhile.content, fresh.content, len(files.asked)) == (b"old", b"old", b"new", 2)


async def test_who_takes_nothing_without_asking_gets_the_failure(client: httpx.AsyncClient, files: Files) -> None:
    """Also where what is kept is fresh."""
    files.replies(b"old", headers={"cache-control": "max-age=60, stale-if-error=60"})
    files.replies(status=503)
    await client.get("/files/a")

    response = await client.get("/files/a", headers={"cache-control": "no-cache"})

    assert response.status_code == 503


@pytest.mark.parametrize(
    ("asked", "calls", "status"),
    [("no-cache", 2, 200), ("max-age=0", 2, 200), ("only-if-cached", 1, 200), ("min-fresh=10", 1, 200)],
)
async def test_a_client_says_what_it_takes_where_that_is_passed_on(
    client: httpx.AsyncClient, files: Files, asked: str, calls: int, status: int
) -> None:
    """Its `Cache-Control` reaches the call since the config names it."""
    files.replies(b"abc", headers={"cache-control": "max-age=60", "age": "1"})
    await client.get("/files/a")

    response = await client.get("/files/a", headers={"cache-control": asked})

    assert (response.status_code, len(files.asked)) == (status, calls)


async def test_a_client_that_takes_only_what_is_kept_may_get_nothing(client: httpx.AsyncClient, files: Files) -> None:
    """504, and nobody is asked (RFC 9111, section 5.2.1.7)."""
    response = await client.get("/files/a", headers={"cache-control": "only-if-cached"})

    assert (response.status_code, files.asked) == (504, [])


async def test_the_upstreams_own_cache_is_for_what_is_read(client: httpx.AsyncClient, files: Files) -> None:
    """What goes by is kept only where its step says so."""
    files.replies(b"abc", headers={"cache-control": "max-age=60"})

    for _ in range(2):
        response = await client.get("/bare/a")

    assert len(files.asked) == 2
    assert "cache-status" not in response.headers


async def test_what_the_connection_has_for_itself_does_not_go_by(client: httpx.AsyncClient, files: Files) -> None:
    """Fields that the upstream's `Connection` names (RFC 9110, section 7.6.1)."""
    files.replies(b"abc", headers={"connection": "X-More", "x-more": "1"})

    response = await client.get("/files/a")

    assert "x-more" not in response.headers


@pytest.mark.parametrize("word", ["hit", "miss"])
async def test_the_trace_says_what_the_cache_did(client: httpx.AsyncClient, files: Files, traces: list[Any], word: str) -> None:
    """On the step's span; a hit has no attempt below it."""
    files.replies(b"abc", headers={"cache-control": "max-age=60"})
    for _ in range(1 if word == "miss" else 2):
        await client.get("/files/a")

    spans = traces[-1].spans
    assert spans[1].attributes["gateway.cache.status"] == word
    assert len(spans) == (3 if word == "miss" else 2)


def test_uvicorn_leaves_the_date_to_who_answers() -> None:
    """Where nobody stands between, and in no other answer."""

    class Answer:
        default_headers = [(b"date", b"now"), (b"server", b"x")]  # noqa: RUF012 - as uvicorn has it, shared by all

        def send(self, _: Any) -> None: ...

    one, other = Answer(), Answer()

    assert leave_out(one.send, b"date")
    assert (one.default_headers, len(other.default_headers)) == ([(b"server", b"x")], 2)
    assert not leave_out(lambda _: None, b"date")  # type: ignore[arg-type, return-value]


async def _raw(client: httpx.AsyncClient) -> tuple[bytes, httpx.Headers]:
    async with client.stream("GET", "/files/a") as response:
        return b"".join([part async for part in response.aiter_raw()]), response.headers


async def _times(app: Any) -> list[tuple[float, bytes]]:
    """When a client gets which part, from an app that is asked for /files/a."""
    got: list[tuple[float, bytes]] = []
    loop = asyncio.get_running_loop()
    began = loop.time()

    async def send(message: Any) -> None:
        if message.get("body"):
            got.append((loop.time() - began, message["body"]))

    scope = {
        "type": "http", "http_version": "1.1", "method": "GET", "scheme": "http", "path": "/files/a", "raw_path": b"/files/a",
        "query_string": b"", "headers": [(b"host", b"gateway")], "client": ("127.0.0.1", 5), "server": ("127.0.0.1", 80),
    }  # fmt: skip
    await app(scope, asyncio.Event().wait, send)
    return got

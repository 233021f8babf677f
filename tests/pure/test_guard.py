"""What is let in at all, judged by the head alone: a table of requests that no honest client sends, and of those that some do."""

from __future__ import annotations

import json
import re
import time
from collections.abc import MutableMapping
from typing import Any
from urllib.parse import unquote_to_bytes

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.guard import IS_HEAD, LONGEST_TARGET, MOST_HEADER_BYTES, MOST_HEADERS, Guard, refuse

HOST = (b"host", b"example.test")


def request(path: bytes = b"/", query: bytes = b"", headers: Any = (HOST,), **parts: Any) -> dict[str, Any]:
    """The ASGI scope of a request."""
    head = {"type": "http", "method": "GET", "http_version": "1.1", "raw_path": path, "query_string": query}
    return {**head, "headers": list(headers), **parts}


def status_of(scope: dict[str, Any]) -> int | None:
    """The status it is refused with, None when it is let in."""
    problem = refuse(scope)
    return problem.status if problem else None


@pytest.mark.parametrize(
    "path",
    [
        b"/a%2Fb",
        b"/a%2fb",
        b"/a%5Cb",
        b"/a%5cb",
        b"/a\\b",
        b"/a%00b",
        b"/%zz",
        b"/%",
        b"/a%2",
        b"/%u002e",
        b"/.",
        b"/..",
        b"/./a",
        b"/a/../b",
        b"/a/..",
        b"/%2e%2e/a",
        b"/a/%2E/b",
        b"/a/.%2e/b",
        b"/a/%2e%2e%2fb",
        b"/%C0%AE%C0%AE/",
        b"/%E0%80%AE/",
        b"/%ED%A0%80",
        b"/%FF",
        b"/%C3",
        b"/\xc3\xa9",
        b"/a#b",
        b"/a%0d%0aX:y",
        b"/a%0Ab",
        b"/a%1b",
        b"/a%7Fb",
        b"/a%C2%85b",
        b"/a b",
        b"/a\x00b",
        b"/a\x7fb",
        b"/a<b>",
        b'/a"b',
        b"/a^b",
        b"/a`b",
        b"/{a}",
        b"/a|b",
    ],
)
def test_a_path_that_can_be_read_in_two_ways_is_refused(path: bytes) -> None:
    """Encoded slashes and dots, NUL, bad encoding, what is no UTF-8, control characters, and what RFC 3986 has no place for."""
    assert status_of(request(path)) == 400


@pytest.mark.parametrize(
    "path",
    [
        b"",
        b"/",
        b"//",
        b"/a//b/",
        b"/v1/home/42",
        b"/a.b/...",
        b"/.well-known/x",
        b"/..a/b..",
        b"/%2e%2ea",
        b"/-._~!$&'()*+,;=:@",
        b"/a;b=c/d,e",
        b"/user@example.test:80",
        b"/%7Etilde/%41",
        b"/a%20b",
        b"/a%25b",
        b"/%252e%252e",
        b"/%3F%23",
        b"/%C3%A9t%C3%A9",
        b"/%E6%97%A5%E6%9C%AC",
        b"/%F0%9F%98%80",
        b"/%D9%85%DB%8C%E2%80%8C%D8%AE%D9%88%D8%A7%D9%87%D9%85",
        b"/%F0%9F%91%A8%E2%80%8D%F0%9F%91%A7",
        b"/%EF%BC%8E%EF%BC%8E",
    ],
)
def test_a_legitimate_path_is_let_in(path: bytes) -> None:
    """Whatever RFC 3986 allows in a segment, and every language percent-encoded, joiners included."""
    assert refuse(request(path)) is None


@pytest.mark.parametrize(
    ("query", "status"),
    [
        (b"a=1&b=../%2F&c=%00&d=%zz&e={[|]}", None),
        (b"a='\"<>\\^`", None),
        (b"a=1#b", 400),
        (b"a=\xc3\xa9", 400),
        (b"a=b c", 400),
        (b"a=\x7f", 400),
        (b"a=\r\n", 400),
    ],
)
def test_a_query_is_printable_text_without_a_fragment(query: bytes, status: int | None) -> None:
    """A query is data: what it decodes to is judged where it is read."""
    assert status_of(request(b"/", query)) == status


@pytest.mark.parametrize(
    ("path", "query", "status"),
    [
        (b"/" + b"a" * (LONGEST_TARGET - 1), b"", None),
        (b"/" + b"a" * LONGEST_TARGET, b"", 414),
        (b"/", b"a" * (LONGEST_TARGET - 1), None),
        (b"/", b"a" * LONGEST_TARGET, 414),
        (b"/" + b"a" * 5000, b"b" * 5000, 414),
        (b"/?" + b"a" * 9000, b"", None),
    ],
    ids=["path", "path+1", "query", "query+1", "together", "query-in-raw-path"],
)
def test_a_target_beyond_8_kib_is_414(path: bytes, query: bytes, status: int | None) -> None:
    """Path and query count together; a server that leaves the query in the raw path does not count it twice."""
    assert status_of(request(path, query)) == status


def fields(number: int, size: int = 1) -> list[tuple[bytes, bytes]]:
    """A Host and further headers, `number` in all."""
    return [HOST, *((f"x-{index}".encode(), b"v" * size) for index in range(1, number))]


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        (fields(MOST_HEADERS), None),
        (fields(MOST_HEADERS + 1), 431),
        ([HOST, (b"x", b"v" * (MOST_HEADER_BYTES - 17))], None),
        ([HOST, (b"x", b"v" * (MOST_HEADER_BYTES - 16))], 431),
        (fields(50, 1024), 431),
    ],
    ids=["100", "101", "32-KiB", "32-KiB+1", "50-of-1-KiB"],
)
def test_too_many_or_too_large_headers_are_431(headers: Any, status: int | None) -> None:
    """100 fields and 32 KiB in all."""
    assert status_of(request(headers=headers)) == status


@pytest.mark.parametrize(
    ("hosts", "version", "status"),
    [
        ([b"example.test"], "1.1", None),
        ([b"example.test:8080"], "1.1", None),
        ([b"[::1]:8080"], "1.1", None),
        ([b"EXAMPLE.test"], "1.1", None),
        ([b"example.test"], "1.0", None),
        ([b"example.test"], "2", None),
        ([], "1.0", None),
        ([], "1.1", 400),
        ([], "2", 400),
        ([b"a", b"a"], "1.1", 400),
        ([b"a", b"b"], "1.0", 400),
        ([b"a/b@c"], "1.1", 400),
        ([b"a b"], "1.1", 400),
        ([b"a?b"], "1.1", 400),
        ([b"a#b"], "1.1", 400),
        ([b"a\\b"], "1.1", 400),
        ([b"a,b"], "1.1", 400),
        ([b"user@a"], "1.1", 400),
        ([b"\xc3\xa9.test"], "1.1", 400),
        ([b""], "1.1", 400),
    ],
)
def test_there_is_one_valid_host(hosts: list[bytes], version: str, status: int | None) -> None:
    """One name, and nothing in it that begins a path; only HTTP/1.0 may do without."""
    headers = [(b"accept", b"*/*"), *((b"host", host) for host in hosts)]

    assert status_of(request(headers=headers, http_version=version)) == status


@pytest.mark.parametrize(
    ("headers", "version", "status"),
    [
        ([(b"content-length", b"5")], "1.1", None),
        ([(b"transfer-encoding", b"chunked")], "1.1", None),
        ([(b"transfer-encoding", b"Chunked ")], "1.1", None),
        ([(b"transfer-encoding", b"gzip, chunked")], "1.1", 400),
        ([(b"transfer-encoding", b"chunked, identity")], "1.1", 400),
        ([(b"transfer-encoding", b"xchunked")], "1.1", 400),
        ([(b"transfer-encoding", b"")], "1.1", 400),
        ([(b"transfer-encoding", b"chunked")] * 2, "1.1", 400),
        ([(b"transfer-encoding", b"chunked")], "1.0", 400),
        ([(b"transfer-encoding", b"chunked"), (b"content-length", b"5")], "1.1", 400),
        ([(b"content-length", b"5"), (b"content-length", b"6")], "1.1", 400),
    ],
)
def test_a_body_has_one_framing(headers: Any, version: str, status: int | None) -> None:
    """Two programs that disagree about a body's end disagree about whose request comes next."""
    assert status_of(request(headers=[HOST, *headers], http_version=version)) == status


@pytest.mark.parametrize(
    ("header", "status"),
    [
        ((b"expect", b"100-continue"), None),
        ((b"expect", b"100-Continue"), None),
        ((b"expect", b"foo"), 417),
        ((b"expect", b"100-continue, foo"), 417),
        ((b"expect", b""), 417),
        ((b"x-user", b"1"), None),
        ((b"x_user", b"1"), 400),
        ((b"_", b"1"), 400),
        ((b"x-value", b"a_b"), None),
    ],
)
def test_a_header_that_others_read_differently_is_refused(header: tuple[bytes, bytes], status: int | None) -> None:
    """An expectation that is not known is 417; a name with an underscore is another one's twin."""
    assert status_of(request(headers=[HOST, header])) == status


@pytest.mark.parametrize("method", ["GET", "HEAD", "OPTIONS", "POST", "PUT", "PATCH", "DELETE", "PROPFIND"])
def test_which_method_fits_is_not_the_guards_to_say(method: str) -> None:
    """The endpoint knows its methods."""
    assert refuse(request(method=method)) is None


@pytest.mark.parametrize("method", ["TRACE", "CONNECT"])
def test_trace_and_connect_are_405(method: str) -> None:
    """One echoes secrets, the other tunnels; a 405 says what is allowed (RFC 9110, section 15.5.6)."""
    problem = refuse(request(method=method))

    assert problem is not None
    assert (problem.status, problem.headers) == (405, {"allow": "GET, HEAD, POST, PUT, PATCH, DELETE"})


@pytest.mark.parametrize(
    ("version", "status"), [("1.0", None), ("1.1", None), ("2", None), ("3", None), ("0.9", 505), ("2.0", 505), ("1.32", 505)]
)
def test_only_known_versions_are_spoken(version: str, status: int | None) -> None:
    """`HTTP/2.0` in a line of text is not HTTP/2."""
    assert status_of(request(http_version=version)) == status


def test_a_long_path_is_judged_in_no_time() -> None:
    """However a path of 8 KiB is made, no check goes through it more than once."""
    started = time.perf_counter()

    for path in (b"/%41" * 2_000 + b"\x7f", b"/" + b"%" * 8_000, b"/." * 4_000, b"/" + b"%C3" * 2_700):
        assert status_of(request(path)) == 400
    assert time.perf_counter() - started < 5


@settings(deadline=None, max_examples=300)
@given(st.binary(max_size=12), st.binary(max_size=8))
def test_any_target_is_let_in_or_400(path: bytes, query: bytes) -> None:
    """No bytes make the guard stumble; what is let in decodes to text without a dot segment."""
    problem = refuse(request(path, query))

    if problem:
        assert problem.status == 400
    else:
        text = unquote_to_bytes(path.partition(b"?")[0]).decode()
        assert not {".", ".."} & set(text.replace("\\", "/").split("/"))
        assert not re.search(r"[\x00-\x1f\x7f]", text)
        assert query.decode("ascii").isprintable()


class App:
    """An ASGI app that remembers what it was given."""

    def __init__(self) -> None:
        self.scopes: list[Any] = []

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        """Remember the scope."""
        self.scopes.append(scope)


async def asked(scope: dict[str, Any]) -> tuple[list[Any], list[MutableMapping[str, Any]]]:
    """The scopes that the app behind the guard has seen, and what was sent without it."""
    app, sent = App(), []

    async def send(message: MutableMapping[str, Any]) -> None:
        sent.append(message)

    async def receive() -> MutableMapping[str, Any]:
        raise AssertionError("the guard reads no body")

    await Guard(app)(scope, receive, send)
    return app.scopes, sent


async def test_a_good_request_is_passed_on_as_it_is() -> None:
    """The guard changes nothing in it."""
    scope = request(b"/v1/home/42", b"a=1")

    scopes, sent = await asked(scope)

    assert scopes[0] is scope
    assert sent == []


async def test_head_is_get_for_the_app_and_stays_head_for_the_server() -> None:
    """The server leaves out the body, so that its own scope must keep the method; endpoints can tell."""
    scope = request(method="HEAD", path=b"/v1", extensions={"x": 1})

    scopes, _ = await asked(scope)

    assert scopes == [{**scope, "method": "GET", IS_HEAD: True}]
    assert scope["method"] == "HEAD"


@pytest.mark.parametrize("scope", [{"type": "lifespan"}, {"type": "websocket", "raw_path": b"/..", "headers": []}])
async def test_what_is_no_request_passes_through(scope: dict[str, Any]) -> None:
    """Lifespan and websockets are not the guard's business."""
    scopes, sent = await asked(scope)

    assert scopes[0] is scope
    assert sent == []


async def test_a_refused_request_gets_a_problem_and_never_reaches_the_app() -> None:
    """The answer is a problem with its headers, and has nothing of the request in it."""
    scopes, (start, body) = await asked(request(b"/c4n4ry%00"))

    headers = dict(start["headers"])
    assert scopes == []
    assert (start["type"], start["status"], body["type"]) == ("http.response.start", 400, "http.response.body")
    assert headers[b"content-type"] == b"application/problem+json"
    assert headers[b"content-length"] == str(len(body["body"])).encode()
    assert (headers[b"cache-control"], headers[b"gateway-complete"]) == (b"no-store", b"false")
    assert json.loads(body["body"]) == {
        "type": "urn:problem:fanin:bad-request",
        "title": "Bad Request",
        "status": 400,
        "detail": "the path has characters or segments that are not allowed",
    }


async def test_the_headers_of_a_refusal_are_sent() -> None:
    """A 405 without `Allow` would be none."""
    _, (start, _body) = await asked(request(method="TRACE"))

    assert (start["status"], dict(start["headers"])[b"allow"]) == (405, b"GET, HEAD, POST, PUT, PATCH, DELETE")

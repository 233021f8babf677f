"""`gateway call`: one request through the whole gateway, to upstreams on real sockets."""

from __future__ import annotations

import json
import re
from typing import Any

import pytest

from gateway.cli.call import make_request

pytestmark = pytest.mark.slow

ENDPOINTS = """
  - path: /a/{id}
    steps:
      user: { get: "users /users/{path.id}", forward: { headers: [x-who] } }
      extra: { get: "users /extra?who={user.id}", optional: true, retry: { attempts: 2, backoff: 0.01ms } }
  - path: /orders
    method: POST
    steps: { order: { post: users /orders, body: "{body}" } }
  - path: /late/{id}
    steps:
      user: { get: "users /users/{path.id}" }
      late: { get: "users /users/{user.missing || `7`}" }
"""


@pytest.fixture
def call(run: Any, write: Any, upstream: Any) -> Any:
    """Call an endpoint of `ENDPOINTS`."""
    upstream.answers = {
        "/users/42": [(200, {"id": 42})],
        "/users/7": [(404, {})],
        "/extra": [(200, ["x"])],
        "/orders": [(201, {"made": True})],
    }
    return lambda *arguments, **environ: run("call", "-c", write(ENDPOINTS, url=upstream.url), *arguments, **environ)


def body_of(out: str) -> Any:
    """The answer, printed between two empty lines."""
    return json.loads(out.split("\n\n")[1])


def test_a_complete_answer_is_shown_with_its_waterfall(call: Any, upstream: Any) -> None:
    """The status, whether it is complete, the body, and what happened; status 0."""
    done = call("/a/42")

    assert (done.status, done.err) == (0, "")
    assert done.out.splitlines()[:2] == ["200 OK", "gateway-complete: true"]
    assert body_of(done.out) == {"user": {"id": 42}, "extra": ["x"]}
    names = re.findall(r"^( *[\w{}./ ]+?) +━", done.out.partition("trace ")[2], flags=re.MULTILINE)
    assert names == ["GET /a/{id}", "  step user", "    GET /users/{path.id}", "  step extra", "    GET /extra", "  shape"]


def test_a_partial_answer_says_what_is_missing(call: Any, upstream: Any) -> None:
    """It is an answer: status 0; the retry, its failure and what became of the step are seen."""
    upstream.answers["/extra"] = [(503, {})]

    done = call("/a/42")

    assert done.status == 0
    assert "gateway-complete: false" in done.out
    assert 'next-hop="users";received-status=503;details="step extra"' in done.out
    assert body_of(done.out)["errors"][0]["step"] == "extra"
    assert re.findall(r"ms (\w.*)$", done.out, flags=re.MULTILINE) == [
        "200",
        "200",
        "failed · status 503",
        "503",
        "503 · retry 1",
    ]


def test_a_failed_request_is_status_1_and_still_pleasant(call: Any) -> None:
    """The problem, which step it was, and the waterfall up to there."""
    done = call("/a/7")

    assert (done.status, done.err) == (1, "")
    assert done.out.splitlines()[0] == "404 Not Found"
    assert body_of(done.out)["status"] == 404
    assert "failed · status 404" in done.out


def test_an_upstream_that_is_not_there_is_named_with_its_address(run: Any, write: Any) -> None:
    """What one most often sees first: nothing listens where the config says."""
    done = run("call", "-c", write(ENDPOINTS, url="http://127.0.0.1:9"), "/a/42")

    assert (done.status, done.err) == (1, "")
    assert done.out.splitlines()[0] == "502 Bad Gateway"
    assert "failed · no connection" in done.out
    assert "unreachable 127.0.0.1:9" in done.out


def test_what_no_endpoint_answers_has_no_waterfall(call: Any) -> None:
    """There is no plan that could have run."""
    done = call("/nope")

    assert done.status == 1
    assert done.out.splitlines()[0] == "404 Not Found"
    assert "trace " not in done.out


def test_a_method_that_is_not_taken_is_answered_with_those_that_are(call: Any) -> None:
    """405 with its `Allow`."""
    done = call("-X", "delete", "/orders")

    assert done.status == 1
    assert done.out.splitlines()[0] == "405 Method Not Allowed"
    assert "allow: POST" in done.out


@pytest.mark.parametrize("arguments", [["-X", "POST"], []], ids=["said", "by data"])
def test_data_is_posted_as_json(call: Any, upstream: Any, arguments: list[str]) -> None:
    """As with curl, data makes the request a POST."""
    done = call("/orders", "--data", '{"sku": "é"}', *arguments)

    method, path, headers, body = upstream.asked[0]
    assert (done.status, done.out.splitlines()[0]) == (0, "200 OK")
    assert (method, path, headers["content-type"], json.loads(body)) == ("POST", "/orders", "application/json", {"sku": "é"})


def test_data_that_is_not_json_is_the_gateways_to_refuse(call: Any, upstream: Any) -> None:
    """What a client would be told."""
    done = call("/orders", "-d", "{")

    assert done.status == 1
    assert done.out.splitlines()[0] == "400 Bad Request"
    assert upstream.asked == []


def test_headers_go_along_as_a_client_would_send_them(call: Any, upstream: Any) -> None:
    """Several, with any text a header may have, and the content type of the data too."""
    call("/a/42", "-H", "X-Who: Zoë ", "--header", "x-other:1", "-H", "Empty:")

    assert upstream.asked[0][2]["x-who"] == "Zoë"
    assert "x-other" not in upstream.asked[0][2]


def test_a_header_of_ones_own_replaces_the_content_type(call: Any) -> None:
    """So that the gateway can be seen to refuse it; there is no second one beside it."""
    sent = make_request(None, "/orders", ["Content-Type: text/plain"], "{}")

    done = call("/orders", "-d", "{}", "-H", "Content-Type: text/plain")

    assert sent.headers.get_list("content-type") == ["text/plain"]
    assert done.out.splitlines()[0] == "415 Unsupported Media Type"


@pytest.mark.parametrize("header", ["X-Who", ": x", "X Who: x", "X-Who: a\nb", "X-Whö: x", ""])
def test_what_is_no_header_is_named(call: Any, upstream: Any, header: str) -> None:
    """Status 2, and how to write it; nothing is called."""
    done = call("/a/42", "-H", header)

    assert (done.status, done.out) == (2, "")
    assert done.err == f"gateway: not a header: {header!r}; write it as in 'Accept-Language: en'\n"
    assert upstream.asked == []


@pytest.mark.parametrize("path", ["http://localhost:port/a", "/\x00"])
def test_what_is_no_path_is_named(call: Any, path: str) -> None:
    """Status 2, and how to write it."""
    done = call(path)

    assert (done.status, done.out) == (2, "")
    assert "not a path" in done.err


@pytest.mark.parametrize("path", ["/a/42", "a/42", "/a/42?x=1#y", "http://127.0.0.1:8080/a/42"])
def test_a_path_is_found_however_it_was_copied(call: Any, path: str) -> None:
    """Without its slash, with a query, or as the URL from a browser."""
    done = call(path)

    assert done.out.splitlines()[0] == "200 OK"


def test_what_is_not_json_is_printed_as_it_is(call: Any) -> None:
    """Such as the documentation."""
    done = call("/docs")

    assert done.status == 0
    assert "<!DOCTYPE html>" in done.out or "<html>" in done.out


@pytest.mark.parametrize("columns", [40, 200])
def test_the_answer_fits_the_terminal(call: Any, upstream: Any, columns: int) -> None:
    """A wide one has more on a line; a text that is longer is left to the terminal to wrap, so that it can be copied."""
    upstream.answers["/extra"] = [(200, {"text": "word " * 60, "list": list(range(20))})]

    out = call("/a/42", COLUMNS=str(columns)).out

    flat = json.dumps(list(range(20)))
    assert body_of(out)["extra"]["text"] == "word " * 60
    assert (f'"list": {flat}' in out) == (columns == 200)
    assert max(len(line) for line in out.partition("trace ")[2].splitlines()) <= columns


@pytest.mark.parametrize(
    ("environ", "coloured"),
    [({"FORCE_COLOR": "1"}, True), ({"FORCE_COLOR": "1", "NO_COLOR": "1"}, False), ({}, False)],
    ids=["terminal", "NO_COLOR", "no terminal"],
)
def test_escape_codes_are_for_terminals_that_want_them(call: Any, environ: dict[str, str], coloured: bool) -> None:
    """With NO_COLOR or into a file there is not one, for bold neither."""
    out = call("/a/7", **environ).out

    assert ("\x1b[" in out) == coloured


def test_a_terminal_that_knows_only_ascii_gets_no_traceback(start: Any, write: Any, upstream: Any) -> None:
    """What it cannot show is replaced."""
    upstream.answers = {"/users/42": [(200, {"name": "Zoë"})], "/extra": [(200, {})]}
    process = start("call", "-c", write(ENDPOINTS, url=upstream.url), "/a/42", PYTHONIOENCODING="ascii", PYTHONUTF8="0")

    out, complaint = process.communicate()

    assert (process.returncode, complaint) == (0, "")
    assert '"Zo?"' in out


def test_a_real_terminal_has_colours_and_its_own_width(in_terminal: Any, write: Any, upstream: Any) -> None:
    """Without any variable that says so."""
    upstream.answers = {"/users/42": [(200, {"id": 42})], "/extra": [(200, {})]}

    out = in_terminal(100, "call", "-c", write(ENDPOINTS, url=upstream.url), "/a/42")

    assert "\x1b[1;32m200 OK" in out
    lines = [re.sub(r"\x1b\[[\d;]*m", "", line) for line in out.partition("trace ")[2].splitlines()]
    assert max(len(line) for line in lines) == 100


def test_parts_are_shown_when_they_come(call: Any) -> None:
    """Each with its time, in the order of readiness; at last whether that was all, and the waterfall."""
    done = call("--stream", "/a/42?fields=user,extra")

    assert (done.status, done.err) == (0, "")
    heads = re.findall(r"^([0-9.]+) ms · (.*)$", done.out, flags=re.MULTILINE)
    assert [what for _, what in heads] == ["part user", "part extra", "end"]
    assert [float(time) for time, _ in heads] == sorted(float(time) for time, _ in heads)
    assert '\n{"id": 42}\n' in done.out
    assert '{"complete": true, "errors": []}' in done.out
    assert done.out.count("200 OK") == 0
    assert "\ntrace " in done.out


@pytest.mark.parametrize(("path", "heads"), [("/late/42", ["part user", "problem"]), ("/late/7", [])])
def test_parts_that_are_no_answer_are_status_1(call: Any, path: str, heads: list[str]) -> None:
    """Whether that was known before the first of them or not."""
    done = call("--stream", path)

    assert done.status == 1
    assert re.findall(r"ms · (.*)$", done.out.partition("trace ")[0], flags=re.MULTILINE) == heads
    assert ("404 Not Found" in done.out) is (not heads)
    assert "upstream-not-found" in done.out

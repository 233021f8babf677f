"""What an answer tells the client: complete, partial or a problem, and what the headers say about it."""

from __future__ import annotations

import asyncio
import json
import re
from typing import Any

import httpx
import pytest
import respx

HOME = """
version: 1
upstreams:
  users: { url: http://users.test }
  orders: { url: http://orders.test }
  likes: { url: http://likes.test }
endpoints:
  - path: /home/{id}
    timeout: 2s
    steps:
      user: { get: "users /users/{path.id}" }
      orders: { get: "orders /orders?user={path.id}", optional: true, fallback: [] }
      likes: { get: "likes /for/{user.segment}", optional: true }
"""

REGISTERED = {
    "dns_timeout", "dns_error", "destination_not_found", "destination_unavailable", "destination_ip_prohibited",
    "destination_ip_unroutable", "connection_refused", "connection_terminated", "connection_timeout", "connection_read_timeout",
    "connection_write_timeout", "connection_limit_reached", "tls_protocol_error", "tls_certificate_error", "tls_alert_received",
    "http_request_error", "http_request_denied", "http_response_incomplete", "http_response_header_section_size",
    "http_response_header_size", "http_response_body_size", "http_response_trailer_section_size", "http_response_trailer_size",
    "http_response_transfer_coding", "http_response_content_coding", "http_response_timeout", "http_upgrade_failed",
    "http_protocol_error", "proxy_internal_response", "proxy_internal_error", "proxy_configuration_error", "proxy_loop_detected",
}  # fmt: skip
"""Words for what went wrong (RFC 9209, section 2.3)."""

USER = {"id": 42, "segment": "gold"}


def _well(upstreams: respx.Router) -> None:
    upstreams.get("http://users.test/users/42").respond(json=USER)
    upstreams.get("http://orders.test/orders").respond(json=[{"id": 1}])
    upstreams.get("http://likes.test/for/gold").respond(json=["tea"])


def _members(header: str) -> list[tuple[str, dict[str, Any]]]:
    """A structured field that is a list of tokens with parameters (RFC 9651), parsed strictly."""
    value = r'"(?:[ !#-\[\]-~]|\\["\\])*"|[A-Za-z*][!#$%&\'*+.^_`|~:/0-9A-Za-z-]*|-?[0-9]{1,15}(?:\.[0-9]{1,3})?'
    member = re.compile(rf"([A-Za-z*][!#$%&'*+.^_`|~:/0-9A-Za-z-]*)((?:; *[a-z*][a-z0-9_.*-]*=(?:{value}))*)(?:[ \t]*,[ \t]*|$)")
    found, at = [], 0
    while at < len(header):
        match = member.match(header, at)
        assert match, header[at:]
        pairs = re.findall(rf"; *([a-z*][a-z0-9_.*-]*)=({value})", match[2])
        found.append((match[1], {name: json.loads(text) if text[0] in '"-0123456789' else text for name, text in pairs}))
        at = match.end()
    return found


async def test_an_answer_with_every_step_good_is_complete(serve: Any, upstreams: respx.Router) -> None:
    """200, each step by its name in the order written, and nothing that speaks of failure."""
    _well(upstreams)
    client = await serve(HOME)

    answer = await client.get("/home/42")

    assert answer.status_code == 200
    assert answer.headers["gateway-complete"] == "true"
    assert answer.text == '{"user":{"id":42,"segment":"gold"},"orders":[{"id":1}],"likes":["tea"]}'
    assert not {"proxy-status", "cache-control"} & set(answer.headers)


async def test_a_skipped_step_leaves_the_answer_complete(serve: Any, upstreams: respx.Router) -> None:
    """What was not to run has not failed."""
    _well(upstreams)
    client = await serve(HOME.replace('/for/{user.segment}"', '/for/{user.segment}", when: user.likes'))

    answer = await client.get("/home/42")

    assert answer.headers["gateway-complete"] == "true"
    assert answer.json()["likes"] is None
    assert "likes;dur=" in answer.headers["server-timing"]
    assert 'desc="skipped"' in answer.headers["server-timing"]


async def test_a_failed_optional_step_leaves_a_partial_answer(serve: Any, upstreams: respx.Router) -> None:
    """Its fallback is in place, `errors` names it, and nobody keeps the answer."""
    _well(upstreams)
    upstreams.get("http://orders.test/orders").respond(500, json={"stack": "internals"})
    client = await serve(HOME)

    answer = await client.get("/home/42")

    assert answer.status_code == 200
    assert answer.headers["gateway-complete"] == "false"
    assert answer.headers["cache-control"] == "no-store"
    assert answer.json()["orders"] == []
    assert answer.json()["errors"] == [
        {
            "type": "urn:problem:fanin:upstream-error",
            "title": "An upstream answered with an error",
            "status": 502,
            "step": "orders",
        }
    ]


async def test_a_failed_optional_step_without_a_fallback_is_null(serve: Any, upstreams: respx.Router) -> None:
    """Absent and failed are told apart by `errors`, not by a missing member."""
    _well(upstreams)
    upstreams.get("http://likes.test/for/gold").mock(side_effect=httpx.ConnectError)
    client = await serve(HOME)

    answer = await client.get("/home/42")

    assert answer.json()["likes"] is None
    assert [error["step"] for error in answer.json()["errors"]] == ["likes"]


@pytest.mark.parametrize(("written", "name"), [("problems", "problems"), ("false", None)])
async def test_the_member_that_lists_errors_has_the_name_it_is_given(
    serve: Any, upstreams: respx.Router, written: str, name: str | None
) -> None:
    """`answer.errors` names it or leaves it out; the headers still say that something is missing."""
    _well(upstreams)
    upstreams.get("http://orders.test/orders").respond(500)
    client = await serve(HOME + f"answer: {{ errors: {written} }}\n")

    answer = await client.get("/home/42")

    assert set(answer.json()) == {"user", "orders", "likes"} | ({name} if name else set())
    assert answer.headers["gateway-complete"] == "false"


async def test_proxy_status_has_a_member_for_each_failed_step(serve: Any, upstreams: respx.Router) -> None:
    """In the order written: what went wrong, at which upstream, in which step."""
    _well(upstreams)
    upstreams.get("http://orders.test/orders").respond(503)
    upstreams.get("http://likes.test/for/gold").mock(side_effect=httpx.ConnectError)
    client = await serve(HOME)

    answer = await client.get("/home/42")

    members = _members(answer.headers["proxy-status"])
    assert {more.pop("error") for _, more in members} <= REGISTERED
    assert members == [
        ("fanin", {"next-hop": "orders", "received-status": 503, "details": "step orders"}),
        ("fanin", {"next-hop": "likes", "details": "step likes"}),
    ]


@pytest.mark.parametrize(
    ("reply", "status", "slug"),
    [
        (httpx.ConnectError, 502, "upstream-unreachable"),
        (httpx.ReadError, 502, "upstream-disconnected"),
        (httpx.Response(200, text="<html>"), 502, "upstream-invalid-reply"),
        (httpx.Response(200, content=b"x" * 2000), 502, "upstream-too-large"),
        (httpx.Response(500), 502, "upstream-error"),
        (httpx.Response(503), 502, "upstream-error"),
        (httpx.Response(302, headers={"location": "/"}), 502, "upstream-error"),
        (httpx.Response(400), 502, "upstream-error"),
        (httpx.Response(401), 502, "upstream-error"),
        (httpx.Response(403), 502, "upstream-error"),
        (httpx.ReadTimeout, 504, "upstream-timeout"),
        (httpx.Response(404), 404, "upstream-not-found"),
        (httpx.Response(409), 409, "upstream-conflict"),
        (httpx.Response(410), 410, "upstream-gone"),
        (httpx.Response(422), 422, "upstream-unprocessable"),
        (httpx.Response(429, headers={"retry-after": "7"}), 429, "upstream-too-many-requests"),
    ],
    ids=lambda value: (
        getattr(value, "__name__", None) or (f"reply-{value.status_code}" if isinstance(value, httpx.Response) else None)
    ),
)
async def test_a_failed_required_step_is_a_problem(
    serve: Any, upstreams: respx.Router, reply: Any, status: int, slug: str
) -> None:
    """The status says whose fault it is; the body says no more than that."""
    _well(upstreams)
    upstreams.get("http://users.test/users/42").mock(
        **{"return_value" if isinstance(reply, httpx.Response) else "side_effect": reply}
    )
    client = await serve(HOME.replace("users.test }", "users.test, max_reply: 1000B }"))

    answer = await client.get("/home/42")

    assert answer.status_code == status
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.headers["gateway-complete"] == "false"
    assert answer.headers["cache-control"] == "no-store"
    assert answer.json().keys() == {"type", "title", "status"}
    assert (answer.json()["type"], answer.json()["status"]) == (f"urn:problem:fanin:{slug}", status)
    assert answer.headers.get("retry-after") == ("7" if status == 429 else None)
    assert ("fanin", "step user") in [(name, more["details"]) for name, more in _members(answer.headers["proxy-status"])]


@pytest.mark.looptime
@pytest.mark.parametrize(
    ("limit", "slug", "seconds"),
    [("timeout: 500ms", "upstream-timeout", 0.5), ("timeout: 5s", "deadline", 2.0)],
    ids=["attempt", "deadline"],
)
async def test_a_hung_required_step_is_504_when_its_time_is_up(
    serve: Any, upstreams: respx.Router, limit: str, slug: str, seconds: float
) -> None:
    """The attempt's own limit or the endpoint's deadline, whichever comes first, ends the call and the answer."""
    _well(upstreams)
    gone = asyncio.Event()
    upstreams.get("http://users.test/users/42").mock(side_effect=_hang(gone))
    client = await serve(HOME.replace("users.test }", f"users.test, {limit} }}"))
    begin = asyncio.get_running_loop().time()

    answer = await client.get("/home/42")

    assert asyncio.get_running_loop().time() - begin == pytest.approx(seconds, abs=0.01)
    assert (answer.status_code, answer.json()["type"]) == (504, f"urn:problem:fanin:{slug}")
    assert gone.is_set()


@pytest.mark.looptime
async def test_a_failed_required_step_ends_the_others_at_once(serve: Any, upstreams: respx.Router) -> None:
    """Nobody waits for what nobody will read: the hung call is cancelled, and named as neither good nor failed."""
    _well(upstreams)
    gone = asyncio.Event()
    upstreams.get("http://users.test/users/42").mock(side_effect=_after(0.1, None, status=404))
    upstreams.get("http://orders.test/orders").mock(side_effect=_hang(gone))
    client = await serve(HOME)
    begin = asyncio.get_running_loop().time()

    answer = await client.get("/home/42")

    assert answer.status_code == 404
    assert asyncio.get_running_loop().time() - begin == pytest.approx(0.1, abs=0.01)
    assert gone.is_set()
    assert [more["details"] for _, more in _members(answer.headers["proxy-status"])] == ["step user"]
    assert "orders;dur=" in answer.headers["server-timing"]
    assert 'desc="cancelled"' in answer.headers["server-timing"]


async def test_server_timing_tells_every_step_in_the_order_written(serve: Any, upstreams: respx.Router) -> None:
    """A metric per step with its status, then the merge; in the order written although `first` began last."""
    upstreams.get("http://users.test/slow").respond(json={"id": 7})
    upstreams.get("http://users.test/fast/7").respond(201, json={})
    client = await serve(
        """
version: 1
upstreams: { users: { url: http://users.test, cache: { ttl: 1s } } }
endpoints:
  - path: /both
    steps:
      first: { get: "users /fast/{second.id}" }
      second: { get: users /slow }
"""
    )

    answer = await client.get("/both")

    metric = r'[a-z]+;dur=[0-9]+\.[0-9](?:;desc="[0-9a-z ]+")?'
    assert re.fullmatch(rf"{metric}(?:, {metric})*", answer.headers["server-timing"])
    plain = re.sub(r"dur=[0-9.]+", "dur", answer.headers["server-timing"])
    assert plain == 'first;dur;desc="201 miss", second;dur;desc="200 miss", merge;dur'


async def test_server_timing_is_off_when_configured(serve: Any, upstreams: respx.Router) -> None:
    """`answer.server_timing: false` keeps the inner workings from the public."""
    _well(upstreams)
    client = await serve(HOME + "answer: { server_timing: false }\n")

    answer = await client.get("/home/42")

    assert answer.headers["gateway-complete"] == "true"
    assert "server-timing" not in answer.headers


async def test_the_traceparent_is_that_of_the_record(serve: Any, upstreams: respx.Router, traces: list[Any]) -> None:
    """Good or bad, an answer names the trace to look up."""
    _well(upstreams)
    upstreams.get("http://users.test/users/0").respond(404)
    client = await serve(HOME)

    told = [(await client.get(path)).headers["traceparent"] for path in ("/home/42", "/home/0")]

    assert told == [trace.root.traceparent for trace in traces]
    assert len(set(told)) == 2


@pytest.mark.parametrize("delays", [(0.1, 0.2, 0.3), (0.3, 0.2, 0.1)], ids=["as written", "the other way round"])
@pytest.mark.looptime
async def test_the_same_inputs_give_the_same_bytes(serve: Any, upstreams: respx.Router, delays: tuple[float, ...]) -> None:
    """Whatever order replies arrive in."""
    for name, delay in zip("abc", delays, strict=True):
        upstreams.get(f"http://users.test/{name}").mock(side_effect=_after(delay, {"name": name, "z": 1, "a": 2}))
    steps = "\n".join(f"      {name}: {{ get: users /{name} }}" for name in "cab")
    client = await serve(
        f"version: 1\nupstreams: {{ users: {{ url: http://users.test }} }}\nendpoints:\n  - path: /all\n    steps:\n{steps}\n"
    )

    answer = await client.get("/all")

    members = ",".join(f'"{name}":{{"name":"{name}","z":1,"a":2}}' for name in "cab")
    assert answer.text == f"{{{members}}}"


async def test_a_member_that_cannot_be_made_is_null_and_said(serve: Any, upstreams: respx.Router) -> None:
    """An expression that does not fit costs its own member, and the answer is partial."""
    upstreams.get("http://users.test/users/42").respond(json=USER)
    client = await serve(
        """
version: 1
upstreams: { users: { url: http://users.test } }
endpoints:
  - path: /home/{id}
    steps: { user: { get: "users /users/{path.id}" } }
    response: { id: user.id, total: sum(user.segment) }
"""
    )

    answer = await client.get("/home/42")

    assert answer.headers["gateway-complete"] == "false"
    assert (answer.json()["id"], answer.json()["total"]) == (42, None)
    assert [(error["member"], error["type"]) for error in answer.json()["errors"]] == [("total", "urn:problem:fanin:unshapeable")]


async def test_an_answer_that_cannot_be_made_at_all_is_a_502(serve: Any, upstreams: respx.Router) -> None:
    """An answer that is no object has no members to spare: null would be one that nobody wrote."""
    upstreams.get("http://users.test/users/42").respond(json=USER)
    client = await serve(
        """
version: 1
upstreams: { users: { url: http://users.test } }
endpoints:
  - path: /home/{id}
    steps: { user: { get: "users /users/{path.id}" } }
    response: sum(user.segment)
"""
    )

    answers = [await client.get("/home/42"), await client.get("/home/42", headers={"accept": "application/jsonl"})]

    for answer in answers:
        assert (answer.status_code, answer.json()["type"]) == (502, "urn:problem:fanin:unshapeable")


async def test_an_answer_that_json_has_no_form_for_is_a_502(serve: Any, upstreams: respx.Router) -> None:
    """Half a surrogate pair, made by an expression, is no JSON: a problem instead of a broken body or a 500."""
    upstreams.get("http://users.test/users/42").respond(json=USER)
    client = await serve(
        """
version: 1
upstreams: { users: { url: http://users.test } }
endpoints:
  - path: /home/{id}
    steps: { user: { get: "users /users/{path.id}" } }
    response: { half: '`"\\ud800"`' }
"""
    )

    answer = await client.get("/home/42")

    assert (answer.status_code, answer.json()["type"]) == (502, "urn:problem:fanin:unshapeable")
    assert answer.headers["content-type"] == "application/problem+json"


async def test_a_reply_made_by_hand_is_read_like_one_from_the_wire(serve: Any) -> None:
    """The transport of a test may be a plain function that gives complete responses."""
    client = await serve(
        HOME, transport=httpx.MockTransport(lambda request: httpx.Response(200, json={"segment": request.url.host}))
    )

    answer = await client.get("/home/42")

    assert answer.headers["gateway-complete"] == "true"
    assert answer.json()["user"] == {"segment": "users.test"}


async def test_a_bug_is_a_500_that_tells_nothing(serve: Any, traces: list[Any]) -> None:
    """What is no error of a call is ours: the client learns that much and which trace to look up, the record has its type."""

    def buggy(_: httpx.Request) -> httpx.Response:
        raise ZeroDivisionError("secret internals")

    client = await serve(HOME, transport=httpx.MockTransport(buggy))

    answer = await client.get("/home/42")

    assert answer.status_code == 500
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.json() == {"type": "urn:problem:fanin:internal-server-error", "title": "Internal Server Error", "status": 500}
    assert traces[0].root.attributes["error.type"] == "builtins.ZeroDivisionError"
    assert answer.headers["traceparent"] == traces[0].root.traceparent


def _hang(gone: asyncio.Event) -> Any:
    async def hang(_: httpx.Request) -> httpx.Response:
        try:
            await asyncio.Event().wait()
        finally:
            gone.set()
        raise AssertionError

    return hang


def _after(delay: float, value: Any, status: int = 200) -> Any:
    async def reply(_: httpx.Request) -> httpx.Response:
        await asyncio.sleep(delay)
        return httpx.Response(status, json=value)

    return reply

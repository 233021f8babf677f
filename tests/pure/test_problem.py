"""What clients are told of what failed: statuses, problems, and `Proxy-Status` with the words that RFC 9209 has."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any

import pytest

from gateway import errors
from gateway.call import Reply
from gateway.inputs import Misfit
from gateway.problem import TYPE, Problem, of_error, of_inputs, of_status, proxy_status, root_of

CANARY = "c4n4ry"

WORDS = frozenset(
    re.findall(
        r"\w+",
        """
    dns_timeout dns_error destination_not_found destination_unavailable destination_ip_prohibited destination_ip_unroutable
    connection_refused connection_terminated connection_timeout connection_read_timeout connection_write_timeout
    connection_limit_reached tls_protocol_error tls_certificate_error tls_alert_received http_request_error http_request_denied
    http_response_incomplete http_response_header_section_size http_response_header_size http_response_body_size
    http_response_trailer_section_size http_response_trailer_size http_response_transfer_coding http_response_content_coding
    http_response_timeout http_upgrade_failed http_protocol_error proxy_internal_response proxy_internal_error
    proxy_configuration_error proxy_loop_detected
    """,
    )
)
"""The registered proxy error types (RFC 9209, section 2.3)."""


def refused(status: int, **headers: str) -> errors.StatusRefused:
    """An upstream's answer that the step does not accept, full of what nobody should see."""
    fields = tuple((name.replace("_", "-"), value) for name, value in headers.items())
    return errors.StatusRefused(Reply(status, (("server", CANARY), *fields), CANARY.encode(), CANARY))


FAULTS: list[tuple[errors.CallError, int, str, str, str]] = [
    (errors.Unreachable(CANARY), 502, "upstream-unreachable", "An upstream cannot be reached", "connection_refused"),
    (errors.Disconnected(CANARY), 502, "upstream-disconnected", "An upstream broke the connection", "connection_terminated"),
    (errors.BadReply(CANARY), 502, "upstream-invalid-reply", "An upstream's reply cannot be read", "http_protocol_error"),
    (errors.TooLarge(CANARY), 502, "upstream-too-large", "An upstream's reply is too large", "http_response_body_size"),
    (errors.AttemptTimeout(CANARY), 504, "upstream-timeout", "An upstream took too long", "http_response_timeout"),
    (errors.CallTimeout(CANARY), 504, "deadline", "The answer took too long", "http_response_timeout"),
    (errors.Unrendered(CANARY), 502, "step-unsendable", "A value that the next call needs is missing", "proxy_internal_response"),
    (refused(500), 502, "upstream-error", "An upstream answered with an error", "destination_unavailable"),
    (refused(503, retry_after="7"), 502, "upstream-error", "An upstream answered with an error", "destination_unavailable"),
    (refused(504), 502, "upstream-error", "An upstream answered with an error", "destination_unavailable"),
    (refused(400), 502, "upstream-error", "An upstream answered with an error", "http_request_error"),
    (refused(401), 502, "upstream-error", "An upstream answered with an error", "http_request_error"),
    (errors.BreakerOpen(CANARY), 503, "breaker-open", "An upstream is left alone after failures", "destination_unavailable"),
    (errors.BulkheadFull(CANARY), 503, "bulkhead-full", "An upstream has as much to do as it may", "connection_limit_reached"),
    (errors.Throttled(CANARY), 503, "throttled", "An upstream is asked less, since it turns away", "destination_unavailable"),
    (errors.Paused(CANARY), 503, "upstream-paused", "An upstream has asked to be left alone", "destination_unavailable"),
    (errors.NotThere(CANARY), 404, "item-not-found", "An item is not there", "http_request_error"),
    (errors.TooManyItems(3, 2), 502, "too-many-items", "There are more items than the limit", "proxy_internal_response"),
    (refused(403), 502, "upstream-error", "An upstream answered with an error", "http_request_error"),
    (refused(418), 502, "upstream-error", "An upstream answered with an error", "http_request_error"),
    (refused(302, location=CANARY), 502, "upstream-error", "An upstream answered with an error", "http_protocol_error"),
    (refused(204), 502, "upstream-error", "An upstream answered with an error", "http_protocol_error"),
    (refused(404), 404, "upstream-not-found", "An upstream answered 404", "http_request_error"),
    (refused(409), 409, "upstream-conflict", "An upstream answered 409", "http_request_error"),
    (refused(410), 410, "upstream-gone", "An upstream answered 410", "http_request_error"),
    (refused(422), 422, "upstream-unprocessable", "An upstream answered 422", "http_request_error"),
    (refused(429), 429, "upstream-too-many-requests", "An upstream answered 429", "http_request_error"),
]

by_name = pytest.mark.parametrize(
    ("error", "status", "slug", "title", "word"),
    FAULTS,
    ids=lambda value: getattr(type(value), "__name__", "") if isinstance(value, Exception) else None,
)

NEVER_RAISED = {errors.CallError, errors.Unsent, errors.Rejected, errors.TimedOut}
"""Branches of the tree; what is raised is a leaf, or has a table line of its own."""

BY_ITS_CAUSE = {errors.NeedFailed}


def tree(kind: type[errors.CallError] = errors.CallError) -> Iterator[type[errors.CallError]]:
    """Every class of the tree."""
    yield kind
    for below in kind.__subclasses__():
        yield from tree(below)


def test_the_table_has_every_error() -> None:
    """An error that is added must be given a status and a word on purpose."""
    ours = {kind for kind in tree() if kind.__module__.startswith("gateway.")}

    assert ours - NEVER_RAISED - BY_ITS_CAUSE == {type(error) for error, *_ in FAULTS}


@by_name
def test_every_error_is_a_problem(error: errors.CallError, status: int, slug: str, title: str, word: str) -> None:
    """It has a status, a type and a title of ours, and nothing of the host, the body or the exception."""
    problem = of_error(error).as_json(step="orders")

    assert problem == {"type": TYPE + slug, "title": title, "status": status, "step": "orders"}
    assert CANARY not in json.dumps([problem, *of_error(error).headers.items()])


@by_name
def test_a_failed_need_is_told_as_what_it_goes_back_to(
    error: errors.CallError, status: int, slug: str, title: str, word: str
) -> None:
    """The client learns of the cause, however many steps are between."""
    failed = errors.NeedFailed("orders", errors.NeedFailed("user", error))

    assert root_of(failed) is error
    assert of_error(failed) == of_error(error)
    assert proxy_status("it", "shop", failed) == proxy_status("it", "shop", error)


@by_name
def test_proxy_status_has_a_registered_word(error: errors.CallError, status: int, slug: str, title: str, word: str) -> None:
    """A member of `Proxy-Status` parses as a structured field: who tells, which error, at which upstream, of which step."""
    told, parameters = parse_list(proxy_status("orders", "shop", error))[0]

    received = {"received-status": error.reply.status} if isinstance(error, errors.StatusRefused) else {}
    assert told == "fanin"
    assert parameters == {"error": word, "next-hop": '"shop"', **received, "details": '"step orders"'}
    assert word in WORDS
    assert CANARY not in str(parameters)


def test_proxy_status_of_several_steps_is_one_list() -> None:
    """A member per failed step, in their order."""
    field = ", ".join(proxy_status(step, "shop", errors.CallTimeout(CANARY)) for step in ("a", "b"))

    assert [parameters["details"] for _, parameters in parse_list(field)] == ['"step a"', '"step b"']


def test_a_clients_own_fault_is_a_400_that_names_the_reference() -> None:
    """It is the only text of an error that a client may read."""
    problem = of_error(errors.Unrendered("path.id is absent or empty", by_client=True))

    assert problem == Problem(400, "unusable-input", "An input cannot be used", "path.id is absent or empty")
    assert problem.as_json()["detail"] == "path.id is absent or empty"


@pytest.mark.parametrize(
    ("status", "wait", "passed"),
    [
        (429, "7", {"retry-after": "7"}),
        (429, "0", {"retry-after": "0"}),
        (429, "86400", {"retry-after": "300"}),
        (429, "-1", {}),
        (429, "7.5", {}),
        (429, "soon", {}),
        (429, "", {}),
        (429, "9" * 10, {}),
        (429, "٣", {}),
        (429, "7\r\nx: y", {}),
        (404, "7", {}),
        (503, "7", {}),
    ],
)
def test_a_429_tells_when_to_come_back(status: int, wait: str, passed: dict[str, str]) -> None:
    """Its `Retry-After` goes along when it is a number of seconds; no other status has a use for it."""
    assert of_error(refused(status, retry_after=wait)).headers == passed


def test_inputs_that_do_not_fit_are_one_problem() -> None:
    """A 422 that names each of them and what is wrong with it."""
    problem = of_inputs([Misfit("query", "limit", "should be an integer"), Misfit("path", "id", "is required")])

    assert problem.as_json() == {
        "type": f"{TYPE}invalid-input",
        "title": "An input does not fit",
        "status": 422,
        "inputs": [
            {"in": "query", "name": "limit", "detail": "should be an integer"},
            {"in": "path", "name": "id", "detail": "is required"},
        ],
    }


def test_a_status_that_says_it_all_is_its_own_type() -> None:
    """404, 405 and their like need no words of ours; their headers go along."""
    problem = of_status(405, "Method Not Allowed", headers={"allow": "GET"})

    assert problem.as_json() == {"type": f"{TYPE}method-not-allowed", "title": "Method Not Allowed", "status": 405}
    assert problem.headers == {"allow": "GET"}
    assert of_status(413, "Content Too Large", "a body may have 9 bytes").as_json()["detail"] == "a body may have 9 bytes"


def parse_list(field: str) -> list[tuple[str, dict[str, Any]]]:
    """A list of tokens with parameters, as RFC 8941, section 4.2, reads it; anything else is an error."""
    members, rest = [], field
    while True:
        token, rest = _take(r"[A-Za-z*][!#$%&'*+.^_`|~0-9A-Za-z:/-]*", rest)
        parameters: dict[str, Any] = {}
        while rest.startswith(";"):
            key, rest = _take(r"[a-z*][a-z0-9_.*-]*", rest[1:].lstrip(" "))
            value, rest = _take(r"""=(?:[A-Za-z*][!#$%&'*+.^_`|~0-9A-Za-z:/-]*|-?[0-9]{1,15}|"(?:[ !#-[\]-~]|\\["\\])*")""", rest)
            parameters[key] = int(value[1:]) if re.fullmatch("=-?[0-9]+", value) else value[1:]
        members.append((token, parameters))
        if not rest:
            return members
        _, rest = _take(r"[ \t]*,[ \t]*", rest)


def _take(pattern: str, text: str) -> tuple[str, str]:
    found = re.match(pattern, text)
    assert found, f"no structured field: {text!r}"
    return found[0], text[found.end() :]

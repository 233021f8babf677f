"""Trace: the span that each attempt leaves behind."""

from __future__ import annotations

import asyncio
import time
from typing import Any

import pytest

from gateway import telemetry
from gateway.call import Call, Expectation
from gateway.compile import compile_plans
from gateway.errors import AttemptTimeout, BadReply, CallError, ConfigError, Disconnected, Unreachable
from gateway.layers.trace import Trace
from gateway.load import load_text
from gateway.plan.recipe import Upstream

pytestmark = pytest.mark.looptime


def traced(upstream: Any, url: str = "http://127.0.0.1:9101") -> Any:
    """The upstream with spans around it."""
    return Trace(Upstream("users", url, "", 1000, {}))(upstream)


def span_of(call: Call) -> telemetry.Span:
    """The one span below the call's own."""
    _, span = call.span.trace.spans
    return span


async def test_an_attempt_leaves_a_client_span(upstream: Any, make_call: Any) -> None:
    """Named by method and template, below the step's span, with what OpenTelemetry asks of an HTTP client."""
    upstream.replies(200)
    call = make_call()

    await traced(upstream)(call)

    span = span_of(call)
    assert (span.name, span.kind, span.parent, span.error) == ("GET /users/{path.id}", "client", call.span.id, False)
    assert span.attributes == {
        "gateway.upstream.name": "users",
        "server.address": "127.0.0.1",
        "server.port": 9101,
        "http.request.method": "GET",
        "url.full": "http://127.0.0.1:9101/users/42",
        "url.template": "/users/{path.id}",
        "http.response.status_code": 200,
    }
    assert call.span.attributes == {}


async def test_the_span_lasts_as_long_as_the_attempt(upstream: Any, make_call: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """It begins before the call goes down and ends when the reply is there."""
    loop = asyncio.get_running_loop()
    monkeypatch.setattr(time, "monotonic_ns", lambda: round(loop.time() * 1e9))
    upstream.replies(upstream.after(0.25, 200))
    call = make_call()

    await traced(upstream)(call)

    assert span_of(call).seconds == pytest.approx(0.25)


async def test_the_call_below_belongs_to_the_attempt(upstream: Any, make_call: Any) -> None:
    """What goes down carries the attempt's span, which is what the upstream is told as its parent."""
    upstream.replies(200)
    call = make_call()

    await traced(upstream)(call)

    assert upstream.calls[0].span is span_of(call)


@pytest.mark.parametrize(
    ("url", "address", "port"),
    [
        pytest.param("http://users.internal", "users.internal", 80, id="http"),
        pytest.param("https://users.internal", "users.internal", 443, id="https"),
        pytest.param("https://users.internal:8443", "users.internal", 8443, id="port"),
        pytest.param("http://[::1]:9101", "::1", 9101, id="ipv6"),
    ],
)
async def test_address_and_port_are_always_there(upstream: Any, make_call: Any, url: str, address: str, port: int) -> None:
    """The port stands in the span even where the url leaves it out."""
    upstream.replies(200)
    call = make_call()

    await traced(upstream, url)(call)

    attributes = span_of(call).attributes
    assert (attributes[telemetry.SERVER_ADDRESS], attributes[telemetry.SERVER_PORT]) == (address, port)


async def test_the_query_is_in_no_attribute(upstream: Any, make_call: Any) -> None:
    """A query may hold tokens: nothing of it is recorded, nor of the headers."""
    upstream.replies(200)
    call = make_call(target="/users/42?token=secret&x=/?y", headers=(("authorization", "secret"),), body=b"secret")

    await traced(upstream)(call)

    assert span_of(call).attributes[telemetry.URL_FULL] == "http://127.0.0.1:9101/users/42"
    assert "secret" not in str(span_of(call).attributes)


def test_no_upstream_has_credentials_in_its_url() -> None:
    """What stands in `url.full` before the path cannot hold a password: such a config is refused."""
    config = """
        version: 1
        upstreams: {users: {url: "http://ada:secret@127.0.0.1:9101"}}
        endpoints: [{path: /, steps: {user: {get: users /}}}]
        """

    with pytest.raises(ConfigError, match="credentials do not belong in a URL"):
        compile_plans(load_text(config))


@pytest.mark.parametrize(("attempt", "resent"), [(1, None), (2, 1), (3, 2)])
async def test_resends_are_counted_from_the_first_retry(upstream: Any, make_call: Any, attempt: int, resent: int | None) -> None:
    """The first attempt is no resend and has no count."""
    upstream.replies(200)
    call = make_call(attempt=attempt)

    await traced(upstream)(call)

    assert span_of(call).attributes.get(telemetry.HTTP_RESEND_COUNT) == resent


@pytest.mark.parametrize("status", [400, 404, 429, 500, 503])
@pytest.mark.parametrize("handled", [False, True], ids=["refused", "handled"])
async def test_error_statuses_are_errors(upstream: Any, make_call: Any, status: int, handled: bool) -> None:
    """To a client 4xx and 5xx are errors, named by their status, also where the step knows what they mean."""
    upstream.replies(status)
    call = make_call(expects=Expectation(handled=frozenset({status} if handled else ())))

    await asyncio.gather(traced(upstream)(call), return_exceptions=True)

    span = span_of(call)
    assert span.error
    assert span.attributes[telemetry.HTTP_STATUS] == status
    assert span.attributes[telemetry.ERROR_TYPE] == str(status)


async def test_a_refused_status_below_400_is_the_steps_affair(upstream: Any, make_call: Any) -> None:
    """A redirect that nobody accepts fails the attempt, and its status says why."""
    upstream.replies(302)
    call = make_call()

    with pytest.raises(CallError):
        await traced(upstream)(call)

    assert span_of(call).attributes[telemetry.ERROR_TYPE] == "302"


@pytest.mark.parametrize("kind", [Unreachable, Disconnected, BadReply, AttemptTimeout])
async def test_failures_are_named_by_their_class(upstream: Any, make_call: Any, kind: type[CallError]) -> None:
    """A failure without a status is named in full, passes on as it is, and does not mark the step's span."""
    error = kind("of no interest")
    upstream.replies(error)
    call = make_call()

    with pytest.raises(kind) as raised:
        await traced(upstream)(call)

    span = span_of(call)
    assert raised.value is error
    assert (span.error, span.attributes[telemetry.ERROR_TYPE]) == (True, f"gateway.errors.{kind.__name__}")
    assert telemetry.HTTP_STATUS not in span.attributes
    assert not call.span.error


async def test_a_cancelled_attempt_is_no_error(upstream: Any, make_call: Any) -> None:
    """Whoever cancels has no use for the reply; the span ends, and nothing is wrong with it."""
    upstream.replies(upstream.hang)
    call = make_call()
    task = asyncio.create_task(traced(upstream)(call))

    await asyncio.sleep(0.1)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task

    span = span_of(call)
    assert upstream.cancelled == 1
    assert span.end is not None
    assert not span.error
    assert telemetry.ERROR_TYPE not in span.attributes


async def test_attempts_at_once_have_spans_of_their_own(upstream: Any, make_call: Any) -> None:
    """One layer serves all calls to its upstream, and keeps their spans apart."""
    upstream.always(lambda call: upstream.after(0.1, 200 if call.target == "/good" else 500))
    calls = [make_call(target=target) for target in ("/good", "/bad", "/good")]
    layer = traced(upstream)

    await asyncio.gather(*(layer(call) for call in calls), return_exceptions=True)

    assert [span_of(call).attributes[telemetry.HTTP_STATUS] for call in calls] == [200, 500, 200]

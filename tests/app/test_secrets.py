"""Canaries: secrets that go through the gateway and must be seen at their upstream and nowhere else."""

from __future__ import annotations

import logging
from typing import Any

import httpx
import pytest
import respx

from gateway import ConfigError, Gateway

CONFIG = """
version: 1
upstreams:
  users:
    url: http://users.test
    headers: { X-Api-Key: "${CANARY_KEY}" }
    forward: { headers: [authorization], query: [token] }
    retry: { attempts: 2, backoff: 1ms }
endpoints:
  - path: /me
    steps:
      user: { get: users /me, optional: true, query: { sig: "${CANARY_KEY}" } }
      rest: { get: users /rest }
"""

CANARIES = ("canary-key", "canary-bearer", "canary-token", "canary-reply")


@pytest.mark.parametrize(
    "reply",
    [
        httpx.Response(200, json={}, headers={"set-cookie": "canary-reply"}),
        httpx.Response(503, text="canary-reply"),
        httpx.Response(200, text="<canary-reply"),
        httpx.Response(200, headers={"content-encoding": "br"}, content=b"canary-reply"),
        httpx.ConnectError("canary-reply"),
        httpx.RemoteProtocolError("canary-reply"),
        httpx.InvalidURL("canary-reply"),
    ],
    ids=["good", "refused", "not JSON", "encoded", "unreachable", "not HTTP", "unsendable"],
)
async def test_secrets_are_seen_at_their_upstream_and_nowhere_else(
    serve: Any,
    upstreams: respx.Router,
    traces: list[Any],
    caplog: pytest.LogCaptureFixture,
    monkeypatch: pytest.MonkeyPatch,
    reply: Any,
) -> None:
    """Not in a span, an answer, a header of it, or a log record of any level, whether the calls go well or not."""
    caplog.set_level(logging.DEBUG)
    monkeypatch.setenv("CANARY_KEY", "canary-key")
    route = upstreams.route(host="users.test").mock(**{"side_effect" if isinstance(reply, Exception) else "return_value": reply})
    client = await serve(CONFIG)

    answer = await client.get("/me?token=canary-token", headers={"authorization": "Bearer canary-bearer"})

    sent = route.calls[0].request
    assert (sent.headers["x-api-key"], sent.headers["authorization"]) == ("canary-key", "Bearer canary-bearer")
    assert sent.url.params["token"] == "canary-token"
    spans = [(span.name, span.attributes, str(span)) for span in traces[0].spans]
    logged = [(record.getMessage(), record.exc_text) for record in caplog.records]
    seen = repr((answer.text, answer.headers.raw, spans, logged))
    assert len(spans) >= 5
    assert not [canary for canary in CANARIES if canary in seen]


def test_a_config_error_names_a_secret_by_its_variable(monkeypatch: pytest.MonkeyPatch) -> None:
    """What was interpolated is never quoted back."""
    monkeypatch.setenv("CANARY_KEY", "canary-key\n")

    with pytest.raises(ConfigError) as caught:
        Gateway.from_text(CONFIG)

    assert "canary" not in str(caught.value)

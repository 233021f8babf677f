"""Canaries: secrets in every place that a secret can be in, and every place that anything can be seen in."""

from __future__ import annotations

import asyncio
import io
import json
import os
from pathlib import Path
from typing import Any

import httpx
import pytest
from opentelemetry.sdk.trace import ReadableSpan, SpanProcessor

from gateway import Gateway
from gateway.admin.access import Access
from gateway.admin.app import make_admin
from gateway.export import Tracing
from gateway.logs import LogPolicy, logging_to

CONFIG = """
version: 1
upstreams:
  users:
    url: http://users.test/${CANARY_KEY}
    headers: { X-Api-Key: "${CANARY_KEY}", Authorization: "Bearer ${file:FILE}" }
    forward: { headers: [cookie], query: [token] }
    retry: { attempts: 2, backoff: 1ms }
    breaker: {}
    cache: { ttl: 1m }
  hidden: { url: "${CANARY_URL}" }
telemetry: { keep_failed: true }
endpoints:
  - path: /me
    steps:
      user: { get: users /me, optional: true, query: { sig: "${CANARY_KEY}" }, on_status: { 404: "${CANARY_KEY}" } }
      more: { get: hidden /more, when: user.id }
    response: { is: "user.id", made: { transform: "canary_hooks:crash", of: user } }
  - path: /reset/{token}
    steps: { user: { get: "users /reset/{path.token}" } }
  - path: /orders
    method: POST
    steps: { order: { post: users /orders, body: { card: "{body.card}", password: "${CANARY_KEY}" } } }
"""

HOOKS = """
import logging
def crash(value):
    logging.getLogger("shop").warning("Authorization: Bearer canary-bearer, for http://u:canary-bearer@h/?token=canary-token")
    logging.getLogger("shop").debug({"cookie": "sid=canary-cookie; x=1", "seen": str(value)[:0]})
    raise ValueError(f"cannot crash {value}")
"""

REPLIES: dict[str, Any] = {
    "good": lambda: httpx.Response(200, json={"id": 1, "key": "canary-reply"}, headers={"set-cookie": "a=canary-reply"}),
    "absent": lambda: httpx.Response(404, text="canary-reply"),
    "failing": lambda: httpx.Response(503, text="canary-reply", headers={"retry-after": "canary-reply"}),
    "moved": lambda: httpx.Response(302, headers={"location": "http://canary-reply:canary-reply@users.test/?token=canary-reply"}),
    "garbage": lambda: httpx.Response(200, text="<canary-reply", headers={"content-type": "text/canary-reply"}),
    "encoded": lambda: httpx.Response(200, content=b"canary-reply", headers={"content-encoding": "canary-reply"}),
    "unreachable": lambda: httpx.ConnectError("canary-reply"),
    "broken": lambda: httpx.RemoteProtocolError("canary-reply"),
    "late": lambda: httpx.ReadTimeout("canary-reply"),
    "unsendable": lambda: httpx.InvalidURL("canary-reply"),
}


class Kept(SpanProcessor):
    """What an exporter would be handed."""

    def __init__(self) -> None:
        self.spans: list[str] = []

    def on_end(self, span: ReadableSpan) -> None:
        self.spans.append(span.to_json())


@pytest.fixture
def config(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> str:
    """The config, with its secrets in place."""
    (tmp_path / "secret").write_text("canary-file\n")
    (tmp_path / "canary_hooks.py").write_text(HOOKS)
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setenv("CANARY_KEY", "canary-env")
    monkeypatch.setenv("CANARY_URL", "http://hidden.test/more")
    monkeypatch.setenv("GATEWAY_EXPLAIN_KEY", "canary-explain")
    for name in [name for name in os.environ if name.startswith("OTEL_")]:
        monkeypatch.delenv(name)
    return CONFIG.replace("FILE", str(tmp_path / "secret"))


class Upstream:
    """Plays every upstream, one way after the other; and sees what it was sent."""

    def __init__(self) -> None:
        self.way, self.sent = "good", ""

    def __call__(self, request: httpx.Request) -> httpx.Response:
        self.sent += f"{request.url} {request.headers.raw} {request.content!r}"
        came = REPLIES[self.way]()
        if isinstance(came, Exception):
            raise came
        return came


async def drive(client: httpx.AsyncClient, upstream: Upstream) -> str:
    """Every kind of request, in every way that an upstream can behave; gives what clients see that are not to see it."""
    seen = ""
    given = {"authorization": "Bearer canary-bearer", "cookie": "sid=canary-cookie"}
    for upstream.way in REPLIES:
        answers = [
            await client.get("/me?token=canary-token", headers={**given, "gateway-explain": "canary-explain"}),
            await client.get("/reset/canary-path?token=canary-token", headers=given),
            await client.post("/orders", json={"card": "canary-card"}, headers=given),
        ]
        # What an upstream answers well is for the client.
        seen += "".join(f"{one.headers.raw}{one.text}" for one in answers if not one.is_success or b'"gateway":' in one.content)
    return seen


async def look(admin: httpx.AsyncClient, count: int) -> str:
    """All that the admin side shows, once the journal has it."""
    async with asyncio.timeout(20):
        while len(listed := (await admin.get("/api/traces?limit=100")).json()["traces"]) < count:  # noqa: ASYNC110 - it is written when it is
            await asyncio.sleep(0.02)
    paths = ["/metrics", "/api/traces", "/api/upstreams", "/api/plans", "/api/plans/GET /me", "/api/cache"]
    for trace in listed:
        paths += [f"/api/traces/{trace['id']}", f"/api/traces/{trace['id']}/otlp"]
    answers = [await admin.get(path) for path in paths]
    assert {one.status_code for one in answers} == {200}
    return json.dumps(listed) + "".join(one.text for one in answers)


@pytest.mark.parametrize("level", ["info", "debug"])
async def test_canaries_are_seen_where_they_are_sent_and_nowhere_else(config: str, tmp_path: Path, level: str) -> None:
    """At `debug` an exception of a user's own says what it quotes, which is what that level is for; nothing else does."""
    upstream, kept, stream = Upstream(), Kept(), io.StringIO()
    local = {"base_url": "http://localhost:8081"}
    with logging_to(stream, LogPolicy("json", level)) as redaction:  # type: ignore[arg-type]
        tracing = Tracing(processors=[kept])
        gateway = Gateway.from_text(
            config, transport=httpx.MockTransport(upstream), tracing=tracing, journal=tmp_path / "journal"
        )
        redaction.learn(gateway.secrets)
        wire = httpx.ASGITransport(gateway.app, raise_app_exceptions=False)
        side = httpx.ASGITransport(make_admin(gateway, Access(None)), raise_app_exceptions=False)
        async with (
            gateway.lifespan(),
            httpx.AsyncClient(transport=wire, **local) as client,
            httpx.AsyncClient(transport=side, **local) as admin,
        ):
            shown = await drive(client, upstream) + await look(admin, 3 * len(REPLIES))
    lines = [json.loads(line) for line in stream.getvalue().splitlines()]
    if level == "debug":
        assert any("canary-reply" in line.pop("exception", "") for line in lines)

    sent = ("canary-env", "canary-file", "canary-cookie", "canary-token", "canary-path", "canary-card")
    assert [canary for canary in sent if canary not in upstream.sent] == []
    places = {
        "logs": json.dumps(lines),
        "spans": "".join(kept.spans),
        "shown": shown,
        "prints": f"{gateway.plans}{gateway.spec!r}",
    }
    places["plan"] = "".join(map(str, gateway.plans))
    assert len(kept.spans) > 100
    assert {name: text[max(0, text.index("canary-") - 150) :][:300] for name, text in places.items() if "canary-" in text} == {}
    assert "gateway.request" in places["logs"]

"""A client that leaves, or a server that stops, ends what is in flight for the request: at once, and as no error."""

from __future__ import annotations

import asyncio
import sys
import threading
from types import SimpleNamespace
from typing import Any

import httpx
import pytest
import respx

from gateway import off_loop

CONFIG = """
version: 1
upstreams: { users: { url: http://users.test }, likes: { url: http://likes.test } }
endpoints:
  - path: /home
    steps:
      user: { get: users /me }
      likes: { get: likes /likes, optional: true }
  - path: /home
    method: POST
    steps:
      user: { post: users /me, body: "{body}" }
"""


class Hung:
    """An upstream that never answers, and knows who is waiting for it."""

    def __init__(self) -> None:
        self.waiting = 0
        self.asked = asyncio.Event()

    async def started(self) -> None:
        """Wait until it is asked."""
        async with asyncio.timeout(20):
            await self.asked.wait()

    async def __call__(self, request: httpx.Request) -> httpx.Response:
        self.waiting += 1
        self.asked.set()
        try:
            await asyncio.Event().wait()
        finally:
            self.waiting -= 1
        raise AssertionError


class Visit:
    """One request, spoken as a server would: `left` is set when the client leaves."""

    def __init__(self, app: Any, method: str = "GET", *messages: dict[str, Any], **headers: str) -> None:
        self.left = asyncio.Event()
        self.sent: list[Any] = []
        self._messages = [*messages]
        self.task = asyncio.ensure_future(app(_scope(method, headers), self._receive, self._send))

    async def over(self) -> None:
        """Wait until the app has done with it."""
        async with asyncio.timeout(20):
            await self.task

    async def _receive(self) -> dict[str, Any]:
        if self._messages:
            return self._messages.pop(0)
        await self.left.wait()
        return {"type": "http.disconnect"}

    async def _send(self, message: Any) -> None:
        self.sent.append(message)


@pytest.fixture
async def hung(upstreams: respx.Router) -> Hung:
    """Both upstreams hang."""
    made = Hung()
    upstreams.route().mock(side_effect=made)
    return made


@pytest.fixture
async def app(serve: Any) -> Any:
    """The app itself."""
    client = await serve(CONFIG)
    return client._transport.app


EMPTY = {"type": "http.request", "body": b"", "more_body": False}


async def test_a_client_that_leaves_ends_every_call(app: Any, hung: Hung, traces: list[Any]) -> None:
    """Nothing is answered, every upstream call is cancelled, and the record has ended without an error."""
    visit = Visit(app, "GET", EMPTY)
    await hung.started()

    visit.left.set()
    await visit.over()

    assert (hung.waiting, visit.sent) == (0, [])
    assert all(span.end and not span.error for span in traces[0].spans)
    assert "http.response.status_code" not in traces[0].root.attributes


async def test_a_body_that_goes_on_is_not_a_client_that_leaves(app: Any, hung: Hung) -> None:
    """What a client sends unasked, to a GET, is passed over while the answer is made."""
    visit = Visit(app, "GET", {"type": "http.request", "body": b"more", "more_body": True}, EMPTY)
    await hung.started()

    assert not visit.task.done()

    visit.left.set()
    await visit.over()
    assert hung.waiting == 0


async def test_a_client_that_leaves_in_the_middle_of_its_body_is_not_answered(app: Any, hung: Hung, traces: list[Any]) -> None:
    """Nothing is sent, nothing is called, and the record knows of no error."""
    visit = Visit(app, "POST", {"type": "http.request", "body": b"{", "more_body": True})

    visit.left.set()
    await visit.over()

    assert visit.sent == []
    assert not hung.asked.is_set()
    assert traces[0].root.end
    assert not traces[0].root.error


async def test_a_request_with_a_key_runs_to_its_end(serve: Any, upstreams: respx.Router) -> None:
    """A client that leaves and comes back gets what it came to: nothing is written twice, nor taken back."""
    asked, go_on = asyncio.Event(), asyncio.Event()

    async def reply(_: httpx.Request) -> httpx.Response:
        asked.set()
        await go_on.wait()
        return httpx.Response(201, json={"id": 7})

    order = upstreams.post("http://users.test/me").mock(side_effect=reply)
    client = await serve(
        CONFIG.replace("POST\n", "POST\n    idempotency: true\n").replace('"{body}"', "1, undo: { delete: users /me }")
    )
    visit = Visit(client._transport.app, "POST", {**EMPTY, "body": b"{}"}, idempotency_key="k-1")
    await asked.wait()

    visit.left.set()
    await asyncio.sleep(0.2)
    go_on.set()
    await visit.over()

    again = await client.post("/home", content=b"{}", headers={"content-type": "application/json", "idempotency-key": "k-1"})
    assert (again.json(), again.headers["idempotency-replayed"], order.call_count) == ({"user": {"id": 7}}, "true", 1)


async def test_a_client_that_leaves_waits_for_no_function(
    serve: Any, upstreams: respx.Router, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its thread goes on; the request is over."""
    begun, let_go = threading.Event(), threading.Event()

    @off_loop
    def wait(_: Any) -> None:
        begun.set()
        let_go.wait(60)

    monkeypatch.setitem(sys.modules, "shop_hooks", SimpleNamespace(wait=wait))
    upstreams.route().respond(json={})
    client = await serve(CONFIG + "    response: { transform: 'shop_hooks:wait', of: user }\n")
    visit = Visit(client._transport.app, "POST", {**EMPTY, "body": b"{}"})
    await asyncio.to_thread(begun.wait, 10)

    visit.left.set()
    await visit.over()
    let_go.set()

    assert visit.sent == []


async def test_a_server_that_stops_ends_every_call(app: Any, hung: Hung, traces: list[Any]) -> None:
    """A cancellation from above passes through, and leaves nothing behind either."""
    before = asyncio.all_tasks()
    visit = Visit(app, "GET", EMPTY)
    await hung.started()

    visit.task.cancel()

    with pytest.raises(asyncio.CancelledError):
        await visit.over()
    assert hung.waiting == 0
    assert asyncio.all_tasks() - before == set()
    assert all(span.end and not span.error for span in traces[0].spans)


def _scope(method: str, headers: dict[str, str]) -> dict[str, Any]:
    named = [(name.replace("_", "-").encode(), value.encode()) for name, value in headers.items()]
    return {
        "type": "http", "asgi": {"version": "3.0"}, "http_version": "1.1", "method": method, "scheme": "http", "path": "/home",
        "raw_path": b"/home", "query_string": b"", "root_path": "",
        "headers": [(b"host", b"gateway.test"), (b"content-type", b"application/json"), *named],
    }  # fmt: skip

"""An answer in parts: each comes when it is ready, failures in their place, and together they say what the whole answer says."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any

import httpx
import pytest
import respx

from gateway.inbound import delivery

pytestmark = pytest.mark.looptime

HOME = """
version: 1
upstreams:
  users: { url: http://users.test }
  orders: { url: http://orders.test }
  likes: { url: http://likes.test }
endpoints:
  - path: /home
    timeout: 30s
    steps:
      user: { get: users /me }
      orders: { get: orders /orders, optional: true, fallback: [] }
      likes: { get: "likes /for/{user.segment}", optional: true }
"""
SHAPED = f"""{HOME}    response:
      likes: likes
      about: {{ name: user.name, orders: "length(orders)" }}
      page: query.page
      user: user
"""
USER = {"name": "Ada", "segment": "gold"}


@dataclass
class Visit:
    """A client that hears every message, and when it came; it may read slowly, or leave."""

    app: Any
    headers: list[tuple[bytes, bytes]] = field(default_factory=list)
    heard: list[tuple[float, dict[str, Any]]] = field(default_factory=list)
    left: asyncio.Event = field(default_factory=asyncio.Event)
    reads: Callable[[], Awaitable[Any]] | None = None

    async def get(self, query: str = "", accept: str = "text/event-stream", method: str = "GET") -> Visit:
        loop = asyncio.get_running_loop()
        begin = loop.time()

        async def send(message: Any) -> None:
            self.heard.append((round(loop.time() - begin, 2), message))
            if self.reads and "body" in message:
                await self.reads()

        messages = [{"type": "http.request", "body": b"{}", "more_body": False}] if method == "POST" else []

        async def receive() -> Any:
            if messages:
                return messages.pop()
            await self.left.wait()
            return {"type": "http.disconnect"}

        scope = {
            "type": "http", "asgi": {"version": "3.0"}, "http_version": "1.1", "method": method, "scheme": "http", "path": "/home",
            "raw_path": b"/home", "query_string": query.encode(), "root_path": "",
            "headers": [(b"host", b"gateway.test"), (b"accept", accept.encode()), *self.headers],
        }  # fmt: skip
        await self.app(scope, receive, send)
        return self

    @property
    def status(self) -> int:
        return int(self.heard[0][1]["status"])

    @property
    def head(self) -> dict[str, str]:
        return {name.decode(): value.decode() for name, value in self.heard[0][1]["headers"]}

    @property
    def body(self) -> bytes:
        return b"".join(message.get("body", b"") for _, message in self.heard[1:])

    @property
    def events(self) -> list[tuple[str, Any]]:
        """Names and data, in order."""
        if "jsonl" in self.head["content-type"]:
            return [((data := json.loads(line)).pop("event"), data) for line in self.body.splitlines()]
        events = [dict(line.split(b": ", 1) for line in one.split(b"\n")) for one in self.body.split(b"\n\n") if one.strip(b":")]
        assert [one[b"id"].decode() for one in events] == [*map(str, range(1, len(events))), "end"]
        return [(one[b"event"].decode(), json.loads(one[b"data"])) for one in events]

    @property
    def parts(self) -> dict[str | None, Any]:
        return {data["name"]: data["value"] for name, data in self.events if name == "part"}

    @property
    def times(self) -> dict[str, float]:
        """When each part came."""
        return {json.loads(m["body"].split(b"data: ")[1].split(b"\n")[0])["name"]: at for at, m in self.heard if b"event: part" in m.get("body", b"")}  # fmt: skip


@dataclass
class Upstreams:
    """Answers after so many seconds, by host; and knows who still waits."""

    router: respx.Router
    waiting: int = 0

    def __call__(self, host: str, seconds: float, **reply: Any) -> None:
        async def play(request: httpx.Request) -> httpx.Response:
            self.waiting += 1
            try:
                await asyncio.sleep(seconds)
            finally:
                self.waiting -= 1
            return httpx.Response(**{"status_code": 200, **reply})

        self.router.route(host=f"{host}.test").mock(side_effect=play)


@pytest.fixture
def play(upstreams: respx.Router) -> Upstreams:
    """Sets what an upstream answers, and when; all are well unless told otherwise."""
    made = Upstreams(upstreams)
    made("users", 2, json=USER)
    made("orders", 1, json=[{"id": 1}])
    made("likes", 3, json=["tea"])
    return made


@pytest.fixture
async def visit(serve: Any) -> Callable[..., Awaitable[Visit]]:
    """Makes clients of a config."""

    async def make(config: str = HOME, **how: Any) -> Visit:
        return Visit((await serve(config))._transport.app, **how)

    return make


async def test_each_part_comes_when_its_steps_have_ended(visit: Any, play: Upstreams) -> None:
    """In the order of readiness, not in the one written; at the end it is said that this was all."""
    client = await (await visit()).get()

    assert client.times == {"orders": 1.0, "user": 2.0, "likes": 5.0}
    assert client.events[-1][0] == "end"
    assert client.events[-1][1]["complete"] is True
    assert client.events[-1][1]["errors"] == []
    assert client.parts == {"orders": [{"id": 1}], "user": USER, "likes": ["tea"]}


async def test_the_head_says_what_it_is(visit: Any, play: Upstreams) -> None:
    """Nobody keeps it, nobody on the way collects it, and its trace can be looked up."""
    client = await (await visit()).get()

    head = client.head
    assert client.status == 200
    assert head.pop("traceparent").startswith("00-")
    assert head == {
        "content-type": "text/event-stream; charset=utf-8",
        "cache-control": "no-store",
        "vary": "accept",
        "x-accel-buffering": "no",
    }
    assert client.heard[-1][1] == {"type": "http.response.body", "body": b"", "more_body": False}


async def test_lines_say_the_same(visit: Any, play: Upstreams) -> None:
    """One object a line, with the event's name in it."""
    client = await (await visit()).get(accept="application/jsonl")

    assert client.head["content-type"] == "application/jsonl"
    assert client.body.startswith(b'{"event":"part","name":"orders","value":[{"id":1}]}\n{"event":"part","name":"user",')
    assert [name for name, _ in client.events] == ["part", "part", "part", "end"]


async def test_who_wants_it_whole_gets_it_whole(visit: Any, play: Upstreams) -> None:
    """And whoever keeps it is told that somebody else may want it otherwise."""
    client = await (await visit()).get(accept="text/event-stream;q=0.1, application/json")

    assert client.head["content-type"] == "application/json"
    assert client.head["vary"] == "accept"
    assert json.loads(client.body) == {"user": USER, "orders": [{"id": 1}], "likes": ["tea"]}


async def test_a_member_waits_for_all_that_it_names_and_for_nothing_else(visit: Any, play: Upstreams) -> None:
    """What takes no step comes with the first part that does."""
    client = await (await visit(SHAPED)).get("page=3")

    assert list(client.parts) == ["about", "page", "user", "likes"]
    assert client.parts["page"] == "3"
    assert [at for at, message in client.heard if b"part" in message.get("body", b"")] == [2.0, 5.0]


async def test_an_answer_that_is_no_object_is_one_part(visit: Any, play: Upstreams) -> None:
    """It has no name, since it is the whole."""
    client = await (await visit(f"{HOME}    response: orders[].id\n")).get()

    assert [data for name, data in client.events if name == "part"] == [{"name": None, "value": [1]}]


async def test_a_failed_part_comes_with_its_error_and_its_fallback(visit: Any, play: Upstreams) -> None:
    """In its place, and once more at the end, where everything stands that is missing."""
    play("orders", 1, status_code=500)
    client = await (await visit()).get()

    (_, first), *_, (_, end) = client.events
    assert (first["name"], first["value"]) == ("orders", [])
    assert [(one["step"], one["status"], one["type"]) for one in first["errors"]] == [
        ("orders", 502, "urn:problem:fanin:upstream-error")
    ]
    assert (end["complete"], end["errors"]) == (False, first["errors"])
    assert "errors" not in client.events[1][1]


async def test_errors_are_told_as_far_as_the_config_wants(visit: Any, play: Upstreams) -> None:
    """`answer.errors: false` leaves them out; that something is missing is said."""
    play("orders", 1, status_code=500)
    client = await (await visit(f"{HOME}answer: {{ errors: false, server_timing: false }}\n")).get()

    assert client.events[0] == ("part", {"name": "orders", "value": []})
    assert client.events[-1] == ("end", {"complete": False})


async def test_a_required_step_that_fails_first_is_an_ordinary_problem(visit: Any, play: Upstreams) -> None:
    """Nothing has been said, so that there is a status to say it with."""
    play("users", 0.5, status_code=404)
    client = await (await visit()).get()

    assert client.status == 404
    assert client.head["content-type"] == "application/problem+json"
    assert client.head["gateway-complete"] == "false"
    assert json.loads(client.body)["type"] == "urn:problem:fanin:upstream-not-found"
    assert play.waiting == 0


async def test_a_step_that_decides_in_the_moment_of_the_first_part_is_told_by_its_status(visit: Any, play: Upstreams) -> None:
    """It was known before anything was sent."""
    play("users", 2, status_code=404)
    play("orders", 2, json=[])
    client = await (await visit(HOME.replace("/me }", "/me, on_status: { 404: end } }"))).get()

    assert (client.status, client.head["content-type"]) == (404, "application/problem+json")


async def test_a_required_step_that_fails_later_ends_the_stream(visit: Any, play: Upstreams, traces: list[Any]) -> None:
    """The status is gone; the last event is the problem, and what is in flight is cancelled."""
    play("users", 2, status_code=500)
    play("likes", 9, json=[])
    client = await (await visit(HOME.replace("/for/{user.segment}", "/for"))).get()

    assert [name for name, _ in client.events] == ["part", "problem"]
    problem = client.events[-1][1]
    assert (problem["type"], problem["status"]) == ("urn:problem:fanin:upstream-error", 502)
    assert "user;dur=" in problem["server_timing"]
    assert client.heard[-1][0] == 2.0
    assert client.heard[-1][1]["more_body"] is False
    assert play.waiting == 0
    assert traces[0].root.error


async def test_the_deadline_is_the_answers_own(visit: Any, play: Upstreams) -> None:
    """An optional step that hangs costs its part, and the answer ends in time."""
    play("likes", 99, json=[])
    client = await (await visit(HOME.replace("timeout: 30s", "timeout: 4s"))).get()

    assert client.heard[-1][0] == pytest.approx(4.0, abs=0.02)
    assert client.parts["likes"] is None
    assert client.events[-1][1]["errors"][0]["type"] == "urn:problem:fanin:deadline"


async def test_nothing_is_sent_while_a_step_may_still_end_the_answer(visit: Any, play: Upstreams) -> None:
    """What decides the answer decides it before anybody hears a word."""
    ending = HOME.replace("get: users /me", "get: users /me, end: { when: user.gone, status: 410 }")
    play("users", 2, json={"gone": True, "segment": "gold"})
    gone = await (await visit(ending)).get()
    play("users", 2, json=USER)
    there = await (await visit(ending)).get()

    assert (gone.status, gone.heard[0][0]) == (410, 2.0)
    assert (there.status, there.heard[0][0], list(there.parts)) == (200, 2.0, ["user", "orders", "likes"])


async def test_a_head_waits_for_what_it_names(visit: Any, play: Upstreams) -> None:
    """The endpoint's own status and headers are those of the whole answer, but for how long it may be kept."""
    head = "    status: 203\n    headers: { X-Name: '{user.name}', Cache-Control: max-age=9 }\n"
    client = await (await visit(HOME + head)).get()

    assert (client.status, client.heard[0][0]) == (203, 2.0)
    assert client.head["x-name"] == "Ada"
    assert client.head["cache-control"] == "no-store"
    assert [at for at, _ in client.heard[1:]] == [2.0, 5.0, 5.0]


async def test_a_value_that_is_joined_comes_joined(visit: Any, play: Upstreams) -> None:
    """A part is not sent before everything is in it that will be."""
    joined = HOME.replace("likes /for/{user.segment}", "likes /of/{item}").replace(
        "likes: { get", 'likes: { for_each: "orders[].id", join: { into: "orders[]", on: "`1`", as: likes }, get'
    )
    client = await (await visit(f"{joined}    response: {{ orders: orders, user: user }}\n")).get()

    whole = await (await visit(f"{joined}    response: {{ orders: orders, user: user }}\n")).get(accept="*/*")

    assert client.times == {"user": 2.0, "orders": 4.0}
    assert client.parts == json.loads(whole.body)
    assert "likes" in client.parts["orders"][0]


async def test_only_what_was_asked_for_is_delivered(visit: Any, play: Upstreams) -> None:
    """Choosing fields and having them in parts go together."""
    client = await (await visit()).get("fields=user.name,orders")

    assert client.parts == {"orders": [{"id": 1}], "user": {"name": "Ada"}}
    assert client.heard[-1][0] == 2.0


async def test_fields_that_do_not_fit_are_refused_as_ever(visit: Any, play: Upstreams) -> None:
    """With a status, since nothing has begun."""
    client = await (await visit()).get("fields=nothing")

    assert (client.status, client.head["content-type"]) == (422, "application/problem+json")


async def test_the_last_event_tells_how_long_it_took(visit: Any, play: Upstreams) -> None:
    """In the words of `Server-Timing`, for which it is too late."""
    client = await (await visit()).get()

    timing = client.events[-1][1]["server_timing"]
    assert [one.partition(";")[0] for one in timing.split(", ")] == ["user", "orders", "likes", "merge"]


async def test_a_browser_that_nobody_told_to_stop_is_told_to(visit: Any, play: Upstreams) -> None:
    """It has had the last event and asks again: 204 is how an event source is ended. Any other id begins anew."""
    over = await (await visit(headers=[(b"last-event-id", b"end")])).get()
    again = await (await visit(headers=[(b"last-event-id", b"1")])).get()

    assert (over.status, over.body) == (204, b"")
    assert len(again.parts) == 3


async def test_what_is_kept_to_be_replayed_is_whole(visit: Any, play: Upstreams) -> None:
    """A request with a key gets the outcome that its repetitions will get, in whatever form these want it."""
    writing = HOME.replace("path: /home", "path: /home\n    method: POST\n    idempotency: true").replace(
        "get: users /me", "post: users /me"
    )
    client = await visit(writing, headers=[(b"idempotency-key", b'"once"')])
    without = await Visit(client.app).get(method="POST")

    first = await client.get(method="POST")
    again = await Visit(client.app, client.headers).get(method="POST", accept="application/jsonl")

    assert without.head["content-type"] == "text/event-stream; charset=utf-8"
    assert first.head["content-type"] == "application/json"
    assert (again.body, again.head["idempotency-replayed"]) == (first.body, "true")


async def test_writes_that_were_taken_back_are_told(visit: Any, play: Upstreams) -> None:
    """In the problem that ends the answer."""
    writing = HOME.replace("path: /home", "path: /home\n    method: POST").replace(
        "{ get: orders /orders, optional: true, fallback: [] }", '{ post: orders /orders, undo: { delete: "orders /orders" } }'
    )
    play("users", 2, status_code=500)

    client = await (await visit(writing)).get(method="POST")

    assert [name for name, _ in client.events] == ["part", "problem"]
    assert client.events[-1][1]["undone"] == [{"step": "orders", "undone": True}]


async def test_somebody_is_still_there(visit: Any, play: Upstreams) -> None:
    """A comment after a while without a word, once there has been one; lines have no such thing."""
    play("likes", 22, json=[])
    beaten = await (await visit()).get()
    lines = await (await visit()).get(accept="application/jsonl")

    assert [at for at, message in beaten.heard if message.get("body") == b":\n\n"] == [17.0]
    assert len(beaten.parts) == 3
    assert b":\n\n" not in lines.body


async def test_nothing_is_said_before_there_is_something_to_say(visit: Any, play: Upstreams) -> None:
    """However long it takes: the status is still open."""
    play("orders", 16, status_code=500)
    play("users", 17, status_code=500)
    client = await (await visit(HOME.replace("optional: true, fallback: []", "needs: [user]"))).get()

    assert (client.status, client.heard[0][0]) == (502, 17.0)


async def test_a_client_that_leaves_ends_every_call(visit: Any, play: Upstreams, traces: list[Any]) -> None:
    """In the middle of the answer, within 200 ms, and it is no error."""
    before = asyncio.all_tasks()
    client = await visit()
    task = asyncio.ensure_future(client.get())
    await asyncio.sleep(1.5)

    client.left.set()
    await task

    assert list(client.times) == ["orders"]
    assert b"event: end" not in client.body
    assert (play.waiting, asyncio.all_tasks() - before) == (0, set())
    assert asyncio.get_running_loop().time() < 2.0
    assert not traces[0].root.error


async def test_a_server_that_stops_ends_every_call(visit: Any, play: Upstreams) -> None:
    """A cancellation from above passes through, and leaves nothing behind."""
    before = asyncio.all_tasks()
    client = await visit()
    task = asyncio.ensure_future(client.get())
    await asyncio.sleep(1.5)

    task.cancel()

    with pytest.raises(asyncio.CancelledError):
        await task
    assert (play.waiting, asyncio.all_tasks() - before) == (0, set())


async def test_a_client_that_does_not_read_is_not_waited_for_for_ever(visit: Any, play: Upstreams) -> None:
    """Half a minute for a piece, whatever else; then it is treated as one that has left."""
    before = asyncio.all_tasks()
    client = await visit(reads=asyncio.Event().wait)

    await client.get()

    assert asyncio.get_running_loop().time() == pytest.approx(31, abs=0.1)
    await asyncio.sleep(0)
    assert asyncio.all_tasks() - before == set()


async def test_a_long_part_is_handed_over_in_pieces(visit: Any, play: Upstreams) -> None:
    """So that of a slow reader's answer hardly more than one piece waits in the server."""
    play("orders", 1, json=["x" * 200_000])
    client = await (await visit()).get()

    assert max(len(message.get("body", b"")) for _, message in client.heard) == delivery.PIECE
    assert client.parts["orders"] == ["x" * 200_000]


async def test_a_value_that_json_has_no_form_for_is_a_problem(visit: Any, play: Upstreams) -> None:
    """Before anything was sent with its status, afterwards as the last event."""
    odd = "{ user: user, odd: '`\"\\ud800\"`' }"
    first = await (await visit(f"{HOME}    response: {odd}\n")).get()
    later = await (await visit(f"{HOME}    response: {{ orders: orders, odd: '[user.name, `\"\\ud800\"`]' }}\n")).get()

    assert (first.status, json.loads(first.body)["type"]) == (502, "urn:problem:fanin:unshapeable")
    assert [name for name, _ in later.events] == ["part", "problem"]
    assert later.events[-1][1]["type"] == "urn:problem:fanin:unshapeable"


async def test_replies_go_on_as_they_came(visit: Any, play: Upstreams) -> None:
    """A part that nobody looks into keeps its digits, though not its line breaks."""
    play("orders", 1, content=b'[\n  1.10,\r\n  {"a": 1e400, "a": "x\\ny"}\n]')
    client = await (await visit()).get()

    assert b'"value":[   1.10,    {"a": 1e400, "a": "x\\ny"} ]' in client.body

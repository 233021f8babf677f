"""What is kept, as clients see it: nobody gets what was meant for another, nobody puts anything there for others, writes are seen."""

from __future__ import annotations

from typing import Any

import httpx
import pytest
import respx

from gateway import Gateway

CONFIG = """
version: 1
upstreams:
  users: { url: http://users.test, cache: { ttl: 60s }, forward: { headers: [Authorization] } }
endpoints:
  - { path: /me, steps: { me: { get: users /me } }, response: me }
  - { path: "/files/{name}", steps: { file: { get: "users /files/{path.name}" } }, response: file }
  - path: /users/{id}
    steps: { user: { get: "users /users/{path.id}", query: { q: "{query.q}" }, cache: { tags: ["user-{path.id}"] } } }
    response: user
  - { path: "/users/{id}", method: PUT, steps: { user: { put: "users /users/{path.id}", body: { name: "{body.name}" } } }, response: user }
  - { path: /users, method: POST, steps: { user: { post: users /users, body: "{body}" } }, response: user }
"""

UNKEYED = [
    "X-Forwarded-Host", "X-Forwarded-Proto", "X-Forwarded-For", "X-Forwarded-Port", "X-Forwarded-Scheme", "X-Forwarded-Prefix",
    "X-Forwarded-Server", "X-Forwarded-Path", "Forwarded", "X-Host", "X-Original-Host", "X-Original-URL", "X-Rewrite-URL",
    "X-HTTP-Method-Override", "X-Method-Override", "X-HTTP-Method", "X-Real-IP", "X-Client-IP", "True-Client-IP", "Via", "Origin",
    "Referer", "User-Agent", "Accept", "Accept-Language", "Cookie", "X-Requested-With", "X-Wap-Profile", "Range", "If-None-Match",
    "X-Amz-Website-Redirect-Location", "Fastly-SSL", "X-Oversized",
]  # fmt: skip
"""Headers by which caches have been poisoned, since they were sent on and told nothing apart."""


def reflect(request: httpx.Request) -> httpx.Response:
    """An upstream that puts all it is told into its reply."""
    return httpx.Response(200, json={"told": [f"{name}: {value}" for name, value in sorted(request.headers.items())]})


@pytest.fixture
async def users(serve: Any, upstreams: respx.Router) -> httpx.AsyncClient:
    """The gateway, before an upstream that reflects."""
    upstreams.route(host="users.test").mock(side_effect=reflect)
    client: httpx.AsyncClient = await serve(CONFIG)
    return client


@pytest.mark.parametrize("name", UNKEYED)
async def test_nobody_poisons_what_others_get(users: httpx.AsyncClient, upstreams: respx.Router, name: str) -> None:
    """A header that is not forwarded is neither sent nor told apart by: the answer to the attacker is everybody's, and has nothing of his."""
    value = "x" * 4000 if name == "X-Oversized" else "evil.test"

    attacker = await users.get("/users/7", headers={name: value})
    victim = await users.get("/users/7")

    assert victim.status_code == 200
    assert value not in attacker.text + victim.text
    assert len(upstreams.calls) == 1


@pytest.mark.parametrize("name", UNKEYED)
async def test_what_is_forwarded_is_told_apart_by(serve: Any, upstreams: respx.Router, name: str) -> None:
    """The attacker gets what he has asked for, and keeps it to himself."""
    upstreams.route(host="users.test").mock(side_effect=reflect)
    client = await serve(CONFIG.replace("[Authorization]", f"[{name}]"))

    attacker = await client.get("/users/7", headers={name: "evil.test"})
    victim = await client.get("/users/7")

    assert "evil.test" in attacker.text
    assert "evil.test" not in victim.text


@pytest.mark.parametrize(
    "path", ["/me/x.css", "/me%2fx.css", "/me;x.css", "/me%3bx.css", "/me/..%2fx.css", "/me%00x.css", "/me?x.css"]
)
async def test_nobody_is_lured_into_keeping_what_is_theirs(users: httpx.AsyncClient, path: str) -> None:
    """A path that looks like a file's is none: whoever asks for it without Alice's credentials gets nothing of hers."""
    alice = await users.get(path, headers={"Authorization": "Bearer alice"})
    mallory = [await users.get(path), await users.get(path, headers={"Authorization": "Bearer mallory"})]

    assert all("alice" not in answer.text for answer in mallory)
    assert ("alice" in alice.text) == (path == "/me?x.css")


@pytest.mark.parametrize("size", [1, 8_000, 9_000])
async def test_however_long_what_is_asked_for_is(serve: Any, upstreams: respx.Router, size: int) -> None:
    """Two targets that differ in their last character share nothing, and one that is too long is the client's fault."""
    upstreams.route(host="users.test").mock(side_effect=lambda request: httpx.Response(200, json=request.url.params["q"][-1]))
    client = await serve(CONFIG)

    answers = [await client.get("/users/7", params={"q": "x" * size + last}) for last in "ab"]

    assert [answer.status_code for answer in answers] == [200 if size < 8_192 else 414] * 2
    assert size > 8_192 or [answer.json() for answer in answers] == ["a", "b"]


async def test_ever_new_keys_do_not_fill_the_store(upstreams: respx.Router) -> None:
    """Whatever clients ask for: what is kept keeps to the bytes that it may have."""
    upstreams.route(host="users.test").respond(json="x" * 1000)
    gateway = Gateway.from_text(f"{CONFIG}cache: {{ size: 64KiB }}\n", transport=httpx.MockTransport(upstreams.async_handler))
    async with gateway.lifespan():
        wire = httpx.ASGITransport(gateway.app)
        async with httpx.AsyncClient(transport=wire, base_url="http://gateway.test") as client:
            for at in range(200):
                await client.get(f"/users/{at}")

        assert 0 < gateway._running.store.used <= 64 * 1024  # type: ignore[union-attr]


# -- writes ------------------------------------------------------------------------------------------------------------


async def test_who_has_written_reads_what_they_wrote(serve: Any, upstreams: respx.Router) -> None:
    """A write that went well voids what is kept of what it wrote to, for everybody; what is kept beside it stays."""
    names = {"7": "Ada", "8": "Bob"}

    def answer(request: httpx.Request) -> httpx.Response:
        key = request.url.path.rpartition("/")[2]
        if request.method == "PUT":
            names[key] = "Eve"
        return httpx.Response(200, json=names[key])

    upstreams.route(host="users.test").mock(side_effect=answer)
    client = await serve(CONFIG)
    for path in ("/users/7", "/users/8"):
        await client.get(path)

    await client.put("/users/7", json={"name": "Eve"})

    assert [(await client.get(path)).json() for path in ("/users/7", "/users/8")] == ["Eve", "Bob"]
    assert [call.request.method for call in upstreams.calls] == ["GET", "GET", "PUT", "GET"]


async def test_a_write_says_where_else_something_is_new(serve: Any, upstreams: respx.Router) -> None:
    """`Location` below the same upstream."""
    upstreams.get("http://users.test/users/9").respond(json="nobody")
    upstreams.post("http://users.test/users").respond(201, json="made", headers={"Location": "/users/9"})
    client = await serve(CONFIG)
    await client.get("/users/9")

    await client.post("/users", json={})
    await client.get("/users/9")

    assert [call.request.method for call in upstreams.calls] == ["GET", "POST", "GET"]


async def test_what_is_purged_by_a_tag_is_asked_for_again(upstreams: respx.Router) -> None:
    """The tag of one user is not that of another."""
    upstreams.route(host="users.test").respond(json=1)
    gateway = Gateway.from_text(CONFIG, transport=httpx.MockTransport(upstreams.async_handler))
    async with gateway.lifespan():
        client = httpx.AsyncClient(transport=httpx.ASGITransport(gateway.app), base_url="http://gateway.test")
        for path in ("/users/7", "/users/8"):
            await client.get(path)
        running = gateway._running
        assert running is not None

        running.board.tell("tag:user-7", float("inf"))

        words = [(await client.get(path)).headers["server-timing"] for path in ("/users/8", "/users/7")]
        await client.aclose()
    assert ['desc="200 hit"' in word for word in words] == [True, False]


# -- refusals ----------------------------------------------------------------------------------------------------------


async def test_a_refusal_that_is_remembered_is_the_same_problem(serve: Any, upstreams: respx.Router) -> None:
    """The client cannot tell, but by the time that it took; another status is asked for again."""
    route = upstreams.get("http://users.test/users/7").respond(404)
    client = await serve(CONFIG.replace("ttl: 60s", "ttl: 60s, negative_ttl: 10s"))

    first, second = [await client.get("/users/7") for _ in range(2)]

    assert (first.status_code, second.status_code, route.call_count) == (404, 404, 1)
    assert first.json()["type"] == second.json()["type"]


async def test_answers_say_how_the_cache_took_part(serve: Any, upstreams: respx.Router) -> None:
    """In `Server-Timing`, by the word for it."""
    upstreams.get("http://users.test/users/7").mock(
        side_effect=[
            httpx.Response(200, json=1, headers={"Cache-Control": "max-age=0", "ETag": '"1"'}),
            httpx.Response(304),
            httpx.Response(503),
        ]
    )
    client = await serve(CONFIG.replace("ttl: 60s", "ttl: 60s, stale_if_error: 1h"))

    answers = [await client.get("/users/7") for _ in range(3)]

    words = [answer.headers["server-timing"].partition('desc="')[2].partition('"')[0] for answer in answers]
    assert words == ["200 miss", "200 revalidated", "200 stale"]
    assert [answer.json() for answer in answers] == [1, 1, 1]

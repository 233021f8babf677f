"""The admin app: what there is, its entrance, and that it is nowhere but on its own port."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

import httpx
import pytest
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route

from gateway import Gateway, __version__
from gateway.admin import app as admin
from gateway.admin.access import Access
from gateway.admin.app import make_admin
from gateway.admin.sides import Sides

CONFIG = """
version: 1
upstreams: { users: { url: "http://users.test" } }
endpoints: [{ path: "/a/{id}", steps: { user: { get: "users /users/{path.id}" } } }]
"""


async def test_the_index_says_what_there_is(manage: Any) -> None:
    """Which gateway, which process of it, and what can be asked for."""
    client = await manage()

    told = (await client.get("/api")).json()

    assert (told["version"], told["endpoints"]) == (__version__, 1)
    assert told["revision"]
    assert all(set(one) == {"method", "path", "summary"} for one in told["api"])


async def test_a_subject_is_listed_with_what_it_is_for(manage: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its first line is its summary; to be found behind the entrance as the others."""

    async def hello(_: Request) -> Response:
        """Says hello.

        And no more.
        """
        return PlainTextResponse("hello")

    monkeypatch.setattr(admin, "SUBJECTS", [lambda gateway: [Route("/api/hello", hello, methods=["POST"])]])
    client = await manage()

    assert (await client.get("/api")).json()["api"] == [{"method": "POST", "path": "/api/hello", "summary": "Says hello."}]
    assert (await client.post("/api/hello")).text == "hello"


async def test_it_lives(manage: Any) -> None:
    """With no token."""
    client = await manage(token="secret")
    del client.headers["authorization"]

    assert (await client.get("/livez")).json() == {"status": "live"}


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", "/nowhere", 404),
        ("GET", "/api/", 404),
        ("GET", "/a/42", 404),
        ("POST", "/api", 405),
        ("OPTIONS", "/api", 405),
        ("TRACE", "/api", 405),
        ("GET", "/x/%2e%2e/api", 400),
        ("GET", "/api%2fcache", 400),
    ],
)
async def test_what_is_not_there_is_a_problem(manage: Any, method: str, path: str, status: int) -> None:
    """RFC 9457, as everywhere; the guard of the endpoints stands here too, and no endpoint is to be had."""
    client = await manage()

    response = await client.request(method, path)

    assert (response.status_code, response.headers["content-type"]) == (status, "application/problem+json")
    assert response.json()["status"] == status
    if status == 405:
        assert "GET" in response.headers["allow"]


@pytest.mark.parametrize(("token", "headers", "status"), [(None, {"host": "evil.test"}, 403), ("t", {"authorization": "x"}, 401)])
async def test_who_is_not_let_in_learns_nothing(manage: Any, token: str | None, headers: dict[str, str], status: int) -> None:
    """The same for what is there and for what is not."""
    client = await manage(token=token)

    answers = [await client.get(path, headers=headers) for path in ("/api", "/nowhere")]

    assert [answer.status_code for answer in answers] == [status, status]
    assert answers[0].content == answers[1].content
    assert answers[0].headers["content-type"] == "application/problem+json"


@pytest.mark.parametrize("path", ["/api", "/nowhere", "/livez"])
async def test_no_page_of_another_origin_gets_anything(manage: Any, path: str) -> None:
    """No CORS, not even when it is asked for first; nothing that could be a script or an image, nothing kept."""
    client = await manage()
    asked = {"origin": "https://evil.test", "access-control-request-method": "GET"}

    for response in (await client.get(path, headers=asked), await client.options(path, headers=asked)):
        assert not [name for name in response.headers if name.startswith("access-control")]
        assert response.headers["cross-origin-resource-policy"] == "same-origin"
        assert response.headers["x-content-type-options"] == "nosniff"
        assert response.headers.get_list("cache-control") == ["no-store"]


async def test_a_bug_tells_nothing(manage: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """The log has it."""

    async def broken(_: Request) -> Response:
        raise RuntimeError("secret")

    monkeypatch.setattr(admin, "SUBJECTS", [lambda gateway: [Route("/api/broken", broken)]])
    client = await manage()

    response = await client.get("/api/broken")

    assert (response.status_code, response.headers["content-type"]) == (500, "application/problem+json")
    assert "secret" not in response.text


@pytest.fixture
def ask() -> Callable[..., Awaitable[httpx.Response]]:
    """Ask a server with both sides, at one of its ports."""
    gateway = Gateway.from_text(CONFIG)
    both = Sides(gateway.app, make_admin(gateway, Access()), 8081, gateway.leave)

    async def get(port: int, path: str, **headers: str) -> httpx.Response:
        async def at_port(scope: Any, receive: Any, send: Any) -> None:
            await both({**scope, "server": ("127.0.0.1", port)}, receive, send)

        wire = httpx.ASGITransport(at_port)
        async with httpx.AsyncClient(transport=wire, base_url=f"http://127.0.0.1:{port}") as client:
            return await client.get(path, headers=headers)

    return get


@pytest.mark.parametrize("headers", [{}, {"host": "localhost:8081"}, {"host": "localhost:8081", "x-forwarded-port": "8081"}])
async def test_nothing_of_it_is_at_the_endpoints_port(ask: Any, headers: dict[str, str]) -> None:
    """Whatever the client says of where it believes to be."""
    assert (await ask(8080, "/api", **headers)).status_code == 404
    assert (await ask(8080, "/openapi.json", **headers)).status_code == 200


async def test_nothing_of_the_endpoints_is_at_its_port(ask: Any) -> None:
    """Its own, and no more."""
    assert (await ask(8081, "/api")).status_code == 200
    assert (await ask(8081, "/openapi.json")).status_code == 404

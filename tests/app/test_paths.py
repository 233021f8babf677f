"""Which path is whose: endpoints, the gateway's own pages, a user's routes, and what nobody answers."""

from __future__ import annotations

import re
from typing import Any

import httpx
import pytest
import respx
from fastapi import FastAPI, HTTPException, Request
from starlette.responses import JSONResponse
from starlette.routing import Route

from gateway import Gateway

CONFIG = """
version: 1
upstreams: { users: { url: http://users.test } }
endpoints:
  - path: /users/{id}
    summary: One user
    inputs:
      id: { in: path, type: integer, minimum: 1 }
      limit: { in: query, type: integer, maximum: 50, default: 5, description: How many }
      tags: { in: query, type: array, maxLength: 3 }
      X-Tenant: { in: header, required: true, enum: [a, b] }
    steps: { user: { get: "users /users/{path.id}", query: { lang: "{query.lang}" } } }
  - path: /users/me
    steps: { user: { get: users /me } }
  - path: /users/{id}
    method: PUT
    steps: { user: { put: "users /users/{path.id}", body: "{body}" } }
  - path: /users/id
    steps: { user: { get: users /id } }
"""

ONE = "version: 1\nupstreams: { users: { url: http://users.test } }\nendpoints:\n"


@pytest.fixture(autouse=True)
def users(upstreams: respx.Router) -> None:
    """Says what it was asked for."""
    upstreams.route(host="users.test").mock(side_effect=lambda request: httpx.Response(200, json=request.url.path))


@pytest.mark.parametrize(
    ("method", "path", "status", "slug"),
    [
        ("GET", "/nothing", 404, "not-found"),
        ("GET", "/users", 404, "not-found"),
        ("GET", "/users/1/more", 404, "not-found"),
        ("GET", "/users/1/", 404, "not-found"),
        ("DELETE", "/users/1", 405, "method-not-allowed"),
        ("POST", "/livez", 405, "method-not-allowed"),
        ("TRACE", "/users/me", 405, "method-not-allowed"),
        ("GET", "/" + "a" * 9000, 414, "uri-too-long"),
        ("GET", "/a%2fb", 400, "bad-request"),
    ],
)
async def test_what_nobody_answers_is_a_problem(serve: Any, method: str, path: str, status: int, slug: str) -> None:
    """Problem+json like every other failure."""
    client = await serve(CONFIG)

    answer = await client.request(method, path)

    assert answer.status_code == status
    assert answer.headers["content-type"] == "application/problem+json"
    assert (answer.json()["type"], answer.json()["status"]) == (f"urn:problem:fanin:{slug}", status)


async def test_more_headers_than_anybody_means_are_a_431(serve: Any) -> None:
    """In number or in bytes."""
    client = await serve(CONFIG)

    many = await client.get("/users/me", headers=[(f"x-{number}", "1") for number in range(101)])
    long = await client.get("/users/me", headers={"x-long": "x" * 40_000})

    assert (many.status_code, long.status_code) == (431, 431)


@pytest.mark.parametrize(
    ("method", "path", "allow"),
    [
        ("DELETE", "/users/1", "GET, HEAD, PUT"),
        ("OPTIONS", "/users/me", "GET, HEAD, PUT"),
        ("POST", "/livez", "GET"),
        ("GET", "/mine", "POST"),
    ],
)
async def test_allow_lists_every_method_of_the_path(upstreams: respx.Router, method: str, path: str, allow: str) -> None:
    """Several endpoints may share a path, or one may be a special case of another's: all of them count."""
    gateway = Gateway.from_text(CONFIG, transport=httpx.MockTransport(upstreams.async_handler))
    gateway.app.add_api_route("/mine", lambda: None, methods=["POST"])

    async with gateway.app.router.lifespan_context(gateway.app):
        answer = await _client(gateway).request(method, path)

    assert (answer.status_code, answer.headers["allow"]) == (405, allow)


async def test_the_more_specific_path_wins(serve: Any) -> None:
    """Plain text before a parameter, whatever the order written; another method goes where it is taken."""
    client = await serve(CONFIG)
    tenant = {"x-tenant": "a"}

    answers = [
        await client.get("/users/me"),
        await client.get("/users/7", headers=tenant),
        await client.get("/users/id"),
        await client.put("/users/me", json={}),
    ]

    assert [answer.json()["user"] for answer in answers] == ["/me", "/users/7", "/id", "/users/me"]


async def test_a_thousand_endpoints_are_each_answered_by_their_own(serve: Any) -> None:
    """None shadows another."""
    endpoints = "".join(
        f"  - path: /v{n}/{{id}}\n    steps: {{ one: {{ get: 'users /{n}/{{path.id}}' }} }}\n" for n in range(1000)
    )
    client = await serve(ONE + endpoints)

    answers = {number: (await client.get(f"/v{number}/x")).json() for number in (0, 1, 10, 100, 500, 999)}

    assert answers == {number: {"one": f"/{number}/x"} for number in answers}


async def test_head_is_get(serve: Any) -> None:
    """The same status and headers, the body's length included."""
    client = await serve(CONFIG)

    get, head = await client.get("/users/me"), await client.head("/users/me")

    assert head.status_code == 200
    assert head.content == b""
    for name in ("content-length", "content-type", "gateway-complete"):
        assert head.headers[name] == get.headers[name]


async def test_livez_and_readyz_tell_how_it_stands(upstreams: respx.Router) -> None:
    """Live as soon as the process answers, ready from the start until the stop."""
    gateway = Gateway.from_text(CONFIG, transport=httpx.MockTransport(upstreams.async_handler))
    client = _client(gateway)

    before = [(await client.get(path)).status_code for path in ("/livez", "/readyz")]
    async with gateway.app.router.lifespan_context(gateway.app):
        during = [(await client.get(path)).status_code for path in ("/livez", "/readyz")]
    after = [(await client.get(path)).status_code for path in ("/livez", "/readyz")]

    assert (before, during, after) == ([200, 503], [200, 200], [200, 503])


async def test_a_server_starts_and_stops_it_by_the_lifespan_protocol(upstreams: respx.Router) -> None:
    """What is no request passes through everything that stands in front of the router."""
    gateway = Gateway.from_text(CONFIG, transport=httpx.MockTransport(upstreams.async_handler))
    received = iter([{"type": "lifespan.startup"}, {"type": "lifespan.shutdown"}])
    statuses: list[int] = []
    sent: list[str] = []

    async def receive() -> Any:
        return next(received)

    async def send(message: Any) -> None:
        sent.append(message["type"])
        statuses.append((await _client(gateway).get("/users/me")).status_code)

    await gateway.app({"type": "lifespan", "asgi": {"version": "3.0"}, "state": {}}, receive, send)

    assert sent == ["lifespan.startup.complete", "lifespan.shutdown.complete"]
    assert statuses == [200, 500]


async def test_an_endpoint_before_the_start_is_a_500(upstreams: respx.Router) -> None:
    """Whoever forgets the lifespan is told so on the server's side, by a `StartError`."""
    gateway = Gateway.from_text(CONFIG, transport=httpx.MockTransport(upstreams.async_handler))

    answer = await _client(gateway).get("/users/me")

    assert (answer.status_code, answer.headers["content-type"]) == (500, "application/problem+json")


async def test_a_gateway_can_be_started_again(upstreams: respx.Router) -> None:
    """Everything that a stop closed is made anew by the next start."""
    gateway = Gateway.from_text(CONFIG, transport=httpx.MockTransport(upstreams.async_handler))
    answers = []

    for _ in range(2):
        async with gateway.app.router.lifespan_context(gateway.app):
            answers.append((await _client(gateway).get("/users/me")).status_code)

    assert answers == [200, 200]


async def test_a_route_of_the_user_s_own_is_served_beside_the_endpoints(upstreams: respx.Router) -> None:
    """`gateway.app` is a FastAPI app: routes are added as ever, their errors are problems like ours, with what they say."""
    gateway = Gateway.from_text(CONFIG, transport=httpx.MockTransport(upstreams.async_handler))

    @gateway.app.get("/mine/{number}")
    def mine(number: int) -> dict[str, int]:
        if number > 1:
            raise HTTPException(number, "not mine" if number < 450 else {"not": "text"})
        return {"number": number}

    async with gateway.app.router.lifespan_context(gateway.app):
        answers = [await _client(gateway).get(f"/mine/{number}") for number in (1, 404, 499)]
        documented = (await _client(gateway).get("/openapi.json")).json()

    assert answers[0].json() == {"number": 1}
    assert [(one.json()["status"], one.json()["title"], one.json().get("detail")) for one in answers[1:]] == [
        (404, "Not Found", "not mine"),
        (499, "Error", None),
    ]
    assert "/mine/{number}" in documented["paths"]


async def test_the_gateway_s_own_pages_come_before_any_endpoint(serve: Any) -> None:
    """An endpoint for every path of one or two segments takes what is left, and other methods."""
    client = await serve(
        ONE + "  - { path: '/{a}', steps: { one: { get: users /1 } } }\n"
        "  - { path: '/{a}/{b}', steps: { two: { get: users /2 } } }\n"
        "  - { path: '/{a}', method: POST, steps: { one: { get: users /3 } } }\n"
    )

    own = [await client.get(path) for path in ("/livez", "/readyz", "/openapi.json", "/docs", "/static-offline-docs/favicon.png")]
    others = [await client.get("/live"), await client.get("/livez/x"), await client.post("/livez")]

    assert [answer.status_code for answer in own] == [200] * 5
    assert not any("gateway-complete" in answer.headers for answer in own)
    assert [answer.json() for answer in others] == [{"one": "/1"}, {"two": "/2"}, {"one": "/3"}]


@pytest.mark.parametrize(
    ("mine", "is_mine"), [("/users/me", True), ("/users/{name}", True), ("/{any}/me", True), ("/else", False)]
)
async def test_a_route_that_a_user_puts_first_comes_first(upstreams: respx.Router, mine: str, is_mine: bool) -> None:
    """The order of the app's routes is the user's to change."""
    gateway = Gateway.from_text(CONFIG, transport=httpx.MockTransport(upstreams.async_handler))
    gateway.app.router.routes.insert(0, Route(mine, lambda _: JSONResponse("mine")))

    async with gateway.app.router.lifespan_context(gateway.app):
        answer = await _client(gateway).get("/users/me")

    assert answer.json() == ("mine" if is_mine else {"user": "/me"})


async def test_a_gateway_may_be_mounted_in_another_app(upstreams: respx.Router) -> None:
    """Its paths then begin where it is mounted, and what that path has of parameters is there too."""
    gateway = Gateway.from_text(
        ONE + "  - { path: '/{id}', steps: { one: { get: 'users /{path.id}' } }, response: { path: path, one: one } }\n",
        transport=httpx.MockTransport(upstreams.async_handler),
    )
    outer = FastAPI()
    outer.mount("/api/{tenant}", gateway.app)

    async with gateway.app.router.lifespan_context(gateway.app):
        client = httpx.AsyncClient(transport=httpx.ASGITransport(outer), base_url="http://gateway.test")
        answers = [(await client.get(path)) for path in ("/api/acme/7", "/api/acme/livez", "/7", "/api/acme/7/x")]

    assert [answer.status_code for answer in answers] == [200, 200, 404, 404]
    assert answers[0].json() == {"path": {"tenant": "acme", "id": "7"}, "one": "/7"}


async def test_a_user_s_middleware_stands_around_the_endpoints(upstreams: respx.Router) -> None:
    """It may change the answer, and finds in the scope which endpoint it was."""
    gateway = Gateway.from_text(CONFIG, transport=httpx.MockTransport(upstreams.async_handler))

    @gateway.app.middleware("http")
    async def mark(request: Request, go_on: Any) -> Any:
        answer = await go_on(request)
        answer.headers["x-seen"] = f"{request.scope['route'].path} {request.path_params}"
        return answer

    async with gateway.app.router.lifespan_context(gateway.app):
        answer = await _client(gateway).get("/users/7", headers={"x-tenant": "a"})

    assert (answer.status_code, answer.headers["x-seen"]) == (200, "/users/{id} {'id': '7'}")


async def test_the_docs_work_offline(serve: Any) -> None:
    """The page and every asset it names are served by the gateway itself; nothing points elsewhere."""
    client = await serve(CONFIG)

    page = (await client.get("/docs")).text

    named = re.findall(r"""(?:href|src)="([^"]*)"|url: '([^']*)'""", page)
    assets = [first or second for first, second in named]
    assert len(assets) == 4
    assert all(asset.startswith("/") and not asset.startswith("//") for asset in assets)
    assert "://" not in page
    assert [(await client.get(asset)).status_code for asset in assets] == [200] * 4


def _client(gateway: Gateway) -> httpx.AsyncClient:
    return httpx.AsyncClient(
        transport=httpx.ASGITransport(gateway.app, raise_app_exceptions=False), base_url="http://gateway.test"
    )

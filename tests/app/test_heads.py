"""The answer's own status and headers: what the endpoint names, and nothing else."""

from __future__ import annotations

from typing import Any

import pytest
import respx

CONFIG = """
version: 1
upstreams: { shop: { url: http://shop.test } }
endpoints:
  - path: /orders
    method: POST
    status: "{steps.order.status}"
    headers:
      Location: "/v1{steps.order.headers.location}"
      Set-Cookie: "{steps.order.headers.set_cookie}"
      X-Points: "{points.total}"
      Cache-Control: max-age=60
    steps:
      order: { post: shop /orders, accept: [200, 201, 204] }
      points: { get: shop /points, optional: true }
"""
COOKIES = [("set-cookie", "a=1; Path=/"), ("set-cookie", "b=2, 3"), ("x-secret", "1")]


@pytest.fixture
def order(upstreams: respx.Router) -> respx.Route:
    """Takes orders; there are points for them."""
    upstreams.get("http://shop.test/points").respond(json={"total": 5})
    return upstreams.post("http://shop.test/orders")


async def test_status_and_headers_are_those_named(serve: Any, order: respx.Route) -> None:
    """A cookie on several lines arrives on as many; what is not named stays here."""
    order.respond(201, json={"id": 7}, headers=[("location", "/orders/7"), *COOKIES])
    client = await serve(CONFIG)

    answer = await client.post("/orders")

    assert (answer.status_code, answer.headers["location"], answer.headers["x-points"]) == (201, "/v1/orders/7", "5")
    assert answer.headers.get_list("set-cookie") == ["a=1; Path=/", "b=2, 3"]
    assert "x-secret" not in answer.headers
    assert answer.headers["cache-control"] == "max-age=60"


async def test_an_incomplete_answer_leaves_out_what_is_absent(serve: Any, upstreams: respx.Router, order: respx.Route) -> None:
    """And says that nobody is to keep it, whatever was meant for a whole one."""
    order.respond(201, json={})
    upstreams.get("http://shop.test/points").respond(500)
    client = await serve(CONFIG)

    answer = await client.post("/orders")

    assert answer.status_code == 201
    assert not {"location", "set-cookie", "x-points"} & set(answer.headers)
    assert answer.headers.get_list("cache-control") == ["no-store"]


async def test_a_status_without_a_body_has_none(serve: Any, upstreams: respx.Router, order: respx.Route) -> None:
    """Unless the body has something missing to tell."""
    order.respond(204)
    client = await serve(CONFIG)

    whole = await client.post("/orders")
    upstreams.get("http://shop.test/points").respond(500)
    partial = await client.post("/orders")

    assert (whole.status_code, whole.content, "content-type" in whole.headers) == (204, b"", False)
    assert (partial.status_code, [error["step"] for error in partial.json()["errors"]]) == (200, ["points"])


async def test_a_header_that_cannot_be_made_is_missing(serve: Any, upstreams: respx.Router, order: respx.Route) -> None:
    """The answer stays, and says which."""
    order.respond(200, json={})
    upstreams.get("http://shop.test/points").respond(json={"total": "5\r\nX-Evil: 1"})
    client = await serve(CONFIG)

    answer = await client.post("/orders")

    assert not {"x-points", "x-evil"} & set(answer.headers)
    assert [error["member"] for error in answer.json()["errors"]] == ["headers.x-points"]


async def test_a_problem_has_none_of_them(serve: Any, order: respx.Route) -> None:
    """They are of good answers."""
    order.respond(409, headers=COOKIES)
    client = await serve(CONFIG)

    answer = await client.post("/orders")

    assert (answer.status_code, answer.headers["cache-control"]) == (409, "no-store")
    assert not {"set-cookie", "x-points"} & set(answer.headers)


async def test_a_step_that_only_a_header_looks_into_is_read(serve: Any, upstreams: respx.Router) -> None:
    """Its value is needed, so that it is no longer passed on unread."""
    upstreams.get("http://shop.test/page").respond(json={"next": "/page/2"})
    client = await serve(PAGE)

    answer = await client.get("/page")

    assert (answer.headers["link"], answer.json()) == ("</page/2>; rel=next", {"page": {"next": "/page/2"}})


PAGE = """
version: 1
upstreams: { shop: { url: http://shop.test } }
endpoints:
  - path: /page
    headers: { Link: "<{page.next}>; rel=next" }
    steps: { page: { get: shop /page } }
"""

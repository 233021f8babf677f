"""`?fields=`: a client gets the members that it asks for, and only what they take is called."""

from __future__ import annotations

from typing import Any

import pytest
import respx

HOME = """
version: 1
upstreams:
  users: { url: http://users.test }
  orders: { url: http://orders.test }
  likes: { url: http://likes.test }
endpoints:
  - path: /home
    steps:
      user: { get: users /me }
      orders: { get: orders /orders, optional: true, fallback: [] }
      likes: { get: "likes /for/{user.segment}", optional: true }
"""
USER = {"id": 42, "segment": "gold", "address": {"city": "Lagos", "street": "Broad"}}


@pytest.fixture
def well(upstreams: respx.Router) -> respx.Router:
    """Every upstream answers."""
    upstreams.get("http://users.test/me").respond(json=USER)
    upstreams.get("http://orders.test/orders").respond(json=[{"id": 1, "total": 5}, {"id": 2, "total": 7}])
    upstreams.get("http://likes.test/for/gold").respond(json=["tea"])
    return upstreams


def asked(upstreams: respx.Router) -> list[str]:
    """The hosts that were called."""
    return sorted(call.request.url.host.partition(".")[0] for call in upstreams.calls)


@pytest.mark.parametrize(
    ("wanted", "text", "called"),
    [
        ("user.id", '{"user":{"id":42}}', ["users"]),
        ("orders.total", '{"orders":[{"total":5},{"total":7}]}', ["orders"]),
        ("likes", '{"likes":["tea"]}', ["likes", "users"]),
        ("likes,user.address.city", '{"user":{"address":{"city":"Lagos"}},"likes":["tea"]}', ["likes", "users"]),
    ],
)
async def test_only_what_is_asked_for_is_called_and_sent(
    serve: Any, well: respx.Router, wanted: str, text: str, called: list[str]
) -> None:
    """Members stand in the answer's own order, and what is there is all that was asked for."""
    client = await serve(HOME)

    answer = await client.get("/home", params={"fields": wanted})

    assert (answer.status_code, answer.text) == (200, text)
    assert answer.headers["gateway-complete"] == "true"
    assert asked(well) == called


async def test_what_nobody_asked_for_cannot_be_missing(serve: Any, well: respx.Router) -> None:
    """Neither an optional step that fails nor a required one counts where it is not called."""
    well.get("http://orders.test/orders").respond(500)
    well.get("http://users.test/me").respond(500)
    client = await serve(HOME)

    partial, failed = await client.get("/home?fields=orders"), await client.get("/home?fields=likes")

    assert partial.status_code == 200
    assert [error["step"] for error in partial.json()["errors"]] == ["orders"]
    assert partial.json()["orders"] == []
    assert "user;" not in partial.headers["server-timing"]
    assert failed.status_code == 502


async def test_repeated_and_listed_names_are_one_selection(serve: Any, well: respx.Router) -> None:
    """As with every list that a query has."""
    client = await serve(HOME)

    answer = await client.get("/home?fields=user.id&fields=orders.id")

    assert answer.json() == {"user": {"id": 42}, "orders": [{"id": 1}, {"id": 2}]}


async def test_an_answer_that_takes_no_call_makes_none(serve: Any, well: respx.Router) -> None:
    """What comes from the request alone is answered without anybody."""
    client = await serve(f"{HOME}    response: {{ user: user, orders: orders, likes: likes, page: query.page }}\n")

    answer = await client.get("/home?page=3&fields=page")

    assert answer.text == '{"page":"3"}'
    assert asked(well) == []


@pytest.mark.parametrize("wanted", ["", "c4n4ry", "user,,orders", "user.id,c4n4ry.x", "c4n4ry" * 200, ",".join(["c4n4ry"] * 101)])
async def test_fields_that_do_not_fit_are_refused(serve: Any, well: respx.Router, wanted: str) -> None:
    """The problem names the input and not what was given; nothing is called."""
    client = await serve(HOME)

    answer = await client.get("/home", params={"fields": wanted})

    assert answer.status_code == 422
    assert answer.json()["type"] == "urn:problem:fanin:invalid-input"
    assert [(one["in"], one["name"]) for one in answer.json()["inputs"]] == [("query", "fields")]
    assert "c4n4ry" not in answer.text
    assert asked(well) == []


@pytest.mark.parametrize(
    "own",
    [
        "inputs: { fields: { in: query, type: integer } }",
        "response: { user: user, orders: orders, likes: likes, fields: query.fields }",
        "summary: forwarded",
    ],
)
async def test_a_parameter_of_that_name_is_the_endpoints_own(serve: Any, well: respx.Router, own: str) -> None:
    """Declared, read or passed on, it means what the config says, and everything is answered."""
    config = (
        HOME
        if "forwarded" not in own
        else HOME.replace("http://users.test }", "http://users.test, forward: { query: [fields] } }")
    )
    client = await serve(f"{config}    {own}\n")

    answer = await client.get("/home?fields=7")

    assert {"user", "orders", "likes"} <= set(answer.json())
    parameters = (await client.get("/openapi.json")).json()["paths"]["/home"]["get"]["parameters"]
    assert [one for one in parameters if "pattern" in one["schema"].get("items", {})] == []


async def test_choosing_can_be_turned_off(serve: Any, well: respx.Router) -> None:
    """`answer.fields: false`: everybody gets everything, whatever they ask for."""
    client = await serve(f"{HOME}answer: {{ fields: false }}\n")

    answer = await client.get("/home?fields=user")

    assert list(answer.json()) == ["user", "orders", "likes"]


async def test_the_document_says_what_can_be_asked_for(serve: Any, well: respx.Router) -> None:
    """The parameter stands with the endpoint's inputs, with the names that there are."""
    client = await serve(HOME)

    (parameter,) = (await client.get("/openapi.json")).json()["paths"]["/home"]["get"]["parameters"]

    assert (parameter["name"], parameter["in"], parameter["required"]) == ("fields", "query", False)
    assert parameter["schema"]["items"]["pattern"] == r"^(user|orders|likes|errors)(\.[^.,]+){0,9}$"
    assert parameter["schema"]["type"] == "array"


async def test_ever_new_selections_fill_no_memory(serve: Any, well: respx.Router) -> None:
    """A few plans are kept for an endpoint, however many selections there are."""
    client = await serve(HOME + "shed: false\n")
    app = client._transport.app
    endpoint = app.router.routes[-1].find({"method": "GET"}, "/home")[0]

    for number in range(100):
        assert (await client.get(f"/home?fields=user.n{number}")).text == '{"user":{}}'

    assert endpoint._choices._pruned.cache_info().currsize == 32

"""Merges and users' functions in the answers of the whole gateway."""

from __future__ import annotations

import asyncio
import logging
import sys
import threading
from types import SimpleNamespace
from typing import Any

import pytest
import respx

import gateway

CONFIG = """
version: 1
upstreams: { shop: { url: http://shop.test } }
endpoints:
  - path: /
    timeout: %s
    steps:
      ours: { get: shop /ours, optional: true }
      theirs: { get: shop /theirs, optional: true }
    response: %s
"""

CANARY = "c4n4ry"


@pytest.fixture(autouse=True)
def replies(upstreams: respx.Router) -> None:
    """Two lists, the second one with numbers and blanks as no writer of ours would have them."""
    upstreams.get("http://shop.test/ours").respond(json=[{"sku": "b", "n": 10**30}, {"sku": "a"}])
    upstreams.get("http://shop.test/theirs").respond(content=b'[ {"sku":"a", "n": 1.10, "n": 2.20} ]')


@pytest.fixture
def function(monkeypatch: pytest.MonkeyPatch) -> Any:
    """Puts a function where `shop_hooks:rank` finds it."""

    def put(rank: Any) -> None:
        monkeypatch.setitem(sys.modules, "shop_hooks", SimpleNamespace(rank=rank))

    return put


RANKED = "{ ranked: { transform: 'shop_hooks:rank', of: { ours: ours } }, theirs: theirs }"


@pytest.mark.parametrize(
    ("template", "expected"),
    [
        ("{merge: [ours, theirs], how: keyed(sku), collisions: last}",
         b'[{"sku":"b","n":1000000000000000000000000000000},{"sku":"a","n":2.2}]'),
        ("{merge: [theirs, ours], how: concat}",
         b'[{"sku":"a","n":2.2},{"sku":"b","n":1000000000000000000000000000000},{"sku":"a"}]'),
        ("{merge: [theirs, ours], how: prefer}", b'[ {"sku":"a", "n": 1.10, "n": 2.20} ]'),
        ("{merge: [{merge: [theirs, ours], how: prefer}, {a: ours}], how: prefer}", b'[ {"sku":"a", "n": 1.10, "n": 2.20} ]'),
    ],
)  # fmt: skip
async def test_digits_order_and_what_stands_twice(serve: Any, template: str, expected: bytes) -> None:
    """What is taken apart is written anew: all digits of integers, the last of what stands twice. What is preferred stays as it came."""
    client = await serve(CONFIG % ("2s", template))

    answer = await client.get("/")

    assert answer.content == expected
    assert answer.headers["gateway-complete"] == "true"


async def test_a_part_that_failed_takes_no_part(serve: Any, upstreams: respx.Router) -> None:
    """The step is listed, the merge is made of the others."""
    upstreams.get("http://shop.test/ours").respond(500)
    client = await serve(CONFIG % ("2s", "{ all: { merge: [ours, theirs], how: concat } }"))

    answer = (await client.get("/")).json()

    assert answer["all"] == [{"sku": "a", "n": 2.2}]
    assert [error["step"] for error in answer["errors"]] == ["ours"]


async def test_a_collision_that_must_not_be_costs_the_member(serve: Any) -> None:
    """It is null, and named; the others stay."""
    template = "{ first: { merge: ['ours[0]', 'theirs[0]'], how: shallow, collisions: fail }, theirs: theirs }"
    client = await serve(CONFIG % ("2s", template))

    answer = await client.get("/")

    assert answer.json() == {
        "first": None,
        "theirs": [{"sku": "a", "n": 2.2}],
        "errors": [
            {
                "type": "urn:problem:fanin:unshapeable",
                "title": "A member of the answer cannot be made",
                "status": 502,
                "member": "first",
            }
        ],
    }
    assert (answer.status_code, answer.headers["gateway-complete"]) == (200, "false")


@pytest.mark.parametrize("mark", [lambda function: function, gateway.off_loop], ids=["on the loop", "off the loop"])
async def test_a_function_that_raises_costs_its_member(
    serve: Any, function: Any, mark: Any, caplog: pytest.LogCaptureFixture
) -> None:
    """Never a 500; what it said is in the log and not in the answer."""

    @mark
    def rank(value: Any) -> Any:
        raise RuntimeError(f"{CANARY} {value}")

    function(rank)
    client = await serve(CONFIG % ("2s", RANKED))

    with caplog.at_level(logging.ERROR):
        answer = await client.get("/")

    assert (answer.status_code, answer.json()["ranked"]) == (200, None)
    assert [error["member"] for error in answer.json()["errors"]] == ["ranked"]
    assert CANARY not in answer.text
    assert CANARY in caplog.text


@pytest.mark.parametrize(("mark", "off"), [(lambda function: function, False), (gateway.off_loop, True)])
async def test_a_marked_function_runs_in_a_thread(serve: Any, function: Any, mark: Any, off: bool) -> None:
    """Once. Any other runs where everything does, and the answer is the same."""
    here = threading.get_ident()
    where: list[int] = []

    @mark
    def rank(value: Any) -> Any:
        where.append(threading.get_ident())
        return len(value["ours"])

    function(rank)
    client = await serve(CONFIG % ("2s", RANKED))

    answer = await client.get("/")

    assert answer.content == b'{"ranked":2,"theirs":[ {"sku":"a", "n": 1.10, "n": 2.20} ]}'
    assert [one != here for one in where] == [off]
    assert ("transform;dur=" in answer.headers["server-timing"]) is off


async def test_others_are_answered_while_a_marked_function_runs(serve: Any, function: Any) -> None:
    """A request that arrives later is answered first: only then does the function end."""
    let_go, begun = threading.Event(), threading.Event()

    @gateway.off_loop
    def rank(value: Any) -> Any:
        begun.set()
        assert let_go.wait(10)
        return value

    function(rank)
    client = await serve(CONFIG % ("20s", RANKED))

    slow = asyncio.create_task(client.get("/"))
    await asyncio.to_thread(begun.wait, 10)
    other = await client.get("/livez")
    let_go.set()

    assert other.status_code == 200
    assert (await slow).status_code == 200


async def test_a_marked_function_has_until_the_deadline(serve: Any, function: Any) -> None:
    """Then the client is told, and the thread goes on for as long as it likes."""
    let_go, over = threading.Event(), threading.Event()

    @gateway.off_loop
    def rank(value: Any) -> Any:
        let_go.wait(60)
        over.set()

    function(rank)
    client = await serve(CONFIG % ("200ms", RANKED))

    answer = await client.get("/")
    was_over = over.is_set()
    let_go.set()

    assert (answer.status_code, answer.json()["type"]) == (504, "urn:problem:fanin:deadline")
    assert not was_over


async def test_a_required_step_that_failed_is_told_without_any_function(
    serve: Any, upstreams: respx.Router, function: Any
) -> None:
    """There is no answer to put together."""
    called: list[Any] = []
    function(gateway.off_loop(lambda value: called.append(value)))
    upstreams.get("http://shop.test/ours").respond(404)
    client = await serve((CONFIG % ("2s", RANKED)).replace("/ours, optional: true", "/ours"))

    answer = await client.get("/")

    assert (answer.status_code, called) == (404, [])

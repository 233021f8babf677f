"""An endpoint that keeps its answers: who gets which, for how long, and what is never kept."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import httpx
import pytest
import respx

from gateway.caching.clock import now
from gateway.caching.purging import PurgesState
from gateway.telemetry import Trace

CONFIG = """
version: 1
upstreams: { shop: { url: http://shop.test } }
endpoints:
  - path: /items/{id}
    cache: { ttl: 30s, stale_while_revalidate: 10s, stale_if_error: 1h }
    steps:
      product:
        get: "shop /items/{path.id}?color={query.color}"
        forward: { headers: [accept-language, authorization, cookie], query: [page] }
      stock: { get: "shop /stock/{path.id}", optional: true }
"""


@pytest.fixture
def later(monkeypatch: pytest.MonkeyPatch) -> Callable[[float], None]:
    """Let seconds go by for all that is kept."""
    ahead = 0.0

    def go(seconds: float) -> None:
        nonlocal ahead
        ahead += seconds

    monkeypatch.setattr("gateway.caching.clock.time", SimpleNamespace(monotonic=lambda: time.monotonic() + ahead))
    return go


@pytest.fixture
def items(upstreams: respx.Router) -> respx.Route:
    """Has every item, says how often it was asked, and echoes what it can tell requests apart by."""
    upstreams.get(url__regex=r"http://shop\.test/stock/.*").respond(json=3)
    route = upstreams.get(url__regex=r"http://shop\.test/items/.*")

    def show(request: httpx.Request) -> httpx.Response:
        told = {name: request.headers.get(name) for name in ("accept-language", "authorization", "cookie")}
        return httpx.Response(200, json={"calls": route.call_count, "target": request.url.raw_path.decode(), **told})

    return route.mock(side_effect=show)


def said(answer: httpx.Response) -> str:
    """What the cache did, without how long it is still good."""
    return "; ".join(one for one in answer.headers["cache-status"].split("; ") if not one.startswith("ttl="))


HIT, STORED, JOINED = "Fanin; hit", "Fanin; fwd=miss; stored", "Fanin; fwd=miss; collapsed"


async def test_an_answer_is_made_once_and_served_again(serve: Any, items: respx.Route, later: Any, traces: list[Trace]) -> None:
    """The same bytes and head, how old they are, and a trace of the request's own with nothing below it."""
    client = await serve(CONFIG)
    first = await client.get("/items/1")
    later(7)

    second = await client.get("/items/1")

    assert (said(first), said(second), items.call_count) == (STORED, HIT, 1)
    assert (second.status_code, second.content) == (200, first.content)
    assert (first.headers["cache-control"], second.headers["age"]) == ("private, max-age=30", "7")
    own = {"age", "cache-status", "server-timing", "traceparent"}
    assert {**second.headers, **dict.fromkeys(own)} == {**first.headers, **dict.fromkeys(own)}
    assert "server-timing" in first.headers
    assert "server-timing" not in second.headers
    assert [len(trace.spans) > 1 for trace in traces] == [True, False]
    assert [trace.root.own["gateway.cache.status"] for trace in traces] == ["miss", "hit"]
    assert second.headers["traceparent"] == traces[1].root.traceparent


ALICE = {"headers": {"authorization": "Bearer alice"}}


@pytest.mark.parametrize(
    ("path", "more"),
    [
        ("/items/2", {}),
        ("/items/1?color=red", {}),
        ("/items/1?color=", {}),
        ("/items/1?color=blue&page=2", {}),
        ("/items/1?page=2", {}),
        ("/items/1?fields=product", {}),
        ("/items/1", ALICE),
        ("/items/1", {"headers": {"cookie": "user=alice"}}),
        ("/items/1", {"headers": {"accept-language": "de"}}),
        ("/items/1", {"headers": [("accept-language", "d"), ("accept-language", "e")]}),
    ],
)
async def test_requests_that_the_plan_can_tell_apart_share_nothing(serve: Any, items: respx.Route, path: str, more: Any) -> None:
    """Another path, parameter, selection, header or client: another answer, for each of the two who ask, in either order, or at once."""
    client = await serve(CONFIG)

    plain, other = await asyncio.gather(client.get("/items/1"), client.get(path, **more))
    again, other_again = await client.get("/items/1"), await client.get(path, **more)

    assert items.call_count == 2
    assert plain.content == again.content != other.content == other_again.content
    assert [said(answer) for answer in (plain, other, again, other_again)] == [STORED, STORED, HIT, HIT]


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("color=red;page=2", "color=red&page=2"),
        ("color=red%26page=2", "color=red&page=2"),
        ("color=a,b", "color=a%2Cb&page="),
        ("page=1&page=2", "page=1,2"),
        ("page=1&page=2", "page=2&page=1"),
        ("Color=red", "color=red"),
        ("color[]=red", "color=red"),
    ],
)
async def test_no_parameter_hides_behind_another(serve: Any, items: respx.Route, one: str, other: str) -> None:
    """What is a separator, an escape or a repetition is so for the key as it is for the plan."""
    client = await serve(CONFIG)

    targets = [(await client.get(f"/items/1?{query}")).json()["product"]["target"] for query in (one, other, one, other)]

    assert targets[:2] == targets[2:]
    assert items.call_count == len(set(targets)) == 2


async def test_what_the_plan_does_not_read_neither_changes_nor_poisons(serve: Any, items: respx.Route) -> None:
    """Thirty headers that other programs heed, unknown parameters, a body: all get the one answer, and none of it is in it."""
    names = [
        "forwarded",
        "via",
        "range",
        *(f"x-{word}" for word in ("host", "original-url", "rewrite-url", "http-method-override")),
    ]
    strange = dict.fromkeys((*names, *(f"x-forwarded-{number}" for number in range(23))), "evil.test")
    client = await serve(CONFIG)

    answers = [
        await client.get("/items/1", headers=strange),
        await client.get("/items/1?utm_source=evil&callback=evil"),
        await client.request("GET", "/items/1", content=b'{"id": "evil"}', headers={"content-type": "application/json"}),
        await client.get("/items/1", headers={"cache-control": "no-cache", "pragma": "no-cache"}),
        await client.get("/items/1"),
    ]

    assert len(strange) == 30
    assert {(answer.status_code, answer.content) for answer in answers} == {(200, answers[0].content)}
    assert items.call_count == 1
    assert b"evil" not in answers[0].content


async def test_a_thousand_who_ask_at_once_are_one_call(serve: Any, items: respx.Route, traces: list[Trace]) -> None:
    """They wait for the one who began, each with a trace of his own that links to his."""
    client = await serve(CONFIG.replace("cache:", "timeout: 60s\n    cache:"))  # a thousand take a while on a busy machine

    answers = await asyncio.gather(*(client.get("/items/1") for _ in range(1000)))

    assert items.call_count == 1
    assert len({answer.content for answer in answers}) == 1
    assert [said(answer) for answer in answers].count(JOINED) == 999
    assert sum("server-timing" in answer.headers for answer in answers) == 1
    joined = [trace.root for trace in traces if trace.root.own["gateway.cache.status"] == "collapsed"]
    (leader,) = (trace for trace in traces if trace.root not in joined)
    assert len(joined) == 999
    assert {root.links[0].trace for root in joined} == {leader.id}
    assert len({answer.headers["traceparent"] for answer in answers}) == 1000


async def test_who_leaves_takes_nobody_along(serve: Any, upstreams: respx.Router) -> None:
    """The answer is made for who still waits; when the last has left, the call ends."""
    asked, ended, go_on = asyncio.Event(), asyncio.Event(), asyncio.Event()

    async def wait(_: httpx.Request) -> httpx.Response:
        asked.set()
        try:
            await go_on.wait()
        except asyncio.CancelledError:
            ended.set()
            raise
        return httpx.Response(200, json=1)

    upstreams.get("http://shop.test/items/1").mock(side_effect=wait)
    upstreams.get("http://shop.test/stock/1").respond(json=3)
    client = await serve(CONFIG)
    first = asyncio.create_task(client.get("/items/1"))
    await asked.wait()
    second = asyncio.create_task(client.get("/items/1"))
    await asyncio.sleep(0.01)

    first.cancel()
    await asyncio.sleep(0.01)
    assert not ended.is_set()
    second.cancel()

    async with asyncio.timeout(20):
        await ended.wait()


async def test_a_stale_answer_is_served_while_a_newer_one_is_made(
    serve: Any, items: respx.Route, later: Any, traces: list[Trace]
) -> None:
    """Nobody waits for it: one run for all who ask meanwhile, in a trace of its own that links to the request it is made because of."""
    client = await serve(CONFIG)
    first = await client.get("/items/1")
    later(31)

    stale = await asyncio.gather(*(client.get("/items/1") for _ in range(5)))
    await asyncio.sleep(0.05)
    fresh = await client.get("/items/1")

    assert {answer.content for answer in stale} == {first.content}
    assert {answer.headers["cache-status"] for answer in stale} == {"Fanin; hit; ttl=-2"}
    assert (fresh.content != first.content, items.call_count) == (True, 2)
    (refresh,) = (trace for trace in traces if trace.root.name == "refresh /items/{id}")
    assert refresh.root.links[0].trace in {trace.id for trace in traces if trace is not refresh}
    assert "product" in {span.type.attributes.get("gateway.step.name") for span in refresh.spans}


@pytest.mark.parametrize("failure", [httpx.Response(503), httpx.ConnectError("refused")], ids=["503", "refused"])
async def test_a_stale_answer_is_better_than_a_failure(serve: Any, items: respx.Route, later: Any, failure: Any) -> None:
    """For as long as `stale_if_error` says, and no longer."""
    client = await serve(CONFIG)
    first = await client.get("/items/1")
    items.mock(side_effect=[failure, failure])
    later(45)

    stale = await client.get("/items/1")
    later(3600)
    failed = await client.get("/items/1")

    assert (stale.status_code, stale.content) == (200, first.content)
    assert stale.headers["cache-status"] == "Fanin; fwd=stale; fwd-status=502; ttl=-16"
    assert failed.status_code == 502


async def test_a_stale_answer_is_better_than_half_of_one(
    serve: Any, upstreams: respx.Router, items: respx.Route, later: Any
) -> None:
    """What is missing in the new one was there in the old one."""
    client = await serve(CONFIG)
    first = await client.get("/items/1")
    upstreams.get(url__regex=r"http://shop\.test/stock/.*").respond(500)
    later(45)

    second = await client.get("/items/1")

    assert (second.content, items.call_count) == (first.content, 2)
    assert second.headers["gateway-complete"] == "true"


async def test_an_answer_that_is_no_longer_true_is_gone(serve: Any, items: respx.Route, later: Any) -> None:
    """A 404 is no failure: the answer before it is not served in need either."""
    client = await serve(CONFIG)
    await client.get("/items/1")
    items.mock(side_effect=[httpx.Response(404), httpx.Response(503)])
    later(45)

    assert [(await client.get("/items/1")).status_code for _ in range(2)] == [404, 502]


HEAD = "    cache: { ttl: 30s"


@pytest.mark.parametrize(
    ("config", "replies"),
    [
        (CONFIG, [503, 503]),
        (CONFIG, [404, 404]),
        (CONFIG, [httpx.Response(200, json=1, headers={"cache-control": "max-age=60, private"})] * 2),
        (CONFIG, [httpx.Response(200, json=1, headers={"cache-control": "no-store"})] * 2),
        (CONFIG, [httpx.Response(200, json=1, headers={"cache-control": "max-age=0"})] * 2),
        (CONFIG.replace(HEAD, '    headers: { Set-Cookie: "id=1" }\n' + HEAD), [200, 200]),
        (CONFIG.replace(HEAD, "    headers: { Cache-Control: no-store }\n" + HEAD), [200, 200]),
        (CONFIG.replace(HEAD, '    headers: { Vary: "*" }\n' + HEAD), [200, 200]),
        (CONFIG.replace(HEAD, "    status: 203\n" + HEAD), [200, 200]),
        (CONFIG.replace("ttl: 30s,", "ttl: 30s, max_size: 10B,"), [200, 200]),
        (CONFIG.replace("ttl: 30s,", ""), [200, 200]),
    ],
)
async def test_what_is_not_for_all_or_not_whole_is_not_kept(
    serve: Any, upstreams: respx.Router, items: respx.Route, config: str, replies: list[Any]
) -> None:
    """A failure, a reply or a head that says so, another status, too much of it; and what nobody says how long it is good."""
    items.mock(side_effect=[httpx.Response(one, json=1) if isinstance(one, int) else one for one in replies])
    client = await serve(config.replace("stale_while_revalidate: 10s, stale_if_error: 1h", ""))

    answers = [await client.get("/items/1") for _ in range(2)]

    assert items.call_count == 2
    assert {answer.headers["cache-status"] for answer in answers} == {"Fanin; fwd=miss"}


async def test_half_an_answer_is_not_kept(serve: Any, upstreams: respx.Router, items: respx.Route) -> None:
    """Whoever comes next may get all of it."""
    stock = upstreams.get(url__regex=r"http://shop\.test/stock/.*").mock(
        side_effect=[httpx.Response(500), httpx.Response(200, json=3)]
    )
    client = await serve(CONFIG)

    answers = [await client.get("/items/1") for _ in range(2)]

    assert [answer.headers["gateway-complete"] for answer in answers] == ["false", "true"]
    assert stock.call_count == items.call_count == 2


async def test_who_joins_gets_no_other_client_s_cookie(serve: Any, items: respx.Route) -> None:
    """An answer that sets one is for who asked; the others ask for themselves."""
    config = CONFIG.replace(HEAD, '    headers: { Set-Cookie: "id={product.calls}" }\n' + HEAD)
    client = await serve(config)

    answers = await asyncio.gather(*(client.get("/items/1") for _ in range(5)))

    assert len({answer.headers["set-cookie"] for answer in answers}) == 5


async def test_a_client_that_has_it_is_told_so_from_what_is_kept(serve: Any, items: respx.Route) -> None:
    """304 and HEAD are answered without a call, as the GET would be."""
    client = await serve(CONFIG)
    first = await client.get("/items/1")
    tag = {"if-none-match": first.headers["etag"]}

    known, head, both = (
        await client.get("/items/1", headers=tag),
        await client.head("/items/1"),
        await client.head("/items/1", headers=tag),
    )

    assert [answer.status_code for answer in (known, head, both)] == [304, 200, 304]
    assert (head.headers["content-length"], known.content) == (str(len(first.content)), b"")
    assert {said(answer) for answer in (known, head, both)} == {HIT}
    assert items.call_count == 1


async def test_an_answer_in_parts_is_made_for_who_gets_it(serve: Any, items: respx.Route) -> None:
    """It is neither served from what is kept nor kept."""
    client = await serve(CONFIG)

    for accept in ("application/jsonl", "application/json", "text/event-stream", "*/*"):
        answer = await client.get("/items/1", headers={"accept": accept})
        assert ("cache-status" in answer.headers) == (accept in ("application/json", "*/*"))

    assert items.call_count == 3


async def test_a_bad_request_is_refused_as_ever(serve: Any, items: respx.Route) -> None:
    """Whatever is kept, inputs that do not fit are told."""
    client = await serve(CONFIG + "    inputs: { color: { in: query, maxLength: 3 } }\n")
    await client.get("/items/1?color=red")

    statuses = [
        (await client.get(f"/items/1?{query}")).status_code
        for query in ("color=blue", "color=%ff", "fields=nothing", "color=red")
    ]

    assert statuses == [422, 400, 422, 200]
    assert items.call_count == 1


WORDS = """
version: 1
upstreams: { shop: { url: http://shop.test } }
endpoints:
  - path: /items/{id}
    cache: { ttl: 30s, WORDS }
    inputs: { page: { in: query, type: integer, default: 1 } }
    steps:
      product:
        get: "shop /items/{path.id}?page={query.page}"
        forward: { headers: [accept-language, authorization] }
"""


async def counted(client: httpx.AsyncClient, items: respx.Route, *requests: tuple[str, dict[str, str]]) -> int:
    """Calls that these requests come to, one after the other."""
    for path, headers in requests:
        assert (await client.get(path, headers=headers)).status_code == 200
    return items.call_count


async def test_the_config_s_own_key_tells_answers_apart(serve: Any, items: respx.Route) -> None:
    """By its typed values; the rest of what is read no longer counts, but for who asks and what is wanted."""
    client = await serve(WORDS.replace("WORDS", 'key: "{path.id} {query.page}"'))
    german, alice = {"accept-language": "de"}, {"authorization": "alice"}

    same = await counted(client, items, ("/items/1", {}), ("/items/1?page=1", german), ("/items/1?page=01", {}))
    others = await counted(
        client, items, ("/items/1?page=2", {}), ("/items/1", alice), ("/items/1?fields=product", {}), ("/items/2", {})
    )

    assert (same, others) == (1, 5)


async def test_where_the_key_comes_to_nothing_nothing_is_kept(serve: Any, items: respx.Route) -> None:
    """What is absent would be the same for all who leave it out."""
    client = await serve(WORDS.replace("WORDS", 'key: "{headers.x_shop}"'))
    two = {"x-shop": "two"}

    assert await counted(client, items, ("/items/1", {}), ("/items/1", {}), ("/items/1", two), ("/items/9", two)) == 3


async def test_vary_on_leaves_headers_out_but_not_who_asks(serve: Any, items: respx.Route) -> None:
    """A client's credentials tell answers apart wherever they are read."""
    client = await serve(WORDS.replace("WORDS", "vary_on: []"))
    german, alice = {"accept-language": "de"}, {"authorization": "alice"}

    assert await counted(client, items, ("/items/1", {}), ("/items/1", german), ("/items/1", alice), ("/items/1", alice)) == 2


@pytest.mark.parametrize("scope", ["endpoint:GET /items/{id}", "upstream:shop", "tag:page-1", "tag:all", "*"])
async def test_a_purge_voids_what_is_kept(serve: Any, items: respx.Route, monkeypatch: pytest.MonkeyPatch, scope: str) -> None:
    """By the endpoint, the upstreams of its steps, and its tags, which may name what the request has."""
    purges = PurgesState()
    monkeypatch.setattr("gateway.store.PurgesState", lambda: purges)
    client = await serve(WORDS.replace("WORDS", 'tags: ["page-{query.page}", all]'))
    await client.get("/items/1")
    await client.get("/items/1")

    purges.purge("tag:page-2", now())
    assert items.call_count == 1
    purges.purge(scope, now())

    assert said(await client.get("/items/1")) == STORED
    assert items.call_count == 2


async def test_random_keys_stay_within_the_bound(serve: Any, items: respx.Route) -> None:
    """Whoever makes up parameters pushes out what is kept, and takes no more memory than there is for it."""
    client = await serve(CONFIG + "cache: { size: 64KiB }\n")

    for number in range(1000):
        await client.get(f"/items/1?color={number}&unread={number}")

    assert said(await client.get("/items/1?color=999")) == HIT
    assert said(await client.get("/items/1?color=1")) == STORED
    assert items.call_count == 1001


async def test_each_waits_as_long_as_he_says(serve: Any, upstreams: respx.Router) -> None:
    """Who has no more time is told so; the others go on with one more call among them."""
    pauses = [0.0, 0.5]

    async def reply(_: httpx.Request) -> httpx.Response:
        await asyncio.sleep(pauses.pop())
        return httpx.Response(200, json=1)

    upstreams.get("http://shop.test/stock/1").respond(json=3)
    upstreams.get("http://shop.test/items/1").mock(side_effect=reply)
    client = await serve(CONFIG)

    hasty = client.get("/items/1", headers={"x-request-timeout": "0.05"})
    answers = await asyncio.gather(hasty, *(client.get("/items/1") for _ in range(3)))

    assert [answer.status_code for answer in answers] == [504, 200, 200, 200]
    assert pauses == []


PARTS = """
version: 1
upstreams:
  shop: { url: http://shop.test, cache: {} }
endpoints:
  - path: /items/{id}
    steps:
      product: { get: "shop /items/{path.id}" }
      stock: { get: "shop /stock/{path.id}" }
"""


async def test_an_answer_of_kept_replies_says_how_long_it_is_good(serve: Any, upstreams: respx.Router, later: Any) -> None:
    """As long as the strictest of them, as old as the oldest, and a hit when nobody was asked."""
    upstreams.get("http://shop.test/items/1").respond(json=1, headers={"cache-control": "max-age=60"})
    upstreams.get("http://shop.test/stock/1").respond(json=2, headers={"cache-control": "max-age=20", "age": "5"})
    client = await serve(PARTS)

    first = await client.get("/items/1")
    later(3)
    second = await client.get("/items/1")

    assert (first.headers["cache-control"], first.headers["age"], said(first)) == ("max-age=20", "5", "Fanin; fwd=miss")
    assert (second.headers["age"], said(second)) == ("8", "Fanin; hit")


async def test_where_one_reply_says_nothing_nothing_is_said_of_all(serve: Any, upstreams: respx.Router) -> None:
    """But that it is for one client, where one is."""
    upstreams.get("http://shop.test/items/1").respond(json=1, headers={"cache-control": "private, max-age=60"})
    upstreams.get("http://shop.test/stock/1").respond(json=2)
    client = await serve(PARTS)

    assert (await client.get("/items/1")).headers["cache-control"] == "private"
    assert "cache-control" not in (await client.get("/items/1?fields=stock")).headers

"""`gateway cache`: what it asks for, what it prints, and what it says when there is nobody to ask."""

from __future__ import annotations

import json
import socket
from typing import Any

import pytest

SHOWN = {
    "process": 7,
    "stores": [
        {"store": "memory", "hits": 9000, "misses": 1000, "hit_rate": 0.9, "entries": 12, "bytes": 3456, "is_well": True},
        {"store": "redis", "hits": 0, "misses": 0, "hit_rate": None, "entries": None, "bytes": None, "is_well": False},
    ],
    "upstreams": [{"name": "users", "hits": 1, "stale": 1, "misses": 2, "hit_rate": 0.5}],
    "endpoints": [
        {"name": "GET /a", "answers": {"hits": 9, "stale": 0, "misses": 1, "hit_rate": 0.9}, "calls": None},
        {"name": "GET /b", "answers": None, "calls": {"hits": 0, "stale": 0, "misses": 0, "hit_rate": None}},
    ],
    "hottest": [{"key": "0f3a", "hits": 8000, "of": "users"}],
}


@pytest.fixture
def admin(upstream: Any) -> Any:
    """An admin side played by the test; its address is the usual one."""
    upstream.answers = {
        "/api/cache": [(200, SHOWN)],
        "/api/cache/purge": [(200, {"purged": "tag:x", "told": True})],
    }
    return upstream


def test_it_shows_each_tier_and_the_hottest_keys(run: Any, admin: Any) -> None:
    """How many reads were hits, what there is, and what is in trouble."""
    done = run("cache", "show", "--admin", admin.url)

    assert (done.status, done.err) == (0, "")
    assert done.out == (
        "process 7\n"
        "  memory   90.0% of 10,000 reads were hits; 12 entries, 3,456 bytes\n"
        "  redis       –% of 0 reads were hits; in trouble: it is not asked for now\n"
        "  upstream users: 50.0% of 4 were there, 1 of them stale\n"
        "  endpoint GET /a, answers: 90.0% of 10 were there\n"
        "  endpoint GET /b, calls: –% of 0 were there\n"
        "\n"
        "     8,000 hits  0f3a  users\n"
    )


def test_as_json_it_is_what_the_admin_side_says(run: Any, admin: Any) -> None:
    """For programs; the address may have a slash, and be a variable."""
    assert json.loads(run("cache", "show", "--json", "--admin", admin.url + "/").out) == SHOWN
    assert json.loads(run("cache", "show", "--json", GATEWAY_ADMIN_URL=admin.url).out) == SHOWN
    assert json.loads(run("cache", "purge", "--tag", "x", "--json", GATEWAY_ADMIN_URL=admin.url).out)["purged"] == "tag:x"


def test_without_an_address_it_is_the_port_of_this_machine(run: Any, admin: Any) -> None:
    """The one that a gateway would listen on that was started here."""
    port = admin.url.rpartition(":")[2]

    assert run("cache", "show", GATEWAY_ADMIN_PORT=port).status == 0


@pytest.mark.parametrize(
    ("option", "name"), [("key", "0f3a"), ("endpoint", "GET /a/{id}"), ("upstream", "users"), ("tag", "user-42")]
)
def test_it_purges_what_is_named(run: Any, admin: Any, option: str, name: str) -> None:
    """As JSON, which no page of another origin can send."""
    done = run("cache", "purge", f"--{option}", name, "--admin", admin.url)

    assert (done.status, done.out, done.err) == (0, "purged tag:x\n", "")
    method, path, headers, body = admin.asked[0]
    assert (method, path, headers["content-type"]) == ("POST", "/api/cache/purge", "application/json")
    assert json.loads(body) == {option: name}


@pytest.mark.parametrize("arguments", [[], ["--tag", "a", "--key", "b"]])
def test_one_thing_is_purged_at_a_time(run: Any, admin: Any, arguments: list[str]) -> None:
    """Nothing by mistake, and not everything."""
    done = run("cache", "purge", *arguments, "--admin", admin.url)

    assert (done.status, admin.asked) == (2, [])
    assert done.err == "gateway: name one thing to purge: --key, --endpoint, --upstream or --tag\n"


def test_an_unknown_name_is_status_1(run: Any, admin: Any) -> None:
    """With what may have been meant."""
    problem = {"title": "…", "status": 422, "detail": "unknown upstream; did you mean 'users'?"}
    admin.answers["/api/cache/purge"] = [(422, problem)]

    done = run("cache", "purge", "--upstream", "usres", "--admin", admin.url)

    assert (done.status, done.out) == (1, "unknown upstream; did you mean 'users'?\n")


def test_a_purge_that_not_everybody_knows_of_is_status_1(run: Any, admin: Any) -> None:
    """The store that tells the others is away; a script must not go on as if it were done."""
    admin.answers["/api/cache/purge"] = [(200, {"purged": "tag:x", "told": False})]

    done = run("cache", "purge", "--tag", "x", "--admin", admin.url)

    assert (done.status, done.out) == (1, "purged tag:x here; others learn of it when the store is back\n")


def test_the_token_goes_along(run: Any, admin: Any) -> None:
    """From the environment, and never by way of a proxy."""
    run("cache", "show", "--admin", admin.url, GATEWAY_ADMIN_TOKEN="secret", http_proxy="http://127.0.0.1:9")

    assert admin.asked[0][2]["authorization"] == "Bearer secret"


@pytest.mark.parametrize(("token", "told"), [("", "set GATEWAY_ADMIN_TOKEN"), ("wrong", "GATEWAY_ADMIN_TOKEN is not its token")])
def test_a_token_that_is_missing_or_wrong_is_said(run: Any, admin: Any, token: str, told: str) -> None:
    """And not shown."""
    admin.answers["/api/cache"] = [(401, {"title": "Unauthorized", "status": 401})]

    done = run("cache", "show", "--admin", admin.url, GATEWAY_ADMIN_TOKEN=token)

    assert (done.status, done.out) == (2, "")
    assert done.err == f"gateway: the admin side on {admin.url} takes a token: {told}\n"


def test_where_nobody_listens_that_is_said(run: Any) -> None:
    """With what to do."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        url = f"http://127.0.0.1:{taken.getsockname()[1]}"

    done = run("cache", "show", "--admin", url)

    assert (done.status, done.out) == (2, "")
    assert done.err == f"gateway: nobody listens on {url}; is a gateway served there? Name its admin side with --admin\n"


@pytest.mark.parametrize("answer", [(404, {"status": 404}), (200, []), (200, {"a": 1}), (200, "x"), (422, {}), (500, {})])
def test_something_else_that_answers_is_no_admin_side(run: Any, admin: Any, answer: Any) -> None:
    """The endpoints' port above all, and whatever else is on 8081."""
    admin.answers["/api/cache"] = [answer]

    done = run("cache", "show", "--admin", admin.url)

    assert (done.status, done.out) == (2, "")
    assert done.err.startswith(f"gateway: what answers on {admin.url} is no admin side of a gateway")


@pytest.mark.parametrize("url", ["127.0.0.1:8081", "ftp://127.0.0.1", "http://[", "x"])
def test_what_is_no_address_is_said(run: Any, url: str) -> None:
    """No traceback, whatever is typed."""
    done = run("cache", "show", "--admin", url)

    assert (done.status, done.out) == (2, "")
    assert done.err.count("\n") == 1


def test_a_refusal_is_passed_on(run: Any, admin: Any) -> None:
    """It says itself what is wrong."""
    admin.answers["/api/cache"] = [(503, {"title": "Service Unavailable", "detail": "starting or stopping"})]

    done = run("cache", "show", "--admin", admin.url)

    assert (done.status, done.err) == (2, f"gateway: the admin side on {admin.url} refuses: starting or stopping\n")

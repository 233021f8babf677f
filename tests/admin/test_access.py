"""Who is let in: by where they believe to be on loopback, by the token everywhere else."""

from __future__ import annotations

from typing import Any

import pytest

from gateway.admin import access
from gateway.admin.access import Access, is_loopback

TOKEN = "correct-horse"


def scope(path: str = "/api", **headers: str | list[str]) -> Any:
    """A request's head; a list is the same field several times."""
    several = {name: [given] if isinstance(given, str) else given for name, given in headers.items()}
    fields = [(name.encode(), value.encode()) for name, values in several.items() for value in values]
    return {"path": path, "headers": fields}


def status(policy: Access, asked: Any) -> int:
    """What the request is answered with, 200 for one that is let in."""
    problem = policy.refuse(asked)
    return problem.status if problem else 200


@pytest.mark.parametrize("host", ["localhost", "LOCALHOST:8081", "127.0.0.1", "127.0.0.1:8081", "127.8.8.8", "[::1]:8081"])
def test_who_asks_for_this_machine_is_let_in(host: str) -> None:
    """By any port: one may be forwarded to another."""
    assert status(Access(), scope(host=host)) == 200


@pytest.mark.parametrize(
    "host",
    [
        "evil.test:8081",
        "localhost.evil.test",
        "127.0.0.1.evil.test",
        "evil.test:80:127.0.0.1",
        "0.0.0.0:8081",
        "10.0.0.1",
        "[::]",
        "2130706433",
        "",
    ],
)
def test_a_name_that_leads_here_all_of_a_sudden_is_not(host: str) -> None:
    """DNS rebinding: the address is ours, the name is not."""
    assert status(Access(), scope(host=host)) == 403


def test_without_a_host_nobody_is_let_in() -> None:
    """As HTTP/1.0 allows; and with two, both must be ours."""
    assert status(Access(), scope()) == 403
    assert status(Access(), scope(host=["localhost", "evil.test"])) == 403


@pytest.mark.parametrize("given", [f"Bearer {TOKEN}", f"bearer  {TOKEN} "])
def test_the_token_lets_in_whatever_the_host(given: str) -> None:
    """A page that gets here by a name of its own has no token."""
    assert status(Access(TOKEN), scope(host="gateway.internal", authorization=given)) == 200


@pytest.mark.parametrize(
    "given",
    [
        [],
        [""],
        ["Bearer"],
        ["Bearer "],
        [TOKEN],
        [f"Basic {TOKEN}"],
        [f"Bearer {TOKEN[:-1]}"],
        [f"Bearer {TOKEN}x"],
        [f"Bearer {TOKEN.upper()}"],
        [f"Bearer {TOKEN}", "Bearer other"],
        ["Bearer ü"],
    ],
)
def test_without_the_token_nobody_is_let_in(given: list[str]) -> None:
    """Neither from this machine. What to send is said, and nothing of what was sent."""
    problem = Access(TOKEN).refuse(scope(host="localhost", authorization=given))

    assert problem
    assert (problem.status, problem.headers) == (401, {"www-authenticate": "Bearer"})
    assert TOKEN not in str(problem.as_json())


def test_tokens_are_compared_in_constant_time(monkeypatch: pytest.MonkeyPatch) -> None:
    """By `compare_digest`, the whole of them, and before anything else has been judged."""
    compared: list[tuple[bytes, bytes]] = []
    monkeypatch.setattr(access, "compare_digest", lambda one, other: compared.append((one, other)))

    assert status(Access(TOKEN), scope(authorization=f"Basic {TOKEN}")) == 401
    assert status(Access(TOKEN), scope()) == 401

    assert compared == [(TOKEN.encode(), TOKEN.encode()), (b"", TOKEN.encode())]


def test_whether_it_lives_anybody_may_ask() -> None:
    """A health check has no token, and calls it by its address."""
    assert status(Access(TOKEN), scope("/livez", host="10.1.2.3:8081")) == 200
    assert status(Access(), scope("/livez")) == 200


@pytest.mark.parametrize(
    ("host", "expected"),
    [
        ("127.0.0.1", True),
        ("::1", True),
        ("localhost", True),
        ("0.0.0.0", False),
        ("::", False),
        ("192.0.2.1", False),
        ("a", False),
    ],
)
def test_loopback_is_what_only_this_machine_reaches(host: str, expected: bool) -> None:
    """Every address at once is beyond it."""
    assert is_loopback(host) is expected


def test_a_token_is_not_printed() -> None:
    """It may stand in a traceback."""
    assert TOKEN not in repr(Access(TOKEN))

"""Hostile and odd paths over a real socket: refused with a 4xx, or one encoded segment at the upstream, and nothing in between."""

from __future__ import annotations

import re
from typing import Any

import pytest

pytestmark = pytest.mark.slow


@pytest.mark.parametrize(
    ("target", "status"),
    [
        ("/v1/home/..%2f..%2fadmin", 400),
        ("/v1/home/%2e%2e", 400),
        ("/v1/home/%2E%2e%2Fadmin", 400),
        ("/v1/home/../../admin", 400),
        ("/v1/home/..", 400),
        ("/v1/home/.", 400),
        ("/v1/home/%00", 400),
        ("/v1/home/a%5cb", 400),
        ("/v1/home/a\\b", 400),
        ("/v1/home/%0d%0aX-Evil:%201", 400),
        ("/v1/home/%ff", 400),
        ("/v1/home/%zz", 400),
        ("/v1/home/" + "a" * 9_000, 414),
        ("//evil", 404),
        ("//evil/v1/home/42", 404),
        ("/v1//home/42", 404),
        ("/v1/home/", 404),
        ("/v1/home/42/admin", 404),
    ],
    ids=lambda value: value[:30] if isinstance(value, str) else None,
)
async def test_a_path_that_could_be_read_in_two_ways_is_refused(served: Any, services: Any, target: str, status: int) -> None:
    """A 4xx as a problem, and no upstream hears of it."""
    answer = await served.raw(target)

    assert answer.startswith(b"HTTP/1.1 %d " % status)
    assert b"application/problem+json" in answer
    for service in services.values():
        assert await service.asked() == []


@pytest.mark.parametrize("target", ["http://evil/v1/home/42", "/v1/home/a b", "*", "v1/home/42"])
async def test_a_target_that_is_no_path_reaches_no_upstream_of_its_choosing(served: Any, services: Any, target: str) -> None:
    """Whatever the server makes of it, users are asked for one user or not at all."""
    await served.raw(target)

    for asked in await services["users"].asked():
        assert re.fullmatch(r"/users/[A-Za-z0-9._~%-]+", asked)


@pytest.mark.parametrize(
    ("target", "sent"),
    [
        ("a%20b", "a%20b"),
        ("%C3%A9", "%C3%A9"),
        ("a;b", "a%3Bb"),
        ("a%3Bb", "a%3Bb"),
        ("a%3Fb", "a%3Fb"),
        ("a%23b", "a%23b"),
        ("a%25b", "a%25b"),
        ("a%252fb", "a%252fb"),
        ("a&b=c", "a%26b%3Dc"),
        ("a@evil:80", "a%40evil%3A80"),
        ("a+b", "a%2Bb"),
        ("...", "..."),
        ("%E2%80%A6", "%E2%80%A6"),
        ("%7Bid%7D", "%7Bid%7D"),
    ],
)
async def test_an_odd_id_arrives_as_exactly_one_segment(served: Any, services: Any, target: str, sent: str) -> None:
    """Encoded once, whatever it holds; the user does not exist, and that is all that happens."""
    answer = await served.raw(f"/v1/home/{target}")

    assert answer.startswith(b"HTTP/1.1 404 ")
    assert await services["users"].asked() == [f"/users/{sent}"]

"""Invalidation: what a write makes worthless."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from gateway.caching.invalidation import voided
from gateway.caching.keys import uri_scope
from gateway.call import Call

URLS = ("http://one.test/api", "http://two.test:81")


@pytest.mark.parametrize(
    ("method", "status", "voids"),
    [
        ("POST", 201, True), ("PUT", 204, True), ("PATCH", 200, True), ("DELETE", 200, True), ("M-SEARCH", 200, True), ("POST", 303, True),
        ("POST", 404, False), ("POST", 500, False), ("GET", 200, False), ("HEAD", 200, False), ("OPTIONS", 200, False),
        ("QUERY", 200, False), ("PROPFIND", 207, False), ("LOCK", 200, True),
    ],
)  # fmt: skip
def test_a_write_that_went_well_voids_what_it_wrote_to(
    make_call: Callable[..., Call], method: str, status: int, voids: bool
) -> None:
    """Unless it failed, or changes nothing (RFC 9111, section 4.4)."""
    scopes = voided(make_call(method=method, target="/a"), status, (), URLS)

    assert scopes == ((uri_scope("users", "/a"),) if voids else ())


@pytest.mark.parametrize(
    ("text", "target"),
    [
        pytest.param("b", "/a/b", id="beside it"),
        pytest.param("?x=1", "/a/7?x=1", id="its query"),
        pytest.param("http://ONE.test/api/c#d", "/c", id="absolute"),
        pytest.param("http://two.test:81/c", "/c", id="another of its hosts"),
        pytest.param("http://one.test/c", None, id="not below its url"),
        pytest.param("http://one.test/apis/c", None, id="beside its url"),
        pytest.param("http://evil.test/api/c", None, id="another host"),
        pytest.param("https://one.test/api/c", None, id="another scheme"),
        pytest.param("http://[", None, id="no URL"),
        pytest.param("", "/a/7", id="itself"),
    ],
)
@pytest.mark.parametrize("name", ["location", "content-location"])
def test_a_write_voids_what_its_reply_names(make_call: Callable[..., Call], name: str, text: str, target: str | None) -> None:
    """Below the same upstream alone: nobody empties what is another's."""
    scopes = voided(make_call(method="POST", target="/a/7"), 201, ((name, text),), URLS)

    named = {uri_scope("users", "/a/7")} | ({uri_scope("users", target)} if target else set())
    assert set(scopes) == named

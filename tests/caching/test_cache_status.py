"""Cache-Status: what the cache did, in a word."""

from __future__ import annotations

import pytest

from gateway.caching.cache_status import Member


@pytest.mark.parametrize(
    ("member", "text"),
    [
        (Member(), "Fanin"),
        (Member(hit=True, ttl=29.9), "Fanin; hit; ttl=29"),
        (Member(hit=True, ttl=-0.5), "Fanin; hit; ttl=-1"),
        (Member(fwd="uri-miss", stored=True), "Fanin; fwd=uri-miss; stored"),
        (
            Member(fwd="stale", fwd_status=304, collapsed=True, detail="error"),
            "Fanin; fwd=stale; fwd-status=304; collapsed; detail=error",
        ),
    ],
)
def test_a_member_says_what_was_done(member: Member, text: str) -> None:
    """As RFC 9211 spells it."""
    assert str(member) == text

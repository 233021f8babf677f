"""What a write makes worthless (RFC 9111, section 4.4)."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from urllib.parse import urljoin, urlsplit, urlunsplit

from gateway.caching.keys import uri_scope
from gateway.call import Call, Headers

SAFE = frozenset({"GET", "HEAD", "OPTIONS", "TRACE", "QUERY", "SEARCH", "REPORT", "PROPFIND"})
"""Methods that change nothing (RFC 9110, section 9.2.1, and the registry of methods). Of any other nobody knows."""


def voided(call: Call, status: int, headers: Headers, urls: Sequence[str]) -> tuple[str, ...]:
    """The scopes to purge after a call with this reply: of what it wrote to, and of what the reply names in `Location` and
    `Content-Location` below one of its upstream's own `urls`. Nobody empties what is another host's.
    """
    if call.method in SAFE or not 200 <= status < 400:
        return ()
    named = (text for name, text in headers if name in ("location", "content-location"))
    targets = [call.target, *(target for text in named for target in _below(urls, call.target, text))]
    return tuple(dict.fromkeys(uri_scope(call.upstream, target) for target in targets))


def _below(urls: Iterable[str], target: str, text: str) -> Iterable[str]:
    """The target that a reference is to, for each of the urls that it is below."""
    for url in urls:
        base = url.rstrip("/")
        try:
            whole = urlsplit(urljoin(base + target, text))
            home = urlsplit(base)
        except ValueError:
            continue
        if (whole.scheme, whole.netloc.lower()) == (home.scheme, home.netloc.lower()) and whole.path.startswith(home.path + "/"):
            yield urlunsplit(("", "", whole.path[len(home.path) :], whole.query, ""))

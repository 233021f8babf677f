"""Where what is kept is to be kept: that it can be there at all."""

from __future__ import annotations

import re
from urllib.parse import urlsplit

from gateway.compile.certificates import check_certificates
from gateway.compile.report import Report
from gateway.finding import Path
from gateway.spec import RedisSpec, StorageSpec
from gateway.syntax import CONTROL

LONGEST = 1.0
"""Seconds that a request may wait for a store: more would be worse than none."""

_DATABASE = re.compile(r"(/[0-9]{0,4})?")


def check_storage(spec: StorageSpec, report: Report) -> None:
    """Report what would be kept nowhere, and what cannot be reached."""
    if spec.redis and spec.redis.url:
        _check_redis(spec.redis, ("cache", "redis"), report)
    elif spec.size is None and not report.lacks(spec, "redis", ("cache",)):
        report.add(("cache", "size"), "nothing would be kept anywhere; write a size, or 'redis' beside it")


def _check_redis(spec: RedisSpec, path: Path, report: Report) -> None:
    if complaint := _complaint(spec.url):
        report.add((*path, "url"), complaint)
    if spec.timeout > LONGEST:
        report.add((*path, "timeout"), "should be at most 1s: a request waits for it once when there is trouble")
    if spec.tls:
        if not spec.url.startswith("rediss:"):
            report.add((*path, "tls"), "'tls' is for a url that begins with rediss://", at_key=True)
        check_certificates(spec.tls, (*path, "tls"), report)


def _complaint(url: str) -> str | None:
    """What is wrong with a URL, none of it quoted: it has a password."""
    try:
        parts = urlsplit(url)
        is_one = parts.scheme in ("redis", "rediss") and bool(parts.hostname) and parts.port != 0
        (parts.hostname or "").encode("idna")
    except ValueError:  # UnicodeError is one
        is_one, parts = False, urlsplit("")
    if not is_one or CONTROL.search(url) or " " in url or not _DATABASE.fullmatch(parts.path):
        return "not a URL of Redis; write redis://HOST:PORT/DB or rediss://HOST, a password in it percent-encoded"
    if parts.query or parts.fragment:
        return "a url of Redis ends with its database; what TLS trusts is written under 'tls', and it is always verified"
    return None

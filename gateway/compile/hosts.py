"""The hosts of an upstream: where they are, and how they are asked whether they are well."""

from __future__ import annotations

import re
from importlib.util import find_spec
from urllib.parse import urlsplit

from gateway.compile.report import Report
from gateway.finding import Path
from gateway.policy import DiscoverPolicy, HealthPolicy, show_duration
from gateway.spec import UpstreamSpec
from gateway.syntax import CONTROL, has_dot_segment

SOONEST = 1.0
"""Seconds between two look-ups of a name, at least."""

SHORTEST = 0.1
"""Seconds between two checks of a host, at least: more often they are a load of their own."""

_PATH = re.compile(r"(?:[A-Za-z0-9._~!$&'()*+,;=:@/\0-]|%[0-9A-Fa-f]{2})*")
"""What a path may have (RFC 3986, section 3.3), references blanked out."""

_NAME = re.compile(r"(?=.{1,253}$)[A-Za-z0-9_]([A-Za-z0-9_-]{0,62})(\.[A-Za-z0-9_][A-Za-z0-9_-]{0,62})*\.?")
_ADDRESS = re.compile(r"[0-9.]+")
_SERVICE = re.compile(r"^(_[^.]*(\.|$))+")
"""What stands before the host's own name where records are those of one service."""


def compile_hosts(spec: UpstreamSpec, path: Path, report: Report) -> tuple[tuple[str, ...], str]:
    """Scheme and authority of each host, and the path before every step's own."""
    if sum(map(bool, (spec.url is not None, spec.urls, spec.discover))) != 1:
        if not any(report.lacks(spec, word, path) for word in ("url", "urls", "discover")):
            report.add(path, "an upstream needs 'url', 'urls' for several hosts, or 'discover'; one of them", at_key=True)
        return ("",), ""
    if spec.discover:
        return (_discovered(spec.discover, (*path, "discover"), report),), ""
    if spec.url is not None:
        url, prefix = _split(spec.url, (*path, "url"), report)
        return (url,), prefix
    split = [_split(url, (*path, "urls", index), report) for index, url in enumerate(spec.urls)]
    prefix = split[0][1]
    for index, (_, own) in enumerate(split):
        if own != prefix:
            report.add(
                (*path, "urls", index), f"the hosts of an upstream have one path, and the first one's is {prefix or '/'!r}"
            )
        elif split[index] in split[:index]:
            report.add((*path, "urls", index), "stands twice among the hosts")
    return tuple(url for url, _ in split), prefix


def _discovered(policy: DiscoverPolicy, path: Path, report: Report) -> str:
    """Scheme and authority that the hosts go by, wherever they are."""
    word, name = ("a", policy.a) if policy.srv is None else ("srv", policy.srv)
    if name is None or (policy.a is not None and policy.srv is not None):
        if not any(report.lacks(policy, one, path) for one in ("a", "srv")):
            report.add(path, "hosts are found by 'a', a name with addresses, or by 'srv', one with SRV records; one of them")
        return ""
    if not _NAME.fullmatch(name) or _ADDRESS.fullmatch(name) or not (host := _SERVICE.sub("", name).rstrip(".")):
        report.add((*path, word), "not a name in DNS, such as catalog.internal or _http._tcp.catalog.internal")
        return ""
    if policy.srv is not None and policy.port is not None:
        report.add((*path, "port"), "SRV records say the port themselves", at_key=True)
    if policy.srv is not None and find_spec("dns") is None:
        report.add((*path, "srv"), "the package 'dnspython' is not installed; pip install 'fanin[dns]'", at_key=True)
    if policy.every < SOONEST:
        report.add((*path, "every"), f"should be at least {show_duration(SOONEST)}: name servers serve others too")
    return f"{policy.scheme}://{host}" if policy.port is None else f"{policy.scheme}://{host}:{policy.port}"


def check_path(mask: str, path: Path, report: Report) -> None:
    """Report a path that would not arrive as it is written."""
    if not _PATH.fullmatch(mask):
        report.add(path, "the path has a character that must be percent-encoded")
    elif has_dot_segment(mask) or "//" in mask:
        report.add(path, "the path has an empty or a dot segment")


def check_health(policy: HealthPolicy, path: Path, report: Report) -> None:
    """Report checks that could say nothing."""
    if not policy.path.startswith("/"):
        report.add((*path, "path"), "a path begins with '/'")
    else:
        check_path(policy.path, (*path, "path"), report)
    if policy.every < SHORTEST:
        report.add((*path, "every"), f"should be at least {show_duration(SHORTEST)}: checks are a load too")
    elif "timeout" in policy.model_fields_set and policy.timeout > policy.every:
        report.add((*path, "timeout"), "no check lasts longer than 'every': then the next one begins")


def _split(url: str, path: Path, report: Report) -> tuple[str, str]:
    """Scheme and authority, and the path before every step's own."""
    try:
        parts = urlsplit(url)
        port_is_good = parts.port is None or parts.port > 0
        (parts.hostname or "").encode("idna")
    except ValueError:  # UnicodeError is one
        report.add(path, "not a URL; write http://HOST:PORT")
        return "", ""
    if parts.scheme not in ("http", "https") or not parts.hostname or not port_is_good or CONTROL.search(url) or " " in url:
        report.add(path, "not a URL; write http://HOST:PORT or https://HOST")
    elif parts.username is not None or parts.password is not None:
        report.add(path, "credentials do not belong in a URL, which is logged in many places; write them under 'headers'")
    elif parts.query or parts.fragment:
        report.add(path, "an upstream's url ends with its path; write query parameters in the steps")
    else:
        check_path(parts.path.rstrip("/"), path, report)
    return f"{parts.scheme}://{parts.netloc}", parts.path.rstrip("/")

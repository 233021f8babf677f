"""Upstreams: where they are and what may be sent to them."""

from __future__ import annotations

import re
from collections.abc import Iterable
from urllib.parse import urlsplit

from gateway.compile.documents import compile_document
from gateway.compile.report import Report
from gateway.compile.ways import check_way
from gateway.finding import Path
from gateway.recipe import Upstream
from gateway.spec import ForwardSpec, UpstreamSpec
from gateway.syntax import CONTROL, NOT_IN_A_HEADER, has_dot_segment

HOP_BY_HOP = ("connection", "keep-alive", "proxy-connection", "te", "trailer", "transfer-encoding", "upgrade")
"""Fields about one connection, never passed on (RFC 9110, section 7.6.1)."""

_OURS = ("host", "content-length", "expect", "accept-encoding", "traceparent", "tracestate", "x-request-timeout")
"""Fields that the gateway itself sets on every call."""

_PATH = re.compile(r"(?:[A-Za-z0-9._~!$&'()*+,;=:@/\0-]|%[0-9A-Fa-f]{2})*")
"""What a path may have (RFC 3986, section 3.3), references blanked out."""


def compile_upstream(name: str, spec: UpstreamSpec, report: Report) -> Upstream:
    """One upstream; what is wrong with it is reported."""
    path: Path = ("upstreams", name)
    urls, prefix = _hosts(spec, path, report)
    check_headers(spec.headers, (*path, "headers"), report)
    check_forward(spec.forward, (*path, "forward"), report)
    for header, value in spec.headers.items():
        check_value(value, (*path, "headers", header), report)
    check_way(spec, path, report)
    _check_guards(spec, path, report)
    document, document_url = compile_document(name, spec.openapi, (*path, "openapi"), report)
    return Upstream(
        name=name,
        url=urls[0],
        others=urls[1:],
        prefix=prefix,
        max_reply=spec.max_reply,
        headers={key.lower(): value for key, value in spec.headers.items()},
        document=document,
        document_url=document_url,
        transport=spec.transport,
        compression=spec.compression,
        tls=spec.tls,
        unix=spec.unix,
        http2=spec.http2,
        proxy=spec.proxy,
        breaker=spec.breaker,
        eject=spec.eject,
        throttle=spec.throttle,
    )


def _hosts(spec: UpstreamSpec, path: Path, report: Report) -> tuple[tuple[str, ...], str]:
    """Scheme and authority of each host, and the path before every step's own."""
    if (spec.url is None) == (not spec.urls):
        if not any(report.lacks(spec, word, path) for word in ("url", "urls")):
            report.add(path, "an upstream needs 'url', or 'urls' for several hosts; one of them", at_key=True)
        return ("",), ""
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


def _check_guards(spec: UpstreamSpec, path: Path, report: Report) -> None:
    hosts = [*spec.urls, *([spec.url] if spec.url is not None else [])]
    if spec.eject and len(hosts) == 1 and not report.lacks(spec, "urls", path):
        hint = "write 'breaker', or several 'urls'"
        report.add((*path, "eject"), f"'eject' chooses among hosts, and there is one; {hint}", at_key=True)
    breaker, own = spec.breaker, (*path, "breaker")
    if breaker and "slow_rate" in breaker.model_fields_set and not breaker.slow and not report.lacks(breaker, "slow", own):
        report.add((*own, "slow_rate"), "'slow_rate' is the share of slow calls; write 'slow' too", at_key=True)


def check_headers(names: Iterable[str], path: Path, report: Report) -> None:
    """Report fields that are not the config's to set."""
    for name in names:
        if name.lower() in HOP_BY_HOP:
            report.add((*path, name), f"{name!r} belongs to one connection and cannot be sent on", at_key=True)
        elif name.lower() in _OURS:
            report.add((*path, name), f"{name!r} is set by the gateway itself", at_key=True)


def check_value(text: str, path: Path, report: Report) -> None:
    """Report text that would not stay one header."""
    if NOT_IN_A_HEADER.search(text):
        report.add(path, "a header's value has no line breaks or other control characters")


def check_path(mask: str, path: Path, report: Report) -> None:
    """Report a path that would not arrive as it is written."""
    if not _PATH.fullmatch(mask):
        report.add(path, "the path has a character that must be percent-encoded")
    elif has_dot_segment(mask) or "//" in mask:
        report.add(path, "the path has an empty or a dot segment")


def check_forward(spec: ForwardSpec, path: Path, report: Report, *, goes_by: bool = False) -> None:
    """Report fields that cannot be passed on. Which codings a reply may have is the client's to say where it goes by."""
    for index, name in enumerate(spec.headers):
        if name.lower() in (*HOP_BY_HOP, *_OURS) and not (goes_by and name.lower() == "accept-encoding"):
            report.add((*path, "headers", index), f"{name!r} is never passed on")


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

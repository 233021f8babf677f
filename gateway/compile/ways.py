"""Ways to an upstream: certificates, sockets, proxies. Files are read now, so that a wrong one is found before the first call."""

from __future__ import annotations

import os
from collections.abc import Iterable
from importlib.util import find_spec
from urllib.parse import urlsplit

from gateway.compile.certificates import check_certificates
from gateway.compile.report import Report
from gateway.finding import Path
from gateway.plan.recipe import Upstream
from gateway.policy import TlsPolicy
from gateway.spec import UpstreamSpec
from gateway.syntax import CONTROL

LONGEST_SOCKET = 107
"""Bytes that the path of a Unix socket can have."""


def check_way(spec: UpstreamSpec, path: Path, report: Report) -> None:
    """Report ways that lead nowhere."""
    if spec.tls:
        _check_tls(spec, spec.tls, (*path, "tls"), report)
    if spec.unix is not None and not 0 < len(os.fsencode(spec.unix)) <= LONGEST_SOCKET:
        report.add((*path, "unix"), f"a socket's path has 1 to {LONGEST_SOCKET} bytes")
    if spec.unix is not None and spec.proxy is not None:
        report.add((*path, "unix"), "a socket of this machine is not reached by a proxy; leave one of them out", at_key=True)
    if spec.discover:
        _check_found(spec, path, report)
    for key in ("http2", "proxy"):
        if getattr(spec, key) and spec.transport != "httpx" and not report.lacks(spec, "transport", path):
            report.add((*path, key), f"{key!r} needs httpx's own transport; write transport: httpx", at_key=True)
    if spec.http2 and find_spec("h2") is None:
        report.add((*path, "http2"), "the package 'h2' is not installed; pip install 'httpx[http2]'", at_key=True)
    if spec.proxy is not None and not _is_proxy(spec.proxy):
        report.add((*path, "proxy"), "not a proxy's URL; write http://HOST:PORT")


def check_shared_ways(upstreams: Iterable[Upstream], report: Report) -> None:
    """Report upstreams that httpx, which goes by the URL, would not tell apart."""
    seen: dict[str, Upstream] = {}
    for upstream, url in [(one, url) for one in upstreams for url in one.hosts]:
        other = seen.setdefault(url, upstream) if upstream.transport == "httpx" else upstream
        if (other.tls, other.unix, other.http2, other.proxy) != (upstream.tls, upstream.unix, upstream.http2, upstream.proxy):
            path = ("upstreams", upstream.name, "transport")
            report.add(path, f"httpx takes {other.name!r}, which has the same host, for the same; give both the same way to it")


def _check_found(spec: UpstreamSpec, path: Path, report: Report) -> None:
    """Report ways on which nobody would come to the hosts that are found."""
    for key in ("unix", "proxy"):
        if getattr(spec, key):
            message = f"{key!r} leads elsewhere than to the hosts that are found; leave out {key!r} or 'discover'"
            report.add((*path, key), message, at_key=True)
    if spec.transport == "httpx":
        report.add((*path, "transport"), "hosts that are found need our own transport; leave it out, or 'discover'", at_key=True)


def _check_tls(spec: UpstreamSpec, tls: TlsPolicy, path: Path, report: Report) -> None:
    urls = (f"{spec.discover.scheme}:",) if spec.discover else spec.urls or (spec.url or "",)
    if not all(url.startswith("https:") for url in urls) and not any(
        report.lacks(spec, word, path[:-1]) for word in ("url", "urls", "discover")
    ):
        what = "hosts that are found with scheme: https" if spec.discover else "an upstream whose url begins with https://"
        report.add(path, f"'tls' is for {what}", at_key=True)
    check_certificates(tls, path, report)


def _is_proxy(url: str) -> bool:
    try:
        parts = urlsplit(url)
        return parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0 and not CONTROL.search(url)
    except ValueError:
        return False

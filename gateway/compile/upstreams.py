"""Upstreams: where they are and what may be sent to them."""

from __future__ import annotations

from collections.abc import Iterable

from gateway.compile.documents import compile_document
from gateway.compile.hosts import check_health, compile_hosts
from gateway.compile.keeping import check_upstreams_cache
from gateway.compile.report import Report
from gateway.compile.ways import check_way
from gateway.deadline import GRPC, SECONDS
from gateway.finding import Path
from gateway.plan.recipe import Upstream
from gateway.spec import ForwardSpec, UpstreamSpec
from gateway.syntax import NOT_IN_A_HEADER

HOP_BY_HOP = ("connection", "keep-alive", "proxy-connection", "te", "trailer", "transfer-encoding", "upgrade")
"""Fields about one connection, never passed on (RFC 9110, section 7.6.1)."""

_TIMES = (SECONDS, GRPC)
_OURS = ("host", "content-length", "expect", "accept-encoding", "traceparent", "tracestate", *_TIMES)
"""Fields that are the gateway's to set on every call."""


def compile_upstream(name: str, spec: UpstreamSpec, report: Report) -> Upstream:
    """One upstream; what is wrong with it is reported."""
    path: Path = ("upstreams", name)
    urls, prefix = compile_hosts(spec, path, report)
    deadline_header = _deadline_header(spec, path, report)
    check_headers(spec.headers, (*path, "headers"), report, deadline_header)
    check_forward(spec.forward, (*path, "forward"), report, deadline_header)
    for header, value in spec.headers.items():
        check_value(value, (*path, "headers", header), report)
    check_way(spec, path, report)
    _check_guards(spec, path, report)
    if spec.cache:
        check_upstreams_cache(spec.cache, (*path, "cache"), report)
    if spec.health:
        check_health(spec.health, (*path, "health"), report)
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
        health=spec.health,
        discover=spec.discover,
        deadline_header=deadline_header,
        bulkhead=spec.bulkhead,
    )


def _check_guards(spec: UpstreamSpec, path: Path, report: Report) -> None:
    hosts = [*spec.urls, *([spec.url] if spec.url is not None else [])]
    if spec.eject and len(hosts) == 1 and not report.lacks(spec, "urls", path):
        hint = "write 'breaker', or several 'urls'"
        report.add((*path, "eject"), f"'eject' chooses among hosts, and there is one; {hint}", at_key=True)
    bulkhead, crowd = spec.bulkhead, (*path, "bulkhead")
    if (
        bulkhead
        and bulkhead.adaptive
        and bulkhead.adaptive.least > bulkhead.permits
        and not report.lacks(bulkhead, "permits", crowd)
    ):
        report.add(
            (*crowd, "adaptive"),
            f"'least' is {bulkhead.adaptive.least}, and 'permits' only {bulkhead.permits}; make one of them fit",
            at_key=True,
        )
    breaker, own = spec.breaker, (*path, "breaker")
    if breaker and "slow_rate" in breaker.model_fields_set and not breaker.slow and not report.lacks(breaker, "slow", own):
        report.add((*own, "slow_rate"), "'slow_rate' is the share of slow calls; write 'slow' too", at_key=True)


def _deadline_header(spec: UpstreamSpec, path: Path, report: Report) -> str | None:
    """The header's name, in lower case; one that means something else is reported."""
    if spec.deadline_header is None:
        return None
    name = spec.deadline_header.lower()
    if name in (*HOP_BY_HOP, *_OURS, "accept", "content-type") and name not in _TIMES:
        report.add((*path, "deadline_header"), f"{spec.deadline_header!r} says something else; name another, or write false")
    return name


def check_headers(names: Iterable[str], path: Path, report: Report, deadline_header: str | None) -> None:
    """Report fields that are not the config's to set."""
    for name in names:
        if name.lower() in HOP_BY_HOP:
            report.add((*path, name), f"{name!r} belongs to one connection and cannot be sent on", at_key=True)
        elif name.lower() in (*_OURS, deadline_header):
            report.add((*path, name), f"{name!r} is set by the gateway itself", at_key=True)


def check_value(text: str, path: Path, report: Report) -> None:
    """Report text that would not stay one header."""
    if NOT_IN_A_HEADER.search(text):
        report.add(path, "a header's value has no line breaks or other control characters")


def check_forward(spec: ForwardSpec, path: Path, report: Report, deadline_header: str | None, *, goes_by: bool = False) -> None:
    """Report fields that cannot be passed on. Which codings a reply may have is the client's to say where it goes by."""
    for index, name in enumerate(spec.headers):
        if name.lower() in (*HOP_BY_HOP, *_OURS, deadline_header) and not (goes_by and name.lower() == "accept-encoding"):
            report.add((*path, "headers", index), f"{name!r} is never passed on")

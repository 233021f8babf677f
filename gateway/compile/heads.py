"""Heads: the status and the header fields that an endpoint gives its answer."""

from __future__ import annotations

from gateway.answer.head import Head
from gateway.compile.report import Reading
from gateway.compile.upstreams import HOP_BY_HOP, check_value
from gateway.expressions.reference import Expression, Template
from gateway.finding import Path
from gateway.spec import EndpointSpec

_OURS = (
    *("content-length", "content-type", "content-encoding", "date", "server"),
    *("gateway-complete", "proxy-status", "server-timing", "traceparent", "idempotency-replayed"),
)
"""Fields of an answer that the gateway or its server sets."""


def compile_head(spec: EndpointSpec, path: Path, reading: Reading) -> Head | None:
    """The head of an endpoint's answers; None where nothing is said of it. What is wrong with it is reported."""
    fields = [(name.lower(), _field(name, text, (*path, "headers", name), reading)) for name, text in spec.headers.items()]
    head = Head(_status(spec, (*path, "status"), reading), tuple((name, template) for name, template in fields if template))
    return None if head == Head() else head


def _status(spec: EndpointSpec, path: Path, reading: Reading) -> int | Expression:
    if isinstance(spec.status, str):
        template = reading.template(spec.status, path)
        if template and len(template.parts) == 1 and isinstance(template.parts[0], Expression):
            return template.parts[0]
    elif isinstance(spec.status, int) and not isinstance(spec.status, bool) and 200 <= spec.status < 300:
        return spec.status
    reading.report.add(path, 'should be a status from 200 to 299, or a reference such as "{steps.NAME.status}"')
    return 200


def _field(name: str, text: str, path: Path, reading: Reading) -> Template | None:
    report = reading.report
    if name.lower() in HOP_BY_HOP:
        report.add(path, f"{name!r} belongs to one connection, which is the server's to keep", at_key=True)
    elif name.lower() in _OURS:
        report.add(path, f"{name!r} is set by the gateway itself", at_key=True)
    template = reading.template(text, path)
    if template:
        check_value("".join(part for part in template.parts if isinstance(part, str)), path, report)
    return template

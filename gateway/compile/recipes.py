"""Recipes: what makes one call out of the values at hand, wherever in a step it is written."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, TypeVar
from urllib.parse import quote, unquote

from gateway.call import Expectation
from gateway.compile.documents import check_operation
from gateway.compile.hosts import check_path
from gateway.compile.keeping import check_cache, compile_label
from gateway.compile.report import Names, Reading, Report
from gateway.compile.sending import Writes, base_headers, carried_key, compile_body, forwarded
from gateway.compile.upstreams import check_forward, check_headers, check_value
from gateway.expressions.reference import BadExpression, Expression, Structure, Template, did_you_mean, masked, parse_structure
from gateway.finding import Path
from gateway.formats import FORMATS
from gateway.plan.recipe import Meaning, Policies, Recipe, Target, Upstream
from gateway.policy import CachePolicy, Policy
from gateway.spec import METHODS, CallSpec, UpstreamSpec
from gateway.syntax import CONTROL

AnyPolicy = TypeVar("AnyPolicy", bound=Policy)

_LITERAL = "/%:@!$&'()*+,;=~"
"""What the config's own text may have in a path without being encoded; it has been checked."""


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What a step is compiled among."""

    report: Report
    names: Names
    upstreams: Mapping[str, Upstream]
    specs: Mapping[str, UpstreamSpec]
    written: tuple[str, ...] | None
    """Names of upstreams as written, those with mistakes in them included; None when nobody can tell."""

    most_calls: int
    """Upstream calls that one request may come to."""

    writes: Writes | None = None
    """Calls that carry the client's `Idempotency-Key`; None where the endpoint has none."""


def compile_recipe(key: str, spec: CallSpec, path: Path, reading: Reading, spare: Reading, among: Surroundings) -> Recipe | None:
    """One recipe; None when it cannot be made. What is wrong with it is reported.

    `reading` reads what makes the call, `spare` what stands in for a reply.
    """
    method = _method(spec, path, among.report)
    upstream, target = _target(spec, method, path, reading, among) if method else (None, None)
    body, encoding = compile_body(spec, method, path, reading)
    parts = _parts(spec, path, reading, spare, upstream.deadline_header if upstream else None)
    _check_sense(spec, method, path, among.report)
    if not method or not upstream or not target:
        return None
    base = among.specs[upstream.name]
    forward_headers = _unique(*base.forward.headers, *forwarded(spec), lower=True)
    if among.writes is not None and method != "get":
        own = (*forward_headers, *upstream.headers, *(name for name, _ in parts["headers"]))
        parts["headers"] += carried_key(key, upstream.name, own, among.writes)
    recipe = Recipe(
        key=key,
        upstream=upstream,
        method=method.upper(),
        target=target,
        body=body,
        encoding=encoding,
        forward_headers=forward_headers,
        forward_query=_unique(*base.forward.query, *spec.forward.query),
        expects=Expectation(frozenset(spec.accept) if spec.accept else None, frozenset(spec.on_status), FORMATS[spec.decode]),
        policies=_policies(spec, base, method),
        base_headers=base_headers(upstream, spec),
        **parts,
    )
    check_cache(recipe, spec, path, among.report)
    check_operation(recipe, (*path, method), among.report)
    return recipe


def _method(spec: CallSpec, path: Path, report: Report) -> str | None:
    written = [method for method in METHODS if getattr(spec, method) is not None]
    if not written:
        # A call that was wrong has been taken out and reported before; then there is nothing to add.
        if not any(report.lacks(spec, method, path) for method in METHODS):
            report.add(path, f"a step needs one of {', '.join(METHODS)}: UPSTREAM /path", at_key=True)
        return None
    for method in written[1:]:
        report.add((*path, method), f"a step makes one call, and this one has {written[0]!r} too", at_key=True)
    return written[0]


def _target(
    spec: CallSpec, method: str, path: Path, reading: Reading, among: Surroundings
) -> tuple[Upstream | None, Target | None]:
    place, report = (*path, method), among.report
    if place in report.source.outside:
        report.add(
            place, "'${…}' is not for a step's target, which plans and traces show; write it in the upstream or under 'query'"
        )
        return None, None
    name, _, text = getattr(spec, method).partition(" ")
    text = text.strip()
    if not text.startswith("/"):
        report.add(place, "write the upstream's name, a space, and a path that begins with '/'")
        return among.upstreams.get(name), None
    if CONTROL.search(text):
        report.add(place, "a target has no line breaks or other control characters")
        return among.upstreams.get(name), None
    if among.written is not None and name not in among.written:
        report.add(place, f"unknown upstream {name!r}{did_you_mean(name, among.written)}")
    upstream = among.upstreams.get(name)
    return upstream, _parse_target(text, spec, place, reading, upstream.prefix if upstream else "")


def _parse_target(text: str, spec: CallSpec, place: Path, reading: Reading, prefix: str) -> Target | None:
    try:
        mask = masked(text)
    except BadExpression as error:
        reading.report.add(place, str(error))
        return None
    end = mask.find("?") if "?" in mask else len(mask)
    template = reading.template(text[:end], place)
    if template:
        check_path(mask[:end], place, reading.report)
    query = [(name, _parameter(value, place, reading)) for name, value in _parameters(text[end + 1 :], mask[end + 1 :])]
    query += [(name, reading.structure(value, (*place[:-1], "query", name))) for name, value in spec.query.items()]
    if not template:
        return None
    segments = (part if isinstance(part, Expression) else quote(part, safe=_LITERAL) for part in template.parts)
    return Target(template, (prefix, *segments), tuple((quote(name, safe=""), value) for name, value in query), text)


def _parameters(text: str, mask: str) -> Iterator[tuple[str, str]]:
    """`sku={items}&limit=5` as names and values; an `&` or `=` inside a reference is the reference's own."""
    start = 0
    for part in mask.split("&") if mask else ():
        name, equals, _ = part.partition("=")
        yield unquote(name), text[start + len(name) + len(equals) : start + len(part)]
        start += len(part) + 1


def _parameter(text: str, place: Path, reading: Reading) -> Structure:
    """A value in the target's own query: what it has percent-encoded is decoded, an encoded brace begins no reference."""

    def leaf(text: str, _: Path) -> Template | None:
        if template := reading.template(text, place):
            parts = (unquote(part) if isinstance(part, str) else part for part in template.parts)
            return Template(text, tuple(parts))
        return None

    return parse_structure(text, leaf)


def _parts(spec: CallSpec, path: Path, reading: Reading, spare: Reading, deadline_header: str | None) -> dict[str, Any]:
    """All of a call that has references in it; `spare` reads what stands in for a reply."""
    report = reading.report
    check_headers(spec.headers, (*path, "headers"), report, deadline_header)
    check_forward(spec.forward, (*path, "forward"), report, deadline_header, goes_by=reading.names.goes_by)
    headers: list[tuple[str, Template]] = []
    for name, text in spec.headers.items():
        if template := reading.template(text, (*path, "headers", name)):
            check_value("".join(part for part in template.parts if isinstance(part, str)), (*path, "headers", name), report)
            headers.append((name.lower(), template))
    return {
        "headers": tuple(headers),
        "label": compile_label(spec.cache, (*path, "cache"), reading),
        "select": reading.own(spec.select, (*path, "select")) if spec.select else None,
        "on_status": {
            status: _meaning(value, (*path, "on_status", str(status)), spare) for status, value in spec.on_status.items()
        },
    }


def _meaning(value: Any, path: Path, reading: Reading) -> Meaning:
    """What a status means."""
    return value if value in ("skip", "end") else reading.structure(value, path)


def _check_sense(spec: CallSpec, method: str | None, path: Path, report: Report) -> None:
    """Report what is well written and can have no effect: nobody writes that on purpose."""
    if spec.cache is not None and method and method != "get":
        report.add((*path, "cache"), f"only the replies to a GET are cached, and this is a {method.upper()}", at_key=True)
    if spec.coalesce and method and method != "get":
        report.add((*path, "coalesce"), f"only a GET is shared, and this is a {method.upper()}", at_key=True)
    if spec.hedge is not None and method and method != "get":
        report.add((*path, "hedge"), f"only a GET is sent twice at a time, and this is a {method.upper()}", at_key=True)
    for name, value in spec.query.items():
        if isinstance(value, dict):
            report.add(
                (*path, "query", name), "should be text, a number or a list; quote it, since a brace begins a mapping in YAML"
            )
    for status, value in spec.on_status.items():
        if value == "end" and status < 400:
            place = (*path, "on_status", str(status))
            report.add(place, "only a status from 400 on can be the answer; write 'end: {when, status, value}'", at_key=True)
        if spec.accept and status in spec.accept:
            report.add(
                (*path, "on_status", str(status)), f"{status} is under 'accept' too; it can mean one thing only", at_key=True
            )


def _policies(spec: CallSpec, base: UpstreamSpec, method: str) -> Policies:
    cache = _override(base.cache, spec.cache, written="cache" in spec.model_fields_set)
    hedge = _override(base.hedge, spec.hedge, written="hedge" in spec.model_fields_set)
    return Policies(
        timeout=spec.timeout or base.timeout,
        retry=_override(base.retry, spec.retry, written="retry" in spec.model_fields_set),
        cache=cache if method == "get" else None,
        coalesce=method == "get" and _coalesces(spec, base, cache),
        inject=spec.inject if "inject" in spec.model_fields_set else base.inject,
        hedge=hedge if method == "get" else None,
    )


def _coalesces(spec: CallSpec, base: UpstreamSpec, cache: CachePolicy | None) -> bool:
    written = base.coalesce if spec.coalesce is None else spec.coalesce
    return bool(cache and cache.coalesce) if written is None else written


def _override(base: AnyPolicy | None, own: AnyPolicy | None, *, written: bool) -> AnyPolicy | None:
    """The step's policy over the upstream's: what it writes wins, what it leaves out stays."""
    if not written or own is None or base is None:
        return own if written else base
    return base.model_copy(update={name: getattr(own, name) for name in own.model_fields_set})


def _unique(*names: str, lower: bool = False) -> tuple[str, ...]:
    return tuple(dict.fromkeys(name.lower() if lower else name for name in names))

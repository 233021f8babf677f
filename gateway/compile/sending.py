"""What a call carries: the body, how it is written, and how the reply to it is asked for."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from operator import itemgetter
from typing import Any, TypeAlias

from gateway import idempotency
from gateway.bodies import AS_IT_CAME, ENCODINGS, Encoding
from gateway.call import Headers
from gateway.compile.report import Reading
from gateway.expressions.reference import SENT, Structure, Template, parse_expression
from gateway.finding import Path
from gateway.formats import FORMATS
from gateway.plan.recipe import Upstream
from gateway.spec import CallSpec
from gateway.syntax import WITH_BODY
from gateway.verdict import IDEMPOTENCY_KEY

Writes: TypeAlias = dict[str, list[str]]
"""The recipes of a plan that write, by upstream, as far as they have been compiled."""

_BODY_AS_IT_CAME = replace(parse_expression("body"), _search=itemgetter(SENT))

_CLIENTS_KEY = parse_expression("headers.idempotency_key")

_DESCRIBED = ("content-type", "content-encoding")
"""The client's header fields without which nobody can read its body."""


def compile_body(spec: CallSpec, method: str | None, path: Path, reading: Reading) -> tuple[Structure | None, Encoding]:
    """The body of a call, None where it has none, and how it is written. What is wrong with it is reported."""
    _check_body(spec, method, path, reading)
    if spec.forward.body:
        return Structure(_BODY_AS_IT_CAME, (_BODY_AS_IT_CAME,)), AS_IT_CAME
    encoding = ENCODINGS[spec.encode]
    if spec.body is None:
        return None, encoding
    if complaint := _complaint(spec.body, spec.encode):
        reading.report.add((*path, "body"), complaint)
    return reading.structure(spec.body, (*path, "body")), encoding


def base_headers(upstream: Upstream, spec: CallSpec) -> Headers:
    """What is sent in any case, sorted."""
    headers = {"accept": FORMATS[spec.decode].accept}
    if spec.body is not None and (media_type := ENCODINGS[spec.encode].media_type):
        headers["content-type"] = media_type
    return tuple(sorted({**headers, **upstream.headers}.items()))


def carried_key(key: str, upstream: str, headers: Iterable[str], writes: Writes) -> tuple[tuple[str, Template], ...]:
    """The client's `Idempotency-Key`, as a header of a call that writes; none where the config sends one itself."""
    among = writes.setdefault(upstream, [])
    among.append(key)
    if IDEMPOTENCY_KEY in headers:
        return ()
    expression = replace(_CLIENTS_KEY, _search=idempotency.Carried(key, among))
    return ((IDEMPOTENCY_KEY, Template(f"{{{expression}}}", (expression,))),)


def forwarded(spec: CallSpec) -> tuple[str, ...]:
    """The client's header fields that go along with what is forwarded."""
    return (*spec.forward.headers, *(_DESCRIBED if spec.forward.body else ()))


def _check_body(spec: CallSpec, method: str | None, path: Path, reading: Reading) -> None:
    report = reading.report
    sends = not method or any(getattr(spec, one.lower()) for one in WITH_BODY)
    if spec.body is not None and not sends:
        report.add((*path, "body"), f"a {str(method).upper()} sends no body", at_key=True)
    if "encode" in spec.model_fields_set and spec.body is None:
        report.add((*path, "encode"), "there is no 'body' to write", at_key=True)
    if not spec.forward.body:
        return
    place = (*path, "forward", "body")
    if spec.body is not None:
        report.add(place, "the step has a 'body' of its own; send that one, or the client's", at_key=True)
    if not sends:
        report.add(place, f"a {str(method).upper()} sends no body", at_key=True)
    elif not reading.names.has_body:
        report.add(place, "there is no body: the endpoint's method has none", at_key=True)


def _complaint(body: Any, encode: str) -> str | None:
    """Why this cannot be written so."""
    if encode == "text" and not isinstance(body, str):
        return "should be text, with references in it"
    if encode == "form":
        if not isinstance(body, dict):
            return 'a form is a mapping, such as {name: "{body.name}"}'
        values = (one for value in body.values() for one in (value if isinstance(value, list) else (value,)))
        if any(isinstance(value, dict | list) for value in values):
            return "the values of a form are text, numbers, or lists of these"
    return None

"""Passthroughs: the one step of such an endpoint, and which words mean anything where nobody looks into what goes by."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

from gateway.bodies import AS_IT_CAME
from gateway.compile.report import Report
from gateway.compile.upstreams import HOP_BY_HOP
from gateway.finding import Path
from gateway.plan import Passthrough, Step
from gateway.plan.recipe import Recipe
from gateway.spec import METHODS, EndpointSpec, PassthroughSpec, Spec, StepSpec
from gateway.typed import Model

KEPT = (
    # what the body is
    "content-type", "content-length", "content-encoding", "content-language", "content-disposition", "content-location",
    "content-digest", "repr-digest",
    # what a browser may do with it
    "content-security-policy", "x-content-type-options",
    # parts of it
    "content-range", "accept-ranges",
    # how long it is good
    "etag", "last-modified", "cache-control", "expires", "age", "vary",
    # where, when and how to ask next
    "location", "link", "allow", "retry-after", "www-authenticate", "deprecation", "sunset",
)  # fmt: skip
"""Header fields of a reply that are about the reply itself, and do what they say behind any host."""

_OF_A_CACHE = ("cache-status",)
"""Fields that tell what caches did, ours among them."""

_OURS = ("connection", "date", "server", "gateway-complete", "proxy-status", "server-timing", "traceparent", "tracestate")
"""Fields that are told by who answers."""

_WITHOUT_BODY = frozenset({"GET", "DELETE"})
"""Methods of which nobody expects a body (RFC 9110, sections 9.3.1 and 9.3.5)."""

_OF_A_STEP = (*METHODS, "query", "headers", "forward", "timeout", "retry", "cache", "inject")
_OF_AN_ENDPOINT = ("path", "method", "summary", "description", "tags", "timeout", "inputs", "steps", "passthrough")

_WHY = {
    "body": "the client's body goes by as it came",
    "encode": "the client's body goes by as it came",
    "accept": "every status goes by",
    "on_status": "every status goes by",
    "cache": "what goes by is kept where its step says so",
    "coalesce": "what has gone by for one client is not there for another",
    "hedge": "what has gone by cannot go by again",
    "idempotency": "nothing that goes by is kept",
    "for_each": "it makes one call",
    "batch": "it makes one call",
    "when": "its one call is the answer",
    "optional": "its one call is the answer",
    "fallback": "its one call is the answer",
    "needs": "its one call is the answer",
    "end": "its one call is the answer",
    "undo": "its one call is the answer",
    "join": "it makes one call",
    "concurrency": "it makes one call",
    "limit": "it makes one call",
    "items": "it makes one call",
    "status": "the upstream's status goes by",
    "headers": "those of the reply go by, and 'passthrough' says which",
}
"""What each word would have to change; all others would have to read the reply."""


def meaningful(spec: EndpointSpec, path: Path, report: Report) -> EndpointSpec:
    """The endpoint with what has a meaning in a passthrough. All else is reported, once: further mistakes in it have no meaning either."""
    first, *others = spec.steps
    for name in others:
        report.add((*path, "steps", name), f"a passthrough has one step, and that is {first!r}", at_key=True)
    _refuse(spec, _OF_AN_ENDPOINT, path, report)
    kept = {word: getattr(spec, word) for word in spec.model_fields_set.intersection(_OF_AN_ENDPOINT)}
    kept["steps"] = {first: _step(spec.steps[first], (*path, "steps", first), report)}
    return EndpointSpec.model_construct(spec.model_fields_set & set(kept), **kept)


def refuse_model(model: Model, path: Path, report: Report) -> None:
    """Report what a class says of values: nobody reads any."""
    if model.answer:
        report.add(
            (*path, "response"), f"{model.answer.name} has nothing to make the answer of: a passthrough does not read the reply"
        )
    for name in model.types:
        report.add(
            (*path, "steps", name), "the reply of a passthrough is not read, so that it has no type; write 'Any'", at_key=True
        )


def passing(step: Step, spec: EndpointSpec, *, is_kept: bool) -> Step:
    """The step of an endpoint, so that nothing is asked of the upstream that the client did not ask for. What a GET is answered with is kept
    where the step itself says so: an upstream's own `cache` is for what is read.
    """
    recipe = _as_asked(step.recipe, spec)
    is_kept = is_kept and recipe.method == "GET"
    # Without a word about it, an upstream may send what the client cannot decode.
    headers = {"accept": "*/*", "accept-encoding": "identity", **recipe.upstream.headers}
    policies = replace(recipe.policies, cache=recipe.policies.cache if is_kept else None, coalesce=False, hedge=None)
    label = recipe.label if is_kept else None
    recipe = replace(recipe, base_headers=tuple(sorted(headers.items())), policies=policies, label=label)
    if not {spec.method, recipe.method} & _WITHOUT_BODY:
        described = dict.fromkeys((*recipe.forward_headers, "content-type", "content-encoding"))
        recipe = replace(recipe, forward_headers=tuple(described), encoding=AS_IT_CAME)
    return replace(step, recipe=recipe)


def _as_asked(recipe: Recipe, spec: EndpointSpec) -> Recipe:
    """The call with the client's own method, where that is a further one."""
    is_further = spec.passthrough is not None and spec.method in spec.passthrough.methods
    return replace(recipe, method=spec.method) if is_further else recipe


def compile_passthrough(spec: PassthroughSpec, steps: Iterable[Step], path: Path, report: Report) -> Passthrough:
    """What the client gets of the reply's head, and how long silence may be. What is wrong with it is reported."""
    for index, name in enumerate(spec.headers):
        if complaint := _complaint(name.lower()):
            report.add((*path, "passthrough", "headers", index), f"{name!r} {complaint}")
    named = tuple(dict.fromkeys(name.lower() for name in spec.headers))
    told = _OF_A_CACHE if any(step.recipe.policies.cache for step in steps) else ()
    return Passthrough(frozenset(name.encode() for name in (*KEPT, *named, *told)), named, spec.idle)


def _complaint(name: str) -> str | None:
    if name in HOP_BY_HOP or name.startswith("proxy-auth"):
        return "belongs to one connection and is never passed on"
    if name in _OURS:
        return "is told by the gateway itself"
    return "is kept in any case" if name in KEPT else None


def _step(spec: StepSpec, path: Path, report: Report) -> StepSpec:
    _refuse(spec, _OF_A_STEP, path, report)
    if spec.forward.body:
        report.add((*path, "forward", "body"), _without_meaning("body"), at_key=True)
    kept = {word: getattr(spec, word) for word in spec.model_fields_set.intersection(_OF_A_STEP)}
    if "forward" in kept:
        kept["forward"] = spec.forward.model_copy(update={"body": False})
    return StepSpec.model_construct(spec.model_fields_set & set(kept), **kept)


def _refuse(spec: Spec, meaningful: Iterable[str], path: Path, report: Report) -> None:
    for word in type(spec).model_fields:
        # Off is what it is anyway.
        if word not in meaningful and word in spec.model_fields_set and getattr(spec, word) not in (None, False):
            report.add((*path, word), _without_meaning(word), at_key=True)


def _without_meaning(word: str) -> str:
    return f"{word!r} has no meaning in a passthrough: {_WHY.get(word, 'its reply is not read')}; leave one of the two out"

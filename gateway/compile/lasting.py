"""Endpoints that keep their answers: what tells one answer from another, and where keeping can only do harm."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import replace

from gateway.answer.freshness import CREDENTIALS
from gateway.compile.keeping import check_times, compile_label
from gateway.compile.report import Names, Reading, Report
from gateway.expressions.reference import did_you_mean
from gateway.finding import Path
from gateway.plan import Plan, Step
from gateway.plan.keeping import Keeping
from gateway.plan.recipe import Label
from gateway.policy import CachePolicy
from gateway.spec import EndpointSpec


def compile_answers_label(spec: EndpointSpec, path: Path, names: Names, report: Report) -> Label | None:
    """By what the endpoint's answers are told apart and purged, as far as its config says it. What cannot be known is reported."""
    if spec.passthrough:
        return None
    reading, place = Reading(report, names), (*path, "cache")
    label = compile_label(spec.cache, place, reading)
    if reading.needs:
        named = ", ".join(map(repr, reading.needs))
        report.add(place, f"names {named}; an answer is looked for before any step runs, by what the request has", at_key=True)
    elif label and label.key and not label.key.expressions:
        report.add((*place, "key"), "names nothing of a request, so that all would get the same answer; write a {reference}")
    return label


def check_kept(spec: EndpointSpec, steps: Iterable[Step], path: Path, report: Report) -> None:
    """Report an endpoint whose answers are not to be kept."""
    place = (*path, "cache")
    if not spec.cache:
        return
    if spec.method != "GET" and not report.lacks(spec, "method", path):
        report.add(place, f"only answers to a GET are kept, and this endpoint is a {spec.method}", at_key=True)
    elif writing := next((step.name for step in steps if step.writes), None):
        report.add(place, f"{writing!r} writes, and would not where an answer is there already", at_key=True)


def keeping(plan: Plan, spec: EndpointSpec, path: Path, label: Label | None, report: Report) -> Plan:
    """The plan with how its answers are kept, if they are. What can have no effect, or a bad one, is reported."""
    if not spec.cache or plan.passthrough:
        return plan
    _check_words(spec.cache, (*path, "cache"), plan.headers, report)
    upstreams = dict.fromkeys(recipe.upstream.name for recipe in plan.recipes)
    scopes = (f"endpoint:{plan.method} {plan.path}", *(f"upstream:{name}" for name in upstreams))
    return replace(plan, keeping=Keeping(spec.cache, **_told_apart(spec.cache, plan), label=label, scopes=scopes))


def _told_apart(policy: CachePolicy, plan: Plan) -> dict[str, tuple[str, ...]]:
    """What of all that the plan reads tells its answers apart."""
    path = tuple(one.name for one in plan.inputs if one.where == "path")
    forwarded = {name for recipe in plan.recipes for name in recipe.forward_query}
    query = forwarded | {one.name for one in plan.inputs if one.where == "query"}
    choice = {plan.fields.name} if plan.fields else set()
    # Whatever the config says: nobody gets what is another's.
    who = plan.headers & CREDENTIALS
    if policy.key:
        return {"path": (), "query": tuple(choice), "headers": tuple(sorted(who))}
    headers = plan.headers if policy.vary_on is None else who | plan.headers.intersection(policy.vary_on)
    return {"path": path, "query": tuple(sorted(query | choice)), "headers": tuple(sorted(headers))}


def _check_words(policy: CachePolicy, place: Path, headers: Collection[str], report: Report) -> None:
    check_times(policy, place, report)
    if policy.key and policy.vary_on is not None:
        why = "'key' stands in place of all headers, so that 'vary_on' has none to choose from; leave one of the two out"
        report.add((*place, "vary_on"), why, at_key=True)
    for index, name in enumerate(policy.vary_on or ()):
        if name not in headers:
            report.add((*place, "vary_on", index), f"this endpoint reads no header {name!r}{did_you_mean(name, headers)}")
    for word in ("negative_ttl", "set_cookie"):
        if getattr(policy, word):
            report.add(
                (*place, word), f"{word!r} is about replies; an answer with a cookie, or a problem, is never kept", at_key=True
            )

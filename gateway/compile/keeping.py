"""What the config says of the replies that are kept: by what they are told apart and purged, and whether it can mean anything."""

from __future__ import annotations

from gateway.compile.report import Reading, Report
from gateway.expressions.reference import BadExpression, Template, did_you_mean, parse_template
from gateway.finding import Path
from gateway.plan.recipe import Label, Recipe
from gateway.policy import CachePolicy
from gateway.spec import CallSpec, StepSpec

_NOT_OF_ITEMS = {
    "stale_while_revalidate": "items are fetched by the batch, and only when somebody waits for them",
    "negative_ttl": "a batch does not refuse an item",
}


def compile_label(policy: CachePolicy | None, place: Path, reading: Reading) -> Label | None:
    """By what the replies to a call are told apart and purged, as far as the call itself says it; None where it does not."""
    if not policy or not (policy.key or policy.tags):
        return None
    key = _template(policy.key, (*place, "key"), reading) if policy.key else None
    tags = [_template(tag, (*place, "tags", index), reading) for index, tag in enumerate(policy.tags)]
    return Label(key, tuple(template for template in tags if template))


def _template(text: str, place: Path, reading: Reading) -> Template | None:
    if place in reading.report.source.outside:
        reading.report.add(place, "'${…}' is not for a key or a tag, which plans show")
        return None
    return reading.template(text, place)


def check_cache(recipe: Recipe, spec: CallSpec, path: Path, report: Report) -> None:
    """Report what a step says of its cache and what can have no effect, or a bad one."""
    policy, place = recipe.policies.cache, (*path, "cache")
    if not policy or not spec.cache:
        return
    check_times(policy, place, report)
    if policy.key and policy.vary_on is not None:
        report.add(
            (*place, "vary_on" if "vary_on" in spec.cache.model_fields_set else "key"),
            "'key' stands in place of all headers, so that 'vary_on' has none to choose from; leave one of the two out",
            at_key=True,
        )
    if recipe.label and recipe.label.key and not recipe.label.key.expressions and any(recipe.sends()):
        report.add(
            (*place, "key"),
            "names nothing of what the call is made of, so that all its replies would be one; write a {reference}",
        )
    sent = [name for name, _ in (*recipe.base_headers, *recipe.headers)] + [*recipe.forward_headers]
    for index, name in enumerate(spec.cache.vary_on or ()):
        if name not in sent:
            report.add((*place, "vary_on", index), f"this call has no header {name!r}{did_you_mean(name, sent)}")
    for word, why in _NOT_OF_ITEMS.items() if isinstance(spec, StepSpec) and spec.batch else ():
        if word in spec.cache.model_fields_set:
            report.add((*place, word), f"has no meaning beside a 'batch': {why}", at_key=True)


def check_upstreams_cache(policy: CachePolicy, place: Path, report: Report) -> None:
    """Report what an upstream says of its cache and what only a step can say, or what can have no effect."""
    check_times(policy, place, report)
    if policy.key:
        report.add((*place, "key"), "tells the calls of one step apart, so that it belongs to the step", at_key=True)
    for index, tag in enumerate(policy.tags):
        try:
            has_references = bool(parse_template(tag).expressions)
        except BadExpression as error:
            report.add((*place, "tags", index), str(error))
        else:
            if has_references:
                report.add((*place, "tags", index), "what a request has is named in a step's tags; an upstream's are plain text")


def check_times(policy: CachePolicy, place: Path, report: Report) -> None:
    """Report times that come to nothing."""
    if not policy.ignore_upstream or report.lacks(policy, "ttl", place):
        return
    stale = policy.stale_while_revalidate or policy.stale_if_error
    if policy.ttl is None:
        report.add((*place, "ignore_upstream"), "then nobody says how long a reply is good; write 'ttl' too", at_key=True)
    elif not policy.ttl and not stale:
        report.add((*place, "ttl"), "keeps nothing, since no reply is good for any time", at_key=True)

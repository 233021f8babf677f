"""Spec → plans: names resolved, references checked, steps ordered by what they name. Every problem is reported, not only the first."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from graphlib import CycleError, TopologicalSorter

from gateway.answer.shape import Shape
from gateway.answer.transform import Hook
from gateway.bodies import AS_IT_CAME
from gateway.compile.fields import fields_input
from gateway.compile.foreseen import members
from gateway.compile.heads import compile_head
from gateway.compile.joins import check_joins, joined
from gateway.compile.lasting import check_kept, compile_answers_label, keeping
from gateway.compile.passthrough import compile_passthrough, meaningful, passing, refuse_model
from gateway.compile.recipes import Surroundings
from gateway.compile.report import RESERVED, Names, Reading, Report
from gateway.compile.response import hooked, read_response
from gateway.compile.sending import Writes
from gateway.compile.splicing import spliced
from gateway.compile.spreading import spread
from gateway.compile.steps import check_calls, compile_step
from gateway.compile.storage import check_storage
from gateway.compile.typing import typed
from gateway.compile.upstreams import compile_upstream
from gateway.compile.ways import check_shared_ways
from gateway.errors import ConfigError
from gateway.expressions.reference import did_you_mean
from gateway.finding import Path
from gateway.idempotency import CREDENTIALS
from gateway.inputs import Input, Where, make_input
from gateway.load import Loaded
from gateway.plan import Plan, Step
from gateway.spec import AnswerSpec, EndpointSpec, GatewaySpec
from gateway.syntax import WITH_BODY
from gateway.typed import Model
from gateway.verdict import IDEMPOTENCY_KEY

OWN_PATHS = ("/livez", "/readyz", "/docs", "/openapi.json", "/static-offline-docs")
"""Paths that the gateway answers itself."""

_PARAMETER = re.compile(r"\{([A-Za-z_][A-Za-z0-9_]*)\}")
_SEGMENT = re.compile(r"\{[A-Za-z_][A-Za-z0-9_]*\}|[A-Za-z0-9._~!$&'()*+,;=:@-]+")
_TOLD_APART_BY = frozenset({IDEMPOTENCY_KEY, CREDENTIALS})


def compile_plans(loaded: Loaded) -> tuple[Plan, ...]:
    """The plans of a config, in the order written. Raises `ConfigError` with every finding of loading and compiling."""
    report = Report(loaded.source, loaded.findings)
    plans = tuple(_endpoints(loaded.spec, loaded, report)) if loaded.spec else ()
    if report.findings:
        raise ConfigError(sorted(set(report.findings)))
    return plans


def _endpoints(spec: GatewaySpec, loaded: Loaded, report: Report) -> Iterator[Plan]:
    upstreams = {name: compile_upstream(name, upstream, report) for name, upstream in spec.upstreams.items()}
    check_shared_ways(upstreams.values(), report)
    check_storage(spec.cache, report)
    written = loaded.source.at(("upstreams",))
    if not loaded.source.at(("endpoints",)):
        report.add(("endpoints",), "should not be empty")
    seen: dict[tuple[str, str], Path] = {}
    for index, endpoint in loaded.each_endpoint():
        path: Path = ("endpoints", index)
        _check_path(endpoint, path, seen, report)
        names = _names(endpoint, path, report)
        known = None if report.lacks(spec, "upstreams", ()) else tuple(written or spec.upstreams)
        writes: Writes | None = {} if endpoint.idempotency else None
        among = Surroundings(report, names, upstreams, spec.upstreams, known, spec.max_calls, writes)
        # First, since what it names of a request is an input too.
        label = compile_answers_label(endpoint, path, names, report)
        plan = _plan(endpoint, path, among, loaded.models.get(index, Model()), spec.answer)
        yield keeping(plan, endpoint, path, label, report)


def _plan(spec: EndpointSpec, path: Path, among: Surroundings, model: Model, answer: AnswerSpec) -> Plan:
    if spec.passthrough:
        refuse_model(model, path, among.report)
        spec, model, answer = meaningful(spec, path, among.report), Model(), AnswerSpec(errors=None, fields=False)
    steps = typed(_steps(spec, path, among), model.types, (*path, "steps"), among.report)
    _check_cycles(steps, path, among.report)
    _check_idempotency(spec, path, among)
    check_calls(steps, among.most_calls, path, among.report)
    check_kept(spec, steps, path, among.report)
    check_joins(steps, path, among.report)
    # Steps that wait for each other are not worth joining: they have been reported, and none of them runs.
    waiting, joins = ((), {}) if among.report.findings else joined(steps)
    shape = _shape(spec, path, among, model.answer, answer.errors)
    head = compile_head(spec, path, Reading(among.report, among.names))
    inputs = tuple(_inputs(spec, path, among))
    reads_body = ("body", "") in among.names.reads
    return Plan(
        method=spec.method,
        path=spec.path,
        timeout=spec.timeout,
        priority=spec.priority,
        steps=spliced(waiting, shape.response, head),
        shape=shape,
        head=head,
        inputs=inputs,
        fields=fields_input(shape, steps, inputs) if answer.fields else None,
        summary=spec.summary,
        description=spec.description,
        tags=spec.tags,
        reads_replies=frozenset(among.names.replies),
        joins=joins,
        has_loops=any(step.loop for step in steps),
        has_undo=any(step.undo for step in steps),
        headers=frozenset(_headers(steps, inputs, reads_body)) | (_TOLD_APART_BY if spec.idempotency else frozenset()),
        reads_body=reads_body,
        takes_body=reads_body or _keeps_body(spec, steps),
        idempotency=spec.idempotency,
        passthrough=compile_passthrough(spec.passthrough, steps, path, among.report) if spec.passthrough else None,
    )


def _steps(spec: EndpointSpec, path: Path, among: Surroundings) -> Iterator[Step]:
    for name, step in spec.steps.items():
        if name in RESERVED:
            among.report.add((*path, "steps", name), f"{name!r} is a reserved word; name the step otherwise", at_key=True)
        if made := compile_step(name, step, (*path, "steps", name), among):
            yield passing(made, spec, is_kept="cache" in step.model_fields_set) if spec.passthrough else made


def _keeps_body(spec: EndpointSpec, steps: Iterable[Step]) -> bool:
    """The client's body is passed on as it came, or tells one request from another."""
    if spec.idempotency and spec.method in WITH_BODY:
        return True
    return any(recipe.encoding is AS_IT_CAME for step in steps for recipe in step.recipes)


def _check_idempotency(spec: EndpointSpec, path: Path, among: Surroundings) -> None:
    """Report a key that can have no effect."""
    place = (*path, "idempotency")
    if spec.idempotency and spec.method == "GET" and not among.report.lacks(spec, "method", path):
        among.report.add(place, "a GET may be repeated as it is; keys are for methods that write", at_key=True)
    elif spec.idempotency and not among.writes and not among.report.findings:
        among.report.add(place, "no step writes anything, and what only reads may be repeated as it is", at_key=True)


def _headers(steps: Iterable[Step], inputs: Iterable[Input], reads_body: bool) -> Iterator[str]:
    """The client's header fields that are read or sent on, those that say how to read its body included."""
    yield from (one.name for one in inputs if one.where == "header")
    yield from (name.replace("_", "-") for step in steps for recipe in step.recipes for name in recipe.forward_headers)
    if reads_body:
        yield from ("content-type", "content-encoding")


def _shape(spec: EndpointSpec, path: Path, among: Surroundings, hook: Hook | None, errors: str | None) -> Shape:
    names: Iterable[str] = ()
    is_written = "response" in spec.model_fields_set
    response = hooked(hook, spec.steps) if hook else None
    if is_written and hook:
        among.report.add((*path, "response"), f"is never used: {hook.name} makes the answer", at_key=True)
    elif is_written:
        response = spread(read_response(spec.response, (*path, "response"), Reading(among.report, among.names)))
        names = members(response.data) or ()
    elif not hook:
        names = spec.steps
    if errors and errors in names:
        place = (*path, "response" if response else "steps", errors)
        among.report.add(place, f"{errors!r} is where failed steps are listed; rename it, or set answer.errors", at_key=True)
    return Shape(tuple(spec.steps), response, errors)


def _names(spec: EndpointSpec, path: Path, report: Report) -> Names:
    written = tuple(report.source.at((*path, "steps")) or spec.steps)
    may_have_body = spec.method in WITH_BODY or report.lacks(spec, "method", path)
    loops = frozenset(name for name, step in spec.steps.items() if step.for_each is not None)
    goes_by = spec.passthrough is not None
    return Names(tuple(dict.fromkeys(_PARAMETER.findall(spec.path))), written, may_have_body, loops=loops, goes_by=goes_by)


def _check_path(spec: EndpointSpec, path: Path, seen: dict[tuple[str, str], Path], report: Report) -> None:
    place = (*path, "path")
    segments = spec.path.split("/")[1:]
    parameters = _PARAMETER.findall(spec.path)
    if not spec.path.startswith("/"):
        report.add(place, "a path begins with '/'")
    elif spec.path != "/" and not all(_SEGMENT.fullmatch(segment) for segment in segments):
        report.add(place, "each segment of a path is plain text or one {name}")
    elif {".", ".."} & set(segments):
        report.add(place, "a path has no dot segments")
    elif any(f"{spec.path}/".startswith(f"{own}/") for own in OWN_PATHS):
        report.add(place, f"the gateway answers {', '.join(OWN_PATHS)} itself")
    for name in {name for name in parameters if parameters.count(name) > 1}:
        report.add(place, f"{{{name}}} stands twice in it")
    # Two paths that differ only in the names of their parameters match the same requests.
    key = (spec.method, _PARAMETER.sub("{}", spec.path))
    if report.lacks(spec, "method", path):
        return
    if key in seen:
        is_further = spec.passthrough is not None and spec.method in spec.passthrough.methods
        report.add(
            (*path, "passthrough", "methods") if is_further else place,
            f"{report.source.shown(seen[key])} answers {spec.method} {spec.path} already",
        )
    seen.setdefault(key, path)


def _inputs(spec: EndpointSpec, path: Path, among: Surroundings) -> Iterator[Input]:
    """Every input: those of the path, those declared, and those that a reference names without a declaration, which are strings."""
    inputs: dict[tuple[Where, str], Input] = {("path", name): make_input(name, "path", {}) for name in among.names.path}
    inputs |= {(where, name): make_input(name, where, {}) for where, name in among.names.reads if where != "body"}
    for name, words in spec.inputs.items():
        place = (*path, "inputs", name)
        if words.in_ == "path" and name not in among.names.path:
            among.report.add(place, f"the endpoint's path has no {{{name}}}{did_you_mean(name, among.names.path)}", at_key=True)
        try:
            key = name.lower().replace("_", "-") if words.in_ == "header" else name
            inputs[words.in_, key] = make_input(key, words.in_, words.model_dump(by_alias=True, exclude_none=True))
        except ValueError as error:
            among.report.add(place, str(error), at_key=True)
    yield from inputs.values()


def _check_cycles(steps: Iterable[Step], path: Path, report: Report) -> None:
    """Report every cycle: one is found, its last edge cut, and the next one looked for."""
    needs = {step.name: set(step.needs) for step in steps}
    while True:
        try:
            TopologicalSorter(needs).prepare()
        except CycleError as error:
            # Each name in the list is needed by the next one.
            cycle: list[str] = error.args[1]
            first = min(range(len(cycle) - 1), key=lambda index: list(needs).index(cycle[index]))
            ring = list(reversed([*cycle[first:-1], *cycle[: first + 1]]))
            report.add((*path, "steps", ring[0]), _circular(ring), at_key=True)
            needs[cycle[1]].discard(cycle[0])
        else:
            return


def _circular(ring: list[str]) -> str:
    if len(ring) == 2:
        return "needs itself; a step sees the values of other steps only, and its own reply under 'select'"
    return f"a cycle: {' needs '.join(ring)}; none of them can run first"

"""What can be said of a config without running it: findings, plans, routes, the schema."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Sequence
from difflib import SequenceMatcher
from itertools import zip_longest
from pathlib import Path
from typing import Any

from gateway.cli.classes import find_classes
from gateway.cli.data import as_data
from gateway.cli.mermaid import mermaid
from gateway.compile import compile_plans
from gateway.errors import ConfigError, StartError
from gateway.face import read_class
from gateway.finding import Finding
from gateway.inbound.paths import Paths
from gateway.load import Loaded, load_file
from gateway.plan import Plan, broken_on_purpose
from gateway.plan.worst import worst_of

ALIKE = 0.6
"""How much a path must resemble another to be what was meant."""


def report(file: Path, classes: Sequence[str], output: str) -> int:
    """Print every finding; the exit status is 1 when there are any. Without any, the worst that each endpoint may come to."""
    findings: tuple[Finding, ...] = ()
    summary = ""
    try:
        loaded = _load(file, classes)
        plans = compile_plans(loaded)
        summary = "\n".join((_counted(file, plans), loaded.source.redact(_worst_cases(plans)), *_notes(plans)))
    except ConfigError as error:
        findings = error.findings
    if output == "json":
        print(json.dumps([_finding_as_json(finding) for finding in findings], indent=2))
    elif findings:
        for finding in findings:
            print(_for_github(finding) if output == "github" else finding)
    elif output == "text":
        print(summary)
    return 1 if findings else 0


def show_plans(file: Path, classes: Sequence[str], endpoint: str | None, output: str) -> None:
    """Print the plan of one endpoint, or of all. Raises `StartError` when there is no such endpoint."""
    loaded = _load(file, classes)
    plans = _chosen(compile_plans(loaded), endpoint)
    redact = loaded.source.redact
    if output == "json":
        print(json.dumps(loaded.source.redacted([as_data(plan) for plan in plans]), indent=2))
    elif output == "mermaid":
        print(mermaid(plans, redact))
    else:
        print(redact("\n\n".join(map(str, plans))))


def show_routes(file: Path, classes: Sequence[str]) -> None:
    """Print method, path and summary of each endpoint."""
    for line in _in_columns(compile_plans(_load(file, classes)), lambda plan: plan.summary or ""):
        print(line)


def show_schema() -> None:
    """Print the JSON Schema of configs."""
    from gateway.spec import GatewaySpec

    schema = {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        **GatewaySpec.model_json_schema(),
        "title": "Fanin config",
    }
    print(json.dumps(schema, indent=2))


def _notes(plans: Sequence[Plan]) -> Iterator[str]:
    if broken := ", ".join(broken_on_purpose(plans)):
        yield f"note: with GATEWAY_INJECT=1 calls to {broken} are broken on purpose"


def _load(file: Path, classes: Sequence[str]) -> Loaded:
    return load_file(file, [read_class(one) for one in find_classes(classes)])


def _counted(file: Path, plans: Sequence[Plan]) -> str:
    steps = sum(len(plan.steps) for plan in plans)
    return f"{file}: {_count(len(plans), 'endpoint')}, {_count(steps, 'step')}, nothing wrong"


def _worst_cases(plans: Sequence[Plan]) -> str:
    return "\n".join(f"  {line}" for line in _in_columns(plans, lambda plan: str(worst_of(plan))))


def _in_columns(plans: Sequence[Plan], remark: Callable[[Plan], str]) -> Iterator[str]:
    """A line for each endpoint."""
    width = max(len(plan.path) for plan in plans)
    for plan in plans:
        yield f"{plan.method:6} {plan.path:{width}}  {remark(plan)}".rstrip()


def _chosen(plans: tuple[Plan, ...], endpoint: str | None) -> tuple[Plan, ...]:
    """The plans of a path as written, else those that would answer it, one a method."""
    if endpoint is None:
        return plans
    method, _, target = endpoint.strip().rpartition(" ")
    path = target.partition("?")[0]
    asked = [plan for plan in plans if plan.method == (method.strip().upper() or plan.method)]
    chosen = [plan for plan in asked if plan.path == path]
    if not chosen:
        paths = Paths((plan.method, plan.path, plan) for plan in asked)
        chosen = [found[0] for method in paths.methods(path) if (found := paths.find(method, path))]
    if not chosen:
        raise StartError(f"no endpoint answers {endpoint}; {_hint(asked or plans, path)}")
    return tuple(chosen)


def _hint(plans: Sequence[Plan], path: str) -> str:
    likest = max(plans, key=lambda plan: _likeness(plan, path))
    if _likeness(likest, path) < ALIKE:
        return "`gateway routes` lists those there are"
    return f"did you mean {likest.method} {likest.path}?"


def _likeness(plan: Plan, path: str) -> float:
    """From 0 to 1; whatever is asked for where the endpoint has a parameter is as good as any other value."""
    written = ["*" if segment.startswith("{") else segment for segment in plan.path.split("/")]
    pairs = zip_longest(path.split("/"), written)
    asked = ["*" if parameter == "*" else segment for segment, parameter in pairs if segment is not None]
    return SequenceMatcher(None, "/".join(asked), "/".join(written)).ratio()


def _finding_as_json(finding: Finding) -> dict[str, Any]:
    return {
        "file": finding.file,
        "line": finding.place.line,
        "column": finding.place.column,
        "path": finding.path,
        "message": finding.message,
    }


def _for_github(finding: Finding) -> str:
    """A command for GitHub's runner, with its own escapes."""
    line, column = finding.place
    message = f"{finding.path}: {finding.message}" if finding.path else finding.message
    file = _escaped(finding.file).replace(":", "%3A").replace(",", "%2C")
    return f"::error file={file},line={line},col={column}::{_escaped(message)}"


def _escaped(text: str) -> str:
    return text.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"

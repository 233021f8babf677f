"""What can be said of a config without running it: findings, plans, routes, the schema."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

from gateway.compile import compile_plans
from gateway.errors import ConfigError, StartError
from gateway.finding import Finding
from gateway.load import load_file
from gateway.plan import Plan, Step
from gateway.reference import did_you_mean


def report(file: Path, output: str) -> int:
    """Print every finding; the exit status is 1 when there are any."""
    plans: tuple[Plan, ...] = ()
    findings: tuple[Finding, ...] = ()
    try:
        plans = compile_plans(load_file(file))
    except ConfigError as error:
        findings = error.findings
    if output == "json":
        print(json.dumps([_as_json(finding) for finding in findings], indent=2))
    elif output == "github":
        for finding in findings:
            # A command for GitHub's runner; % and line breaks are its own escapes.
            message = f"{finding.path}: {finding.message}".replace("%", "%25").replace("\n", "%0A")
            print(f"::error file={finding.file},line={finding.place.line},col={finding.place.column}::{message}")
    elif findings:
        for finding in findings:
            print(finding)
    else:
        steps = sum(len(plan.steps) for plan in plans)
        print(f"{file}: {_count(len(plans), 'endpoint')}, {_count(steps, 'step')}, nothing wrong")
    return 1 if findings else 0


def show_plans(file: Path, endpoint: str | None, output: str) -> None:
    """Print the plan of one endpoint, or of all. Raises `StartError` when there is no such endpoint."""
    loaded = load_file(file)
    plans = _chosen(compile_plans(loaded), endpoint)
    printers = {
        "text": lambda: "\n\n".join(map(str, plans)),
        "mermaid": lambda: "\n\n".join(map(_mermaid, plans)),
        "json": lambda: _json(plans),
    }
    print(loaded.source.redact(printers[output]()))


def show_routes(file: Path) -> None:
    """Print method, path and summary of each endpoint."""
    plans = compile_plans(load_file(file))
    width = max(len(plan.path) for plan in plans)
    for plan in plans:
        print(f"{plan.method:6} {plan.path:{width}}  {plan.summary or ''}".rstrip())


def show_schema() -> None:
    """Print the JSON Schema of configs."""
    from gateway.spec import GatewaySpec

    schema = {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        **GatewaySpec.model_json_schema(),
        "title": "Fanin config",
    }
    print(json.dumps(schema, indent=2))


def _chosen(plans: tuple[Plan, ...], endpoint: str | None) -> tuple[Plan, ...]:
    if endpoint is None:
        return plans
    method, _, path = endpoint.rpartition(" ")
    chosen = tuple(plan for plan in plans if plan.path == path or _matches(plan, path))
    chosen = tuple(plan for plan in chosen if not method or plan.method == method.upper())
    if not chosen:
        raise StartError(f"no endpoint answers {endpoint}{did_you_mean(path, [plan.path for plan in plans])}")
    return chosen


def _matches(plan: Plan, path: str) -> bool:
    pattern = "/".join("[^/]+" if segment.startswith("{") else re.escape(segment) for segment in plan.path.split("/"))
    return re.fullmatch(pattern, path.partition("?")[0]) is not None


def _mermaid(plan: Plan) -> str:
    lines = ["flowchart LR", f'  request(["{plan.method} {plan.path}"])', '  answer(["answer"])']
    needed = {need for step in plan.steps for need in step.needs}
    for step in plan.steps:
        lines.append(f'  {step.name}["{step.name}<br/>{_escaped(str(step))}"]')
        arrow = "-.->" if step.optional else "-->"
        lines += [f"  {need} {arrow} {step.name}" for need in step.needs or ("request",)]
        if step.name not in needed:
            lines.append(f"  {step.name} {arrow} answer")
    return "\n".join(lines)


def _escaped(text: str) -> str:
    return text.replace('"', "#quot;").replace("{", "#123;").replace("}", "#125;")


def _json(plans: tuple[Plan, ...]) -> str:
    return json.dumps(
        [
            {
                "method": plan.method,
                "path": plan.path,
                "timeout": plan.timeout,
                "inputs": [
                    {"name": one.name, "in": one.where, "required": one.required, "schema": one.schema} for one in plan.inputs
                ],
                "steps": [_step_as_json(step) for step in plan.steps],
            }
            for plan in plans
        ],
        indent=2,
    )


def _step_as_json(step: Step) -> dict[str, Any]:
    policies = step.policies
    return {
        "name": step.name,
        "upstream": step.upstream.name,
        "method": step.method,
        "target": step.target.text,
        "needs": step.needs,
        "when": str(step.when) if step.when else None,
        "optional": step.optional,
        "timeout": policies.timeout,
        "retry": policies.retry.model_dump() if policies.retry else None,
        "cache": policies.cache.model_dump() if policies.cache else None,
    }


def _as_json(finding: Finding) -> dict[str, Any]:
    return {
        "file": finding.file,
        "line": finding.place.line,
        "column": finding.place.column,
        "path": finding.path,
        "message": finding.message,
    }


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"

"""The plans: what each endpoint does, in the words that `gateway plan` has for it, and where the config says so."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Any

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from gateway.admin.excerpt import lines_of
from gateway.admin.looking import look
from gateway.admin.running import running
from gateway.app import Gateway
from gateway.inbound.request import Refused
from gateway.inputs import Input
from gateway.metrics.looks import Change, Look
from gateway.metrics.reading import of_steps
from gateway.plan import Plan, Step
from gateway.plan.wording import on_a_line, show_value
from gateway.problem import of_status

A_MINUTE = 60.0
"""Seconds whose figures are told of a plan's steps."""


def routes(gateway: Gateway) -> Sequence[Route]:
    """What there is of plans on the admin side."""
    told = {f"{plan.method} {plan.path}": describe(gateway, number) for number, plan in enumerate(gateway.plans)}

    async def index(_: Request) -> Response:
        """Tells the plan of each endpoint: its steps, what they need, their policies, and the lines that say so."""
        return JSONResponse({"plans": [*told.values()]})

    async def show(request: Request) -> Response:
        """Tells the plan of one endpoint, which is named as in `GET /v1/home/{user_id}`, and what its steps have come to of late."""
        plan = told.get(request.path_params["name"])
        if plan is None:
            raise Refused(of_status(404, "Not Found", "there is no such endpoint"))
        state = running(gateway)
        found = await look(state)
        return JSONResponse(await asyncio.to_thread(_with_figures, plan, found, state.looks.change(found, A_MINUTE)))

    return [Route("/api/plans", index), Route("/api/plans/{name:path}", show)]


def _with_figures(plan: dict[str, Any], found: Look, change: Change | None) -> dict[str, Any]:
    """Those of a minute, where somebody has looked for so long; of all the time since the gateway began, where nobody has."""
    recent = change if change and change.seconds >= A_MINUTE else None
    by_step = of_steps(recent.snapshot if recent else found.snapshot, plan["method"], plan["path"])
    steps = [{**step, "live": by_step.get(step["name"])} for step in plan["steps"]]
    return {**plan, "steps": steps, "live_seconds": round(recent.seconds) if recent else None}


def describe(gateway: Gateway, number: int) -> dict[str, Any]:
    """The plan with this number, in the order written. What came from outside the config is told as it was written there."""
    plan, source = gateway.plans[number], gateway.source
    path = ("endpoints", gateway.places[number])
    origin, line = source.origins.get(path), source.place(path).line
    file = origin.file if origin else source.file
    steps = [_step(step, source.place((*path, "steps", step.name), at_key=True).line) for step in plan.steps]
    told: dict[str, Any] = source.redacted({"summary": plan.summary, "steps": steps, "text": str(plan)})
    return {
        "method": plan.method,
        "path": plan.path,
        "timeout_ms": plan.timeout * 1000,
        "config": {"file": file, "line": line, "lines": lines_of(file, line)},
        "inputs": _inputs(plan),
        "upstreams": sorted({recipe.upstream.name for recipe in plan.recipes}),
        **told,
    }


def _inputs(plan: Plan) -> list[dict[str, Any]]:
    fields = (plan.fields,) if plan.fields else ()
    return [_input(one) for one in (*plan.inputs, *fields)]


def _input(one: Input) -> dict[str, Any]:
    return {
        "name": one.name,
        "in": one.where,
        "type": one.schema["type"],
        "required": one.required,
        "default": one.default,
        "description": one.description,
    }


def _step(step: Step, line: int) -> dict[str, Any]:
    return {
        "name": step.name,
        "call": str(step),
        "needs": list(step.needs),
        "when": str(step.when) if step.when else None,
        "loop": next(step.loop.remarks()) if step.loop else None,
        "optional": step.optional,
        "fallback": str(step.others[0]) if step.others else show_value(step.fallback) if step.fallback else None,
        "policies": [on_a_line(remark) for remark in step.recipes[0].remarks()],
        "line": line,
    }

"""What a finished trace tells: what waited for what, what the answer waited for, why each step ran when it ran, and what it waited for.

Pure, and made when somebody looks: the console, `gateway call`, `gateway trace` and `Gateway-Explain` say the same since all of them ask
here. All it takes is the trace and what its steps need, which is the plan's to say.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal, TypeAlias

from gateway import telemetry
from gateway.telemetry import Span, Trace

Needs: TypeAlias = Mapping[str, Sequence[str]]
"""By step, the steps that must have ended before it begins."""

Role: TypeAlias = Literal["server", "step", "attempt", "shape", "transform", "undo", "refresh"]

NOBODY: Needs = {}
"""Of a trace that has no plan: nothing waits for anything."""


def role_of(span: Span) -> Role:
    """What part a span has in a request; `refresh`: the root of work that no request waits for."""
    if span.kind == "server":
        return "server"
    if span.kind == "client":
        return "attempt"
    if telemetry.STEP_NAME in span.attributes:
        return "undo" if span.name.startswith("undo ") else "step"
    if span.name == telemetry.SHAPE.name:
        return "shape"
    return "transform" if span.name == telemetry.TRANSFORM.name else "refresh"


def step_of(span: Span) -> str | None:
    """The step that a span is of, or that it takes back."""
    name = span.attributes.get(telemetry.STEP_NAME)
    return None if name is None else str(name)


def steps_of(spans: Iterable[Span]) -> dict[str, Span]:
    """The span of each step that began, in the order in which they did."""
    return {step_of(span) or "": span for span in spans if role_of(span) == "step"}


def is_complete(spans: Sequence[Span]) -> bool | None:
    """Whether the answer has everything; None where none was made."""
    last = spans[-1]
    return bool(last.own.get(telemetry.ANSWER_COMPLETE, True)) if last.type is telemetry.SHAPE else None


@dataclass(frozen=True, slots=True)
class Edge:
    """One step waited for another."""

    before: str
    after: str


def edges(trace: Trace, needs: Needs) -> list[Edge]:
    """What waited for what, among the steps that began."""
    steps = steps_of(trace.spans)
    return [Edge(need, step) for step in steps for need in needs.get(step, ()) if need in steps]

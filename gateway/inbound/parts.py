"""The parts of an answer and the events that say them. Pure: when they are sent, and to whom, is somebody else's."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from gateway.answer.shape import Part
from gateway.execute import Ran
from gateway.inbound.events import LAST, Form
from gateway.inbound.response import failures_of, tell_missing
from gateway.plan import Plan
from gateway.problem import Problem


@dataclass(slots=True)
class Parts:
    """The parts of one answer, as they get ready."""

    plan: Plan
    form: Form
    missing: dict[Part, list[str]] = field(default_factory=dict)
    """The parts that have been made, and what of each could not be."""

    def ready(self, ran: Ran) -> list[Part]:
        """Those that have not been made and now can be, in the order written.

        None before it is certain that there is an answer, and how it begins. What takes no step waits for what does: were it sent by
        itself, no client would ever see a failure's status.
        """
        ended = ran.outcomes.keys()
        if not self.plan.decisive <= ended or self.plan.decided_by(ran.outcomes):
            return []
        ready = [part for part in self.left if self.plan.behind(part.steps) <= ended]
        return ready if self.missing or any(part.steps for part in ready) else []

    @property
    def left(self) -> list[Part]:
        """Those that have not been made."""
        return [part for part in self.plan.shape.parts if part not in self.missing]

    def tell(self, part: Part, value: Any, missing: Iterable[str], ran: Ran) -> bytes:
        """The event of a part that has been made. Raises `Unencodable`."""
        self.missing[part] = [*missing]
        behind = self.plan.behind(part.steps)
        errors = [
            one
            for one in tell_missing(self.plan, ran, failures_of(self.plan, ran), missing)
            if one.get("step") in behind or "member" in one
        ]
        listed = {"errors": errors} if errors and self.plan.shape.errors else {}
        return self.form.write("part", str(len(self.missing)), {"name": part.name, "value": value, **listed})

    def lacking(self, ran: Ran, unmade: Iterable[str]) -> list[dict[str, Any]]:
        """All that the answer lacks: `unmade` are header fields, beside what is known of the parts."""
        members = [name for part in self.plan.shape.parts for name in self.missing[part]]
        return tell_missing(self.plan, ran, failures_of(self.plan, ran), [*members, *unmade])

    def tell_end(self, lacking: Sequence[Mapping[str, Any]], **more: Any) -> bytes:
        """The last event of an answer: whether it has everything, and all that it lacks."""
        listed = {"errors": lacking} if self.plan.shape.errors else {}
        return self.form.write("end", LAST, {"complete": not lacking, **listed, **more})

    def tell_problem(self, problem: Problem, **more: Any) -> bytes:
        """The last event where there is no answer after all."""
        return self.form.write("problem", LAST, problem.as_json(**more))

"""Plans as a Mermaid flowchart: what starts at once, what waits for what, what the answer is made of.

A solid arrow is the usual way, a dotted one may come to nothing; bodies that go by have a thick one. A loop has a double border. What may
come instead of the usual way (another call, an early end, an undo) hangs beside its step, on an arrow that says when.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from gateway.plan import Plan, Step
from gateway.plan.wording import on_a_line

_ENTITIES = str.maketrans({char: f"#{ord(char)};" for char in '#"`<>&{}'})
"""Characters that mean something in a label, as Mermaid writes them: `#` first of all, since it begins every one."""


def mermaid(plans: Sequence[Plan], redact: Callable[[str], str]) -> str:
    """One diagram of all these plans, in a box each when they are several."""
    lines = ["flowchart LR"]
    for number, plan in enumerate(plans, 1):
        if len(plans) == 1:
            lines += _Flow(plan, "", redact)
        else:
            flow = _Flow(plan, f"p{number}_", redact)
            lines += [f"  subgraph plan{number}[{flow.label(f'{plan.method} {plan.path}')}]", *flow, "  end"]
    return "\n".join(lines)


@dataclass(frozen=True, slots=True)
class _Flow:
    """The nodes and arrows of one plan. Ids are never a step's bare name, which may be a word of Mermaid's (`end`) or one of ours (`answer`)."""

    plan: Plan
    prefix: str
    redact: Callable[[str], str]

    def __iter__(self) -> Iterator[str]:
        yield f"  {self._id('request')}([{self.label(f'{self.plan.method} {self.plan.path}')}])"
        yield f"  {self._id('answer')}([{self.label('answer')}])"
        answering = _answering(self.plan)
        for step in self.plan.steps:
            yield from self._step(step, is_shown=step.name in answering)
            yield from self._instead(step)
            yield from self._ends(step)
        for step in self.plan.steps:
            if step.loop and (join := step.loop.join):
                yield self._arrow(step.name, "-->", self._id("step", join.into), f"{join.text} as {join.member}")

    def label(self, *lines: str) -> str:
        """Lines of text as a label, all that means something to Mermaid taken out."""
        return f'"{"<br/>".join(on_a_line(self.redact(line)).translate(_ENTITIES) for line in lines)}"'

    def _step(self, step: Step, *, is_shown: bool) -> Iterator[str]:
        arrow = "==>" if self.plan.passthrough else "-.->" if step.optional else "-->"
        said = [f"when {step.when}"] if step.when else []
        said += [next(step.loop.remarks())] if step.loop else []
        label, node = self.label(step.name, str(step), *said), self._id("step", step.name)
        yield f"  {node}[[{label}]]" if step.loop else f"  {node}[{label}]"
        for before in [self._id("step", need) for need in step.needs] or [self._id("request")]:
            yield f"  {before} {arrow} {node}"
        if is_shown:
            yield f"  {node} {arrow} {self._id('answer')}"

    def _instead(self, step: Step) -> Iterator[str]:
        """Calls that stand in for a step's own, each behind the one that failed, and the one that takes it back."""
        last = self._id("step", step.name)
        for number, other in enumerate(step.others, 1):
            node = self._id(f"else{number}", step.name)
            yield f"  {node}[{self.label(str(other))}]"
            yield f"  {last} -.->|{self.label('else')}| {node}"
            last = node
        if step.undo:
            node = self._id("undo", step.name)
            yield f"  {node}[{self.label(str(step.undo.recipe))}]"
            yield self._arrow(step.name, "-.->", node, "undo")

    def _ends(self, step: Step) -> Iterator[str]:
        """Statuses with which a step ends the whole answer."""
        statuses = {status: None for recipe in step.recipes for status, meaning in recipe.on_status.items() if meaning == "end"}
        whens = [(status, f"on {status}") for status in statuses]
        whens += [(step.end.status, f"when {step.end.when}")] if step.end else []
        for number, (status, when) in enumerate(whens, 1):
            node = self._id(f"end{number}", step.name)
            yield f"  {node}([{self.label(str(status))}])"
            yield self._arrow(step.name, "-.->", node, when)

    def _arrow(self, name: str, arrow: str, node: str, text: str) -> str:
        return f"  {self._id('step', name)} {arrow}|{self.label(text)}| {node}"

    def _id(self, kind: str, name: str = "") -> str:
        return f"{self.prefix}{kind}_{name}" if name else f"{self.prefix}{kind}"


def _answering(plan: Plan) -> set[str]:
    """Steps that the answer shows, and those that nothing else waits for or takes in."""
    needed = {need for step in plan.steps for need in step.needs}
    joined = {step.name for step in plan.steps if step.loop and step.loop.join}
    ends = {step.name for step in plan.steps} - needed
    if plan.shape.response is None:
        return ends | needed
    named = {name for expression in plan.shape.response.expressions for name in expression.names}
    return (ends - joined) | {name[1] if name[0] == "steps" and len(name) > 1 else name[0] for name in named}

"""Plans as a Mermaid flowchart: what starts at once, what waits for what, what the answer is made of."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

from gateway.plan import Plan

_ENTITIES = str.maketrans({char: f"#{ord(char)};" for char in '#"`<>&{}'})
"""Characters that mean something in a label, as Mermaid writes them: `#` first of all, since it begins every one."""


def mermaid(plans: Sequence[Plan], redact: Callable[[str], str]) -> str:
    """One diagram of all these plans, in a box each when they are several."""
    lines = ["flowchart LR"]
    for number, plan in enumerate(plans, 1):
        if len(plans) == 1:
            lines += _nodes(plan, "", redact)
        else:
            title = _escaped(f"{plan.method} {plan.path}")
            lines += [f'  subgraph plan{number}["{title}"]', *_nodes(plan, f"p{number}_", redact), "  end"]
    return "\n".join(lines)


def _nodes(plan: Plan, prefix: str, redact: Callable[[str], str]) -> Iterator[str]:
    """Ids are never a step's bare name, which may be a word of Mermaid's (`end`) or one of ours (`answer`)."""
    request, answer = f"{prefix}request", f"{prefix}answer"
    yield f'  {request}(["{_escaped(f"{plan.method} {plan.path}")}"])'
    yield f'  {answer}(["answer"])'
    ids = {step.name: f"{prefix}step_{step.name}" for step in plan.steps}
    answering = _answering(plan)
    for step in plan.steps:
        arrow = "-.->" if step.optional else "-->"
        yield f'  {ids[step.name]}["{step.name}<br/>{_escaped(redact(str(step)))}"]'
        for before in [ids[need] for need in step.needs] or [request]:
            yield f"  {before} {arrow} {ids[step.name]}"
        if step.name in answering:
            yield f"  {ids[step.name]} {arrow} {answer}"


def _answering(plan: Plan) -> set[str]:
    """Steps that the answer shows, and those that nothing else waits for."""
    needed = {need for step in plan.steps for need in step.needs}
    ends = {step.name for step in plan.steps} - needed
    if plan.shape.response is None:
        return ends | needed
    named = {name for expression in plan.shape.response.expressions for name in expression.names}
    return ends | {name[1] if name[0] == "steps" and len(name) > 1 else name[0] for name in named}


def _escaped(text: str) -> str:
    return text.translate(_ENTITIES)

"""Plans: what runs. A plan is frozen, complete, and prints itself; the print is what `gateway plan` shows and what tests assert."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from itertools import chain
from typing import TYPE_CHECKING, Any, TypeAlias

from gateway.call import Ended, Failed
from gateway.plan.wording import made_of_others, on_a_line, show_value
from gateway.policy import AT_ONCE, MOST_ITEMS, show_duration

if TYPE_CHECKING:
    from gateway.answer.head import Head
    from gateway.answer.shape import Shape
    from gateway.call import Outcome
    from gateway.expressions.reference import Expression, Structure
    from gateway.inputs import Input
    from gateway.plan.keeping import Keeping
    from gateway.plan.recipe import Recipe, Validate
    from gateway.policy import IdempotencyPolicy, Priority
    from gateway.telemetry import SpanType

Line: TypeAlias = tuple[str, str, Iterator[str]]
"""What is printed of a call: whose it is, the call, and remarks."""


@dataclass(frozen=True, slots=True)
class End:
    """What ends the whole answer before all of it is there."""

    when: Expression
    status: int
    value: Structure | None = field(default=None, repr=False)
    """The answer; None: a problem with this status."""

    def __str__(self) -> str:
        value = f" {show_value(self.value)}" if self.value else ""
        return f"ends with {self.status}{value} when {self.when}"


@dataclass(frozen=True, slots=True)
class Batch:
    """One call for many items."""

    recipe: Recipe
    size: int
    """Items in a call, at most."""

    key: Expression | None = None
    """What an element of the reply says of the item that it belongs to; None: the reply is an object with a member for each."""

    sends_more: bool = False
    """It sends more than its items and what is the same every time, so that a reply is about that too."""


@dataclass(frozen=True, slots=True)
class Join:
    """Where a loop's values are put."""

    into: str
    """The step whose value gets them."""

    path: tuple[str | None, ...]
    """The way to the objects in it: names, and None for each element of a list."""

    on: Expression
    member: str
    text: str = ""
    """As written, `orders[].items[]`."""


@dataclass(frozen=True, slots=True)
class Loop:
    """A step's call once for each item of a list."""

    over: Expression
    concurrency: int
    limit: int
    takes_first: bool = False
    """With more items than the limit, take the first ones."""

    items: str | None = None
    """`required`: no item's call may fail; `optional`: each may; None: what is not there is no failure of the step."""

    batch: Batch | None = None
    join: Join | None = None

    def remarks(self) -> Iterator[str]:
        """What there is to say about it."""
        words = [f"for each {self.over}"]
        if self.batch:
            words.append(f"{self.batch.size} a call")
        if self.concurrency != AT_ONCE:
            words.append(f"{self.concurrency} at once")
        if self.takes_first or self.limit != MOST_ITEMS:
            words.append(f"{'the first' if self.takes_first else 'at most'} {self.limit}")
        yield ", ".join(words)
        if self.items:
            yield f"items {self.items}"
        if self.join:
            yield f"joined into {self.join.text} on {self.join.on} as {self.join.member}"


@dataclass(frozen=True, slots=True)
class Undo:
    """What takes a write back when the run comes to nothing after it."""

    recipe: Recipe
    within: float
    """Seconds that it may take in all."""

    span: SpanType = field(repr=False, compare=False)


@dataclass(frozen=True, slots=True)
class Step:
    """One unit of an endpoint's work: when it runs, what it asks for, and what stands in when there is no reply."""

    name: str
    recipe: Recipe
    needs: tuple[str, ...] = ()
    """Steps that must have ended before: those it names, and those it was told to wait for."""

    spares: frozenset[str] = frozenset()
    """Those of its needs that only its fallback or `on_status` names: when they come to nothing, it runs all the same."""

    when: Expression | None = None
    optional: bool = False
    fallback: Structure | None = field(default=None, repr=False)
    others: tuple[Recipe, ...] = ()
    """Calls to make instead, one after the other, for as long as they fail."""

    loop: Loop | None = None
    end: End | None = None
    undo: Undo | None = None
    sees_joined: bool = True
    """It sees what is joined into other steps; those that join, and what they wait for, see everything as it came."""
    validate: Validate | None = field(default=None, repr=False, compare=False)
    """Holds what stands in for its value to its type; None where it has none."""

    schema: Mapping[str, Any] | None = field(default=None, repr=False, compare=False)
    """JSON Schema of its value as far as somebody said it, its references to its own `$defs`."""

    span: SpanType = field(kw_only=True, repr=False, compare=False)

    def __str__(self) -> str:
        return str(self.loop.batch.recipe if self.loop and self.loop.batch else self.recipe)

    @property
    def recipes(self) -> tuple[Recipe, ...]:
        """Every call that it may make."""
        own = self.loop.batch.recipe if self.loop and self.loop.batch else self.recipe
        return (own, *self.others, self.undo.recipe) if self.undo else (own, *self.others)

    @property
    def writes(self) -> bool:
        """One of its calls changes something, as far as its method says."""
        return any(recipe.method != "GET" for recipe in self.recipes)

    @property
    def may_end(self) -> bool:
        """It may decide the whole answer, by what it gets or by its status."""
        return self.end is not None or any("end" in recipe.on_status.values() for recipe in self.recipes)

    def decides(self, outcome: Outcome) -> bool:
        """Whether this outcome of it is the end of the run."""
        return isinstance(outcome, Ended) or (isinstance(outcome, Failed) and not self.optional)

    def reads(self) -> Iterator[Expression]:
        """Every expression over the values at hand; `select` reads its own reply."""
        for recipe in (self.recipe, *self.recipes):
            yield from recipe.sends()
            yield from recipe.means()
            yield from recipe.label.expressions if recipe.label else ()
        if self.fallback:
            yield from self.fallback.expressions
        if self.end and self.end.value:
            yield from self.end.value.expressions
        yield from (one for one in (self.when, self.loop and self.loop.over, self.end and self.end.when) if one)

    def lines(self) -> Iterator[Line]:
        """What is printed of it: its call, and each call that it may make besides."""
        yield self.name, str(self), self._remarks()
        if self.loop and self.loop.batch and (cache := self.recipe.policies.cache):
            yield "  item", str(self.recipe), iter((str(cache),))
        for other in self.others:
            last = self._substitute() if other is self.others[-1] else ()
            yield "  else", str(other), chain(other.remarks(), last)
        if self.undo:
            yield (
                "  undo",
                str(self.undo.recipe),
                chain((f"within {show_duration(self.undo.within)}",), self.undo.recipe.remarks()),
            )

    def _remarks(self) -> Iterator[str]:
        if self.needs:
            yield f"needs {', '.join(self.needs)}"
        if self.when:
            yield f"when {self.when}"
        if self.loop:
            yield from self.loop.remarks()
        substitute = () if self.others else self._substitute()
        if words := [*(["optional"] if self.optional else []), *substitute]:
            yield ", ".join(words)
        if self.end:
            yield str(self.end)
        yield from self.recipes[0].remarks()

    def _substitute(self) -> Iterator[str]:
        """The value that stands in for its own."""
        if self.fallback:
            yield f"else {show_value(self.fallback)}"


@dataclass(frozen=True, slots=True)
class Passthrough:
    """How the request and the reply of a plan's one step go by."""

    keeps: frozenset[bytes] = field(repr=False)
    """Names of the reply's header fields that the client gets, in lower case."""

    named: tuple[str, ...]
    """Those among them that the config names."""

    idle: float
    """Seconds for which either side may be silent while a body goes by."""

    def __str__(self) -> str:
        kept = f" · keeps {', '.join(self.named)}" if self.named else ""
        return f"passthrough, idle {show_duration(self.idle)}{kept}"


@dataclass(frozen=True, slots=True)
class Plan:
    """An endpoint, compiled."""

    method: str
    path: str
    timeout: float
    """Seconds until the deadline of the whole answer."""

    steps: tuple[Step, ...]
    """In the order written, which is the order of the answer."""

    shape: Shape = field(repr=False)
    head: Head | None = field(default=None, repr=False)
    """Status and headers of a good answer, where the endpoint says something of them."""

    inputs: tuple[Input, ...] = field(default=(), repr=False)
    fields: Input | None = field(default=None, repr=False)
    """The input by which clients say what they want of the answer; None where the name is taken."""

    summary: str | None = field(default=None, repr=False)
    description: str | None = field(default=None, repr=False)
    tags: tuple[str, ...] = field(default=(), repr=False)
    reads_replies: frozenset[str] = frozenset()
    """Steps whose status or headers somebody reads (`steps.NAME.status`)."""

    headers: frozenset[str] = field(default=frozenset(), repr=False)
    """Names of the client's header fields that are read or sent on; no other is even decoded."""

    reads_body: bool = False
    """A step or the answer looks into the client's body."""

    takes_body: bool = False
    """Somebody looks into it, or passes it on as it came; one that nobody uses is not even received."""

    has_loops: bool = False
    has_undo: bool = False
    """There are writes to be taken back when a run comes to nothing."""

    joins: Mapping[str, frozenset[str]] = field(default_factory=dict, repr=False)
    """Steps into which others are joined, those that others wait for first; for each of them every step that has a part in that."""

    idempotency: IdempotencyPolicy | None = None
    """A request with a key runs once."""

    keeping: Keeping | None = None
    """How its answers are kept, if they are."""

    priority: Priority = "normal"
    """Whose requests are turned away first when there is too much to do."""

    passthrough: Passthrough | None = None
    """Its one step's reply is the answer, as it comes."""

    @property
    def recipes(self) -> tuple[Recipe, ...]:
        """Every call that its steps may make."""
        return tuple(recipe for step in self.steps for recipe in step.recipes)

    @property
    def decisive(self) -> set[str]:
        """Steps that must have ended before there is a word of the answer: what it begins with depends on them."""
        heads = (head for expression in self.head.expressions for head in expression.heads) if self.head else ()
        named = {*heads}.intersection(step.name for step in self.steps)
        return self.behind(named | {step.name for step in self.steps if step.may_end})

    def decided_by(self, outcomes: Mapping[str, Outcome]) -> str | None:
        """The step that ends the run with these outcomes; of several the first as written."""
        return next((step.name for step in self.steps if step.name in outcomes and step.decides(outcomes[step.name])), None)

    def behind(self, names: Collection[str]) -> set[str]:
        """These steps, and those joined into them: what must have ended before somebody who names them can look."""
        return {*names}.union(*(self.joins.get(name, ()) for name in names))

    @property
    def specificity(self) -> tuple[bool, ...]:
        """Sorts `/home/me` before `/home/{id}`: plain text before a parameter, segment by segment."""
        return tuple(segment.startswith("{") for segment in self.path.split("/"))

    def __str__(self) -> str:
        """The plan as text: a line for the endpoint, then one for each call, and one for each part of the answer that is made of others."""
        lines = [line for step in self.steps for line in step.lines()]
        response = self.shape.response
        made = [(f"→ {place}".rstrip(), text) for place, text in made_of_others(response)] if response else []
        names = max(map(len, [*(name for name, _, _ in lines), *(place for place, _ in made)]))
        calls = max(len(call) for _, call, _ in lines)
        width = 2 + names + 2 + calls + 2
        printed = [f"{f'{self.method} {self.path}':{width}}{' · '.join(map(on_a_line, self._remarks()))}"]
        printed += (
            f"  {name:{names}}  {call:{calls}}  {' · '.join(map(on_a_line, remarks))}".rstrip() for name, call, remarks in lines
        )
        printed += (f"  {place:{names}}  {text}" for place, text in made)
        return "\n".join(printed)

    def _remarks(self) -> Iterator[str]:
        yield f"within {show_duration(self.timeout)}{' to the head' if self.passthrough else ''}"
        if self.priority != "normal":
            yield f"{self.priority} priority"
        yield from (str(part) for part in (self.passthrough, self.idempotency, self.keeping, self.head) if part)


def kept_upstreams(plans: Iterable[Plan]) -> frozenset[str]:
    """Names of the upstreams of which some step keeps replies."""
    recipes = (recipe for plan in plans for step in plan.steps for recipe in (step.recipe, *step.recipes))
    return frozenset(recipe.upstream.name for recipe in recipes if recipe.policies.cache)


def broken_on_purpose(plans: Iterable[Plan]) -> tuple[str, ...]:
    """Names of the upstreams that have calls with faults to inject."""
    recipes = (recipe for plan in plans for recipe in plan.recipes)
    return tuple(dict.fromkeys(recipe.upstream.name for recipe in recipes if recipe.policies.inject))

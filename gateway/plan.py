"""Plans: what runs. A plan is frozen, complete, and prints itself; the print is what `gateway plan` shows and what tests assert."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, TypeAlias

from gateway.bodies import JSON_BODY, Encoding
from gateway.call import ANY_2XX, Expectation, Headers
from gateway.formats import JSON, SPLICED
from gateway.policy import show_duration

if TYPE_CHECKING:
    from gateway.head import Head
    from gateway.inputs import Input
    from gateway.policy import CachePolicy, RetryPolicy, TlsPolicy
    from gateway.reference import Expression, Structure, Template
    from gateway.shape import Shape
    from gateway.telemetry import SpanType

Validate: TypeAlias = Callable[[Any], Any]
"""Gives the value as its type has it, or raises `BadReply`."""


@dataclass(frozen=True, slots=True)
class Upstream:
    """A service as steps see it: where it is and what goes along with every call."""

    name: str
    url: str = field(repr=False)
    """Scheme, host and port: `http://127.0.0.1:9101`."""

    prefix: str = field(repr=False)
    """A path before every step's own; empty or `/api`."""

    max_reply: int
    """Bytes a reply may have."""

    headers: Mapping[str, str] = field(repr=False)
    transport: str = "fanin"
    """What carries the calls: `fanin` or `httpx`."""

    compression: bool = False
    """Replies are asked for in gzip or deflate."""

    tls: TlsPolicy | None = field(default=None, repr=False)
    unix: str | None = None
    """Path of a Unix socket to reach it by."""

    http2: bool = False
    proxy: str | None = field(default=None, repr=False)


@dataclass(frozen=True, slots=True)
class Target:
    """Path and query of a step's call, to be rendered."""

    path: Template
    segments: tuple[str | Expression, ...] = field(default=(), repr=False)
    """The path, the upstream's prefix before it, with all that is text percent-encoded."""

    query: tuple[tuple[str, Structure], ...] = field(default=(), repr=False)
    """Parameters of the target's own text first, those under `query` after them; their names percent-encoded."""

    text: str = ""
    """As written."""


@dataclass(frozen=True, slots=True)
class Policies:
    """What the step's stack is built from; None: that layer is not in the stack."""

    timeout: float | None = None
    """Seconds that one attempt may take."""

    retry: RetryPolicy | None = None
    cache: CachePolicy | None = None

    def __iter__(self) -> Iterator[str]:
        if self.cache:
            yield str(self.cache)
        if self.retry:
            yield str(self.retry)
        if self.timeout:
            yield f"attempt {show_duration(self.timeout)}"


@dataclass(frozen=True, slots=True)
class Recipe:
    """What makes one call out of the values at hand, and what its reply means."""

    key: str
    """Names it within its plan: the step's name, or where in the step it stands, `NAME.fallback`."""

    upstream: Upstream
    method: str
    target: Target
    base_headers: Headers = field(default=(), repr=False)
    """What is sent in any case, sorted: what the gateway accepts and what the upstream is always given."""

    headers: tuple[tuple[str, Template], ...] = field(default=(), repr=False)
    body: Structure | None = field(default=None, repr=False)
    encoding: Encoding = JSON_BODY
    """How the body is written."""

    forward_headers: tuple[str, ...] = ()
    forward_query: tuple[str, ...] = ()
    select: Expression | None = None
    expects: Expectation = ANY_2XX
    on_status: Mapping[int, Structure | None] = field(default_factory=dict, repr=False)
    """What a status means: a value, or None to skip the step."""

    policies: Policies = Policies()
    validate: Validate | None = field(default=None, repr=False, compare=False)
    """Holds the value of a good reply to its type; None where it has none."""

    def __str__(self) -> str:
        return f"{self.method} {self.upstream.name} {self.target.text}"

    def sends(self) -> Iterator[Expression]:
        """The expressions over the values at hand that make the call."""
        yield from self.target.path.expressions
        for _, template in self.headers:
            yield from template.expressions
        for structure in (*(value for _, value in self.target.query), self.body):
            if structure:
                yield from structure.expressions

    def remarks(self) -> Iterator[str]:
        """What there is to say about it besides what is called."""
        if self.encoding is not JSON_BODY:
            yield f"body {self.encoding.name}"
        if self.expects.format not in (JSON, SPLICED):
            yield f"reply {self.expects.format.name}"
        yield from self.policies

    def means(self) -> Iterator[Expression]:
        """Those that say what a status means."""
        for structure in self.on_status.values():
            if structure:
                yield from structure.expressions


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
    validate: Validate | None = field(default=None, repr=False, compare=False)
    """Holds what stands in for its value to its type; None where it has none."""

    schema: Mapping[str, Any] | None = field(default=None, repr=False, compare=False)
    """JSON Schema of its value as far as somebody said it, its references to its own `$defs`."""

    span: SpanType = field(kw_only=True, repr=False, compare=False)

    def __str__(self) -> str:
        return str(self.recipe)

    @property
    def recipes(self) -> tuple[Recipe, ...]:
        """Every call that it may make."""
        return (self.recipe,)

    def reads(self) -> Iterator[Expression]:
        """Every expression over the values at hand; `select` reads its own reply."""
        for recipe in self.recipes:
            yield from recipe.sends()
            yield from recipe.means()
        if self.fallback:
            yield from self.fallback.expressions
        if self.when:
            yield self.when

    def remarks(self) -> Iterator[str]:
        """What there is to say about it besides the call itself."""
        if self.needs:
            yield f"needs {', '.join(self.needs)}"
        if self.when:
            yield f"when {self.when}"
        if self.optional:
            yield f"optional, else {show_literal(self.fallback)}" if self.fallback else "optional"
        elif self.fallback:
            yield f"else {show_literal(self.fallback)}"
        yield from self.recipe.remarks()


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
    summary: str | None = field(default=None, repr=False)
    reads_replies: frozenset[str] = frozenset()
    """Steps whose status or headers somebody reads (`steps.NAME.status`)."""

    headers: frozenset[str] = field(default=frozenset(), repr=False)
    """Names of the client's header fields that are read or sent on; no other is even decoded."""

    reads_body: bool = False
    """A step or the answer looks into the client's body."""

    takes_body: bool = False
    """Somebody looks into it, or passes it on as it came; one that nobody uses is not even received."""

    @property
    def recipes(self) -> tuple[Recipe, ...]:
        """Every call that its steps may make."""
        return tuple(recipe for step in self.steps for recipe in step.recipes)

    @property
    def specificity(self) -> tuple[bool, ...]:
        """Sorts `/home/me` before `/home/{id}`: plain text before a parameter, segment by segment."""
        return tuple(segment.startswith("{") for segment in self.path.split("/"))

    def __str__(self) -> str:
        """The plan as text: a line for the endpoint, then one for each step."""
        names = max(len(step.name) for step in self.steps)
        calls = max(len(str(step)) for step in self.steps)
        width = 2 + names + 2 + calls + 2
        remarks = " · ".join((f"within {show_duration(self.timeout)}", *([str(self.head)] if self.head else [])))
        head = f"{f'{self.method} {self.path}':{width}}{remarks}"
        steps = (f"  {step.name:{names}}  {step!s:{calls}}  {' · '.join(step.remarks())}".rstrip() for step in self.steps)
        return "\n".join((head, *steps))


def show_literal(structure: Structure) -> str:
    """A fallback on one line, as it could be written in the config."""
    return _show(structure.data)


def _show(node: Any) -> str:
    if isinstance(node, dict):
        return "{" + ", ".join(f"{name}: {_show(child)}" for name, child in node.items()) + "}"
    if isinstance(node, list):
        return "[" + ", ".join(_show(child) for child in node) + "]"
    text = json.dumps(node) if node is None or isinstance(node, bool | int | float) else str(node)
    return text if text and text.isprintable() else json.dumps(text)

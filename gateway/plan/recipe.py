"""Recipes: what makes one call out of the values at hand, where it goes, and what its reply means. Frozen."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal, TypeAlias

from gateway.bodies import JSON_BODY, Encoding
from gateway.call import ANY_2XX, Expectation, Headers
from gateway.deadline import SECONDS
from gateway.formats import JSON, SPLICED
from gateway.plan.wording import show_value
from gateway.policy import show_duration

if TYPE_CHECKING:
    from gateway.expressions.reference import Expression, Structure, Template
    from gateway.openapi.document import Document
    from gateway.policy import (
        BreakerPolicy,
        BulkheadPolicy,
        CachePolicy,
        DiscoverPolicy,
        EjectPolicy,
        HealthPolicy,
        HedgePolicy,
        InjectPolicy,
        RetryPolicy,
        ThrottlePolicy,
        TlsPolicy,
    )


@dataclass(frozen=True, slots=True)
class Upstream:
    """A service as steps see it: where it is and what goes along with every call."""

    name: str
    url: str = field(repr=False)
    """Scheme, host and port: `http://127.0.0.1:9101`. The first of several hosts."""

    prefix: str = field(repr=False)
    """A path before every step's own; empty or `/api`."""

    max_reply: int
    """Bytes a reply may have."""

    headers: Mapping[str, str] = field(repr=False)
    transport: str = "fanin"
    """What carries the calls: `fanin` or `httpx`."""

    compression: bool = False
    """Replies are asked for in gzip or deflate."""

    document: Document | None = field(default=None, repr=False, compare=False)
    """Its own OpenAPI document."""

    document_url: str | None = field(default=None, repr=False)
    """Where that is to be had when serving starts."""

    tls: TlsPolicy | None = field(default=None, repr=False)
    unix: str | None = None
    """Path of a Unix socket to reach it by."""

    http2: bool = False
    proxy: str | None = field(default=None, repr=False)
    others: tuple[str, ...] = field(default=(), repr=False)
    """Further hosts to choose from."""

    health: HealthPolicy | None = None
    """How they are asked whether they are well."""

    discover: DiscoverPolicy | None = None
    """How they are found; their names to the world stay that of `url`."""

    breaker: BreakerPolicy | None = None
    eject: EjectPolicy | None = None
    throttle: ThrottlePolicy | None = None
    bulkhead: BulkheadPolicy | None = None
    deadline_header: str | None = SECONDS
    """Name of the header that says how much time is left, in lower case."""

    broken: bool = False
    """This process was told to do to its calls what the config injects."""

    @property
    def hosts(self) -> tuple[str, ...]:
        """The URL of each of its hosts."""
        return (self.url, *self.others)

    def remarks(self) -> Iterator[str]:
        """What there is to say of its hosts, of how many calls it has at a time, and of what keeps calls away from it."""
        policies = (self.discover, self.throttle, self.bulkhead, self.breaker, self.eject, self.health)
        yield from (str(one) for one in policies if one)


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
    coalesce: bool = False
    """Calls that are the same are one."""

    hedge: HedgePolicy | None = None
    inject: InjectPolicy | None = None

    @property
    def attempts(self) -> int:
        """Attempts that one call may come to."""
        return self.retry.attempts if self.retry else 1

    @property
    def sends(self) -> int:
        """Calls to the upstream that one call may come to."""
        return self.attempts * 2 if self.hedge else self.attempts

    def __iter__(self) -> Iterator[str]:
        if self.cache:
            yield str(self.cache)
        if self.coalesce != bool(self.cache):
            yield "coalesced" if self.coalesce else "not coalesced"
        if self.retry:
            yield str(self.retry)
        if self.hedge:
            yield str(self.hedge)
        if self.timeout:
            yield f"attempt {show_duration(self.timeout)}"
        if self.inject:
            yield str(self.inject)


Validate: TypeAlias = Callable[[Any], Any]
"""Gives the value as its type has it, or raises `BadReply`."""

Meaning: TypeAlias = "Structure | Literal['skip', 'end']"

_WORDS = {"skip": "skipped", "end": "ends"}


@dataclass(frozen=True, slots=True)
class Label:
    """By what the replies to a call are told apart and purged, where the config says so."""

    key: Template | None = None
    """What tells them apart in place of all that is sent."""

    tags: tuple[Template, ...] = ()

    @property
    def expressions(self) -> Iterator[Expression]:
        """The references in it."""
        for template in (*([self.key] if self.key else []), *self.tags):
            yield from template.expressions


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
    on_status: Mapping[int, Meaning] = field(default_factory=dict, repr=False)
    """What a status means: a value, or a word for what becomes of the step."""

    policies: Policies = Policies()
    label: Label | None = None
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
        if self.expects.accept:
            yield f"accepts {', '.join(map(str, sorted(self.expects.accept)))}"
        yield from self._meanings()
        yield from self.policies
        yield from self.upstream.remarks()

    def _meanings(self) -> Iterator[str]:
        by_words: dict[str, list[int]] = {}
        for status, meaning in self.on_status.items():
            by_words.setdefault(_WORDS[meaning] if isinstance(meaning, str) else show_value(meaning), []).append(status)
        for words, statuses in by_words.items():
            yield f"{words} on {', '.join(map(str, sorted(statuses)))}"

    def means(self) -> Iterator[Expression]:
        """Those that say what a status means."""
        for meaning in self.on_status.values():
            if not isinstance(meaning, str):
                yield from meaning.expressions

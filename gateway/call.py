"""The page that everything else is about.

A **call** goes to a **caller** and comes back as a **reply**. A **layer** wraps a caller and gives a caller. Sending to the wire is
a caller, and so is a retry, a cache, a timeout around it: they compose because they are all the same thing.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Protocol, TypeAlias, TypeVar, dataclass_transform

from gateway.formats import JSON, SPLICED, Format

if TYPE_CHECKING:
    import asyncio

    from gateway.caching import Entry, Place
    from gateway.errors import CallError
    from gateway.passage import Passage
    from gateway.policy import InjectPolicy
    from gateway.telemetry import Span

Class = TypeVar("Class")


@dataclass_transform(frozen_default=True, field_specifiers=(field,))
def value_type(made: type[Class]) -> type[Class]:
    """A dataclass of which there are several to a request: frozen to the type checker alone, since being it costs 1.1 µs each against 0.2."""
    return dataclass(slots=True)(made)


Headers: TypeAlias = Sequence[tuple[str, str]]
"""Header fields as (name in lower case, value), in order, repeated names allowed."""

NO_BODY = frozenset({201, 202, 204, 205, 304})
"""Statuses whose empty body is no mistake."""


@dataclass(frozen=True, slots=True)
class Expectation:
    """What a step takes for a good reply."""

    accept: frozenset[int] | None = None
    """Statuses whose body is the step's value; None: any 2xx."""

    handled: frozenset[int] = frozenset()
    """Further statuses that are no failure because `on_status` says what they mean; their body is not read."""

    format: Format = JSON
    """How its body is read."""

    @property
    def spliced(self) -> bool:
        """The body goes into the answer as it came."""
        return self.format is SPLICED

    def takes(self, status: int) -> bool:
        """The body of a reply with this status is the step's value."""
        return status in self.accept if self.accept is not None else 200 <= status < 300


ANY_2XX = Expectation()


@value_type
class Call:
    """One request to an upstream, completely decided: nothing in it is left to look up."""

    upstream: str
    """Name of the upstream, as in the config."""

    method: str
    target: str
    """Path and query below the upstream's url, percent-encoded: `/users/42?limit=5`."""

    deadline: float = field(repr=False)
    """Absolute time of the running event loop, in seconds, after which nobody waits any more."""

    span: Span = field(repr=False)
    """The span that this call belongs to; layers annotate it, or open their own below it."""

    template: str = ""
    """The path as written, `/users/{path.user_id}`: a name for spans that has no ids in it."""

    headers: Headers = field(default=(), repr=False)
    body: bytes = field(default=b"", repr=False)
    expects: Expectation = ANY_2XX
    timeout: float | None = None
    """Seconds that one attempt may take; None: as long as the deadline allows."""

    attempt: int = 1
    """1 for the first send; a retry counts up."""

    tried: list[str] = field(default_factory=list, repr=False)
    """URLs of the hosts that attempts at it have gone to, where its upstream has several."""

    passage: Passage | None = field(default=None, repr=False)
    """Where the bodies go by, if they do: the call has none of its own, nor has its reply, and every status is a good one."""

    inject: InjectPolicy | None = field(default=None, repr=False)
    """What is to be done to it on purpose, in a process that was told to inject."""

    place: Place | None = field(default=None, repr=False)
    """Where its reply is kept, if it may be."""

    def varied(self, span: Span, deadline: float, attempt: int, place: Place | None = None) -> Call:
        """The same call with what layers change. Written out: `dataclasses.replace` looks up every field anew (3.4 µs against 0.3)."""
        return Call(
            self.upstream,
            self.method,
            self.target,
            deadline,
            span,
            self.template,
            self.headers,
            self.body,
            self.expects,
            self.timeout,
            attempt,
            self.tried,
            self.passage,
            self.inject,
            place or self.place,
        )


@value_type
class Reply:
    """What came back, read to its end. Also the outcome of a step that went well."""

    status: int
    headers: Headers = field(default=(), repr=False)
    body: bytes = field(default=b"", repr=False)
    value: Any = field(default=None, repr=False)
    """The decoded body, or its checked text where the step's reply is spliced; None where there is none."""

    cache: str | None = None
    """How the cache took part (`hit`, `stale`, `miss`, `revalidated`); None when there is no cache, or it had no part."""

    entry: Entry | None = field(default=None, repr=False)
    """As what it is kept, with its times; None when it is not."""

    def with_value(self, value: Any) -> Reply:
        """The same reply, taken for another value."""
        return Reply(self.status, self.headers, self.body, value, self.cache, self.entry)

    def header(self, name: str) -> str | None:
        """The first value of a header field, by its name in lower case."""
        return next((value for key, value in self.headers if key == name), None)


@value_type
class Gathered(Reply):
    """What the calls of a loop came to, as one reply: its value is the list of theirs."""

    items: tuple[Any, ...] = field(default=(), repr=False)
    """The item that each of the values belongs to."""

    lacks: tuple[CallError, ...] = ()
    """Why values are null that should not be; one for each."""

    parts: tuple[Reply, ...] = field(default=(), repr=False)
    """The replies that it was gathered from."""


@value_type
class Failed:
    """The outcome of a step whose call came to nothing."""

    error: CallError

    def __post_init__(self) -> None:
        # What it has passed would hold on to the run that has this outcome (since Python 3.12 a frame has its caller's, also of a coroutine),
        # and only the garbage collector would free them: megabytes at times. That it failed, and how, is all that anybody asks.
        self.error.__cause__ = self.error.__context__ = None
        self.error.with_traceback(None)


@value_type
class Skipped:
    """The outcome of a step that was not to run; not a failure."""

    because: str


@value_type
class Ended:
    """The outcome of a step that decides the whole answer: the run is over."""

    status: int
    value: Any = field(default=None, repr=False)
    """The answer; what it is worth `is_answer` says."""

    is_answer: bool = False
    """The value is the answer. Otherwise the client gets a problem with the status."""


Outcome: TypeAlias = Reply | Failed | Skipped | Ended
Caller: TypeAlias = Callable[[Call], Awaitable[Reply]]
Layer: TypeAlias = Callable[[Caller], Caller]


class Shelf(Protocol):
    """Where replies are kept that a batch need not ask for again. An item is what stands for it: its own call, and whatever other call has a
    part in it.
    """

    async def kept(self, items: Sequence[Sequence[Call]]) -> Sequence[Reply | None]:
        """What is kept for each of these items, in one trip. What is `stale` is for when there is nothing better to be had."""

    async def keep(self, items: Sequence[Sequence[Call]], replies: Sequence[Reply], asked_at: float) -> None:
        """Keep the reply for each of these items, if it may be kept; they were asked for at this time, by the clock of entries."""


@dataclass(frozen=True, slots=True)
class Callers:
    """What the recipes of a plan are sent by."""

    of: Mapping[str, Caller] = field(repr=False)
    """By the recipe's key."""

    shelves: Mapping[str, Shelf] = field(default_factory=dict, repr=False)
    """Of the steps that fetch in batches and whose replies are kept, by the step's name."""

    left: set[asyncio.Future[Any]] = field(default_factory=set, repr=False)
    """What may go on when a run is over: writes being taken back."""

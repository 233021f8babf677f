"""What a request leaves behind: one record, read by everybody.

A `Trace` is the record of one request, its `Span`s what happened when. Spans on their way to a viewer, the `Server-Timing` header
and the waterfall in the terminal are all prints of this one record, so they cannot disagree. Nothing here knows OpenTelemetry's SDK:
`export/` turns a finished record into its spans.

Every name of a span, an attribute or a metric is declared here, by OpenTelemetry's semantic conventions 1.44.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from contextvars import ContextVar
from dataclasses import dataclass, field
from typing import Literal, NamedTuple, TypeAlias

# -- names: OpenTelemetry's --------------------------------------------------------------------------------------------
HTTP_METHOD = "http.request.method"
HTTP_RESEND_COUNT = "http.request.resend_count"
HTTP_ROUTE = "http.route"
HTTP_STATUS = "http.response.status_code"
HTTP_REQUEST_SIZE = "http.request.body.size"
HTTP_RESPONSE_SIZE = "http.response.body.size"
ERROR_TYPE = "error.type"
URL_PATH = "url.path"
URL_SCHEME = "url.scheme"
URL_FULL = "url.full"
URL_TEMPLATE = "url.template"
SERVER_ADDRESS = "server.address"
SERVER_PORT = "server.port"
CLIENT_ADDRESS = "client.address"
USER_AGENT = "user_agent.original"
PROTOCOL_VERSION = "network.protocol.version"
CONNECTION_STATE = "http.connection.state"
PROCESS = "process.pid"
OVERFLOW = "otel.metric.overflow"

# -- names: our own ----------------------------------------------------------------------------------------------------
STEP_NAME = "gateway.step.name"
STEP_OUTCOME = "gateway.step.outcome"
STEP_REASON = "gateway.step.reason"
STEP_INSTEAD = "gateway.step.instead"
STEP_ITEMS = "gateway.step.items"
STEP_OPTIONAL = "gateway.step.optional"
UPSTREAM_NAME = "gateway.upstream.name"
CACHE_STATUS = "gateway.cache.status"
CACHE_TTL = "gateway.cache.ttl"
CACHE_TIER = "gateway.cache.tier"
RETRY_DELAY = "gateway.retry.delay"
BREAKER_STATE = "gateway.breaker.state"
THROTTLE_SHARE = "gateway.throttle.share"
INJECTED = "gateway.injected"
RETRY_OVER_BUDGET = "gateway.retry.over_budget"
PAUSE_DELAY = "gateway.pause.delay"
BULKHEAD_DELAY = "gateway.bulkhead.delay"
HEDGE = "gateway.hedge"
ANSWER_COMPLETE = "gateway.answer.complete"
PLAN_STEPS = "gateway.plan.steps"
CONFIG_REVISION = "gateway.config.revision"
TELEMETRY_SIGNAL = "gateway.telemetry.signal"
TRACE_KEPT = "gateway.trace.kept"

FREE_TEXT = frozenset({URL_PATH, URL_FULL, USER_AGENT, STEP_REASON})
"""What hardly ever has the same value twice. All other attributes have few values, so that whoever encodes them may keep them."""

Kind: TypeAlias = Literal["server", "client", "internal"]
Attribute: TypeAlias = str | bool | int | float


class Metric(NamedTuple):
    """A figure of many requests together."""

    name: str
    kind: Literal["histogram", "counter", "gauge"]
    unit: str
    """By UCUM: seconds are `s`, bytes `By`, and `{call}` says what is counted."""

    meaning: str
    attributes: tuple[str, ...] = ()
    """What tells its series apart. None of them has values that a client can make up."""


BUCKETS = (0.005, 0.01, 0.025, 0.05, 0.075, 0.1, 0.25, 0.5, 0.75, 1, 2.5, 5, 7.5, 10)
"""Upper bounds of what histograms count together, in seconds."""

_ENDPOINT = (HTTP_METHOD, HTTP_ROUTE)
_HOST = (SERVER_ADDRESS, SERVER_PORT)

SERVER_DURATION = Metric(
    "http.server.request.duration", "histogram", "s", "How long requests took.", (*_ENDPOINT, HTTP_STATUS, ERROR_TYPE)
)
SERVER_ACTIVE = Metric("http.server.active_requests", "gauge", "{request}", "Requests in flight.", _ENDPOINT)
CLIENT_DURATION = Metric(
    "http.client.request.duration",
    "histogram",
    "s",
    "How long attempts at upstreams took, to the last byte of the reply.",
    (UPSTREAM_NAME, HTTP_METHOD, URL_TEMPLATE, *_HOST, HTTP_STATUS, ERROR_TYPE),
)
CLIENT_ACTIVE = Metric("http.client.active_requests", "gauge", "{request}", "Connections that carry an attempt.", _HOST)
CLIENT_CONNECTIONS = Metric(
    "http.client.open_connections", "gauge", "{connection}", "Connections to upstreams.", (*_HOST, CONNECTION_STATE)
)
STEP_DURATION = Metric(
    "gateway.step.duration",
    "histogram",
    "s",
    "How long steps took.",
    (*_ENDPOINT, STEP_NAME, UPSTREAM_NAME, STEP_OUTCOME, ERROR_TYPE),
)
CACHE_REQUESTS = Metric(
    "gateway.cache.requests",
    "counter",
    "{request}",
    "What the cache did for steps, and for whole answers, which name no step.",
    (*_ENDPOINT, STEP_NAME, UPSTREAM_NAME, CACHE_STATUS),
)
CACHE_SIZE = Metric("gateway.cache.size", "gauge", "By", "What is kept in the memory of the processes.", (CACHE_TIER,))
BREAKERS = Metric(
    "gateway.breaker.state",
    "gauge",
    "{breaker}",
    "How many breakers of a host are in a state, each process having its own.",
    (UPSTREAM_NAME, *_HOST, BREAKER_STATE),
)
RETRIES = Metric("gateway.upstream.retries", "counter", "{attempt}", "Attempts that were not the first.", (UPSTREAM_NAME,))
HEDGES = Metric("gateway.upstream.hedges", "counter", "{attempt}", "Second copies that were sent.", (UPSTREAM_NAME,))
PARTIAL = Metric("gateway.answer.partial", "counter", "{answer}", "Answers that were made without a part of them.", _ENDPOINT)
RELOADS = Metric("gateway.config.reloads", "counter", "{reload}", "Configs taken up while the gateway ran.")
SHED = Metric("gateway.shed.requests", "counter", "{request}", "Requests turned away since there was too much to do.")
LOST = Metric(
    "gateway.telemetry.lost",
    "counter",
    "{record}",
    "What was to be told and is lost: `spans` that no collector took, traces (`journal`) that the journal did not, lines (`logs`) that nobody read.",
    (TELEMETRY_SIGNAL,),
)
WORKERS = Metric("gateway.workers", "gauge", "{process}", "Processes whose figures these are.", (PROCESS,))

METRICS = (
    *(SERVER_DURATION, SERVER_ACTIVE, CLIENT_DURATION, CLIENT_ACTIVE, CLIENT_CONNECTIONS, STEP_DURATION, CACHE_REQUESTS),
    *(CACHE_SIZE, BREAKERS, RETRIES, HEDGES, PARTIAL, RELOADS, SHED, LOST, WORKERS),
)


@dataclass(frozen=True, slots=True, eq=False)
class SpanType:
    """What all spans of one type have in common. Made once, when the gateway starts; whoever encodes spans encodes this once too."""

    name: str
    kind: Kind = "internal"
    attributes: Mapping[str, Attribute] = field(default_factory=dict)


SHAPE = SpanType("shape")
TRANSFORM = SpanType("transform")
"""The shape too, made in a thread since a user's function in it takes long."""


class Link(NamedTuple):
    """A span that another one has to do with without being below it: in most cases it is of another trace."""

    trace: int
    span: int
    sampled: bool


LONGEST_HEAD = 4096
"""Bytes of a body that are kept."""


class Head(NamedTuple):
    """The beginning of a body."""

    kind: str
    """Its `Content-Type`."""

    data: bytes
    size: int
    """Bytes of the whole."""


@dataclass(slots=True, eq=False)
class Exchange:
    """What an attempt asked for and what came back, for who looks at it later. It is nobody else's: no exporter has it."""

    target: str
    sent: Head | None = None
    came: Head | None = None


@dataclass(slots=True, eq=False)
class Span:
    """One thing that took time; as a context it ends when the block is left, however it is left.

    Times are nanoseconds since the epoch, taken from the monotonic clock.
    """

    trace: Trace = field(repr=False)
    type: SpanType
    id: int
    parent: int | None
    """Id of the span above; None at the root of a trace that began here."""

    start: int
    end: int | None = None
    own: dict[str, Attribute] = field(default_factory=dict)
    """Attributes that its type does not have, since they differ from one to the next."""

    error: bool = False
    """The span itself failed. A failure that was retried or absorbed does not mark the spans above it."""

    links: tuple[Link, ...] = ()

    @property
    def name(self) -> str:
        """What it is called in a viewer."""
        return self.type.name

    @property
    def kind(self) -> Kind:
        """Whose side of a request it shows."""
        return self.type.kind

    @property
    def attributes(self) -> dict[str, Attribute]:
        """All of them, its type's first; to be read, not written."""
        return {**self.type.attributes, **self.own}

    @property
    def milliseconds(self) -> str:
        """How long it took, or has taken so far, to a tenth: `12.3`. Half of what formatting a float costs, several times a request."""
        tenths = ((self.end or self.trace.now()) - self.start + 50_000) // 100_000
        return f"{tenths // 10}.{tenths % 10}"

    @property
    def seconds(self) -> float:
        """How long it took, or has taken so far."""
        return ((self.end or self.trace.now()) - self.start) / 1e9

    @property
    def traceparent(self) -> str:
        """The W3C `traceparent` header that names this span as the parent of what follows."""
        return f"{self.trace.before_id}{self.id:016x}{self.trace.after_id}"

    def fail(self, error_type: str) -> None:
        """Mark the span as failed; the type is a status code or an exception's full class name."""
        self.error = True
        self.own[ERROR_TYPE] = error_type

    def link(self, other: Span) -> None:
        """Tell that it has to do with a span that it is not below."""
        self.links = (*self.links, Link(other.trace.id, other.id, other.trace.sampled))

    def child(self, of: SpanType) -> Span:
        """Begin a span below this one."""
        return self.trace.span(of, self.id)

    def __enter__(self) -> Span:
        return self

    def __exit__(self, *_: object) -> None:
        self.end = self.trace.epoch + time.monotonic_ns()


@dataclass(slots=True, eq=False)
class Trace:
    """The record of one request: an identity and the spans so far, in the order they began."""

    id: int
    sampled: bool
    next_id: Callable[[], int] = field(repr=False)
    """Gives ids to spans; injected, so that a test can say what they are."""

    remote_parent: int | None = None
    tracestate: str = ""
    recorded: bool = True
    """Somebody will look at it: otherwise its spans are only measured, and have no attributes worth their making."""

    exchanges: dict[int, Exchange] | None = field(default=None, repr=False)
    """By the attempt's span; None where none are kept."""

    spans: list[Span] = field(default_factory=list, repr=False)
    epoch: int = field(default_factory=lambda: time.time_ns() - time.monotonic_ns(), repr=False)
    """What to add to the monotonic clock, so that a clock set back never makes a negative duration."""

    before_id: str = field(init=False, repr=False)
    """What each `traceparent` of this trace begins with; made once, since a request writes one for every attempt (0.2 µs against 0.45)."""

    after_id: str = field(init=False, repr=False)

    def __post_init__(self) -> None:
        self.before_id, self.after_id = f"00-{self.id:032x}-", "-01" if self.sampled else "-00"

    def now(self) -> int:
        """Nanoseconds since the epoch, never running backwards within a trace."""
        return self.epoch + time.monotonic_ns()

    def span(self, of: SpanType, parent: int | None) -> Span:
        """Begin a span; whoever begins it ends it."""
        # As `now` says, here and where a span ends: the call would take as long as reading the clock (0.07 µs, sixteen times a request).
        span = Span(self, of, self.next_id(), parent, self.epoch + time.monotonic_ns())
        self.spans.append(span)
        return span

    def gauge(self, of: SpanType) -> Span:
        """Begin a span that is measured and that nobody looks at: it has no identity, which is a third of its making."""
        span = Span(self, of, 0, None, self.epoch + time.monotonic_ns())
        self.spans.append(span)
        return span

    @property
    def root(self) -> Span:
        """The span of the request itself."""
        return self.spans[0]


CURRENT: ContextVar[Span | None] = ContextVar("span", default=None)
"""The request, or the work in the background, that whatever is logged now is about. For the log alone: spans are passed, not found."""


def error_type(error: BaseException) -> str:
    """The full class name, as `error.type` wants it."""
    return f"{type(error).__module__}.{type(error).__qualname__}"

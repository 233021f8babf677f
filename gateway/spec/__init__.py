"""What may be written in a config. Frozen, and a key that is not known is refused: a typo is never silently ignored.

Each field's docstring is its manual: it ends up in the JSON Schema that editors read (`gateway schema`) and in `docs/reference`.
"""

from __future__ import annotations

from types import NoneType, UnionType
from typing import Annotated, Any, Literal, Union, get_args, get_origin

from pydantic import BaseModel, ConfigDict, Field, WithJsonSchema

from gateway.deadline import SECONDS
from gateway.finding import Path
from gateway.policy import (
    BreakerPolicy,
    BulkheadPolicy,
    CachePolicy,
    DiscoverPolicy,
    Duration,
    EjectPolicy,
    HealthPolicy,
    HedgePolicy,
    IdempotencyPolicy,
    InjectPolicy,
    Priority,
    RetryPolicy,
    ShedPolicy,
    Size,
    TelemetryPolicy,
    ThrottlePolicy,
    TlsPolicy,
    or_off,
    or_on,
)
from gateway.spec.answers import MergeSpec, TransformSpec
from gateway.spec.steps import BatchSpec, CallSpec, EndSpec, FallbackSpec, JoinSpec, LimitSpec, StepSpec, UndoSpec
from gateway.spec.storage import RedisSpec, StorageSpec
from gateway.spec.words import (
    CHARACTERS,
    CLOSED,
    METHODS,
    CallForwardSpec,
    ForwardSpec,
    FurtherMethod,
    HeaderName,
    Name,
    Scalar,
    Spec,
)

__all__ = [
    "CHARACTERS", "METHODS", "AnswerSpec", "BatchSpec", "CallForwardSpec", "CallSpec", "ConsoleSpec", "EndSpec", "EndpointSpec", "FallbackSpec",
    "ForwardSpec", "GatewaySpec", "HeaderName", "InputSpec", "JoinSpec", "LimitSpec", "MergeSpec", "Name", "PassthroughSpec", "RedisSpec",
    "Spec", "StepSpec", "StorageSpec", "TransformSpec", "UndoSpec", "UpstreamSpec", "known_keys",
]  # fmt: skip


class UpstreamSpec(Spec):
    """A remote HTTP service that steps call."""

    model_config = ConfigDict(
        json_schema_extra={"oneOf": [{"required": ["url"]}, {"required": ["urls"]}, {"required": ["discover"]}]}
    )

    url: str | None = None
    """Where it is: `http://127.0.0.1:9101`, with a path in front of every step's own if there is one."""

    urls: tuple[str, ...] = ()
    """The same for an upstream on several hosts, in place of `url`: each call goes to the better of two drawn by lot, and a retry to
    another one than before. Their paths must be the same."""

    discover: DiscoverPolicy | None = None
    """The same for an upstream whose hosts are found in DNS, and looked for again while the gateway runs."""

    timeout: Duration | None = None
    """Limit of one attempt. Without it an attempt may take as long as the endpoint."""

    max_reply: Size = Field(10 * 1024**2, json_schema_extra={"default": "10MiB"})
    """A larger reply is a failure."""

    headers: dict[HeaderName, str] = Field(default={}, json_schema_extra=CLOSED)
    """Headers sent with every call, such as an API key: `{X-Api-Key: "${API_KEY}"}`."""

    forward: ForwardSpec = ForwardSpec()
    """What of the client's request goes along with every call."""

    deadline_header: Annotated[HeaderName | None, or_off(HeaderName)] = SECONDS
    """Header that tells how much time is left, so that it need not work for nobody: in seconds, or as gRPC writes it under `grpc-timeout`.
    `false`: none."""

    openapi: str | None = None
    """Its own OpenAPI document (3.0 or 3.1, JSON or YAML): a file, beside the config, or a URL that is asked when serving starts. Steps are held to
    its paths, and the answers' schemas come from it."""

    transport: Literal["fanin", "httpx"] = "fanin"
    """What carries the calls: our own HTTP/1.1, or httpx's stock transport."""

    compression: bool = False
    """Ask for replies in gzip or deflate. Worth its CPU, here and there, where the network between is slow or paid for."""

    tls: TlsPolicy | None = None
    """Certificates, for an `https://` url. Without it the system's are trusted, and none is shown."""

    unix: str | None = None
    """Path of a Unix socket that leads there; `url` still says the host that is asked for."""

    http2: bool = False
    """Speak HTTP/2 where the upstream does, with `transport: httpx` and the package `h2`."""

    proxy: str | None = None
    """URL of a proxy to go by, with `transport: httpx`: `http://proxy.internal:3128`."""

    retry: RetryPolicy | None = None
    """Send again what failed in passing. Off unless written."""

    cache: CachePolicy | None = None
    """Keep good replies. Off unless written."""

    coalesce: bool | None = None
    """GETs that are the same, and in flight at the same time, are one call whose reply all of them get. Unless written it is what `cache`
    says, and without a cache `false`."""

    breaker: BreakerPolicy | None = None
    """Leave a host alone that fails. Off unless written."""

    eject: EjectPolicy | None = None
    """Send no calls to a host of several that fails. Off unless written."""

    bulkhead: BulkheadPolicy | None = None
    """Only so many calls at a time. Off unless written; `{}` turns it on."""

    hedge: HedgePolicy | None = None
    """Ask again when a reply takes longer than usual, and take the first. Off unless written; `{}` turns it on."""

    throttle: ThrottlePolicy | None = None
    """Ask the upstream less while it turns calls away. Off unless written."""
    inject: InjectPolicy | None = None
    """Break its calls on purpose, in a process that was told to inject (`GATEWAY_INJECT=1`)."""

    health: HealthPolicy | None = None
    """Ask each host how it is, and send no calls to one that is not well. Off unless written."""


class InputSpec(Spec):
    """An input that needs a type, a bound or a default. The words are those of JSON Schema."""

    in_: Literal["path", "query", "header"] = Field(alias="in")
    """Where the client gives it."""

    type: Literal["string", "integer", "number", "boolean", "array"] = "string"
    """`array` collects a repeated query parameter, or one with commas, into a list of strings."""

    description: str | None = None
    """For the OpenAPI document."""

    required: bool = False
    """Its absence is a 422. Path inputs are always required."""

    default: Any = None
    """Its value when the client does not give it."""

    enum: tuple[Scalar, ...] | None = None
    """The only values allowed."""

    minimum: float | None = None
    """Smallest number allowed."""

    maximum: float | None = None
    """Largest number allowed."""

    min_length: int | None = Field(None, ge=0, alias="minLength")
    """Fewest characters, or values of an array."""

    max_length: int | None = Field(None, ge=0, alias="maxLength")
    """Most characters, or values of an array."""

    pattern: str | None = None
    """A regular expression the whole text must match; matched in linear time."""


class PassthroughSpec(Spec):
    """What there is to say of an endpoint whose request and reply go by, unread, as they come."""

    methods: tuple[FurtherMethod, ...] = ()
    """Methods that go by besides the endpoint's own, each as it is: the call has the client's, whatever its step is written with."""

    headers: tuple[HeaderName, ...] = ()
    """Headers of the reply to keep besides those that describe it."""

    idle: Duration = Field(60.0, json_schema_extra={"default": "1m"})
    """How long either side may be silent while a body goes by."""


class EndpointSpec(Spec):
    """What clients call, and what it takes to answer."""

    path: str
    """`/v1/home/{user_id}`: each name in braces is one segment, and a value `path.user_id`."""

    method: Literal["GET", "POST", "PUT", "PATCH", "DELETE"] = "GET"
    """The client's method. Of a POST, PUT or PATCH the JSON body is the value `body`."""

    summary: str | None = None
    """A line for the OpenAPI document."""

    description: str | None = None
    """More than a line for it, in Markdown."""

    tags: tuple[str, ...] = ()
    """What the OpenAPI document groups it under."""

    timeout: Duration = Field(2.0, json_schema_extra={"default": "2s"})
    """Deadline of the whole answer."""

    priority: Priority = "normal"
    """Who is turned away first when there is too much to do: `low`, then `normal`; `critical` only when there is no place at all."""

    inputs: dict[str, InputSpec] = Field({})
    """Inputs that need a type, a bound or a default. What is not declared is a string."""

    idempotency: Annotated[IdempotencyPolicy | None, or_on(IdempotencyPolicy)] = None
    """Run a request once for its `Idempotency-Key`, and replay its outcome to those who repeat it. `true`, or how."""

    cache: CachePolicy | None = None
    """Keep whole answers, each for all who ask for the same. Off unless written."""

    steps: dict[Name, StepSpec] = Field(min_length=1, json_schema_extra=CLOSED)
    """The calls, by name. All that need nothing of each other run at once."""

    response: Any = None
    """A template of expressions for the answer, with `merge` and `transform` in it. Without it: every step's value by its name, in the
    order written."""

    status: Annotated[
        Any, WithJsonSchema({"anyOf": [{"type": "integer", "minimum": 200, "maximum": 299}, {"type": "string"}]})
    ] = 200
    """Status of a good answer, from 200 to 299; or a reference to one, in whose place is 200 when it is none."""

    headers: dict[HeaderName, str] = Field(default={}, json_schema_extra=CLOSED)
    """Headers of a good answer. One whose value is absent is left out; of a list, each value is a line of its own."""

    passthrough: Annotated[PassthroughSpec | None, or_on(PassthroughSpec)] = None
    """The client's request and the reply of the one step go by as they come; `timeout` is for the reply's head. `true`, or how."""


class AnswerSpec(Spec):
    """What an answer says about itself."""

    errors: Annotated[Name | None, or_off(Name)] = "errors"
    """Name of the member that lists failed optional steps; `false` leaves it out."""

    server_timing: bool = True
    """Send `Server-Timing`. It tells clients how long each step took."""

    fields: bool = True
    """Let clients say what they want of an answer, as in `?fields=user,orders.total`; what only the rest takes is not called."""


class ConsoleSpec(Spec):
    """What the console shows besides what is always recorded. Harm it can do: whoever sees the console, or the journal's file, sees what
    clients and upstreams have said to each other.
    """

    bodies: bool = False
    """Keep with each trace the queries of its calls, and the first 4 KiB of the bodies that were sent to upstreams and came back. What is a
    secret by its name is left out."""


class GatewaySpec(Spec):
    """A whole config."""

    version: Literal[1]
    """The version of this language."""

    upstreams: dict[Name, UpstreamSpec] = Field(default={}, json_schema_extra=CLOSED)
    """The services that steps call, by name."""

    endpoints: tuple[EndpointSpec, ...] = Field(json_schema_extra={"minItems": 1})
    """What clients call."""

    max_calls: int = Field(500, ge=1, le=100_000)
    """Most calls to upstreams that one request may come to, retries and all. An endpoint that could make more is refused."""

    answer: AnswerSpec = AnswerSpec()
    """What every answer says about itself: what failed, and how long it took."""

    shed: Annotated[ShedPolicy | None, or_on(ShedPolicy)] = ShedPolicy()
    """When requests are turned away before anything is done for them. `false`: never."""

    telemetry: TelemetryPolicy = TelemetryPolicy()
    """Which traces are exported although the sampler did not take them."""

    console: ConsoleSpec = ConsoleSpec()
    """What the console shows besides what is always recorded."""

    cache: StorageSpec = Field(default_factory=StorageSpec)
    """Where replies and answers are kept, and how much of them."""

    outcomes_size: Size = Field(16 * 1024**2, json_schema_extra={"default": "16MiB"})
    """Bytes that outcomes kept for an `Idempotency-Key` may take in memory, in each worker; the oldest make room for new ones."""


def known_keys(path: Path) -> list[str]:
    """The keys that the spec knows at this path."""
    kind: Any = GatewaySpec
    for part in path:
        if isinstance(kind, type) and issubclass(kind, BaseModel):
            fields = {info.alias or name: info.annotation for name, info in kind.model_fields.items()}
            kind = _not_none(fields.get(str(part)))
        else:
            kind = _not_none(next((argument for argument in reversed(get_args(kind)) if argument is not Ellipsis), None))
    return [info.alias or name for name, info in getattr(kind, "model_fields", {}).items()]


def _not_none(annotation: Any) -> Any:
    """`Model | None` as `Model`, and without what is annotated."""
    if isinstance(annotation, UnionType) or get_origin(annotation) is Union:
        return _not_none(next(argument for argument in get_args(annotation) if argument is not NoneType))
    return _not_none(get_args(annotation)[0]) if get_origin(annotation) is Annotated else annotation

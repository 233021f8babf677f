"""What may be written in a config. Frozen, and a key that is not known is refused: a typo is never silently ignored.

Each field's docstring is its manual: it ends up in the JSON Schema that editors read (`gateway schema`) and in `docs/reference`.
"""

from __future__ import annotations

from collections.abc import Iterator
from types import NoneType, UnionType
from typing import Annotated, Any, Literal, TypeAlias, Union, get_args, get_origin

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, WithJsonSchema
from pydantic.config import JsonDict
from pydantic_core import PydanticCustomError

from gateway.finding import Path
from gateway.policy import CachePolicy, Duration, RetryPolicy, Size, TlsPolicy

METHODS = ("get", "post", "put", "patch", "delete")

_IDENTIFIER = r"^[A-Za-z_][A-Za-z0-9_]*$"
_HEADER_NAME = r"^[A-Za-z0-9!#$%&'*+.^_`|~-]+$"

CHARACTERS = {
    _IDENTIFIER: "a name has only letters, digits and underscores, and no digit first",
    _HEADER_NAME: "a header's name has only letters, digits and hyphens",
}
"""What each pattern says in words."""

Name: TypeAlias = Annotated[str, Field(pattern=_IDENTIFIER, max_length=64)]
HeaderName: TypeAlias = Annotated[str, Field(pattern=_HEADER_NAME, max_length=128)]
Status: TypeAlias = Annotated[int, Field(ge=100, le=599)]

_CLOSED: JsonDict = {"additionalProperties": False}
"""For the JSON Schema of keys that have a pattern: others are wrong."""


def _false_is_none(value: Any) -> Any:
    return None if value is False else value


def _or_off(kind: Any) -> Any:
    """A validator for a field that `false` turns off."""
    return BeforeValidator(_false_is_none, json_schema_input_type=kind | Literal[False] | None)


def _text_or_number(value: Any) -> Any:
    if isinstance(value, bool) or not isinstance(value, str | int | float):
        # Said once, where a union would complain for each of its parts.
        raise PydanticCustomError("scalar", "should be text or a number")
    return value


class Spec(BaseModel):
    """What all parts of a config share."""

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)

    def __repr_args__(self) -> Iterator[tuple[None, str]]:
        """Which fields are written, not what: any value may be a secret from the environment."""
        return ((None, name) for name in type(self).model_fields if name in self.model_fields_set)


class ForwardSpec(Spec):
    """What of the client's request goes along. Everything else stays here: default deny."""

    headers: tuple[HeaderName, ...] = ()
    """Names of client headers to pass on."""

    query: tuple[str, ...] = ()
    """Names of client query parameters to pass on."""


class CallForwardSpec(ForwardSpec):
    """What of the client's request goes along with one call."""

    body: bool = False
    """Pass the client's body on as it came, with its content type: it is not read here, and may be of any kind."""


class UpstreamSpec(Spec):
    """A remote HTTP service that steps call."""

    url: str
    """Where it is: `http://127.0.0.1:9101`, with a path in front of every step's own if there is one."""

    timeout: Duration | None = None
    """Limit of one attempt. Without it an attempt may take as long as the endpoint."""

    max_reply: Size = Field(10 * 1024**2, json_schema_extra={"default": "10MiB"})
    """A larger reply is a failure."""

    headers: dict[HeaderName, str] = Field(default={}, json_schema_extra=_CLOSED)
    """Headers sent with every call, such as an API key: `{X-Api-Key: "${API_KEY}"}`."""

    forward: ForwardSpec = ForwardSpec()
    """What of the client's request goes along with every call."""

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

    enum: tuple[Annotated[str | int | float, BeforeValidator(_text_or_number)], ...] | None = None
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


class CallSpec(Spec):
    """One call: what is sent, and what its reply means."""

    model_config = ConfigDict(json_schema_extra={"oneOf": [{"required": [method]} for method in METHODS]})

    get: str | None = None
    """`UPSTREAM /path/{reference}?name={reference}`. One of get, post, put, patch and delete must be written."""

    post: str | None = None
    """As `get`; with `body` to send."""

    put: str | None = None
    """As `get`; with `body` to send."""

    patch: str | None = None
    """As `get`; with `body` to send."""

    delete: str | None = None
    """As `get`."""

    query: dict[str, Any] = {}
    """Query parameters to send. One whose value is absent is left out; a list of templates repeats it."""

    headers: dict[HeaderName, str] = Field(default={}, json_schema_extra=_CLOSED)
    """Headers to send. One whose value is absent is left out."""

    body: Any = None
    """What to send: any structure, with references in its strings."""

    encode: Literal["json", "form", "text"] = "json"
    """How `body` is written. A form is a mapping: lists repeat, what is absent is left out. Text is one template."""

    decode: Literal["json", "xml", "text", "bytes", "jsonl"] = "json"
    """How the reply is read, and what is asked for."""

    forward: CallForwardSpec = CallForwardSpec()
    """What of the client's request goes along, besides what the upstream's `forward` names."""

    select: str | None = None
    """An expression over the reply's own body: what it gives is the step's value."""

    accept: tuple[Status, ...] | None = None
    """Statuses that are good. Any 2xx unless written."""

    on_status: dict[Status, Any] = Field(default={}, json_schema_extra={"propertyNames": {"pattern": "^[1-5][0-9]{2}$"}})
    """A status and what it means: a value with references, or the word `skip`."""

    timeout: Duration | None = None
    """Limit of one attempt, in place of the upstream's."""

    retry: Annotated[RetryPolicy | None, _or_off(RetryPolicy)] = None
    """In place of the upstream's; fields not written keep the upstream's. `false` turns it off."""

    cache: Annotated[CachePolicy | None, _or_off(CachePolicy)] = None
    """In place of the upstream's. `false` turns it off."""


class StepSpec(CallSpec):
    """One unit of an endpoint's work: one call. It waits for the steps that it names, and for nothing else."""

    needs: tuple[str, ...] = ()
    """Steps to wait for although nothing of theirs is used."""

    when: str | None = None
    """An expression; the step is skipped unless it holds."""

    optional: bool = False
    """May fail without failing the endpoint."""

    fallback: Any = None
    """The value used when the step fails or is skipped, with references in its strings."""


class EndpointSpec(Spec):
    """What clients call, and what it takes to answer."""

    path: str
    """`/v1/home/{user_id}`: each name in braces is one segment, and a value `path.user_id`."""

    method: Literal["GET", "POST", "PUT", "PATCH", "DELETE"] = "GET"
    """The client's method. Of a POST, PUT or PATCH the JSON body is the value `body`."""

    summary: str | None = None
    """A line for the OpenAPI document."""

    timeout: Duration = Field(2.0, json_schema_extra={"default": "2s"})
    """Deadline of the whole answer."""

    inputs: dict[str, InputSpec] = {}
    """Inputs that need a type, a bound or a default. What is not declared is a string."""

    steps: dict[Name, StepSpec] = Field(min_length=1, json_schema_extra=_CLOSED)
    """The calls, by name. All that need nothing of each other run at once."""

    response: Any = None
    """A template of expressions for the answer. Without it: every step's value by its name, in the order written."""

    status: Annotated[
        Any, WithJsonSchema({"anyOf": [{"type": "integer", "minimum": 200, "maximum": 299}, {"type": "string"}]})
    ] = 200
    """Status of a good answer, from 200 to 299; or a reference to one, in whose place is 200 when it is none."""

    headers: dict[HeaderName, str] = Field(default={}, json_schema_extra=_CLOSED)
    """Headers of a good answer. One whose value is absent is left out; of a list, each value is a line of its own."""


class AnswerSpec(Spec):
    """What an answer says about itself."""

    errors: Annotated[Name | None, _or_off(Name)] = "errors"
    """Name of the member that lists failed optional steps; `false` leaves it out."""

    server_timing: bool = True
    """Send `Server-Timing`. It tells clients how long each step took."""


class GatewaySpec(Spec):
    """A whole config."""

    version: Literal[1]
    """The version of this language."""

    upstreams: dict[Name, UpstreamSpec] = Field(default={}, json_schema_extra=_CLOSED)
    """The services that steps call, by name."""

    endpoints: tuple[EndpointSpec, ...] = Field(json_schema_extra={"minItems": 1})
    """What clients call."""

    answer: AnswerSpec = AnswerSpec()
    """What every answer says about itself: what failed, and how long it took."""

    cache_size: Size = Field(64 * 1024**2, json_schema_extra={"default": "64MiB"})
    """Bytes that cached replies may take in memory, in each worker."""


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
    """`Model | None` as `Model`."""
    if isinstance(annotation, UnionType) or get_origin(annotation) is Union:
        return next(argument for argument in get_args(annotation) if argument is not NoneType)
    return annotation

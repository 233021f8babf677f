"""What may be written of a step: its call, or a loop of them, and what stands in for it."""

from __future__ import annotations

from typing import Annotated, Any, Literal, TypeAlias

from pydantic import BeforeValidator, ConfigDict, Discriminator, Field, Tag
from pydantic.config import JsonDict

from gateway.policy import AT_ONCE, MOST_ITEMS, CachePolicy, Duration, HedgePolicy, InjectPolicy, RetryPolicy, or_off
from gateway.spec.words import CLOSED, METHODS, CallForwardSpec, HeaderName, Spec, Status


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

    query: dict[str, Any] = Field({})
    """Query parameters to send. One whose value is absent is left out; a list of templates repeats it, `["{tags}"]` for each
    of the tags."""

    headers: dict[HeaderName, str] = Field(default={}, json_schema_extra=CLOSED)
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
    """A status and what it means: a value with references, or one of the words `skip` and `end`, which ends the whole answer with it."""

    timeout: Duration | None = None
    """Limit of one attempt, in place of the upstream's."""

    retry: Annotated[RetryPolicy | None, or_off(RetryPolicy)] = None
    """In place of the upstream's; fields not written keep the upstream's. `false` turns it off."""

    cache: Annotated[CachePolicy | None, or_off(CachePolicy)] = None
    """In place of the upstream's. `false` turns it off."""

    coalesce: bool | None = None
    """In place of the upstream's."""

    hedge: Annotated[HedgePolicy | None, or_off(HedgePolicy)] = None
    """In place of the upstream's; fields not written keep the upstream's. `false` turns it off."""

    inject: Annotated[InjectPolicy | None, or_off(InjectPolicy)] = None
    """In place of the upstream's, as a whole. `false` turns it off."""


def _how_to_fall_back(written: Any) -> str:
    """Which of both a fallback is: a mapping that makes a call, or a value."""
    made = isinstance(written, FallbackSpec) or (isinstance(written, dict) and any(method in written for method in METHODS))
    return "[call]" if made else "[value]"


def _either(schema: JsonDict) -> None:
    """A call is a value too: `oneOf` would have it be one of both."""
    schema["anyOf"] = schema.pop("oneOf")


Fallback: TypeAlias = Annotated[
    Annotated["FallbackSpec", Tag("[call]")] | Annotated[Any, Tag("[value]")],
    Discriminator(_how_to_fall_back),
    Field(json_schema_extra=_either),
]


class FallbackSpec(CallSpec):
    """Another call to make when the one before it has failed."""

    fallback: Fallback = None
    """What stands in when this call fails too: a value, or a call again."""


class EndSpec(Spec):
    """The answer before all of it is there."""

    when: str
    """An expression, over this step's value too: when it holds, the run ends and what is in flight is cancelled."""

    status: Annotated[int, Field(ge=200, le=599)] = 404
    """The answer's status."""

    value: Any = None
    """The answer, with references in its strings. Without it the client gets a problem with this status."""


def _as_most(value: Any) -> Any:
    return value if isinstance(value, dict | bool | LimitSpec) else {"most": value}


class UndoSpec(CallSpec):
    """The call that takes a write back, when something else that the answer cannot do without fails after it."""

    within: Duration = Field(5.0, json_schema_extra={"default": "5s"})
    """How long it may take in all, retries included. It begins when the run has failed, whatever is left of the endpoint's timeout."""


class LimitSpec(Spec):
    """How many items a loop may have."""

    most: int | None = Field(None, ge=1, le=10_000)
    """With more of them the step fails. `limit: 100` is short for this."""

    first: int | None = Field(None, ge=1, le=10_000)
    """Of more the first ones are taken, and the answer says how many were left out."""


class BatchSpec(CallSpec):
    """One call for many items."""

    size: int = Field(50, ge=1, le=10_000)
    """Items in one call, at most."""

    key: str | None = None
    """An expression over each element of the reply, which is a list (and over each item, where items are objects): equal for an item
    and what belongs to it. Without it the reply is an object with a member for each item."""


class JoinSpec(Spec):
    """What a loop's values are put into."""

    into: str
    """The objects they are put into, as a path of names and lists: `orders[].items[]`, which begins with a step."""

    on: str
    """An expression over each of those objects (and over each item, where items are objects): equal to the item it belongs to."""

    as_: str = Field(alias="as", min_length=1)
    """The member of those objects that gets the value, null where there is none."""


class StepSpec(CallSpec):
    """One unit of an endpoint's work: one call, or a loop of them. It waits for the steps that it names, and for nothing else."""

    needs: tuple[str, ...] = ()
    """Steps to wait for although nothing of theirs is used."""

    when: str | None = None
    """An expression; the step is skipped unless it holds."""

    optional: bool = False
    """May fail without failing the endpoint."""

    fallback: Fallback = None
    """What stands in: another call to make when the step's own has failed, which may have a fallback again, or the value to use when
    an optional step fails or a step is skipped, with references in its strings."""

    end: EndSpec | None = None
    """Ends the whole answer here, when a condition holds."""

    undo: UndoSpec | None = None
    """A call that takes this one back, when the endpoint fails after it went well. It sees this step's own value."""

    for_each: str | None = None
    """An expression that gives a list: the call is made once for each of its distinct values, which is `item`. The step's value is the
    list of what came back, in the same order."""

    concurrency: int = Field(AT_ONCE, ge=1, le=1_000)
    """Calls of a loop that run at once."""

    limit: Annotated[LimitSpec, BeforeValidator(_as_most, json_schema_input_type=LimitSpec | int)] = LimitSpec(most=MOST_ITEMS)
    """Most distinct items that a loop may have."""

    items: Literal["required", "optional"] | None = None
    """What becomes of a loop when an item's call fails. An item that is not there (404, 410, or missing in the reply to a batch) is null
    and the answer says so; other failures fail the step. `required`: all fail it. `optional`: none does."""

    batch: BatchSpec | None = None
    """A call that fetches many items at once, `items`, with the step's `timeout` and `retry` unless it has its own; the step's own call
    says what is cached for each of them."""

    join: JoinSpec | None = None
    """Puts what came back into the objects that the items came from."""

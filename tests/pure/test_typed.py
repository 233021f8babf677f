"""Types: what a value must be to pass, what is made of it, and what is said of one that does not fit."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import date
from typing import Annotated, Any, Optional

import pytest
from pydantic import AfterValidator, BaseModel, ConfigDict, Field

from gateway.errors import BadReply
from gateway.formats.decode import JsonText
from gateway.typed import LONGEST, ValueType


class Item(BaseModel):
    sku: str
    quantity: int = 1


class Order(BaseModel):
    number: int = Field(alias="id")
    items: list[Item] = []
    notes: dict[str, int] = {}


class Strict(BaseModel):
    model_config = ConfigDict(strict=True)
    day: date


class Nested(BaseModel):
    child: Nested | None = None


def trip(value: Any) -> Any:
    """A validator with a bug in it."""
    raise KeyError(value)


def leave(value: Any) -> Any:
    """One that was written for a script."""
    raise SystemExit(value)


def test_value_is_what_its_type_makes_of_it():
    """Defaults are filled in, numbers in text become numbers, members that the type does not know are gone; names stay the upstream's."""
    made = ValueType(list[Order])([{"id": "7", "items": [{"sku": "a"}], "internal": True}])

    assert made == [{"id": 7, "items": [{"sku": "a", "quantity": 1}], "notes": {}}]


def test_what_a_type_wrote_it_can_read():
    """By alias or by name, where it writes another name than it takes from upstreams."""
    kind = ValueType(Order)

    assert kind.read({"number": 7}) == kind.read({"id": 7}) == Order(id=7)
    assert not kind.takes({"number": 7})


def test_checked_text_stays_text():
    """What came as text goes on as text, so that it is written into the answer as it is."""
    made = ValueType(Item)(JsonText(b'{"quantity": 2, "sku": "a"}'))

    assert isinstance(made, JsonText)
    assert bytes(made) == b'{"sku":"a","quantity":2}'


@pytest.mark.parametrize("value", [{"day": "2026-01-02"}, JsonText(b'{"day": "2026-01-02"}')], ids=["data", "text"])
def test_strict_types_read_values_as_json(value):
    """A date is text in JSON, decoded or not, and a strict type takes it."""
    made = ValueType(Strict)(value)

    assert (bytes(made) == b'{"day":"2026-01-02"}') if isinstance(made, JsonText) else (made == value)


@pytest.mark.parametrize(
    ("kind", "value", "complaint"),
    [
        (list[Order], [{"id": 1}, {"id": 2, "items": [{"sku": "a"}, {}]}], "[1].items[1].sku (missing)"),
        (Order, {"id": "s3cret"}, "id (int_parsing)"),
        (Order, {"id": "s3cret", "items": 5}, "id (int_parsing), and 1 more"),
        (Order, {"id": 1, "notes": {"s3cret": "x"}}, "notes.* (int_parsing)"),
        (int, JsonText(b'"s3cret"'), "the value (int_parsing)"),
        (Item, None, "the value (model_type)"),
        (Any, JsonText(b"[" * 300 + b"]" * 300), "the value (json_invalid)"),
        (int, JsonText(b"9" * 5000), "the value (json_invalid)"),
    ],
)
def test_misfit_is_told_by_its_place_and_never_by_its_value(kind, value, complaint):
    """The complaint names members that the type has; names that an upstream made up are values too."""
    with pytest.raises(BadReply) as caught:
        ValueType(kind)(value)

    assert str(caught.value) == f"does not fit its type: {complaint}"
    assert "s3cret" not in str(caught.value)


def test_place_of_a_misfit_is_of_bounded_length():
    """An upstream decides how deep its mistake is, not how long our traces are."""
    value: Any = 5
    for _ in range(150):
        value = {"child": value}

    with pytest.raises(BadReply) as caught:
        ValueType(Nested)(value)

    assert len(str(caught.value)) < LONGEST + 60


@pytest.mark.parametrize("value", ["\ud800", object()])
def test_value_without_a_form_in_json_does_not_fit(value):
    """Half a surrogate pair is a misfit, not a bug."""
    with pytest.raises(BadReply, match="no form"):
        ValueType(str)(value)


@pytest.mark.parametrize(("validator", "error"), [(trip, "KeyError"), (leave, "SystemExit")], ids=["bug", "exit"])
def test_bug_in_a_validator_is_a_misfit(validator, error):
    """What somebody's own code trips over is the value; it is no bug of the gateway's, nor its end, and the value is not quoted."""
    with pytest.raises(BadReply, match=rf"^the type of the step raises {error}$"):
        ValueType(Annotated[str, AfterValidator(validator)])("s3cret")


@pytest.mark.parametrize(("kind", "takes"), [(int, False), (int | None, True), (Any, True), (list[int], False)])
def test_type_says_whether_it_takes_a_value(kind, takes):
    """None is taken by an optional type, and by one that takes anything."""
    assert ValueType(kind).takes(None) is takes


@pytest.mark.parametrize(
    "kind",
    [
        list[int],
        tuple[int, ...],
        set[int],
        Sequence[int],
        list[int] | None,
        Optional[list[int]],  # noqa: UP045  (users write it)
        Annotated[list[int], Field(max_length=3)],
    ],
)
def test_type_of_a_list_says_what_an_element_is(kind):
    """However the list is written."""
    element = ValueType(kind).element

    assert element
    assert element("7") == 7
    assert not element.takes(None)


@pytest.mark.parametrize(
    "kind", [int, str, dict[str, int], tuple[int, str], list[Any], list, list[int] | set[int], list[int] | int, Any]
)
def test_type_that_is_none_of_a_list_has_no_element(kind):
    """Nor has one whose elements may be anything."""
    assert ValueType(kind).element is None


def test_schema_is_that_of_what_is_written():
    """It stands by itself: its references are to its own definitions. A type that JSON Schema has no words for says nothing."""
    schema = ValueType(list[Order]).schema

    assert schema["items"] == {"$ref": "#/$defs/Order"}
    assert set(schema["$defs"]["Order"]["properties"]) == {"id", "items", "notes"}
    assert ValueType(list[Callable[[], int]]).schema == {}

"""What a scalar means: YAML 1.2, durations, sizes."""

from __future__ import annotations

import pytest
from pydantic import TypeAdapter, ValidationError

from gateway.load import load_text
from gateway.policy import Duration, Share, Size, show_duration, show_share


def value_of(scalar: str) -> object:
    """The scalar as the value of a key."""
    return load_text(f"key: {scalar}\n").source.tree["key"]


@pytest.mark.parametrize(
    ("scalar", "value"),
    [
        ("", None),
        ("~", None),
        ("null", None),
        ("NULL", None),
        ("nULL", "nULL"),
        ("true", True),
        ("False", False),
        ("tRUE", "tRUE"),
        ("yes", "yes"),
        ("no", "no"),
        ("on", "on"),
        ("off", "off"),
        ("y", "y"),
        ("0", 0),
        ("-12", -12),
        ("+12", 12),
        ("012", 12),
        ("0o14", 12),
        ("0x1F", 31),
        ("0b11", "0b11"),
        ("1_000", "1_000"),
        ("12:30", "12:30"),
        ("1:2:3", "1:2:3"),
        ("1.5", 1.5),
        ("1.", 1.0),
        (".5", 0.5),
        (".", "."),
        ("1e3", 1000.0),
        ("-1.5E-2", -0.015),
        ("1e999", "1e999"),
        (".inf", ".inf"),
        (".nan", ".nan"),
        ("2020-01-01", "2020-01-01"),
        ("2020-01-01T00:00:00Z", "2020-01-01T00:00:00Z"),
        ("١٢", "١٢"),
        ("9" * 1000, int("9" * 1000)),
        ("9" * 5000, "9" * 5000),
        ("0x" + "f" * 5000, "0x" + "f" * 5000),
        ('"3"', "3"),
        ("'true'", "true"),
        ('"~"', "~"),
        ("|\n  12", "12\n"),
    ],
)
def test_scalar_is_read_by_yaml_1_2(scalar, value):
    """The core schema of YAML 1.2, in which Norway is a country and half past twelve no number; JSON has no infinity."""
    read = value_of(scalar)

    assert read == value
    assert type(read) is type(value)


def test_keys_are_text():
    """A key such as 404, no or 1.0 is what was written."""
    tree = load_text("404: a\nno: b\n1.0: c\nnull: d\n").source.tree

    assert tree == {"404": "a", "no": "b", "1.0": "c", "null": "d"}


@pytest.mark.parametrize(
    ("written", "seconds"),
    [
        ("250us", 0.00025),
        ("500ms", 0.5),
        ("2s", 2.0),
        ("0.25s", 0.25),
        ("1.5m", 90.0),
        ("24h", 86_400.0),
        ("1d", 86_400.0),
    ],
)
def test_duration_is_a_number_with_its_unit(written, seconds):
    """`500ms`, `2s`, `5m`; up to a day."""
    assert TypeAdapter(Duration).validate_python(written) == pytest.approx(seconds)


@pytest.mark.parametrize(
    "written", ["", "5", 5, 0.5, True, None, "5 s", "-1s", "+1s", "1e3s", "1s 500ms", "5S", "5sec", ".5s", "٣s", "5s\n", [5]]
)
def test_what_is_no_duration_is_refused_with_an_example(written):
    """A number alone could mean seconds or milliseconds, so that nobody may guess."""
    with pytest.raises(ValidationError, match="not a duration; write a number with its unit, such as 500ms"):
        TypeAdapter(Duration).validate_python(written)


@pytest.mark.parametrize("written", ["0s", "0.0ms", "25h", "1.01d", "9" * 400 + "s"])
def test_duration_out_of_bounds_is_refused(written):
    """No time at all and more than a day are mistakes; the message has units too."""
    with pytest.raises(ValidationError, match="should be more than 0s and at most 1d"):
        TypeAdapter(Duration).validate_python(written)


@pytest.mark.parametrize(
    ("seconds", "shown"),
    [(0.5, "500ms"), (1.5, "1500ms"), (2.0, "2s"), (300.0, "5m"), (5400.0, "90m"), (86_400.0, "1d"), (0.00025, "250us")],
)
def test_duration_is_shown_in_the_largest_unit_that_is_exact(seconds, shown):
    """What is shown can be written in a config and means the same."""
    assert show_duration(seconds) == shown
    assert TypeAdapter(Duration).validate_python(shown) == pytest.approx(seconds)


@pytest.mark.parametrize(("written", "size"), [("1B", 1), ("64KiB", 65_536), ("10MiB", 10_485_760), ("2GiB", 2_147_483_648)])
def test_size_is_a_whole_number_with_its_unit(written, size):
    """The units are powers of 1024, and say so."""
    assert TypeAdapter(Size).validate_python(written) == size


@pytest.mark.parametrize(
    "written", ["", "10", 10, True, None, "10MB", "10M", "1.5MiB", "10 MiB", "-1B", "1mib", "9" * 5000 + "B"]
)
def test_what_is_no_size_is_refused_with_an_example(written):
    """`10MB` could mean either of two numbers."""
    with pytest.raises(ValidationError, match="not a size; write a whole number with its unit, such as 64KiB"):
        TypeAdapter(Size).validate_python(written)


@pytest.mark.parametrize(("written", "share"), [("10%", 0.1), ("0.5%", 0.005), ("100%", 1.0)])
def test_share_is_written_in_percent(written, share):
    """And shown as it was written."""
    assert TypeAdapter(Share).validate_python(written) == pytest.approx(share)
    assert show_share(share) == written


@pytest.mark.parametrize("written", ["0%", "101%", "10", 0.1, 10, "-5%", "%", "1e1%", None, ["10%"]])
def test_what_is_no_share_is_refused(written):
    """A number alone could be either."""
    with pytest.raises(ValidationError):
        TypeAdapter(Share).validate_python(written)


def test_size_of_nothing_is_refused():
    with pytest.raises(ValidationError, match="greater than 0"):
        TypeAdapter(Size).validate_python("0B")


@pytest.mark.parametrize(
    ("fallback", "shown"),
    [
        ("[]", "[]"),
        ("{}", "{}"),
        ("{ a: [1, null, true], b: text }", "{a: [1, null, true], b: text}"),
        ('""', '""'),
        (r'"two\nlines"', r'"two\nlines"'),
        ("null", "null"),
        ("'{path.id}'", "{path.id}"),
    ],
)
def test_plan_shows_a_fallback_on_one_line(fallback, shown, compiled):
    """A plan has one line for each step, whatever its fallback is."""
    (plan,) = compiled(
        "version: 1\nupstreams: {a: {url: http://a}}\nendpoints:\n  - path: /{id}\n"
        f"    steps: {{a: {{get: a /, optional: true, fallback: {fallback}}}}}\n"
    )

    assert str(plan).splitlines()[1:] == [f"  a  GET a /  optional, else {shown}"]

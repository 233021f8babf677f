"""How long somebody waits, as headers say it."""

from __future__ import annotations

from math import inf

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.deadline import BadTimeout, line_writer, read_timeout


def read(seconds: bytes | None = None, grpc: bytes | None = None) -> float:
    """What a client waits that sends these headers."""
    fields = {b"x-request-timeout": seconds, b"grpc-timeout": grpc}
    return read_timeout({name: [value] for name, value in fields.items() if value is not None})


@pytest.mark.parametrize(
    ("seconds", "grpc", "waits"),
    [
        (None, None, inf),
        (b"2", None, 2),
        (b"0.25", None, 0.25),
        (b"0", None, 0),
        (b"-1.5", None, -1.5),
        (b"999999999", None, 999_999_999),
        (None, b"1H", 3600),
        (None, b"2M", 120),
        (None, b"2S", 2),
        (None, b"500m", 0.5),
        (None, b"250000u", 0.25),
        (None, b"99999999n", 0.099999999),
        (None, b"0S", 0),
        (b"2", b"500m", 0.5),
        (b"0.1", b"500m", 0.1),
    ],
)
def test_a_client_says_how_long_it_waits(seconds: bytes | None, grpc: bytes | None, waits: float) -> None:
    """In seconds, or a number with gRPC's unit; the shorter of both; not at all is for ever."""
    assert read(seconds, grpc) == pytest.approx(waits)


@pytest.mark.parametrize(
    "text", [b"", b"2s", b"500ms", b"1e3", b"nan", b"inf", b"+1", b".5", b"1.", b"1, 2", b"1_0", b"\xd9\xa1", b"1234567890"]
)
def test_seconds_that_are_none_are_refused(text: bytes) -> None:
    """What could be read in two ways is not guessed at."""
    with pytest.raises(BadTimeout, match="X-Request-Timeout"):
        read(seconds=text)


@pytest.mark.parametrize("text", [b"", b"2", b"2s", b"1.5S", b"500ms", b"m", b"123456789m", b"2S 1m"])
def test_a_grpc_timeout_that_is_none_is_refused(text: bytes) -> None:
    """Eight digits and one unit, in its own case."""
    with pytest.raises(BadTimeout, match="grpc-timeout"):
        read(grpc=text)


@pytest.mark.parametrize(("name", "value"), [(b"x-request-timeout", b"1"), (b"grpc-timeout", b"1S")])
def test_a_timeout_stands_once(name: bytes, value: bytes) -> None:
    """Of two nobody knows which one is meant."""
    with pytest.raises(BadTimeout):
        read_timeout({name: [value, value]})


@pytest.mark.parametrize(
    ("name", "left", "line"),
    [
        ("x-request-timeout", 1.23456, "x-request-timeout: 1.235\r\n"),
        ("x-budget", 0.0, "x-budget: 0.000\r\n"),
        ("grpc-timeout", 1.9999, "grpc-timeout: 1999m\r\n"),
        ("grpc-timeout", 86_400.0, "grpc-timeout: 86400000m\r\n"),
        (None, 1.0, ""),
    ],
)
def test_what_is_left_is_written_as_the_header_s_name_asks(name: str | None, left: float, line: str) -> None:
    """The header of gRPC in milliseconds, never more than there are; any other in seconds; none at all."""
    assert line_writer(name)(left) == line


@given(st.sampled_from(["x-request-timeout", "grpc-timeout"]), st.floats(0, 86_400))
def test_another_gateway_reads_what_is_written(name: str, left: float) -> None:
    """To the millisecond, whatever is left."""
    header, _, value = line_writer(name)(left).removesuffix("\r\n").partition(": ")

    assert read_timeout({header.encode(): [value.encode()]}) == pytest.approx(left, abs=0.001)

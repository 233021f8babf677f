"""The decision what one request gets, without a server: settings in, plays out."""

from __future__ import annotations

from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from services.chaos import Latency, Play, Setting, after_one, play

USUAL = Latency(ms=20)


@pytest.mark.parametrize(
    ("setting", "expected"),
    [
        (Setting(), Play(0.02)),
        (Setting(latency_ms=300), Play(0.3)),
        (Setting(latency_ms=0), Play(0)),
        (Setting(status=500), Play(0.02)),
        (Setting(error_rate=1), Play(0.02, 503)),
        (Setting(error_rate=1, status=500), Play(0.02, 500)),
        (Setting(error_rate=0), Play(0.02)),
        (Setting(mode="hang"), Play(0.02, "hang")),
        (Setting(mode="reset", error_rate=1, status=500), Play(0.02, "reset")),
        (Setting(mode="reset", error_rate=0), Play(0.02)),
    ],
    ids=str,
)
def test_a_setting_decides_what_a_request_gets(setting: Setting, expected: Play) -> None:
    """A rate fails by chance, with the mode if there is one, else with the status; a mode alone always fails."""
    assert play(setting, USUAL, Random(1)) == expected


@pytest.mark.parametrize("mode", [None, "html"])
def test_error_rate_is_a_chance(mode: str | None) -> None:
    """About so many of many requests fail, and the others are answered."""
    setting = Setting.model_validate({"error_rate": 0.3, "mode": mode})
    chance = Random(1)

    failures = [play(setting, USUAL, chance).failure for _ in range(2000)]

    assert 500 < sum(failure is not None for failure in failures) < 700
    assert set(failures) == {None, mode or 503}


def test_latency_never_shifts_failures() -> None:
    """The same requests fail whatever the latency is set to."""
    quick, slow = Random(5), Random(5)

    plain = [play(Setting(error_rate=0.5), USUAL, quick) for _ in range(50)]
    delayed = [play(Setting(error_rate=0.5, latency_ms=9, jitter_ms=5), USUAL, slow) for _ in range(50)]

    assert [one.failure for one in plain] == [one.failure for one in delayed]


@given(st.floats(0, 1000), st.floats(0, 1000), st.integers())
def test_jitter_moves_the_latency_either_way(latency: float, jitter: float, seed: int) -> None:
    """A delay stays within the jitter around the latency and never falls below zero."""
    setting = Setting(latency_ms=latency, jitter_ms=jitter)

    delay = play(setting, USUAL, Random(seed)).delay * 1000

    assert max(0, latency - jitter) - 1e-6 <= delay <= latency + jitter + 1e-6


def test_a_long_tail_is_rare_and_two_to_four_times_as_slow() -> None:
    """About one request in twenty is in the tail; every other has the usual latency."""
    chance = Random(1)

    delays = [play(Setting(), Latency(ms=250, tail=0.05), chance).delay for _ in range(2000)]

    tail = [delay for delay in delays if delay != 0.25]
    assert 60 < len(tail) < 140
    assert all(0.5 <= delay <= 1.0 for delay in tail)


def test_times_counts_down_to_a_well_service() -> None:
    """After so many requests the faults are gone; the latency stays."""
    twice = Setting(error_rate=1, times=2, latency_ms=5)

    once = after_one(twice)
    well = after_one(once)

    assert once == Setting(error_rate=1, times=1, latency_ms=5)
    assert well == after_one(well) == Setting(latency_ms=5)


@pytest.mark.parametrize(
    "setting",
    [
        {"latency": 300},
        {"latency_ms": "300"},
        {"latency_ms": True},
        {"latency_ms": -1},
        {"latency_ms": float("nan")},
        {"jitter_ms": None},
        {"error_rate": 1.5},
        {"error_rate": "0.3"},
        {"status": 200},
        {"status": 503.5},
        {"mode": "explode"},
        {"times": 0, "mode": "hang"},
        {"times": 2},
        [],
        None,
        b"{",
    ],
    ids=str,
)
def test_a_setting_that_makes_no_sense_is_refused(setting: object) -> None:
    """Unknown keys, wrong types and values out of bounds are refused, never guessed at."""
    with pytest.raises(ValidationError):
        Setting.model_validate(setting)


def test_a_setting_can_be_read_back() -> None:
    """What the switch tells can be put on it again."""
    setting = Setting(latency_ms=300, jitter_ms=100, error_rate=0.3, mode="trickle", times=3)

    assert Setting.model_validate(setting.model_dump()) == setting
    assert Setting.model_validate(Setting().model_dump()) == Setting()

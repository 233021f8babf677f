"""Counts over the last seconds."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from gateway.states.window import TENTHS, WindowState


def test_what_is_older_than_the_window_is_forgotten():
    """A tenth of it at once, and not before its time."""
    window = WindowState(10.0, 2)
    window.add(0.5, 1, 3)
    window.add(1.5, 1, 0)

    seen = [tuple(window.read(now)) for now in (1.9, 9.9, 10.0, 10.9, 11.0)]

    assert seen == [(2, 3), (2, 3), (1, 0), (1, 0), (0, 0)]


def test_a_long_silence_forgets_everything():
    """However many windows have passed."""
    window = WindowState(1.0, 1)
    window.add(0.0, 5)

    assert list(window.read(12_345.6)) == [0]
    assert repr(window) == "WindowState(0)"


@given(st.lists(st.tuples(st.floats(0, 30), st.integers(0, 5)), max_size=30))
def test_the_counts_are_those_of_the_last_tenths(added):
    """As if everything were kept and counted again."""
    window, now, kept = WindowState(10.0, 1), 0.0, []

    for passed, amount in added:
        now += passed
        window.add(now, amount)
        kept.append((int(now / 1.0), amount))

    assert list(window.read(now)) == [sum(amount for tick, amount in kept if tick > int(now / 1.0) - TENTHS)]

"""Which keys are being fetched anew: once at a time, and none for ever."""

from __future__ import annotations

from gateway.caching.refreshing import MOST, PAUSE, RefreshesState


def test_a_key_is_taken_on_once() -> None:
    """Until it is done, or its time is up; other keys are other work."""
    refreshes = RefreshesState()

    taken = [refreshes.begin("a", 0, 5), refreshes.begin("a", 4, 9), refreshes.begin("b", 4, 9), refreshes.begin("a", 5, 10)]
    refreshes.end("a")

    assert taken == [True, False, True, True]
    assert refreshes.begin("a", 5, 10)


def test_a_key_that_failed_is_put_off() -> None:
    """For a moment, however long the work might have taken."""
    refreshes = RefreshesState()
    refreshes.begin("a", 0, 100)

    refreshes.put_off("a", 1)

    assert not refreshes.begin("a", 1 + PAUSE / 2, 100)
    assert refreshes.begin("a", 1 + PAUSE, 100)


def test_what_nobody_waits_for_is_forgotten() -> None:
    """A million keys that failed once take no room."""
    refreshes = RefreshesState()

    for at in range(10 * MOST):
        refreshes.begin(str(at), at, at + 1)

    assert len(refreshes) <= MOST

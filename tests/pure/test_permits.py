"""Permits: never more are held than there are, and nobody overtakes."""

from __future__ import annotations

from collections import deque

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from gateway.states.permits import PermitsState


def test_a_permit_is_free_only_when_nobody_waits_for_it() -> None:
    """Who comes now does not get what others wait for."""
    permits: PermitsState[str] = PermitsState(limit=1, places=2)
    assert permits.take()
    assert permits.queue("first")

    permits.give_back()

    assert not permits.take()
    assert permits.next() == "first"
    assert permits.next() is None


def test_a_lower_limit_takes_nothing_from_who_has_it() -> None:
    """It is reached when enough have given theirs back."""
    permits: PermitsState[str] = PermitsState(limit=3, places=1)
    assert all(permits.take() for _ in range(3))
    permits.limit = 1
    permits.queue("waiting")

    given = []
    for _ in range(3):
        permits.give_back()
        given.append(permits.next())

    assert given == [None, None, "waiting"]


class Permits(RuleBasedStateMachine):
    """Calls that come, wait, leave and end in any order, while the limit moves."""

    def __init__(self) -> None:
        super().__init__()
        self.permits: PermitsState[int] = PermitsState(limit=3, places=4)
        self.holders = 0
        self.line: deque[int] = deque()
        self.number = 0
        self.allowed = 3

    def wake(self) -> None:
        while (waiter := self.permits.next()) is not None:
            assert waiter == self.line.popleft()
            self.holders += 1

    @rule()
    def come(self) -> None:
        if self.permits.take():
            assert not self.line
            self.holders += 1
            self.allowed = max(self.allowed, self.holders)
            return
        self.number += 1
        if self.permits.queue(self.number):
            self.line.append(self.number)
        else:
            assert len(self.line) == 4

    @precondition(lambda self: self.holders)
    @rule()
    def end(self) -> None:
        self.holders -= 1
        self.permits.give_back()
        self.wake()

    @precondition(lambda self: self.line)
    @rule(data=st.data())
    def leave(self, data: st.DataObject) -> None:
        gone = data.draw(st.sampled_from(list(self.line)))
        self.line.remove(gone)
        self.permits.leave(gone)

    @rule(limit=st.integers(1, 6))
    def move(self, limit: int) -> None:
        self.permits.limit = limit
        self.allowed = max(limit, self.holders)
        self.wake()

    @invariant()
    def no_permit_is_lost_or_made(self) -> None:
        assert self.permits.held == self.holders <= max(self.allowed, self.permits.limit)
        assert list(self.permits.waiting) == list(self.line)
        assert not self.line or self.holders >= self.permits.limit


Permits.TestCase.settings = settings(deadline=None, max_examples=60)
TestPermits = Permits.TestCase

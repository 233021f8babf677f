"""The budget: extra calls are never more than a share of the calls, and what is lent."""

from __future__ import annotations

from contextlib import suppress

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from gateway.errors import Disconnected
from gateway.states.budget import LOANS, MEMORY, BudgetState, Extras


def earned(calls: int, share: float = 0.1, now: float = 0.0) -> BudgetState:
    """A budget with so many calls at once behind it."""
    budget = BudgetState(settled=now)
    for _ in range(calls):
        budget.earn(share)
    return budget


def paid(budget: BudgetState, now: float = 0.0) -> int:
    """Extra calls that it pays for."""
    count = 0
    while budget.pay(now):
        count += 1
    return count


@pytest.mark.parametrize(
    ("calls", "share", "extra"), [(0, 0.1, 0), (9, 0.1, 0), (10, 0.1, 1), (39, 0.1, 3), (40, 0.05, 2), (3, 1.0, 3)]
)
def test_an_extra_call_costs_what_several_earn(calls: int, share: float, extra: int) -> None:
    """With 10 % it takes ten calls to pay for one more."""
    budget = earned(calls, share)

    assert paid(budget) == extra


def test_what_was_earned_evaporates() -> None:
    """A good hour does not pay for a storm: after `MEMORY` seconds a third is left."""
    budget = earned(1000)
    assert budget.pay(0.0)

    assert paid(budget, MEMORY) == int(99 / 2.718281828)


def test_the_last_one_does_not_evaporate() -> None:
    """An upstream that is called once a minute has its extra call after ten minutes."""
    budget = earned(0)
    for minute in range(10):
        budget.earn(0.1)
        assert not budget.pay(60.0 * minute) or minute == 9


def test_what_came_over_a_long_time_is_not_all_there() -> None:
    """An hour of calls without a failure is worth what came in its last seconds."""
    budget = earned(36_000)

    assert paid(budget, 3600.0) == 0.1 * 10 * MEMORY


def test_nobody_knows_how_long_the_first_calls_took_to_come() -> None:
    """Until then they are worth one."""
    budget = BudgetState()
    for _ in range(1000):
        budget.earn(0.1)

    assert paid(budget, 5.0) == 1


def test_three_calls_at_a_time_have_a_loan() -> None:
    """A fourth gets one when one of them is done."""
    budget = BudgetState()
    loans = [budget.lend() for _ in range(4)]

    budget.end_loan(lost=False)

    assert loans == [True, True, True, False]
    assert [budget.lend(), budget.lend()] == [True, False]


def test_a_lost_loan_is_paid_back_by_a_call_that_goes_well() -> None:
    """While everything fails there is nothing to be had by asking again."""
    budget = BudgetState()
    for _ in range(3):
        assert budget.lend()
        budget.end_loan(lost=True)

    assert not budget.lend()
    budget.pay_back()

    assert [budget.lend(), budget.lend()] == [True, False]


def test_a_call_has_one_loan_for_all_its_attempts() -> None:
    """It ends with the call: lost when that failed, and given back when it was cancelled or came to something."""
    losses = []
    for error in (None, Disconnected("broke"), KeyboardInterrupt()):
        budget = BudgetState()

        with suppress(Disconnected, KeyboardInterrupt), Extras(budget) as extras:
            assert [extras.allow(0.0) for _ in range(5)] == [True] * 5
            assert budget.lent == 1
            if error:
                raise error

        assert budget.lent == 0
        losses.append(budget.lost)
    assert losses == [0, 1, 0]


def test_who_can_pay_borrows_nothing() -> None:
    """Loans are for those who cannot."""
    budget = earned(10)

    with Extras(budget) as extras:
        assert extras.allow(0.0)
        assert budget.lent == 0


class Budget(RuleBasedStateMachine):
    """Calls, failures and successes in any order, at any times."""

    def __init__(self) -> None:
        super().__init__()
        self.budget = BudgetState()
        self.now = 0.0
        self.earned = 0.0
        self.paid = 0

    @rule(seconds=st.floats(0, 100))
    def wait(self, seconds: float) -> None:
        self.now += seconds

    @rule(calls=st.integers(1, 50), share=st.sampled_from((0.01, 0.1, 0.2, 1.0)))
    def call(self, calls: int, share: float) -> None:
        for _ in range(calls):
            self.budget.earn(share)
        self.earned += calls * share

    @rule()
    def pay(self) -> None:
        self.paid += self.budget.pay(self.now)

    @rule()
    def borrow(self) -> None:
        free = LOANS - self.budget.lent - self.budget.lost
        assert self.budget.lend() == (free > 0)

    @precondition(lambda self: self.budget.lent)
    @rule(lost=st.booleans())
    def end(self, lost: bool) -> None:
        self.budget.end_loan(lost=lost)

    @rule()
    def go_well(self) -> None:
        self.budget.pay_back()

    @invariant()
    def nothing_is_paid_that_was_not_earned(self) -> None:
        assert self.paid <= self.earned + 1e-6
        assert 0 <= self.budget.balance <= self.earned - self.paid + 1e-6

    @invariant()
    def no_more_is_lent_than_there_is(self) -> None:
        assert self.budget.lent >= 0 <= self.budget.lost
        assert self.budget.lent + self.budget.lost <= LOANS


Budget.TestCase.settings = settings(deadline=None, max_examples=60)
TestBudget = Budget.TestCase

"""What may be sent beyond what was asked for: a share of the calls, and a little for those that make few.

A retry and a second copy are new load, and at the worst moment: all of them at once would be a multiple of it. So each call earns a share
of an extra one, and an extra one costs a whole. What is earned evaporates, so that a good hour does not pay for a storm; the last one
stays, or an upstream that is seldom called would never have any. However calls come, extra ones are never more than that share of them
(the retry budgets of Finagle and of Google's SRE book, chapter 21), and those that are lent.

Lent to is who cannot pay, three calls at a time (Envoy's `min_retry_concurrency`). A loan that came to nothing is paid back by the next
call that goes well, and not before: when everything fails there is nothing to be had by asking again.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from math import exp, inf
from types import TracebackType

from gateway.errors import CallError

MEMORY = 10.0
"""Seconds in which what was earned evaporates to a third."""

LOANS = 3
"""Calls that may have extra ones at the same time although nothing was earned for them."""

_WHOLE = 1 - 1e-9
"""Ten times 10 % is a little less than one."""


@dataclass(slots=True)
class BudgetState:
    """The budget of an upstream, in this process."""

    balance: float = 0.0
    """Extra calls that have been earned, as of `settled`."""

    lent: int = 0
    """Calls that have a loan."""

    lost: int = 0
    """Loans that came to nothing and that nothing has paid back."""

    earned: float = field(default=0.0, repr=False)
    """What was earned since. Added up here without looking at the clock: most calls never need their share."""

    settled: float = field(default=-inf, repr=False)
    """Loop time."""

    paid: int = field(default=0, repr=False)
    """Extra calls that were paid for since the process began."""

    def earn(self, share: float) -> None:
        """There is a call, and it is worth this share of an extra one."""
        self.earned += share

    def pay(self, now: float) -> bool:
        """Pay for an extra call, if there is enough."""
        self._settle(now)
        if self.balance < _WHOLE:
            return False
        self.balance = max(0.0, self.balance - 1)
        self.paid += 1
        return True

    def lend(self) -> bool:
        """Lend what an extra call costs, if not too many have a loan."""
        if self.lent + self.lost >= LOANS:
            return False
        self.lent += 1
        return True

    def end_loan(self, *, lost: bool) -> None:
        """Who had a loan needs it no more; it is lost when its extra calls came to nothing."""
        self.lent -= 1
        self.lost += lost

    def pay_back(self) -> None:
        """A call went well: the upstream is worth asking again."""
        self.lost = max(0, self.lost - 1)

    def _settle(self, now: float) -> None:
        passed = now - self.settled
        kept = exp(-passed / MEMORY)
        # What came evenly over that time has been there for half of it.
        fresh = (1 - kept) * MEMORY / passed if passed > 0 else 1.0
        least = min(self.balance + self.earned, 1.0)
        self.balance = max(self.balance * kept + self.earned * fresh, least)
        self.earned, self.settled = 0.0, now


@dataclass(slots=True)
class Extras:
    """The extra calls that one call may come to: `with` them it holds at most one loan, and ends it however it ends itself."""

    budget: BudgetState
    has_loan: bool = False

    def __enter__(self) -> Extras:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        if self.has_loan:
            self.has_loan = False
            # Who was cancelled does not know what it would have come to.
            self.budget.end_loan(lost=isinstance(error, CallError))

    def allow(self, now: float) -> bool:
        """One more, if the budget has it or lends it."""
        if not self.has_loan and not self.budget.pay(now):
            self.has_loan = self.budget.lend()
            return self.has_loan
        return True

"""What a purge voids, and what becomes of purges that are too many."""

from __future__ import annotations

import math

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from gateway.caching import Entry
from gateway.caching.purging import EVERYTHING, PurgesState


def entry(at: float, *scopes: str) -> Entry:
    """An entry that was asked for at this time."""
    return Entry(200, (), b"", at, lifetime=60.0, scopes=scopes)


def test_voids_what_was_asked_for_no_later() -> None:
    """What was on its way when the purge came is void as well: it may be what was to be got rid of."""
    purges = PurgesState()

    purges.purge("tag:a", 10.0)

    assert purges.voids(entry(9.9, "upstream:users", "tag:a"))
    assert purges.voids(entry(10.0, "tag:a"))
    assert not purges.voids(entry(10.1, "tag:a"))


def test_leaves_other_scopes_alone() -> None:
    """A scope is its whole name, and an entry without scopes is purged with everything only."""
    purges = PurgesState()

    purges.purge("tag:a", 10.0)

    assert not purges.voids(entry(1.0, "tag:ab", "upstream:a"))
    assert not purges.voids(entry(1.0))


def test_everything_is_a_scope() -> None:
    """It voids what is no newer, and nothing that comes later."""
    purges = PurgesState()

    purges.purge(EVERYTHING, 10.0)

    assert (purges.voids(entry(10.0)), purges.voids(entry(11.0))) == (True, False)


def test_an_older_purge_takes_nothing_back() -> None:
    """Purges come from several processes, in any order."""
    purges = PurgesState()

    purges.purge("tag:a", 10.0)
    purges.purge("tag:a", 5.0)

    assert purges.voids(entry(7.0, "tag:a"))


def test_what_is_forgotten_voids_too_much_and_not_too_little() -> None:
    """Of three scopes two are remembered; what is older than the third purge is void, whatever it is."""
    purges = PurgesState(most=2)

    for at, scope in enumerate(("tag:a", "tag:b", "tag:c")):
        purges.purge(scope, float(at))

    assert purges.voids(entry(0.0, "tag:else"))
    assert not purges.voids(entry(0.5, "tag:else"))
    assert purges.voids(entry(1.0, "tag:b"))
    assert repr(purges) == "PurgesState(2 scopes)"


def test_a_scope_that_is_purged_again_is_not_the_oldest() -> None:
    """What is forgotten is what was purged longest ago."""
    purges = PurgesState(most=2)

    for at, scope in enumerate(("tag:a", "tag:b", "tag:a", "tag:c")):
        purges.purge(scope, float(at))

    assert purges.floor == 1.0


SCOPES = st.sampled_from(["tag:a", "tag:b", "tag:c", "tag:d", EVERYTHING])
TIMES = st.integers(0, 20).map(float)


class AgainstAModel(RuleBasedStateMachine):
    """Any purges in any order: nothing that was purged is ever good, and with room for all of them nothing else is void."""

    MOST = 3

    def __init__(self) -> None:
        super().__init__()
        self.roomy, self.small = PurgesState(), PurgesState(self.MOST)
        self.model: dict[str, float] = {}

    @rule(scope=SCOPES, at=TIMES)
    def purge(self, scope: str, at: float) -> None:
        self.model[scope] = max(self.model.get(scope, -math.inf), at)
        for purges in (self.roomy, self.small):
            purges.purge(scope, at)

    @rule(at=st.integers(0, 42).map(lambda halves: halves / 2), scopes=st.sets(SCOPES).map(lambda some: some - {EVERYTHING}))
    def read(self, at: float, scopes: set[str]) -> None:
        is_void = any(at <= self.model.get(scope, -math.inf) for scope in [*scopes, EVERYTHING])

        assert self.roomy.voids(entry(at, *scopes)) == is_void
        assert self.small.voids(entry(at, *scopes)) or not is_void

    @invariant()
    def what_is_newer_than_all_purges_is_good(self) -> None:
        newer = max(self.model.values(), default=0.0) + 0.5
        assert not self.small.voids(entry(newer, *self.model))

    @invariant()
    def it_holds_no_more_than_it_may(self) -> None:
        assert int(repr(self.small).split("(")[1].split()[0]) <= self.MOST


TestAgainstAModel = AgainstAModel.TestCase
TestAgainstAModel.settings = settings(deadline=None, max_examples=100)

"""A run, small but real."""

from dataclasses import replace

import pytest

from bench.__main__ import measure
from bench.peers import bare, fanin
from bench.run import Settings
from bench.workloads import WORKLOADS

pytestmark = pytest.mark.slow


def test_a_run_measures_who_answers_right_and_says_who_does_not():
    """Answers are checked before anything is measured, and counted while it is."""
    settings = Settings(rounds=1, requests=64, seconds=10.0, soak=10)

    results = measure([bare.PEER, fanin.PEER], [WORKLOADS["cached"]], settings)

    [ours], [floor] = (results.workloads["cached"][name].at(32) for name in ("fanin", "bare"))
    assert (ours.requests, ours.wrong, ours.spans_lost) == (64, 0, 0)
    assert (floor.requests, floor.wrong) == (64, 0)
    assert results.left_out == {}


def test_a_wrong_answer_is_not_measured():
    """A peer that is quick because it is wrong is left out, by name."""
    settings = Settings(rounds=1, requests=64, seconds=10.0, soak=10)
    liar = replace(bare.PEER, workloads=("aggregate-3",))

    results = measure([liar], [WORKLOADS["aggregate-3"]], settings)

    assert results.workloads == {}
    assert "was answered wrongly" in results.left_out["aggregate-3: bare"]

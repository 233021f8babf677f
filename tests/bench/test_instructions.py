"""Instructions: what valgrind is told, and what it says."""

import pytest

from bench import instructions
from bench.instructions import PEERS, per_request, read, slowed, table
from bench.peers import Scene
from bench.processes import Broken
from bench.workloads import WORKLOADS

SAID = """
==4711== Cachegrind, a high-precision tracing profiler
fanin serves 1 endpoint of gateway.yaml on http://127.0.0.1:8080
==4711==
==4711== I refs:        7,046,811,520
"""


def test_what_valgrind_says_at_the_end_is_read():
    """Whatever the gateway has said before."""
    assert read(SAID) == 7_046_811_520


def test_a_process_that_was_not_counted_is_an_error():
    """Not a request that costs nothing."""
    with pytest.raises(Broken, match=r"did not count: .*no such option"):
        read("==1==\nvalgrind: no such option")


@pytest.mark.parametrize("peer", PEERS, ids=lambda peer: peer.name)
def test_a_peer_runs_as_it_does_in_the_bench_but_for_valgrind(peer, tmp_path):
    """The same command, the same environment."""
    scene = Scene(8080, ["http://127.0.0.1:9001"] * 3, "http://127.0.0.1:4318", WORKLOADS["aggregate-3"], tmp_path)
    usual, slow = peer.command(scene), slowed(peer, scene)

    assert slow.args[0] == "valgrind"
    assert tuple(slow.args[-len(usual.args) :]) == tuple(usual.args)
    assert slow.env == {**usual.env, "PYTHONHASHSEED": "0"}


def test_what_a_start_takes_is_no_request_s(monkeypatch):
    """Of two runs only the difference counts."""
    monkeypatch.setattr(instructions, "counted", lambda _peer, _workload, requests: 5_000_000_000 + requests * 980_000)
    assert per_request(PEERS[0], WORKLOADS["aggregate-3"]) == 980_000


def test_the_table_compares_with_the_first():
    """Thousands, and shares."""
    assert table("aggregate-3", {"fanin-untraced": 988_400, "fanin": 1_173_700}).splitlines()[2:] == [
        "| fanin-untraced | 988 | 1.00 |",
        "| fanin | 1,174 | 1.19 |",
    ]


def test_without_valgrind_nothing_is_measured(monkeypatch, capsys):
    """And said so."""
    monkeypatch.setattr("shutil.which", lambda _: None)
    assert instructions.main([]) == 2
    assert "needs valgrind" in "".join(capsys.readouterr())

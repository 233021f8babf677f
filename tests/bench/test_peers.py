"""Who takes part, where, and with which config."""

import pytest

from bench.cores import Cores, share_out
from bench.peers import Scene, fanin, krakend, nginx
from bench.roster import PEERS, chosen
from bench.workloads import WORKLOADS
from gateway import Gateway

ORIGINS = ["http://127.0.0.1:9001", "http://127.0.0.1:9002", "http://127.0.0.1:9003"]


@pytest.fixture
def scene(tmp_path):
    return Scene(8080, ORIGINS, "http://127.0.0.1:4318", WORKLOADS["aggregate-3"], tmp_path)


@pytest.fixture
def upstreams(monkeypatch):
    for name, url in fanin.upstreams(ORIGINS).items():
        monkeypatch.setenv(name, url)


@pytest.mark.parametrize(
    ("cores", "workers", "shared_out"),
    [
        ({0}, 1, Cores(frozenset({0}), frozenset({0}))),
        ({0, 1}, 1, Cores(frozenset({0}), frozenset({1}))),
        ({0, 1}, 2, Cores(frozenset({0}), frozenset({1}))),
        ({2, 3, 4}, 2, Cores(frozenset({2, 3}), frozenset({4}))),
        (set(), 1, Cores(frozenset(), frozenset())),
    ],
)
def test_a_peer_has_cores_of_its_own_where_there_are_enough(cores, workers, shared_out):
    """The load never runs where the peer does, unless there is one core for both."""
    assert share_out(frozenset(cores), workers) == shared_out


def test_a_name_stands_for_its_variants():
    """`--only fanin` is all of Fanin; a variant is itself."""
    assert {peer.name for peer in chosen(["fanin"])} > {"fanin", "fanin-untraced", "fanin-workers"}
    assert [peer.name for peer in chosen(["fanin-untraced", "go"])] == ["fanin-untraced", "go"]


def test_a_name_that_nobody_has_is_refused():
    """A run of an hour does not begin with a typo."""
    with pytest.raises(ValueError, match="no peer fastfy; there are fanin"):
        chosen(["fastfy"])


@pytest.mark.parametrize("peer", PEERS, ids=lambda peer: peer.name)
def test_every_peer_is_measured_at_workloads_that_exist(peer):
    """Else it would be left out without a word."""
    assert peer.workloads
    assert set(peer.workloads) <= WORKLOADS.keys()


@pytest.mark.usefixtures("upstreams")
@pytest.mark.parametrize("name", WORKLOADS)
def test_every_workload_has_a_config_with_limits_and_retries(name):
    """The product is measured as it would run."""
    [plan] = Gateway.load(fanin.CONFIGS / f"{name}.yaml").plans

    assert plan.path == f"{WORKLOADS[name].path}{{id}}"
    assert "retry 3 · attempt 1s" in str(plan)
    assert "within 2s" in str(plan)


@pytest.mark.usefixtures("upstreams")
def test_the_thousand_are_the_same_endpoint_under_other_paths(scene):
    """The one that is asked stands in their middle, and is the one it would be alone."""
    paths = [plan.path for plan in Gateway.load(fanin.repeated(scene)).plans]

    assert len(set(paths)) == 1000
    assert "/aggregate-3/{id}" in paths
    assert "/shop-0999/aggregate-3/{id}" in paths


def test_nginx_has_an_upstream_for_each_origin_and_a_location_for_each_part(scene, tmp_path):
    """Nothing is left to fill in."""
    config = nginx.render(scene, tmp_path, tmp_path)

    assert config.count("server 127.0.0.1:900") == 3
    assert "location /_orders/ { internal; proxy_pass http://origin1/orders/; }" in config
    assert "${" not in config


def test_krakend_calls_a_backend_for_each_part(scene):
    """Each under its name in the answer."""
    [endpoint] = krakend.render(scene)["endpoints"]

    assert endpoint["endpoint"] == "/aggregate-3/{id}"
    assert [backend["group"] for backend in endpoint["backend"]] == ["user", "orders", "recommendations"]
    assert endpoint["backend"][1] == {"host": [ORIGINS[1]], "url_pattern": "/orders/{id}", "group": "orders"}

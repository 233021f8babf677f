"""The demo in containers, run for real: built, healthy, answering, traced, broken, stopped."""

from __future__ import annotations

from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from secrets import token_hex
from typing import Any

import httpx
import pytest

pytestmark = pytest.mark.slow

MOCKS = ("users", "orders", "catalog", "recommendations")
OURS = ("gateway", *MOCKS)
SECONDS = 60.0
PARENT = "cd" * 8
"""The client's own span."""


@pytest.fixture
def answer(demo: Any) -> httpx.Response:
    """A complete answer. The first ones may come too late on a machine that is still busy starting."""
    for _ in range(20):
        response = demo.get("/v1/home/42", headers={"traceparent": f"00-{token_hex(16)}-{PARENT}-01"})
        if response.headers["gateway-complete"] == "true":
            break
    return response


def test_one_call_through_the_published_port_has_every_member(answer: httpx.Response) -> None:
    """The gateway finds all four services by their names in the network."""
    assert answer.status_code == 200
    assert answer.headers["gateway-complete"] == "true"
    assert list(answer.json()) == ["user", "orders", "products", "recommendations"]
    assert all(answer.json().values())


def test_the_trace_arrives_with_every_span_in_its_place(demo: Any, answer: httpx.Response) -> None:
    """The root continues the client's trace, steps hang below the root, attempts below their step."""
    _, trace, root, _ = answer.headers["traceparent"].split("-")

    spans = demo.spans(trace)
    below_root = {key: span["name"] for key, span in spans.items() if span["parent"] == root}
    attempts = [span for span in spans.values() if span["kind"] == "client"]

    assert (spans[root]["name"], spans[root]["parent"], spans[root]["kind"]) == ("GET /v1/home/{user_id}", PARENT, "server")
    assert {span["service"] for span in spans.values()} == {"fanin"}
    assert set(below_root.values()) == {"step user", "step orders", "step products", "step recommendations", "shape"}
    assert {(below_root[span["parent"]], span["name"]) for span in attempts} >= {
        ("step user", "GET /users/{path.user_id}"),
        ("step orders", "GET /orders"),
        ("step recommendations", "GET /for/{user.segment}"),
    }


def test_a_hanging_upstream_makes_the_answer_partial(demo: Any) -> None:
    """The switch of a mock service is reached from the host, and the gateway gives what it has."""
    demo.chaos("recommendations", mode="hang")

    response = demo.get("/v1/home/43")

    assert response.status_code == 200
    assert response.headers["gateway-complete"] == "false"
    assert response.json()["user"]["id"] == 43
    assert response.json()["recommendations"] == []
    assert [error["step"] for error in response.json()["errors"]] == ["recommendations"]


def test_requests_go_round(demo: Any) -> None:
    """Behind the one port are two gateways, and each has its share."""
    ids = [token_hex(16) for _ in range(12)]

    for trace in ids:
        demo.get("/v1/home/42", headers={"traceparent": f"00-{trace}-{PARENT}-01"})
    instances = {span["instance"] for trace in ids for span in demo.spans(trace).values()}

    assert len(instances) == 2
    assert "" not in instances


def test_a_gateway_that_is_away_is_not_missed(demo: Any) -> None:
    """With either of them stopped the other answers everything."""
    answers = []
    for one in demo.containers("gateway"):
        demo.docker("stop", one)
        answers += [demo.get("/v1/home/42").status_code for _ in range(10)]
        demo.docker("start", one)
        demo.until_healthy()

    assert answers == [200] * 20


@pytest.mark.parametrize(("service", "uid"), [*((name, "10001") for name in OURS), ("edge", "101"), ("redis", "999")])
def test_no_container_runs_as_root(demo: Any, service: str, uid: str) -> None:
    """Neither root nor able to become it: no capability is left, and no program may add one."""
    who = demo.execute(service, "id", "-u").stdout.strip()
    status = dict(line.split(":\t", 1) for line in demo.execute(service, "cat", "/proc/1/status").stdout.splitlines())

    assert who == uid
    assert {int(status[name], 16) for name in ("CapInh", "CapPrm", "CapEff", "CapBnd")} == {0}
    assert status["NoNewPrivs"].strip() == "1"


@pytest.mark.parametrize("service", [*OURS, "edge", "redis"])
def test_nothing_can_be_written_but_tmp(demo: Any, service: str) -> None:
    """The root filesystem is read-only, and everything works all the same."""
    refused = demo.execute(service, "touch", "/opt/written")
    allowed = demo.execute(service, "touch", "/tmp/written")

    assert refused.returncode != 0
    assert "Read-only file system" in refused.stderr
    assert allowed.returncode == 0


def test_the_image_has_nothing_to_install_with(demo: Any) -> None:
    """What built the image stayed behind."""
    code = (
        "import importlib.util as u; print([n for n in ('pip', 'setuptools', 'hatchling', 'pytest', 'ruff') if u.find_spec(n)])"
    )

    assert demo.execute("gateway", "python", "-c", code).stdout.strip() == "[]"


def test_only_the_loopback_address_is_published(demo: Any) -> None:
    """Nothing is reached from another machine, and Redis from nowhere outside."""
    published = {service: sorted(bound(one) for one in demo.inspect(service)) for service in demo.services}

    assert published == {
        **{service: [[("127.0.0.1", port)]] for service, port in demo.ports.items()},
        "gateway": [[("127.0.0.1", port)] for port in demo.admin_ports],
        "redis": [[]],
    }


def test_redis_is_ready_for_a_cache(demo: Any) -> None:
    """It keeps what it is given, up to a bound, and drops the least used beyond."""
    stored = demo.execute("redis", "redis-cli", "set", "key", "value", "ex", "60").stdout.strip()
    policy = demo.execute("redis", "redis-cli", "config", "get", "maxmemory-policy").stdout.split()

    assert stored == "OK"
    assert policy == ["maxmemory-policy", "allkeys-lru"]


def test_a_config_that_is_mounted_takes_the_place_of_the_images(demo: Any, pytestconfig: pytest.Config) -> None:
    """One's own config needs no image of one's own."""
    mount = f"{pytestconfig.rootpath / 'config/minimal.yaml'}:/app/config/gateway.yaml:ro"

    printed = demo.compose("run", "--rm", "--no-deps", "-T", "--volume", mount, "gateway", "gateway", "routes")

    assert "/profile/{id}" in printed
    assert "/v1/home" not in printed


def test_mock_services_stop_at_once_even_with_hung_calls(demo: Any) -> None:
    """Signals reach the services themselves, so nobody has to kill them: that would be status 137."""
    for service in MOCKS:
        demo.chaos(service, mode="hang")
    with ThreadPoolExecutor(len(MOCKS)) as pool:
        hung = [pool.submit(demo.get, "/anything", service) for service in MOCKS]
        for service in MOCKS:
            demo.until_in_flight(service)

        demo.compose("stop", *MOCKS)
        broken = [isinstance(one.exception(timeout=SECONDS), httpx.TransportError) for one in hung]
    ended = {service: demo.inspect(service)[0]["State"]["ExitCode"] for service in MOCKS}
    demo.compose("start", *MOCKS)
    demo.until_healthy()

    assert broken == [True] * len(MOCKS)
    assert ended == dict.fromkeys(MOCKS, 0)


def test_a_gateway_that_is_stopped_finishes_what_it_began(demo: Any) -> None:
    """The request in flight is answered and its trace leaves, then the container ends within its grace and with status 0."""
    demo.chaos("orders", latency_ms=900)
    with ThreadPoolExecutor(1) as pool:
        asked = pool.submit(demo.get, "/v1/home/7")
        demo.until_in_flight("orders")

        demo.compose("stop", "gateway")
        response = asked.result(timeout=SECONDS)
    ended = [one["State"]["ExitCode"] for one in demo.inspect("gateway")]
    _, trace, root, _ = response.headers["traceparent"].split("-")
    left = demo.spans(trace)
    demo.compose("start", "gateway")
    demo.until_healthy()

    assert response.status_code == 200
    assert response.json()["user"]["id"] == 7
    assert root in left
    assert ended == [0, 0]


def bound(container: Mapping[str, Any]) -> list[tuple[str, int]]:
    """Where a container's ports are published."""
    ports = container["NetworkSettings"]["Ports"] or {}
    return [(one["HostIp"], int(one["HostPort"])) for published in ports.values() for one in published or ()]

"""What docker-compose.yml and the Dockerfile promise, read from the files: no engine is needed, so this is never skipped."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

import pytest
import yaml

from gateway.cli.serve import GRACE
from gateway.export import GRACE as EXPORT_GRACE
from services import PORTS

ROOT = Path(__file__).parents[2]
OURS = ("gateway", *PORTS)
FOREIGN = {"edge": "nginx", "jaeger": "jaegertracing/jaeger", "redis": "redis"}
"""Service → the image it is run from."""


def read(file: str) -> Any:
    """A compose file as it is without any variable set."""
    text = (ROOT / file).read_text()
    return yaml.safe_load(re.sub(r"\$\{\w+:-([^}]*)\}", r"\1", text))


COMPOSE = read("docker-compose.yml")
SERVICES: dict[str, dict[str, Any]] = COMPOSE["services"]
DOCKERFILE = (ROOT / "Dockerfile").read_text()
INSTRUCTIONS = [line for line in DOCKERFILE.replace("\\\n", " ").splitlines() if line and not line.startswith("#")]


def seconds(text: str) -> float:
    """`30s` as a number."""
    assert text.endswith("s")
    return float(text[:-1])


def test_the_services_are_the_demo_with_jaeger_redis_and_one_port_before_the_gateways() -> None:
    """Extensions apart, there is nothing but services: `version:` is a warning today."""
    assert set(SERVICES) == {*OURS, *FOREIGN}
    assert [key for key in COMPOSE if not key.startswith("x-")] == ["services"]


@pytest.mark.parametrize("service", SERVICES)
def test_no_service_may_do_what_it_need_not(service: str) -> None:
    """Read-only but for /tmp, without capabilities, unable to gain any, reaped by an init."""
    spec = SERVICES[service]

    assert spec["read_only"] is True
    assert "/tmp" in spec["tmpfs"]
    assert spec["cap_drop"] == ["ALL"]
    assert spec["security_opt"] == ["no-new-privileges:true"]
    assert spec["init"] is True
    assert not {"privileged", "cap_add", "network_mode", "pid"} & set(spec)


def test_ports_are_published_on_the_loopback_address_alone() -> None:
    """Each in its usual place, so that the commands of the demo work as they are; Redis is nobody's business."""
    published = {service: spec.get("ports", []) for service, spec in SERVICES.items()}

    assert published == {
        "edge": ["127.0.0.1:8080:8080"],
        "gateway": ["127.0.0.1:8081-8082:8081"],
        **{name: [f"127.0.0.1:{port}:{port}"] for name, port in PORTS.items()},
        "jaeger": ["127.0.0.1:16686:16686"],
        "redis": [],
    }


@pytest.mark.parametrize("service", SERVICES)
def test_every_service_has_a_health_check_that_ends_in_time(service: str) -> None:
    """As a list, so that no shell is needed; none is without end."""
    check = SERVICES[service]["healthcheck"]

    assert check["test"][0] == "CMD"
    assert {"interval", "timeout", "retries", "start_period"} <= set(check)


@pytest.mark.parametrize(
    ("service", "url"),
    [
        ("gateway", "http://127.0.0.1:8080/readyz"),
        *((name, f"http://127.0.0.1:{port}/livez") for name, port in PORTS.items()),
    ],
)
def test_our_services_are_asked_without_curl(service: str, url: str) -> None:
    """The slim image has Python, and a script that is in the image."""
    assert SERVICES[service]["healthcheck"]["test"] == ["CMD", "python", "-I", "deploy/healthy.py", url]
    assert (ROOT / "deploy/healthy.py").exists()


def test_the_gateway_waits_for_its_upstreams_and_for_nobody_else_to_be_well() -> None:
    """Neither traces nor a cache are a reason not to serve."""
    waits = {service: how["condition"] for service, how in SERVICES["gateway"]["depends_on"].items()}

    assert waits == dict.fromkeys(PORTS, "service_healthy") | {"jaeger": "service_started", "redis": "service_started"}


def test_there_are_two_gateways_each_with_an_admin_port() -> None:
    """As many ports as gateways: with fewer, one of them would not start."""
    (published,) = SERVICES["gateway"]["ports"]
    first, last = map(int, published.split(":")[1].split("-"))

    assert SERVICES["gateway"]["scale"] == last - first + 1 == 2
    assert SERVICES["edge"]["depends_on"] == {"gateway": {"condition": "service_healthy"}}
    assert "gateway:8080" in (ROOT / "deploy/nginx.conf").read_text()


def test_the_gateway_has_longer_than_its_own_grace_to_stop() -> None:
    """Requests in flight first, then the last spans; only then may the engine kill it."""
    assert seconds(SERVICES["gateway"]["stop_grace_period"]) > GRACE + EXPORT_GRACE


@pytest.mark.parametrize(("name", "port"), PORTS.items())
def test_the_gateway_is_told_where_each_upstream_listens(name: str, port: int) -> None:
    """Every variable of the showcase is set, to the name and port that the service has."""
    variable = f"{name.upper()}_URL"

    assert f"${{{variable}:-" in (ROOT / "config/gateway.yaml").read_text()
    assert SERVICES["gateway"]["environment"][variable] == f"http://{name}:{port}"
    assert SERVICES[name]["command"] == ["python", "-m", "services", name, "--host", "0.0.0.0", "--port", str(port)]


def test_the_gateway_is_told_where_the_cache_is() -> None:
    """By the showcase's own variable, which is empty elsewhere."""
    assert '"${REDIS_URL:-}"' in (ROOT / "config/gateway.yaml").read_text()
    assert SERVICES["gateway"]["environment"]["REDIS_URL"] == "redis://redis:6379/0"


def test_nobody_beyond_the_container_gets_to_the_admin_side_unasked() -> None:
    """No token is made up: without one it keeps to its own loopback, and the published port leads nowhere."""
    environ = SERVICES["gateway"]["environment"]

    assert {name: environ[f"GATEWAY_ADMIN_{name}"] for name in ("HOST", "PORT", "TOKEN")} == {
        "HOST": "127.0.0.1",
        "PORT": "8081",
        "TOKEN": "",
    }


def test_traces_go_to_jaeger_over_http() -> None:
    """The port is OTLP's for HTTP, and nothing else is published of it."""
    environ = SERVICES["gateway"]["environment"]

    assert environ["OTEL_EXPORTER_OTLP_ENDPOINT"] == "http://jaeger:4318"
    assert environ["OTEL_SERVICE_NAME"] == "fanin"


@pytest.mark.parametrize(("service", "image"), FOREIGN.items())
def test_foreign_images_are_official_and_pinned(service: str, image: str) -> None:
    """A tag that names at least a minor version: `latest` is another program tomorrow."""
    name, _, tag = SERVICES[service]["image"].partition(":")

    assert name == image
    assert re.fullmatch(r"\d+\.\d+[\w.-]*", tag)


@pytest.mark.parametrize("service", OURS)
def test_our_services_are_built_from_one_dockerfile(service: str) -> None:
    """Without a tag in common: several builds at once race for it."""
    assert SERVICES[service]["build"] == {"context": "."}
    assert "image" not in SERVICES[service]


def test_the_image_is_built_in_two_stages_from_the_pinned_slim_python() -> None:
    """What builds stays behind, and no other frontend is fetched for it."""
    assert [line for line in INSTRUCTIONS if line.startswith("FROM")] == [
        "FROM python:3.11-slim AS build",
        "FROM python:3.11-slim",
    ]
    assert not re.search(r"^#\s*syntax", DOCKERFILE, re.MULTILINE | re.IGNORECASE)


def test_the_image_runs_as_nobody_in_particular() -> None:
    """A number, so that a cluster can see that it is not root; the last word on it."""
    users = [line for line in INSTRUCTIONS if line.startswith("USER")]

    assert users == ["USER 10001:10001"]
    assert INSTRUCTIONS.index(users[0]) > INSTRUCTIONS.index("FROM python:3.11-slim")


def test_the_image_starts_the_gateway_itself() -> None:
    """The exec form: no shell stands between the signal and the gateway."""
    assert json.loads(INSTRUCTIONS[-1].removeprefix("CMD ")) == ["gateway", "serve"]


def test_the_image_installs_what_is_locked_and_nothing_else() -> None:
    """Everything by its hash, the project without its dependencies, no cache left behind."""
    installs = [part for line in INSTRUCTIONS for part in line.split("&&") if "install" in part.split() and "RUN" in line]

    assert [re.findall(r"--(?:require-hashes|no-deps|no-build-isolation)", part) for part in installs] == [
        ["--require-hashes"],
        ["--no-deps", "--no-build-isolation"],
    ]
    assert "PIP_NO_CACHE_DIR=1" in DOCKERFILE


def test_what_is_taken_out_again_is_what_only_the_build_needs() -> None:
    """Exactly what the lock has for the build backend's sake: no more, or something breaks; no less, or it stays in the image."""
    blocks = re.split(r"^(?=[\w.-]+==)", (ROOT / "requirements/run.txt").read_text(), flags=re.MULTILINE)[1:]
    asked_by = {block.partition("==")[0]: set(re.findall(r"^    #(?: via|  ) +(\S.*)$", block, re.MULTILINE)) for block in blocks}
    build_only = {"hatchling"}
    while more := {name for name, by in asked_by.items() if by <= build_only | {"-r requirements/build.in"}} - build_only:
        build_only |= more

    removed = re.search(r"uninstall --yes\s+(.*?)\s+&&", " ".join(INSTRUCTIONS))

    assert removed
    assert set(removed[1].split()) == build_only


def test_the_build_sees_only_what_it_needs() -> None:
    """Everything is kept out unless it is named: history, secrets and local settings never get into a layer."""
    rules = [line for line in (ROOT / ".dockerignore").read_text().splitlines() if line and not line.startswith("#")]

    assert rules[0] == "*"
    assert {rule for rule in rules if rule.startswith("!")} >= {"!gateway", "!services", "!config", "!requirements/run.txt"}
    assert not any(name in rule for rule in rules for name in (".git", ".env", "tests", "docs"))


def test_the_tests_replace_only_images_that_cannot_be_built_here() -> None:
    """Whatever else they changed would not be tested."""
    replaced = read("tests/compose/docker-compose.test.yml")["services"]

    assert all(replaced[service] == {"build": {"network": "host"}} for service in OURS)
    assert set(replaced) - set(OURS) == set(FOREIGN)
    assert set(replaced["redis"]) == {"image", "build"}
    assert set(replaced["edge"]) == {"image", "build", "command"}
    assert set(replaced["jaeger"]) == {"image", "build", "command", "volumes", "healthcheck"}


def test_the_docs_name_every_service_and_image() -> None:
    """The page about the containers says what is in them."""
    page = (ROOT / "docs/containers.md").read_text()
    images = [SERVICES[service]["image"] for service in FOREIGN]
    ports = re.findall(r"127\.0\.0\.1:(\d+)[:-]", str([spec.get("ports") for spec in SERVICES.values()]))

    assert [word for word in [*SERVICES, *images, *ports] if word not in page] == []


@pytest.mark.slow
@pytest.mark.parametrize(("status", "verdict"), [(200, 0), (204, 1), (404, 1), (503, 1)])
def test_the_health_check_tells_well_from_unwell(status: int, verdict: int) -> None:
    """Only 200 is well; a proxy in the environment is not asked."""
    with answering(status) as url:
        assert healthy(url) == verdict


@pytest.mark.slow
def test_the_health_check_says_what_is_wrong_when_nobody_listens() -> None:
    """Status 1 and one line, which the engine keeps, and no traceback."""
    with answering(200) as url:
        pass

    assert healthy(url) == 1


@contextmanager
def answering(status: int) -> Iterator[str]:
    """The URL of a server that answers everything with this status."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(status)
            self.send_header("content-length", "0")
            self.end_headers()

        def log_message(self, *_: object) -> None:
            pass

    with HTTPServer(("127.0.0.1", 0), Handler) as server:
        serving = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        serving.start()
        try:
            yield f"http://127.0.0.1:{server.server_port}/readyz"
        finally:
            server.shutdown()
            serving.join()


def healthy(url: str) -> int:
    """The exit status of the health check, which has to speak up exactly when it is not 0."""
    environ = os.environ | {"http_proxy": "http://127.0.0.1:9", "no_proxy": ""}
    command = [sys.executable, "-I", str(ROOT / "deploy/healthy.py"), url]
    done = subprocess.run(command, env=environ, capture_output=True, text=True, timeout=30, check=False)
    assert len(done.stderr.splitlines()) == done.returncode
    return done.returncode

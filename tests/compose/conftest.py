"""The demo in containers, up once for all its tests, for whoever has an engine: `DOCKER_HOST` names it where it is not the usual one."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import httpx
import pytest

ROOT = Path(__file__).parents[2]
FILES = (ROOT / "docker-compose.yml", ROOT / "tests/compose/docker-compose.test.yml")
MOCKS = ("users", "orders", "catalog", "recommendations")
PUBLISHED = {"edge": "GATEWAY_PORT", **{name: f"{name.upper()}_PORT" for name in (*MOCKS, "jaeger")}}
"""Service → the variable that says on which port of the host it is published."""

GATEWAYS = 2

BUILD_SECONDS = 900.0
UP_SECONDS = 180.0
SECONDS = 60.0

T = TypeVar("T")


@dataclass(frozen=True)
class Demo:
    """The running containers, by the names of their services."""

    project: str
    command: tuple[str, ...]
    environ: Mapping[str, str]
    ports: Mapping[str, int]
    admin_ports: tuple[int, ...]
    client: httpx.Client

    @property
    def services(self) -> tuple[str, ...]:
        """Everything that is up."""
        return ("gateway", *PUBLISHED, "redis")

    def compose(self, *arguments: str, seconds: float = SECONDS) -> str:
        """A command of compose; gives what it wrote."""
        return run(*self.command, *arguments, environ=self.environ, seconds=seconds)

    def docker(self, *arguments: str) -> str:
        """A command of the engine; gives what it wrote."""
        return run("docker", *arguments)

    def inspect(self, service: str) -> list[dict[str, Any]]:
        """What the engine knows about the service's containers, running or not."""
        return list(json.loads(run("docker", "inspect", *self.containers(service))))

    def execute(self, service: str, *command: str) -> subprocess.CompletedProcess[str]:
        """A command inside the service's first container, whatever comes of it."""
        whole = ["docker", "exec", self.containers(service)[0], *command]
        return subprocess.run(whole, capture_output=True, text=True, timeout=SECONDS, check=False)

    def get(self, path: str, service: str = "edge", headers: Mapping[str, str] | None = None) -> httpx.Response:
        """Ask for something through the published port."""
        return self.client.get(self.url(service, path), headers=headers)

    def chaos(self, service: str, **setting: object) -> None:
        """Set the switch of a mock service; without a setting it is well."""
        url = self.url(service, "/_chaos")
        (self.client.put(url, json=setting) if setting else self.client.delete(url)).raise_for_status()

    def spans(self, trace: str) -> dict[str, dict[str, str]]:
        """The spans of a trace by their ids, once its root has arrived: it is sent last."""

        def arrived() -> dict[str, dict[str, str]]:
            spans = {span["span"]: span for span in self.get("/spans", "jaeger").json() if span["trace"] == trace}
            return spans if any(span["kind"] == "server" for span in spans.values()) else {}

        return until(arrived, SECONDS, f"the root of trace {trace}")

    def until_in_flight(self, service: str) -> None:
        """Wait until the mock service is busy with a call."""
        until(lambda: self.get("/_stats", service).json()["in_flight"], SECONDS, f"a call in flight at {service}")

    def until_healthy(self) -> None:
        """Wait until every health check is content, or say which is not, and what was logged."""
        seen: dict[str, str] = {}

        def healthy() -> bool:
            for service in self.services:
                for number, one in enumerate(self.inspect(service)):
                    state = one["State"]
                    status = state["Health"]["Status"] if state["Running"] else f"{state['Status']} ({state['ExitCode']})"
                    seen[f"{service} {number}"] = status
            return set(seen.values()) == {"healthy"}

        try:
            until(healthy, UP_SECONDS, "all services being healthy")
        except AssertionError as error:
            raise AssertionError(f"{error}: {seen}\n{self.compose('logs', '--no-color', '--tail', '20')}") from None

    def containers(self, service: str) -> list[str]:
        """The ids of the service's containers, running or not."""
        # `ps` of one compose tells of stopped containers, that of the other does not; the labels always do.
        labels = (f"com.docker.compose.project={self.project}", f"com.docker.compose.service={service}")
        filters = [f"--filter=label={label}" for label in (*labels, "com.docker.compose.oneoff=False")]
        return sorted(run("docker", "ps", "--all", "--quiet", "--no-trunc", *filters).split())

    def url(self, service: str, path: str) -> str:
        """Where the host reaches a service."""
        return f"http://127.0.0.1:{self.ports[service]}{path}"


def run(*command: str, environ: Mapping[str, str] | None = None, seconds: float = SECONDS) -> str:
    """Run a command that has to succeed; gives what it wrote."""
    done = subprocess.run(command, cwd=ROOT, env=environ, capture_output=True, text=True, timeout=seconds, check=False)
    assert done.returncode == 0, f"{' '.join(command)}: status {done.returncode}\n{(done.stdout + done.stderr)[-6000:]}"
    return done.stdout


def until(find: Callable[[], T], seconds: float, what: str) -> T:
    """What `find` gives as soon as it is something; an `AssertionError` when it does not come."""
    patience = time.monotonic() + seconds
    while not (found := find()):
        if time.monotonic() > patience:
            raise AssertionError(f"waited {seconds:.0f} s in vain for {what}")
        time.sleep(0.2)
    return found


def answers(*command: str) -> str | None:
    """Why a command does not succeed; None when it does."""
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=20, check=False)
    except (OSError, subprocess.TimeoutExpired) as error:
        return str(error)
    return None if done.returncode == 0 else done.stderr.strip() or f"status {done.returncode}"


def find_compose() -> tuple[str, ...]:
    """The command that runs compose files here. Skips, loudly, where there is none or no engine behind it."""
    if why := answers("docker", "info"):
        pytest.skip(f"THE CONTAINERS WERE NOT RUN, no Docker engine answers: {why}")
    for command in (("docker", "compose"), ("docker-compose",)):
        if answers(*command, "version") is None:
            return command
    pytest.skip("THE CONTAINERS WERE NOT RUN, there is neither `docker compose` nor `docker-compose`")


def free_ports(count: int) -> list[int]:
    """Ports that nobody has at the moment."""
    with ExitStack() as stack:
        taken = [stack.enter_context(socket.create_server(("127.0.0.1", 0))) for _ in range(count)]
        return [one.getsockname()[1] for one in taken]


def free_range(count: int) -> tuple[int, ...]:
    """Ports in a row that nobody has at the moment."""
    while True:
        first = free_ports(1)[0]
        row = tuple(range(first, first + count))
        with ExitStack() as stack, suppress(OSError, OverflowError):
            for port in row:
                stack.enter_context(socket.create_server(("127.0.0.1", port)))
            return row


@pytest.fixture(scope="module")
def containers() -> Iterator[Demo]:
    """The demo, built and up; gone again afterwards, with its images."""
    compose, project = find_compose(), f"fanin-test-{os.getpid()}"
    files = [argument for file in FILES for argument in ("--file", str(file))]
    ports = dict(zip(PUBLISHED, free_ports(len(PUBLISHED)), strict=True))
    admin = free_range(GATEWAYS)
    environ = os.environ | {PUBLISHED[name]: str(port) for name, port in ports.items()}
    environ |= {"GATEWAY_ADMIN_PORTS": f"{admin[0]}-{admin[-1]}"}
    command = (*compose, "--project-name", project, "--project-directory", str(ROOT), *files)
    with httpx.Client(trust_env=False, timeout=SECONDS) as client:
        demo = Demo(project, command, environ, ports, admin, client)
        try:
            demo.compose("build", seconds=BUILD_SECONDS)
            demo.compose("up", "--detach", seconds=UP_SECONDS)
            demo.until_healthy()
            yield demo
        finally:
            demo.compose("down", "--volumes", "--remove-orphans", "--rmi", "all", seconds=UP_SECONDS)


@pytest.fixture
def demo(containers: Demo) -> Iterator[Demo]:
    """The demo with all its services well."""
    yield containers
    for service in MOCKS:
        containers.chaos(service)

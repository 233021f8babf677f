"""A gateway before the suite's server, and the suite's client before it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from bench.processes import Broken, Children, Command, free_port
from conformance import ROOT
from conformance.suite import Results, Suite
from gateway.compile.passthrough import KEPT

_TESTS_OWN = ("cache-control", "pragma", "test-name", "test-id", "req-num", "if-none-match", "if-modified-since", "range")
_SERVERS_OWN = (
    "server-base-url",
    "server-request-count",
    "client-request-count",
    "server-now",
    "request-numbers",
    "capability-seen",
)
_NOBODYS = ("connection", "keep-alive", "te", "trailer", "transfer-encoding", "upgrade", "date")
"""Fields that no config can name, since they are a connection's, or go by anyway."""

_WRITES = ("POST", "PUT", "DELETE", "M-SEARCH")

_ANSWER = 10.0
"""Seconds for a reply: the suite has one that takes five."""

LONGEST = 600.0
"""Seconds for all tests."""


def play(suite: Suite, test: str = "") -> Results | str:
    """All tests, or what the suite says of the one with this id. Raises `Broken`."""
    with Children() as children:
        origin, front = free_port(), free_port()
        server, client = suite.scripts
        config = children.folder / "gateway.json"
        config.write_text(json.dumps(configured(suite, origin), indent=2))
        ours = {"npm_config_protocol": "http", "npm_config_port": str(origin), "npm_config_pidfile": str(children.folder / "pid")}
        upstream = children.start(Command(["node", server], ours, suite.folder), frozenset())
        serve = [sys.executable, "-m", "gateway", "serve", "-c", str(config), "--port", str(front), "--admin-port", "0"]
        gateway = children.start(Command(serve, {"PYTHONPATH": str(ROOT)}), frozenset())
        children.serving(upstream, origin)
        children.serving(gateway, front)
        said = _ask(suite.folder, client, f"http://127.0.0.1:{front}", test)
    return said if test else _results(said)


def configured(suite: Suite, origin: int) -> dict[str, Any]:
    """A passthrough for each path of the suite and all its methods, which keeps by the upstream's headers alone."""
    sent = sorted({*suite.sent, *_TESTS_OWN} - {*_NOBODYS})
    named = {*suite.received, *_SERVERS_OWN} - {*_NOBODYS, *KEPT}
    received = sorted(name for name in named if not name.startswith("proxy-"))
    endpoints = list(_endpoints(sent, received))
    return {"version": 1, "upstreams": {"origin": {"url": f"http://127.0.0.1:{origin}"}}, "endpoints": endpoints}


def _endpoints(sent: list[str], received: list[str]) -> Iterator[dict[str, Any]]:
    for path in ("/test/{id}", "/test/{id}/{file}"):
        # One cookie for all is what the suite asks for, and what nobody should write without need.
        kept = {"vary_on": [], "set_cookie": True}
        step = {"get": f"origin {path.replace('{', '{path.')}", "forward": {"headers": sent, "query": ["test"]}, "cache": kept}
        yield _passing(path, "get", step, {"headers": received, "methods": _WRITES})
    yield _passing("/config/{id}", "put", {"put": "origin /config/{path.id}"}, passthrough=True)
    yield _passing("/state/{id}", "get", {"get": "origin /state/{path.id}"}, passthrough=True)


def _passing(path: str, method: str, step: dict[str, Any], passthrough: Any) -> dict[str, Any]:
    return {"path": path, "method": method.upper(), "timeout": f"{_ANSWER:g}s", "passthrough": passthrough, "steps": {"it": step}}


def _ask(folder: Path, client: str, base: str, test: str) -> str:
    asked = {"npm_config_base": base, "npm_config_id": test, "npm_package_config_id": ""}
    try:
        done = subprocess.run(
            ["node", "--no-warnings", client],
            cwd=folder,
            env={**os.environ, **asked},
            capture_output=True,
            text=True,
            timeout=LONGEST,
            check=False,
        )
    except subprocess.TimeoutExpired as error:
        raise Broken(f"the suite took more than {LONGEST:g} s") from error
    if done.returncode:
        raise Broken(f"the suite broke off: {done.stderr.strip()[-300:]}")
    return done.stdout


def _results(said: str) -> Results:
    try:
        found: Results = json.loads(said[said.index("{") :])
    except ValueError as error:
        raise Broken("the suite gives no results") from error
    return found

"""What `gateway serve` logs, and that a standard error which nobody reads holds no request."""

from __future__ import annotations

import json
from typing import Any
from urllib.request import urlopen

import pytest

ENDPOINT = "  - path: /a/{id}\n    steps: { user: { get: 'users /users/{path.id}' } }\n"


@pytest.fixture
def config(write: Any, upstream: Any) -> str:
    """A config that works."""
    upstream.answers = {"/users/42": [(200, {"id": 42})]}
    return str(write(ENDPOINT, url=upstream.url))


def ask(url: str) -> str:
    """The trace of one answer."""
    with urlopen(f"{url}/a/42", timeout=20) as response:
        return str(response.headers["traceparent"][3:35])


@pytest.mark.slow
@pytest.mark.parametrize("workers", ["1", "2"])
def test_every_worker_has_a_line_for_each_request(start: Any, config: str, workers: str) -> None:
    """In JSON where it is no terminal, to the last one when it is told to stop."""
    process = start("serve", "-c", config, "--port", "0", "--workers", workers, GATEWAY_LOG_FORMAT="", GATEWAY_LOG_LEVEL="info")
    told = json.loads(process.stderr.readline())

    traces = {ask(told["url"]) for _ in range(10)}
    process.terminate()
    _, text = process.communicate()

    lines = [json.loads(line) for line in text.splitlines()]
    assert told["event"] == "gateway.serving"
    assert {line["trace_id"] for line in lines if line.get("event") == "gateway.request"} == traces


@pytest.mark.slow
def test_a_log_that_nobody_reads_holds_no_request(start: Any, config: str) -> None:
    """The pipe is full after some two hundred lines; what is lost is said to who reads again."""
    process = start("serve", "-c", config, "--port", "0", "--log-format", "json", "--log-level", "info")
    url = json.loads(process.stderr.readline())["url"]

    traces = [ask(url) for _ in range(500)]
    process.terminate()
    _, text = process.communicate()

    assert len(set(traces)) == 500
    assert process.returncode == 0
    assert all(json.loads(line) for line in text.splitlines())

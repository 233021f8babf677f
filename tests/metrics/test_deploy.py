"""The dashboard and the alert rules: they ask for what there is, and for all of it."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from gateway.metrics.exposition import name_of
from gateway.telemetry import METRICS, Metric

DEPLOY = Path(__file__).parents[2] / "deploy"
DASHBOARD = json.loads((DEPLOY / "grafana/fanin.json").read_text())
RULES = DEPLOY / "prometheus/alerts.yml"
PROMTOOL = shutil.which("promtool")

_NAME = re.compile(r"\b(?:http|gateway)_[a-z_]+\b(?!\s*(?:=|!))")
_LABELS = re.compile(r"\b([a-z_]+)\s*(?:=~|!=|!~|=)\"|(?:by|on) \(([^)]*)\)")


def series(metric: Metric) -> Iterator[str]:
    """The names of its samples."""
    ends = {"histogram": ("_bucket", "_count", "_sum"), "counter": ("_total",), "gauge": ("",)}[metric.kind]
    return (name_of(metric) + end for end in ends)


SAMPLES = {name: metric for metric in METRICS for name in series(metric)}
ATTRIBUTES = {name.replace(".", "_") for metric in METRICS for name in metric.attributes} | {"le"}


def dashboard() -> Iterator[str]:
    """The expressions of its panels and of its variables."""
    yield from (target["expr"] for panel in DASHBOARD["panels"] for target in panel.get("targets", ()))
    yield from (one["query"]["query"] for one in DASHBOARD["templating"]["list"] if one["type"] == "query")


def rules() -> list[Any]:
    """The rules of all groups."""
    return [rule for group in yaml.safe_load(RULES.read_text())["groups"] for rule in group["rules"]]


def metrics_in(expression: str) -> set[str]:
    """What it asks for: names that are no labels alone."""
    return {*_NAME.findall(expression)} - (ATTRIBUTES - {*SAMPLES})


def labels_in(expression: str) -> set[str]:
    """What it tells series apart by."""
    found = (one or many for one, many in _LABELS.findall(expression))
    return {name.strip() for names in found for name in names.split(",")}


@pytest.mark.parametrize("expression", [*dashboard(), *(rule["expr"] for rule in rules())])
def test_every_name_is_one_that_there_is(expression: str) -> None:
    """Of metrics and of labels: a chart of what has another name is empty, and an alert silent."""
    asked = metrics_in(expression)

    assert asked
    assert asked <= {*SAMPLES}
    assert labels_in(expression) <= {name.replace(".", "_") for one in asked for name in SAMPLES[one].attributes} | {"le"}


def test_the_dashboard_shows_every_metric() -> None:
    """None is counted for nobody."""
    shown = {SAMPLES[name] for expression in dashboard() for name in metrics_in(expression)}

    assert {metric.name for metric in METRICS if metric not in shown} == set()


def test_panels_do_not_lie_on_each_other() -> None:
    """Each has a place and an id of its own, and says what it shows."""
    places = [(panel["gridPos"]["x"], panel["gridPos"]["y"]) for panel in DASHBOARD["panels"]]

    assert len({*places}) == len(places) == len({panel["id"] for panel in DASHBOARD["panels"]})
    assert all(panel["title"] and (panel["type"] == "row" or panel["description"]) for panel in DASHBOARD["panels"])


@pytest.mark.parametrize("rule", rules(), ids=lambda rule: rule["alert"])
def test_an_alert_says_what_to_look_at(rule: Any) -> None:
    """Who is woken by it reads it first."""
    assert rule["labels"]["severity"] in ("page", "ticket")
    assert rule["annotations"].keys() == {"summary", "description"}
    assert {*re.findall(r"\$labels\.(\w+)", rule["annotations"]["summary"])} <= labels_in(rule["expr"])


# Samples, a minute apart, of a gateway in which only one thing is wrong; the alert's labels; and what it says.
REQUESTS = 'http_server_request_duration_seconds_count{http_route="/a",http_response_status_code="%s"}'
TOOK = 'http_server_request_duration_seconds_bucket{http_route="/a",le="%s"}'
ATTEMPTS = 'http_client_request_duration_seconds_count{gateway_upstream_name="users",error_type="%s"}'
PARTIAL = 'gateway_answer_partial_total{http_route="/a"}'
BREAKER = 'gateway_breaker_state{gateway_upstream_name="users",server_address="h",server_port="80",gateway_breaker_state="%s"}'
RETRIES = 'gateway_upstream_retries_total{gateway_upstream_name="users"}'
ROUTE, UPSTREAM = {"http_route": "/a"}, {"gateway_upstream_name": "users"}
WELL = {
    REQUESTS % 200: "0+100x40",
    REQUESTS % 503: "0+4x40",
    TOOK % "2.5": "0+100x40",
    TOOK % "5.0": "0+100x40",
    TOOK % "+Inf": "0+100x40",
    ATTEMPTS % "": "0+100x40",
    ATTEMPTS % "503": "0+20x40",
    PARTIAL: "0+9x40",
    BREAKER % "open": "1x4 0x36",
    RETRIES: "0+10x40",
    'gateway_telemetry_lost_total{gateway_telemetry_signal="spans"}': "0x40",
    "gateway_shed_requests_total": "0x40",
}
ALERTS: dict[str, tuple[dict[str, str], dict[str, str], str]] = {
    "FaninAnswersFail": ({REQUESTS % 503: "0+25x40"}, ROUTE, "/a: 20% of the requests are answered with a 5xx"),
    "FaninAnswersAreSlow": ({TOOK % "2.5": "0+90x40"}, ROUTE, "/a: one request in a hundred takes longer than 4.75s"),
    "FaninAnswersArePartial": ({PARTIAL: "0+26x40"}, ROUTE, "/a: 25% of the answers lack a part"),
    "FaninUpstreamFails": ({ATTEMPTS % "503": "0+100x40"}, UPSTREAM, "users: 50% of the attempts fail"),
    "FaninBreakerIsOpen": (
        {BREAKER % "open": "2x40"},
        {**UPSTREAM, "server_address": "h", "server_port": "80"},
        "users: 2 processes have left h:80 alone for minutes",
    ),
    "FaninRetriesAreMany": ({RETRIES: "0+30x40"}, UPSTREAM, "users: 25% of the attempts are retries"),
    "FaninTelemetryIsLost": (
        {'gateway_telemetry_lost_total{gateway_telemetry_signal="spans"}': "0+60x40"},
        {"gateway_telemetry_signal": "spans"},
        "spans: 1 records a second are lost",
    ),
    "FaninTurnsRequestsAway": ({"gateway_shed_requests_total": "0+600x40"}, {}, "10 requests a second are turned away"),
}


def promtool(*words: str | Path) -> None:
    """What Prometheus itself says of the rules."""
    assert PROMTOOL
    done = subprocess.run([PROMTOOL, *map(str, words)], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


def expected(rule: Any, fired: str | None) -> dict[str, Any]:
    """What becomes of a rule when this alert fires and no other."""
    asked = {"eval_time": "35m", "alertname": rule["alert"], "exp_alerts": []}
    if rule["alert"] == fired:
        _, labels, summary = ALERTS[fired]
        told = {"summary": summary, "description": rule["annotations"]["description"]}
        asked["exp_alerts"] = [{"exp_labels": {**labels, **rule["labels"]}, "exp_annotations": told}]
    return asked


@pytest.mark.skipif(PROMTOOL is None, reason="NO PROMTOOL HERE: install Debian's prometheus")
def test_an_alert_fires_for_its_own_trouble_alone(tmp_path: Path) -> None:
    """By Prometheus' own hand: each of them, with the words that somebody reads, and none while what goes wrong is within bounds."""
    troubles: list[str | None] = [None, *ALERTS]
    stories = [
        {
            "interval": "1m",
            "input_series": [
                {"series": name, "values": values} for name, values in {**WELL, **(ALERTS[one][0] if one else {})}.items()
            ],
            "alert_rule_test": [expected(rule, one) for rule in rules()],
        }
        for one in troubles
    ]
    file = tmp_path / "stories.yml"
    file.write_text(yaml.safe_dump({"rule_files": [str(RULES)], "evaluation_interval": "1m", "tests": stories}))

    promtool("check", "rules", RULES)
    promtool("test", "rules", file)

    assert {*ALERTS} == {rule["alert"] for rule in rules()}

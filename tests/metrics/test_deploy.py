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


@pytest.mark.slow
@pytest.mark.skipif(PROMTOOL is None, reason="NO PROMTOOL HERE: install Debian's prometheus")
def test_prometheus_takes_the_rules() -> None:
    """By its own check, of every expression and template."""
    assert PROMTOOL
    checked = subprocess.run([PROMTOOL, "check", "rules", str(RULES)], capture_output=True, text=True, check=False)

    assert checked.returncode == 0, checked.stdout + checked.stderr

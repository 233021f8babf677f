"""The suite's results: which are counted, which excused, and what is told of them. Playing it needs Node, and is `make cache-tests`."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from conformance.report import failed, report, write
from conformance.stage import configured
from conformance.suite import Case, Part, Published, Suite
from gateway.compile import compile_plans
from gateway.load import load_text

PARTS = [
    Part("Vary", [Case("vary-a", "a", "required"), Case("vary-b", "b", "optimal"), Case("vary-c", "c", "check")]),
    Part("Interim", [Case("interim-not-cached", "d", "required")]),
]
RESULTS: dict[str, Any] = {"vary-a": True, "vary-b": ["Assertion", "not cached"], "interim-not-cached": ["Assertion", "none"]}


@pytest.fixture
def suite(tmp_path: Path) -> Suite:
    """A suite of four tests, as it is written now."""
    (tmp_path / "test-engine").mkdir()
    sent, received = ["Foo".lower(), "date", "te"], ["a", "connection", "proxy-authenticate", "etag"]
    return Suite(tmp_path, "1.0", PARTS, sent, received, [Published("nginx", "1.28.0-6ubuntu", {"vary-a": True, "vary-b": True})])


def test_the_table_counts_what_passes(suite: Suite) -> None:
    """Required and optimal of each part and of all, here and as published; what only says how a cache is is not counted."""
    lines = report(suite, RESULTS).splitlines()

    assert "|  | Fanin | nginx 1.28.0 |" in lines
    assert "| Vary | 1/1 · 0/1 opt | 1/1 · 1/1 opt |" in lines
    assert "| **all** | 1/2 · 0/1 opt | 1/2 · 1/1 opt |" in lines


def test_what_does_not_pass_is_named_with_its_reason(suite: Suite) -> None:
    """The known one, or what the suite says."""
    text = report(suite, RESULTS)

    assert "- required, `interim-not-cached`: uvicorn sends no 1xx of an app's" in text
    assert "- optimal, `vary-b`: fails: not cached" in text


def test_only_what_could_pass_fails(suite: Suite) -> None:
    """A required test that is not known to be impossible; without a result it has not passed."""
    assert failed(suite, RESULTS) == []
    assert failed(suite, {**RESULTS, "vary-a": ["Setup", "502"]}) == ["vary-a"]
    assert failed(suite, {}) == ["vary-a"]


def test_the_page_is_filled_where_it_has_room_for_it(suite: Suite, tmp_path: Path) -> None:
    """In the block of this form of the suite, and nowhere else."""
    page = tmp_path / "page.md"
    page.write_text("a\n<!-- cache-tests: source -->\nold\n<!-- end -->\nb\n<!-- cache-tests: package -->\n<!-- end -->\n")

    write(suite, "new", page)

    assert (
        page.read_text() == "a\n<!-- cache-tests: source -->\nnew\n<!-- end -->\nb\n<!-- cache-tests: package -->\n<!-- end -->\n"
    )


def test_the_gateways_config_is_one(suite: Suite) -> None:
    """Whatever fields the suite uses: those of a connection are left out."""
    plans = compile_plans(load_text(json.dumps(configured(suite, 9))))

    cached = [plan for plan in plans if plan.steps[0].recipe.policies.cache]
    assert [plan.path for plan in cached] == ["/test/{id}", "/test/{id}/{file}"]
    assert {"foo", "range"} <= set(cached[0].steps[0].recipe.forward_headers)
    assert cached[0].passthrough is not None
    assert {"a", "request-numbers"} <= set(cached[0].passthrough.named)

"""Whatever is written: loading says what is wrong with it and never breaks."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
import yaml
from hypothesis import example, given, settings
from hypothesis import strategies as st

from gateway.compile import compile_plans
from gateway.errors import ConfigError
from gateway.finding import Finding
from gateway.load import load_text
from gateway.load.reading import DEEPEST, LARGEST

ROOT = Path(__file__).parents[2]
SHOWCASE = (ROOT / "config" / "gateway.yaml").read_text(encoding="utf-8").splitlines()
LINE_BREAK = re.compile("\r\n|[\r\n\x85\u2028\u2029]")
"""What ends a line in YAML 1.1, which the parser speaks."""

settings.register_profile("config", max_examples=60, deadline=None)
bounded = settings.get_profile("config")


def found(text: str) -> tuple[Finding, ...]:
    """What is wrong with the text; any error but `ConfigError` fails the test."""
    try:
        compile_plans(load_text(text, environ={"A": "a"}))
    except ConfigError as error:
        return error.findings
    return ()


def places_lie_inside(text: str) -> bool:
    """Every finding stands at a character of the text, or right behind the last one of a line."""
    lines = LINE_BREAK.split(text)
    return all(
        1 <= one.place.line <= len(lines) and 1 <= one.place.column <= len(lines[one.place.line - 1]) + 1 for one in found(text)
    )


pieces_of_yaml = st.sampled_from(
    [
        *"[]{}:,-?&*!|>%@`'\"#\t\n ",
        "\n  ",
        "<<: ",
        "&a ",
        "*a",
        "!!str ",
        "---\n",
        "${",
        "${A}",
        "${file:",
        "$${",
        "version: 1\n",
        "é",
        "😀",
    ]
)


@bounded
@given(st.text(st.characters(codec=None), max_size=60) | st.lists(pieces_of_yaml, max_size=30).map("".join))
@example("\ud800")
@example("\x00")
@example("---\n#")
@example("a: " + "9" * 5000)
@example("&a [*a]")
@example("&a {<<: *a}")
@example("? {a: b}\n: c")
def test_any_text_has_findings_and_nothing_else(text):
    """Nothing but `ConfigError` ever comes of a text, and every place can be jumped to."""
    assert places_lie_inside(text)


@st.composite
def mutations(draw: st.DrawFn) -> str:
    """The showcase with some of its lines gone, doubled, swapped, replaced or indented otherwise."""
    lines = list(SHOWCASE)
    for _ in range(draw(st.integers(1, 4))):
        at, other = draw(st.integers(0, len(lines) - 1)), draw(st.integers(0, len(lines) - 1))
        change = draw(st.sampled_from(["delete", "double", "swap", "replace", "indent", "cut", "put in"]))
        if change == "delete":
            del lines[at]
        elif change == "double":
            lines.insert(at, lines[at])
        elif change == "swap":
            lines[at], lines[other] = lines[other], lines[at]
        elif change == "replace":
            lines[at] = re.match(" *", lines[at])[0] + re.sub(r":.*", ": " + draw(values), lines[at].strip())
        elif change == "indent":
            lines[at] = " " * draw(st.integers(0, 12)) + lines[at].strip()
        elif change == "cut":
            lines[at] = lines[at][: draw(st.integers(0, 40))]
        else:
            column = draw(st.integers(0, len(lines[at])))
            lines[at] = lines[at][:column] + draw(pieces_of_yaml) + lines[at][column:]
    return "\n".join(lines)


values = st.sampled_from(
    [
        "",
        "~",
        "5",
        "-1",
        "1.5",
        "true",
        "no",
        "text",
        "[]",
        "{}",
        "[a, [b]]",
        "{a: {b: c}}",
        '"{x"',
        '"{a.b}"',
        "${A}",
        "${NOT}",
        "1d",
        "a /b",
    ]
)


@bounded
@given(mutations())
def test_damaged_showcase_has_findings_and_nothing_else(text):
    """However the showcase is mistyped, every finding is a place in it."""
    assert places_lie_inside(text)


@bounded
@given(mutations())
def test_findings_come_once_and_in_order(text):
    """Sorted by place, none twice, and the same for the same text."""
    findings = found(text)

    assert list(findings) == sorted(set(findings))
    assert findings == found(text)


names = st.lists(st.from_regex(r"s[a-z0-9_]{0,5}", fullmatch=True), min_size=1, max_size=7, unique=True)


@st.composite
def right_configs(draw: st.DrawFn) -> tuple[str, dict[str, set[str]], list[str]]:
    """A config, what each step needs, and the order the steps are written in."""
    steps = draw(names)
    needs = {name: set(draw(st.lists(st.sampled_from(steps[:index] or [""])))) - {""} for index, name in enumerate(steps)}
    written = draw(st.permutations(steps))
    specs = {}
    for name in written:
        spec: dict[str, object] = {"get": "a /" + name}
        ways: dict[str, list[str]] = {
            "target": [],
            "query": [],
            "headers": [],
            "when": [],
            "fallback": [],
            "on_status": [],
            "needs": [],
        }
        for need in sorted(needs[name]):
            ways[draw(st.sampled_from(sorted(ways)))].append(need)
        spec["get"] = f"a /{name}" + "".join(f"/{{{need}.id}}" for need in ways["target"])
        spec["query"] = {need: [f"{{{need}[0].id || `1`}}", "fixed"] for need in ways["query"]}
        spec["headers"] = {f"X-{need}": f"{{steps.{need}.headers.etag}}" for need in ways["headers"]}
        spec["on_status"] = {404 + index: {"deep": [f"{{{need}}}"]} for index, need in enumerate(ways["on_status"])}
        spec["needs"] = ways["needs"]
        if ways["when"]:
            spec["when"] = " && ".join(f"length({need}) > `0`" for need in ways["when"])
        if ways["fallback"]:
            spec |= {"optional": True, "fallback": [f"{{{need}}}" for need in ways["fallback"]]}
        specs[name] = spec
    endpoint = {"path": "/home/{id}", "steps": specs, "response": {name: name for name in steps}}
    config = {"version": 1, "upstreams": {"a": {"url": "http://a"}}, "endpoints": [endpoint]}
    return yaml.safe_dump(config, sort_keys=False), needs, list(written)


@bounded
@given(right_configs())
def test_step_needs_what_it_names_and_nothing_else(case):
    """What a step names anywhere it waits for, in the order written; everything else runs at once."""
    config, needs, written = case

    (plan,) = compile_plans(load_text(config))

    assert [step.name for step in plan.steps] == written
    assert {step.name: step.needs for step in plan.steps} == {
        name: tuple(other for other in written if other in needs[name]) for name in written
    }


@bounded
@given(right_configs())
def test_compiling_is_deterministic(case):
    """The same text gives the same plans, and their print."""
    config, _, _ = case

    first, second = (compile_plans(load_text(config)) for _ in range(2))

    assert str(first[0]) == str(second[0])
    assert first[0].steps == second[0].steps


@bounded
@given(names.filter(lambda steps: len(steps) > 1), st.data())
def test_every_cycle_is_found(steps, data):
    """Steps in a ring are refused, whatever order they are written in and whatever else there is."""
    ring = data.draw(st.lists(st.sampled_from(steps), min_size=1, unique=True))
    needs = dict(zip(ring, [*ring[1:], ring[0]], strict=True))
    specs = {name: {"get": "a /", "needs": [needs[name]] if name in needs else []} for name in data.draw(st.permutations(steps))}
    config = {"version": 1, "upstreams": {"a": {"url": "http://a"}}, "endpoints": [{"path": "/", "steps": specs}]}

    (finding,) = found(yaml.safe_dump(config, sort_keys=False))

    told = "itself" if len(ring) == 1 else "a cycle: "
    assert told in finding.message
    assert finding.path == f"endpoints[0].steps.{next(name for name in specs if name in needs)}"


@pytest.mark.parametrize(
    "text",
    [
        "[" * 500_000,
        "{a: " * 200_000,
        "- " * 500_000,
        "? " * 400_000,
        "\n".join(" " * depth + "a:" for depth in range(DEEPEST + 2)),
    ],
    ids=["lists", "mappings", "dashes", "keys", "lines"],
)
def test_nesting_without_end_is_one_finding(text):
    """Deep nesting would end the process inside the parser; it is noticed before."""
    (finding,) = found(text)

    assert finding.message == f"nested deeper than {DEEPEST}"


def test_nesting_up_to_the_bound_is_read():
    assert "nested" not in str(found("a: " + "[" * (DEEPEST - 1) + "]" * (DEEPEST - 1)))


def test_file_that_is_too_large_is_one_finding():
    """A config is written by people; what is larger is something else."""
    (finding,) = found("#" * (LARGEST + 1))

    assert finding.message == f"larger than {LARGEST} characters"


def test_column_counts_characters():
    """Editors count characters, not bytes."""
    (finding,) = found('version: 1\nupstreams: {a: {url: "http://é😀", x: 1}}\nendpoints: [{path: /, steps: {a: {get: a /}}}]')

    assert finding.place == (2, 35)

"""The reference is complete: what the code has, the pages describe, and what they link to is there."""

from __future__ import annotations

import ast
import re
import runpy
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import typer
from opentelemetry import environment_variables
from opentelemetry.sdk import environment_variables as sdk_variables

from gateway import errors, events, policy, problem, spec, telemetry
from gateway.cli import app
from gateway.metrics.exposition import name_of

ROOT = Path(__file__).parents[2]
REFERENCE = ROOT / "docs" / "reference"
GENERATE = runpy.run_path(str(REFERENCE / "generate.py"))
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]

_FENCED = re.compile(r"^```.*?^```", re.MULTILINE | re.DOTALL)
_LINK = re.compile(r"\]\(([^)\s]+)\)")


def page(name: str) -> str:
    """The text of a page of the reference."""
    return (REFERENCE / name).read_text()


def subclasses(root: type[Any]) -> Iterator[type[Any]]:
    """A class and everything below it."""
    yield root
    for below in root.__subclasses__():
        yield from subclasses(below)


def test_the_tables_of_the_config_are_as_the_spec_is() -> None:
    """Whoever changes the spec runs `make docs`."""
    text = page("config.md")

    assert GENERATE["generate"](text) == text


@pytest.mark.parametrize("root", [spec.Spec, policy.Policy])
def test_every_part_of_a_config_has_a_table(root: type[Any]) -> None:
    """A new class of the spec, or a new policy, needs a section."""
    parts = {part.__name__ for part in subclasses(root) if part.__module__.startswith("gateway.")} - {"Spec", "Policy"}

    assert parts
    assert parts <= GENERATE["described"](page("config.md"))


def test_a_stale_table_is_noticed() -> None:
    """A default that is not the spec's is replaced."""
    text = page("config.md")

    assert GENERATE["generate"](text.replace("| `2s` |", "| `3s` |")) == text


def problem_types() -> Iterator[str]:
    """Every slug that the code has, wherever a problem is made."""
    for path in sorted((ROOT / "gateway").rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Call) and len(node.args) > 1 and isinstance(node.args[1], ast.Constant):
                if getattr(node.func, "id", "") in ("Problem", "_Fault"):
                    yield str(node.args[1].value)
                elif getattr(node.func, "id", "") == "of_status":
                    yield problem.of_status(400, str(node.args[1].value)).slug
    yield from problem.PASSED_ON.values()


def test_every_problem_type_is_documented() -> None:
    """A client that meets a type finds a heading of that name."""
    types = set(problem_types())

    assert {"deadline", "invalid-input", "uri-too-long", "upstream-gone", "internal-server-error"} <= types
    assert sorted(types - set(re.findall(r"^### (\S+)$", page("problems.md"), re.MULTILINE))) == []


def test_no_problem_type_is_made_up() -> None:
    """What is documented can be met; two of them come from FastAPI."""
    assert set(re.findall(r"^### (\S+)$", page("problems.md"), re.MULTILINE)) <= {
        *problem_types(),
        "not-found",
        "method-not-allowed",
    }


def test_every_error_is_documented() -> None:
    """The tree in the page has every class of the tree in the code."""
    names = {error.__name__ for error in subclasses(errors.GatewayError) if error.__module__ == "gateway.errors"}

    assert "CallTimeout" in names
    assert sorted(name for name in names if f"`{name}`" not in page("errors.md")) == []


def test_every_word_of_proxy_status_is_documented() -> None:
    """`Proxy-Status` uses the words of RFC 9209; the page says which, and for what."""
    words = {fault.proxy for fault in problem._FAULTS.values()} | {*getattr(problem, "_PROXY_BY_STATUS", {}).values()}

    assert words
    assert sorted(word for word in words if f"`{word}`" not in page("errors.md")) == []


def commands(group: Any, before: str = "") -> Iterator[tuple[str, Any]]:
    """Every command by the words it takes, those of groups included."""
    for name, command in group.commands.items():
        if hasattr(command, "commands"):
            yield from commands(command, f"{before}{name} ")
        else:
            yield before + name, command


COMMANDS = dict(commands(typer.main.get_command(app)))


@pytest.mark.parametrize("name", sorted(COMMANDS))
def test_every_command_is_documented(name: str) -> None:
    """A section for the command, an example that runs, its options and their variables."""
    text = page("cli.md")
    found = re.search(rf"^## gateway {name}$(.*?)(?=^## |\Z)", text, re.MULTILINE | re.DOTALL)

    assert found, f"no section for {name}"
    section = found[1]
    parameters = [parameter for parameter in COMMANDS[name].params if parameter.name != "help"]
    options = [option for parameter in parameters if parameter.param_type_name == "option" for option in parameter.opts]
    variables = [parameter.envvar for parameter in parameters if parameter.envvar]
    arguments = [str(parameter.name).upper() for parameter in parameters if parameter.param_type_name == "argument"]
    assert [word for word in (*options, *variables, *arguments) if f"`{word}`" not in section] == []
    assert f"$ gateway {name}" in section


def telemetry_names() -> set[str]:
    """Every name that telemetry.py declares."""
    return {value for name, value in vars(telemetry).items() if name.isupper() and isinstance(value, str)}


def test_every_span_and_attribute_is_documented() -> None:
    """What is exported has a meaning that can be looked up."""
    names = telemetry_names()

    assert "gateway.step.name" in names
    assert sorted(name for name in names if f"`{name}`" not in page("tracing.md") + page("metrics.md")) == []


def test_every_variable_of_opentelemetry_is_accounted_for() -> None:
    """Each that its SDK knows is read, or said not to be: by its name, by the beginning of it, or as one of those for a single signal."""
    text = page("tracing.md") + page("metrics.md")
    known = {name for module in (environment_variables, sdk_variables) for name in vars(module) if name.startswith("OTEL_")}
    told = set(re.findall(r"`(OTEL_\w+)`", text))
    begun = tuple(re.findall(r"`(OTEL_\w+_)…`", text))
    general = {re.sub("OTLP_(TRACES|METRICS)_", "OTLP_", name) for name in known - told if not name.startswith(begun)}
    short = {"OTEL_EXPORTER_OTLP_CLIENT_KEY"}  # `…_CLIENT_KEY`, beside the certificate

    assert len(known) > 60
    assert sorted(general - told - short) == []


def test_every_metric_is_documented() -> None:
    """Its names, its meaning and its attributes stand in the page as they stand in the code; and no other does."""
    rows = re.findall(r"^\| `(.+)` \| `(.+)` \| (histogram|counter|gauge) \| (.+) \| (.*) \|$", page("metrics.md"), re.MULTILINE)

    shown = {metric: name_of(metric) + "_total" * (metric.kind == "counter") for metric in telemetry.METRICS}
    attributes = [", ".join(f"`{name}`" for name in metric.attributes) for metric in shown]
    assert rows == [(one.name, shown[one], one.kind, one.meaning, of) for one, of in zip(shown, attributes, strict=True)]


def test_every_event_is_documented() -> None:
    """As the code has it; and no other is."""
    text = (ROOT / "docs/features/logs.md").read_text()

    rows = re.findall(r"^\| `(gateway\.[a-z_.]+)` \| (.+) \| (.*) \|$", text, re.MULTILINE)

    shown = [(event.name, event.meaning, ", ".join(f"`{name}`" for name in event.attributes)) for event in events.EVENTS]
    assert rows == shown


def test_no_attribute_of_ours_is_made_up() -> None:
    """A name in the page is a name in the code."""
    assert set(re.findall(r"`(gateway\.[a-z]+\.[a-z_.]+)`", page("tracing.md"))) <= telemetry_names()


def anchors(path: Path) -> set[str]:
    """The headings of a page as links name them."""
    text = _FENCED.sub("", path.read_text())
    titles = re.findall(r"^#+ (.+)$", text, re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", title.lower()).replace(" ", "-") for title in titles}


@pytest.mark.parametrize("path", PAGES, ids=lambda path: str(path.relative_to(ROOT)))
def test_links_lead_somewhere(path: Path) -> None:
    """Every link within the repository names a file, or a heading, that is there."""
    links = [link for link in _LINK.findall(_FENCED.sub("", path.read_text())) if ":" not in link]
    targets = [(link, path if link.startswith("#") else path.parent / link.partition("#")[0]) for link in links]

    dead = [
        link
        for link, file in targets
        if not file.exists() or ("#" in link and file.suffix == ".md" and link.partition("#")[2] not in anchors(file))
    ]

    assert dead == []


def test_every_page_can_be_reached() -> None:
    """The index leads to every page; the decisions have an index of their own."""
    index = ROOT / "docs" / "README.md"
    linked = {(index.parent / link.partition("#")[0]).resolve() for link in _LINK.findall(index.read_text()) if ":" not in link}
    pages = [path for path in PAGES if path.parent.name != "decisions" and path.name != "README.md"]

    assert [str(path.relative_to(ROOT)) for path in pages if path.resolve() not in linked] == []

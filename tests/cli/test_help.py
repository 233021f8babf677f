"""The command itself: help, schema, version, usage errors, and what it does not import."""

from __future__ import annotations

import json
import os
import re
import runpy
import subprocess
import sys
from contextlib import redirect_stdout
from io import StringIO
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import yaml

import gateway
from gateway.cli import main

ROOT = Path(__file__).parents[2]
COMMANDS = ["check", "plan", "routes", "schema", "call", "serve", "demo", "trace", "top", "version", "cache"]


def test_help_lists_every_command(run: Any) -> None:
    """One line each, none of them cut off, and an example."""
    done = run("--help")

    assert (done.status, done.err) == (0, "")
    listed = done.out.partition("Commands:")[2]
    assert re.findall(r"^  (\w+)  ", listed, flags=re.MULTILINE) == COMMANDS
    assert "..." not in listed
    assert "Example: gateway " in done.out


@pytest.mark.parametrize("flag", ["--help", "-h"])
@pytest.mark.parametrize("command", COMMANDS)
def test_help_of_each_command_has_an_example(run: Any, command: str, flag: str) -> None:
    """An example of this very command, and nothing wider than 80 columns."""
    done = run(command, flag)

    assert (done.status, done.err) == (0, "")
    assert f"Example: gateway {command}" in done.out
    assert max(len(line) for line in done.out.splitlines()) <= 80


@pytest.mark.parametrize(
    ("command", "variables"),
    [
        ("serve", ["CONFIG", "HOST", "PORT", "ADMIN_HOST", "ADMIN_PORT", "WORKERS", "JOURNAL"]),
        ("check", ["CONFIG"]),
        ("call", ["CONFIG"]),
        ("trace", ["ADMIN_URL"]),
        ("top", ["ADMIN_URL"]),
        ("demo", ["PORT", "ADMIN_PORT", "SERVICES_PORT", "JOURNAL"]),
    ],
)
def test_help_names_the_variable_of_each_option(run: Any, command: str, variables: list[str]) -> None:
    """Every flag has its `GATEWAY_…`."""
    out = run(command, "--help").out

    assert all(f"GATEWAY_{name}" in out for name in variables)


def test_no_arguments_show_the_help(run: Any) -> None:
    """Status 2, as for any other line that is not a command."""
    done = run()

    assert done.status == 2
    assert "Usage: gateway" in done.out + done.err


@pytest.mark.parametrize(
    ("arguments", "named"),
    [
        (["--nope"], "--nope"),
        (["nope"], "nope"),
        (["check", "--nope"], "--nope"),
        (["check", "a", "b"], "b"),
        (["check", "--format", "xml"], "xml"),
        (["call"], "path"),
        (["serve", "--port", "http"], "--port"),
        (["serve", "--port", "65536"], "65535"),
        (["serve", "--workers", "0"], "--workers"),
        (["demo", "--services-port", "65533"], "65532"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_a_wrong_line_is_usage_and_status_2(run: Any, arguments: list[str], named: str) -> None:
    """What is wrong is named, with the usage above it, and nothing on standard output."""
    done = run(*arguments)

    assert (done.status, done.out) == (2, "")
    assert done.err.startswith("Usage: gateway")
    assert named in done.err.partition("Error:")[2]


def test_a_wrong_variable_is_named(run: Any) -> None:
    """Who did not type an option must learn where its value comes from."""
    done = run("serve", GATEWAY_PORT="http")

    assert done.status == 2
    assert "GATEWAY_PORT" in done.err


@pytest.mark.parametrize("arguments", [["version"], ["--version"]])
def test_the_version_is_told_both_ways(run: Any, arguments: list[str]) -> None:
    """As a command and as an option."""
    done = run(*arguments)

    assert (done.status, done.out, done.err) == (0, f"fanin {gateway.__version__}\n", "")


def test_python_m_is_the_command(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    """`python -m gateway version` is `gateway version`."""
    monkeypatch.setattr(sys, "argv", ["gateway", "version"])

    with pytest.raises(SystemExit) as left:
        runpy.run_module("gateway", run_name="__main__")

    assert (left.value.code, capsys.readouterr().out) == (0, f"fanin {gateway.__version__}\n")


def test_it_can_be_run_inside_a_program(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where standard output is whatever the program says it is."""
    monkeypatch.setattr(sys, "argv", ["gateway", "version"])

    with redirect_stdout(StringIO()) as told, pytest.raises(SystemExit):
        main()

    assert told.getvalue() == f"fanin {gateway.__version__}\n"


def test_the_schema_is_json_schema(run: Any) -> None:
    """Draft 2020-12 by its own meta-schema."""
    schema = json.loads(run("schema").out)

    jsonschema.Draft202012Validator.check_schema(schema)

    assert schema["$schema"] == "https://json-schema.org/draft/2020-12/schema"


@pytest.mark.parametrize("name", ["gateway.yaml", "minimal.yaml"])
def test_the_schema_takes_the_configs_that_come_along(run: Any, name: str) -> None:
    """An editor does not complain about what `check` finds nothing wrong with."""
    schema = json.loads(run("schema").out)
    config = yaml.compose((ROOT / "config" / name).read_text())

    problems = list(jsonschema.Draft202012Validator(schema).iter_errors(_plain(config)))

    assert problems == []


@pytest.mark.parametrize("wrong", ['{"version": 1}', '{"version": 2, "endpoints": []}', '{"version": 1, "endpints": []}'])
def test_the_schema_refuses_what_is_wrong(run: Any, wrong: str) -> None:
    """A missing part, another version, a misspelt key."""
    schema = json.loads(run("schema").out)

    assert not jsonschema.Draft202012Validator(schema).is_valid(json.loads(wrong))


def _plain(node: yaml.Node) -> Any:
    """The document as JSON has it; both configs have only text, whole numbers and booleans."""
    if isinstance(node, yaml.MappingNode):
        return {key.value: _plain(value) for key, value in node.value}
    if isinstance(node, yaml.SequenceNode):
        return [_plain(child) for child in node.value]
    return node.value if node.style else {"true": True, "false": False}.get(node.value, _number(node.value))


def _number(text: str) -> Any:
    return int(text) if text.isdigit() else text


HEAVY = ["fastapi", "starlette", "httpx", "aiocache", "opentelemetry", "tenacity", "uvicorn", "uvloop", "rich", "services"]


@pytest.mark.parametrize(
    "arguments", ["--help", "version", "check", "plan", "plan --format mermaid", "routes", "schema", "serve --help"]
)
def test_what_only_reads_a_config_imports_nothing_heavy(arguments: str) -> None:
    """FastAPI, httpx and their like take a second to import; `check` answers in well under half of one."""
    code = (
        "import sys; from gateway.cli import main\n"
        f"try: main()\nexcept SystemExit as left: assert not left.code\nprint('heavy:', *{{*{HEAVY}}} & {{*sys.modules}})"
    )
    environ = {**os.environ, "PYTHONPATH": str(ROOT), "GATEWAY_CONFIG": str(ROOT / "config" / "minimal.yaml")}

    done = subprocess.run(
        [sys.executable, "-c", code, *arguments.split()], env=environ, capture_output=True, text=True, timeout=30, check=False
    )

    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.splitlines()[-1] == "heavy:"


def test_every_public_name_can_be_had() -> None:
    """They are imported when asked for, and there is nothing behind a name that does not exist."""
    found = [getattr(gateway, name) for name in gateway.__all__]

    assert all(found)
    with pytest.raises(AttributeError, match="has no attribute 'Getaway'"):
        _ = gateway.Getaway

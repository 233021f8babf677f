"""`gateway check`: every finding at once, in three formats, and the exit status that says how it went."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

GOOD = "  - path: /a/{id}\n    steps: { user: { get: 'users /users/{path.id}' } }\n"
BAD = "  - path: /a/{id}\n    stepps: { user: { get: 'usres /users/{path.id}' } }\n    timeout: 5\n"
FINDINGS = [
    (5, 5, "endpoints[0].stepps", "unknown key 'stepps'"),
    (5, 28, "endpoints[0].stepps.user.get", "unknown upstream 'usres'; did you mean 'users'?"),
    (6, 14, "endpoints[0].timeout", "not a duration"),
]


def test_a_good_config_is_summed_up_with_the_worst_of_each_endpoint(run: Any, write: Any) -> None:
    """Status 0, what there is in it, and below that what a request may come to."""
    file = write(GOOD)

    done = run("check", file)

    assert (done.status, done.err) == (0, "")
    assert done.out == (
        f"{file}: 1 endpoint, 1 step, nothing wrong\n  GET    /a/{{id}}  at most 1 call, 2s (nothing else limits user)\n"
    )


def test_several_endpoints_are_counted_as_such(run: Any, write: Any) -> None:
    """One endpoint, two endpoints, each with a line in the columns of all."""
    done = run("check", file := write(GOOD + GOOD.replace("/a/", "/longer/").replace("get: '", "timeout: 1s, get: '")))

    first, *lines = done.out.splitlines()
    assert first == f"{file}: 2 endpoints, 2 steps, nothing wrong"
    assert [line.index("at most") for line in lines] == [23, 23]
    assert lines[1].endswith("at most 1 call, 1s (user 1s)")


def test_what_came_from_the_environment_is_shown_as_it_is_written(run: Any, write: Any) -> None:
    """In the lines about endpoints as everywhere."""
    file = write("  - { path: '/${SECRET}', steps: { user: { get: users / } } }\n")

    done = run("check", file, SECRET="surely-a-secret")

    assert done.status == 0
    assert "/${SECRET}" in done.out
    assert "surely-a-secret" not in done.out


def test_faults_on_purpose_are_noted(run: Any, write: Any) -> None:
    """Whoever checks a config learns that a variable would break calls; it is no finding."""
    file = write(GOOD.replace("path.id}'", "path.id}', inject: { mode: hang }"))

    done = run("check", file)

    assert (done.status, done.out.splitlines()[-1]) == (0, "note: with GATEWAY_INJECT=1 calls to users are broken on purpose")


def test_every_finding_is_a_line_with_its_place(run: Any, write: Any) -> None:
    """`file:line:column path: what is wrong`, as editors and terminals link it; status 1."""
    file = write(BAD)

    done = run("check", file)

    lines = done.out.splitlines()
    assert (done.status, done.err, len(lines)) == (1, "", len(FINDINGS))
    for line, (row, column, path, message) in zip(lines, FINDINGS, strict=True):
        assert line.startswith(f"{file}:{row}:{column} {path}: {message}")


def test_functions_are_found_where_the_command_is_started(run: Any, write: Any, tmp_path: Path) -> None:
    """Beside what is installed. They are imported to see whether they are there, and not called."""
    (tmp_path / "hooks_to_check.py").write_text("print('imported')\ndef rank(value): raise AssertionError\n")
    file = write(GOOD + "    response: { transform: 'hooks_to_check:rank', of: user }\n")
    slip = write(GOOD + "    response: { transform: 'hooks_to_check:ranks', of: user }\n", "slip.yaml")

    done, slipped = run("check", file), run("check", slip)

    assert (done.status, done.out.splitlines()[0]) == (0, "imported")
    assert slipped.out.endswith("'hooks_to_check' has no function 'ranks'; did you mean 'rank'?\n")


def test_findings_as_json_are_objects_in_a_list(run: Any, write: Any) -> None:
    """Status 1, and nothing but JSON on standard output."""
    file = write(BAD)

    done = run("check", file, "--format", "json")

    found = json.loads(done.out)
    assert done.status == 1
    assert [(one["file"], one["line"], one["column"], one["path"]) for one in found] == [(file, *one[:3]) for one in FINDINGS]
    assert all(message in one["message"] for one, (*_, message) in zip(found, FINDINGS, strict=True))


@pytest.mark.parametrize(("output", "expected"), [("json", "[]\n"), ("github", "")])
def test_no_finding_is_said_in_the_format_asked_for(run: Any, write: Any, output: str, expected: str) -> None:
    """An empty list, or no command; status 0."""
    done = run("check", write(GOOD), "--format", output)

    assert (done.status, done.out, done.err) == (0, expected, "")


def test_findings_for_github_are_its_commands_with_its_escapes(run: Any, write: Any) -> None:
    """A comma or a colon in the file's name does not end it, and a percent sign in the message is one."""
    file = write("  - path: /a\n    steps: { user: { get: 'users /x%zz' }, 'a%': { get: users /x } }\n", name="a,b:c.yaml")

    done = run("check", file, "--format", "github")

    name = file.replace(",", "%2C").replace(":", "%3A")
    assert done.status == 1
    assert all(line.startswith(f"::error file={name},line=5,col=") for line in done.out.splitlines())
    assert "endpoints[0].steps.a%25: " in done.out


def test_a_finding_about_no_key_has_no_empty_path_before_it(run: Any, write: Any) -> None:
    """What is no YAML at all has a place and no path."""
    file = write("\t- [")

    done = run("check", file, "--format", "github")

    assert done.status == 1
    assert "::not YAML" in done.out


@pytest.mark.parametrize(
    ("name", "reason"),
    [("missing.yaml", "No such file"), (".", "Is a directory"), ("latin.yaml", "not UTF-8")],
    ids=["missing", "directory", "not UTF-8"],
)
def test_what_cannot_be_read_is_status_2(run: Any, tmp_path: Path, name: str, reason: str) -> None:
    """The one line on standard error names the file and says why."""
    (tmp_path / "latin.yaml").write_bytes(b"\xe9")

    done = run("check", name, "--format", "json")

    assert (done.status, done.out) == (2, "")
    assert done.err.startswith(f"gateway: cannot read the config {name}: ")
    assert reason in done.err
    assert done.err.count("\n") == 1


def test_without_any_config_it_says_where_one_is_looked_for(run: Any) -> None:
    """Status 2, and every way to name one."""
    done = run("check")

    assert (done.status, done.out) == (2, "")
    assert all(word in done.err for word in ("--config", "GATEWAY_CONFIG", "config/gateway.yaml", "gateway.yaml"))


def test_the_config_is_the_first_that_is_named_or_found(run: Any, write: Any) -> None:
    """Argument before option before variable before `config/gateway.yaml` before `gateway.yaml`."""
    written = [
        write(GOOD, name) for name in ("gateway.yaml", "config/gateway.yaml", "variable.yaml", "option.yaml", "argument.yaml")
    ]
    _, _, variable, option, argument = written

    said = [run("check").out]
    said += [run("check", GATEWAY_CONFIG=variable).out, run("check", "-c", option).out, run("check", argument, "-c", option).out]
    Path(written[1]).unlink()
    said.append(run("check", GATEWAY_CONFIG="").out)

    found = [text.partition(": ")[0] for text in said]
    assert found == ["config/gateway.yaml", variable, option, argument, "gateway.yaml"]


def test_every_other_command_prints_findings_on_standard_error(run: Any, write: Any) -> None:
    """Status 1, and standard output stays clean for whoever reads it."""
    file = write(BAD)

    done = run("plan", "--config", file)

    assert (done.status, done.out) == (1, "")
    assert all(message in done.err for *_, message in FINDINGS)

"""Runs the fenced blocks of README.md and docs/, so that no example can rot.

| block | what happens to it |
| --- | --- |
| `yaml` that begins with `version: 1` | a whole config: it must compile |
| `yaml` below `<!-- part of: upstreams.users -->` | its keys are set there in a small config, which must compile |
| `console` | each `$ command` is run by bash; what is printed and the exit status must be as written |
| `python` | runs; the blocks of a document share their names |
| `json` | must parse |
| `text`, `mermaid` | nothing |

Anything else is a failure, unless `<!-- not run: reason -->` stands above the block. `<!-- file: name -->` also writes the block to a
file in the document's own folder, where commands and Python run and which has a copy of `config/`.

In a `console` block, `...` on a line of its own stands for any lines, `…` for any characters, and a last line `[1]` for the exit
status; durations, trace ids and dates are not compared. The documented ports (9101 to 9104, 8080, 8081) stand for whichever are free. A command
that ends with `&` runs until the document ends or another takes its place.
"""

from __future__ import annotations

import json
import os
import random
import re
import shlex
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import chdir
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from sybil import Document, Example, Region, Sybil
from sybil.integration.pytest import SybilItem
from sybil.parsers.markdown.lexers import FencedCodeBlockLexer

from gateway.compile import compile_plans
from gateway.errors import ConfigError
from gateway.load import load_text

ROOT = Path(__file__).parents[2]
SECONDS = 20
"""No command takes longer, or it has failed."""

SERVICES = {"users": 9101, "orders": 9102, "catalog": 9103, "recommendations": 9104}
GATEWAY = 8080
ADMIN = 8081

BASE: dict[str, Any] = {
    "version": 1,
    "upstreams": {name: {"url": f"http://127.0.0.1:{port}"} for name, port in SERVICES.items()},
    "endpoints": [
        {
            "path": "/v1/home/{user_id}",
            "steps": {
                "user": {"get": "users /users/{path.user_id}"},
                "orders": {"get": "orders /orders?user={path.user_id}"},
            },
        }
    ],
}
"""The config that fragments are put into."""

_MARKER = re.compile(r"<!--\s*(part of|not run|file):\s*(.*?)\s*-->\s*\Z")
_HEREDOC = re.compile(r"<<-?\s*['\"]?(\w+)")
_PORT = r"(?<=127\.0\.0\.1:)|(?<=localhost:)|(?<=port )|(?<=port': )|(?<=port\": )|(?<=port = )"
_SHELL = 'gateway() { "$PYTHON" -m gateway "$@"; }; python() { "$PYTHON" "$@"; }; curl() { command curl -sS "$@"; }\n'
"""curl draws a progress bar where there is no terminal."""

_VARYING = (
    (re.compile(r"[ \t]*(?:…?[━─]+)+[ \t]*"), " ━ "),
    (re.compile(r"[ \t]*\b\d+(?:\.\d+)? ms\b"), " # ms"),
    (re.compile(r"\bdur=\d+(?:\.\d+)?"), "dur=#"),
    (re.compile(r"\b[0-9a-f]{32}\b"), "<trace id>"),
    (re.compile(r"\b[0-9a-f]{16}\b"), "<span id>"),
    (re.compile(r"^date: .*$", re.MULTILINE | re.IGNORECASE), "date: #"),
    (re.compile(r"^(HTTP/1\.1 422 Unprocessable) Content", re.MULTILINE), r"\1 Entity"),  # as Python calls it from 3.13 on
    (re.compile(r"[ \t\r]+$", re.MULTILINE), ""),
)
"""What differs from run to run, and what stands in for it."""


_given: set[int] = set()
"""Ports that something listens on, or soon will."""


class Command(NamedTuple):
    """One command of a `console` block."""

    text: str
    output: str
    status: int


# -- processes -----------------------------------------------------------------------------------------------------------


@dataclass
class Running:
    """What is started for the documents, when an example first wants it, on free ports."""

    processes: list[subprocess.Popen[str]] = field(default_factory=list)
    folder: Path = field(default_factory=lambda: Path(tempfile.mkdtemp(prefix="fanin-docs-")))

    @cached_property
    def services(self) -> dict[int, int]:
        """Documented port → real port."""
        return {port: self.serve("-m", "services", name)[1] for name, port in SERVICES.items()}

    def serve(self, *arguments: str) -> tuple[subprocess.Popen[str], int]:
        """Run Python with these arguments and a free port, until the last document ends at the latest."""
        for _ in range(20):
            port = free_ports(1)
            process = subprocess.Popen(
                [sys.executable, *arguments, "--port", str(port)],
                cwd=self.folder,
                env=environment(GATEWAY_ADMIN_PORT=0),
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                text=True,
            )
            self.processes.append(process)
            if process.stdout and " on http://" in process.stdout.readline():
                ask(port, "GET /livez", 200)  # it listens before it can answer
                return process, port
        raise RuntimeError(f"does not start: {' '.join(arguments)}")

    def reset(self) -> None:
        """Make the services well again."""
        for port in self.__dict__.get("services", {}).values():
            for switch in ("_chaos", "_stats", "_requests"):
                ask(port, f"DELETE /{switch}", 204)

    def close(self) -> None:
        """End everything that was started."""
        for process in self.processes:
            process.kill()
            process.communicate()
        shutil.rmtree(self.folder)


@dataclass
class Story:
    """One document while its examples run: a folder, and what runs in the background."""

    running: Running
    background: subprocess.Popen[str] | None = None
    serving: subprocess.Popen[str] | None = None

    @cached_property
    def folder(self) -> Path:
        """Where commands and Python run; it has a copy of `config/`."""
        folder = Path(tempfile.mkdtemp(prefix="fanin-docs-"))
        shutil.copytree(ROOT / "config", folder / "config")
        for file in (folder / "config").glob("*.yaml"):
            file.write_text(self.translate(file.read_text()))
        return folder

    @cached_property
    def own_ports(self) -> dict[int, int]:
        """For a gateway that the document starts by itself, and the services of `gateway demo`."""
        first = free_ports(len(SERVICES) + 2)
        return {port: first + index for index, port in enumerate((*SERVICES.values(), GATEWAY, ADMIN))}

    @cached_property
    def showcase(self) -> int:
        """The real port of a gateway that serves `config/gateway.yaml`."""
        config = str(self.folder / "config/gateway.yaml")
        self.serving, port = self.running.serve("-m", "gateway", "serve", "--config", config)
        return port

    def translate(self, text: str) -> str:
        """Text with the real ports in place of the documented ones."""
        return put_ports(text, self._real)

    def translate_back(self, text: str) -> str:
        """Text with the documented ports in place of the real ones."""
        known = (*self.own_ports.items(), *self.running.services.items())
        documented = {real: port for port, real in known} | {self.__dict__.get("showcase"): GATEWAY}
        return put_ports(text, lambda port: documented.get(port, port))

    def _real(self, port: int) -> int:
        if port == GATEWAY:
            return self.own_ports[GATEWAY] if self.background else self.showcase
        if port == ADMIN:
            return self.own_ports[ADMIN]
        return self.running.services[port] if port in SERVICES.values() else port

    def run(self, command: str, *, speaks: bool = False) -> tuple[str, int]:
        """What a command printed, and its exit status. One in the background is left alone when it listens, and has spoken if it `speaks`."""
        text, in_background = self.translate(command), command.endswith("&")
        if in_background:
            return self._start(text.removesuffix("&"), speaks=speaks), 0
        process = self._shell(text, subprocess.PIPE)
        try:
            output, _ = process.communicate(timeout=SECONDS)
        except subprocess.TimeoutExpired:
            end(process)
            raise AssertionError(f"took longer than {SECONDS} s: {command}") from None
        return self.translate_back(output), process.returncode

    def _start(self, command: str, *, speaks: bool) -> str:
        self._stop()
        output = self.folder / ".background"
        with output.open("w") as file:
            self.background = self._shell(command, file)
        assert is_listening(self.background, self.own_ports[GATEWAY]), f"does not listen: {command}\n{output.read_text()}"
        patience = time.monotonic() + SECONDS
        while speaks and not output.read_text() and time.monotonic() < patience:
            time.sleep(0.05)
        return self.translate_back(output.read_text())

    def _shell(self, text: str, stdout: Any) -> subprocess.Popen[str]:
        return subprocess.Popen(
            ["bash", "-c", _SHELL + text],
            cwd=self.folder,
            env=environment(
                GATEWAY_PORT=self.own_ports[GATEWAY],
                GATEWAY_ADMIN_PORT=self.own_ports[ADMIN],
                GATEWAY_SERVICES_PORT=self.own_ports[SERVICES["users"]],
                COLUMNS=100,
            ),
            stdin=subprocess.DEVNULL,
            stdout=stdout,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
        )

    def _stop(self) -> None:
        if self.background:
            end(self.background)
            self.background = None

    def close(self) -> None:
        """Leave nothing behind."""
        self._stop()
        if self.serving:
            self.serving.kill()
        self.running.reset()
        if "folder" in self.__dict__:
            shutil.rmtree(self.folder)


def environment(**more: object) -> dict[str, str]:
    """The environment of everything that is started: this checkout's code, and nothing set for a gateway."""
    ours = ("GATEWAY_", "OTEL_", "SERVICES_", "COV_", *(f"{name.upper()}_URL" for name in SERVICES))
    plain = {key: value for key, value in os.environ.items() if not key.startswith(ours)}
    plain |= {"PYTHON": sys.executable, "PYTHONPATH": str(ROOT), "TERM": "dumb", "LC_ALL": "C.UTF-8", "TZ": "UTC"}
    plain["GATEWAY_LOG_FORMAT"] = "text"  # as on a terminal
    return plain | {key: str(value) for key, value in more.items()}


def ask(port: int, request: str, status: int) -> None:
    """Make a request, and make sure that its answer has this status."""
    with socket.create_connection(("127.0.0.1", port), timeout=SECONDS) as service:
        service.sendall(f"{request} HTTP/1.1\r\nHost: mock\r\nConnection: close\r\n\r\n".encode())
        assert f" {status} " in service.recv(100).decode("latin-1")


def end(process: subprocess.Popen[str]) -> None:
    """End a process and all that it started."""
    os.killpg(process.pid, signal.SIGKILL)
    process.communicate()


def is_listening(process: subprocess.Popen[str], port: int) -> bool:
    """Wait until the process listens; False when it has ended instead."""
    patience = time.monotonic() + SECONDS
    while process.poll() is None and time.monotonic() < patience:
        try:
            socket.create_connection(("127.0.0.1", port), timeout=1).close()
        except OSError:
            time.sleep(0.05)
        else:
            return True
    return False


def put_ports(text: str, port_for: Callable[[int], int]) -> str:
    """The text with other ports, where a number stands for a port and is not merely the same."""
    return re.sub(rf"(?:{_PORT})\d+\b", lambda match: str(port_for(int(match[0]))), text)


def free_ports(count: int) -> int:
    """The first of so many free ports in a row, none of them ever given before.

    They have four digits, as documented ones have, so that columns and widths stay the same.
    """
    for _ in range(100):
        first = random.randrange(7100, 8000)
        wanted = range(first, first + count)
        if _given.isdisjoint(wanted) and all(map(_is_free, wanted)):
            _given.update(wanted)
            return first
    raise RuntimeError("no free ports")


def _is_free(port: int) -> bool:
    try:
        socket.create_server(("127.0.0.1", port)).close()
    except OSError:
        return False
    return True


# -- blocks --------------------------------------------------------------------------------------------------------------


def parse(document: Document) -> Iterator[Region]:
    """Every fenced block of a document, whatever its language."""
    for region in FencedCodeBlockLexer(language=r".*")(document):
        before = document.text[: region.start].rstrip()
        marker = _MARKER.search(before)
        region.parsed = region.lexemes["source"]
        region.evaluator = Block(region.lexemes["language"].strip(), marker[1] if marker else "", marker[2] if marker else "")
        yield region


@dataclass(frozen=True)
class Block:
    """A block's language and the marker above it: what is to be done with it."""

    language: str
    marker: str = ""
    argument: str = ""

    def __call__(self, example: Example) -> str | None:
        """Check the example, and say what is wrong with it."""
        try:
            self._check(example, example.namespace["story_"])
        except AssertionError as error:
            if self.language == "python":
                raise
            return str(error)
        return None

    def _check(self, example: Example, story: Story) -> None:
        text = str(example.parsed)
        if self.marker == "not run":
            assert self.argument, "'not run' wants a reason"
            return
        if self.marker == "file":
            (story.folder / self.argument).write_text(story.translate(text))
        if self.language == "yaml":
            check_config(whole(text, self.argument if self.marker == "part of" else None))
        elif self.language == "console":
            check_commands(text, story)
        elif self.language == "python":
            run_python(example, story)
        elif self.language == "json":
            json.loads(text)
        else:
            assert self.language in ("text", "mermaid"), f"nobody knows how to run a block of {self.language or 'no language'!r}"


def check_commands(text: str, story: Story) -> None:
    """Every command prints what is written below it. Skips, aloud, what this machine has no program for."""
    commands = list(read_commands(text))
    wanted = {"bash"} | {"curl" for command in commands if re.search(r"\bcurl\b", command.text)}
    if missing := sorted(program for program in wanted if not shutil.which(program)):
        pytest.skip(f"NOT RUN: {' and '.join(f'no {program}' for program in missing)} here")
    for command in commands:
        output, status = story.run(command.text, speaks=bool(command.output))
        if not matches(command.output, output):
            raise AssertionError(difference(command, output))
        assert status == command.status, f"$ {command.text}\nexit status {status}\n{output}"


def run_python(example: Example, story: Story) -> None:
    """Run a block in its document's folder, with the names of the blocks before it."""
    source = "\n" * (example.line + example.parsed.line_offset) + story.translate(str(example.parsed))
    with chdir(story.folder):
        exec(compile(source, example.path, "exec", dont_inherit=True), example.namespace)


def whole(text: str, place: str | None) -> str:
    """The config that a block is, or is a part of."""
    if place is not None:
        return put_into(place, text)
    if not re.search(r"^version: 1$", text, re.MULTILINE):
        raise AssertionError("neither a whole config nor marked as a part of one")
    return text


def check_config(text: str) -> None:
    """A config must compile. Every variable it wants from the environment has a value."""
    environ = dict.fromkeys(re.findall(r"\$\{(\w+)\}", text), "http://127.0.0.1:9101")
    try:
        compile_plans(load_text(text, environ=environ))
    except ConfigError as error:
        raise AssertionError(f"{error}\n\n{text}") from None


def put_into(place: str, text: str) -> str:
    """`BASE` with the fragment's keys set at `endpoints[0].steps`, or with the fragment itself there when it has no keys."""
    loaded = load_text(text, environ=dict.fromkeys(re.findall(r"\$\{(\w+)\}", text), "example"))
    config = json.loads(json.dumps(BASE))
    *above, last = [int(part) if part.isdigit() else part for part in re.findall(r"\w+", place)]
    parent = config
    for part in above:
        parent = parent[part] if isinstance(part, int) else parent.setdefault(part, {})
    fragment, present = loaded.source.tree, parent.get(last) if isinstance(last, str) else parent[last]
    parent[last] = present | fragment if isinstance(fragment, dict) and isinstance(present, dict) else fragment
    return json.dumps(config).replace("${", "$${")


def read_commands(text: str) -> Iterator[Command]:
    """The commands of a `console` block with the output written below each."""
    lines = text.splitlines()
    starts = [number for number, line in enumerate(lines) if line.startswith("$ ")]
    assert starts[:1] == [0], "a console block begins with a command"
    number = 0
    while number < len(lines):
        command, number = _read_command(lines, number)
        end_of_output = next((start for start in starts if start >= number), len(lines))
        output = lines[number:end_of_output]
        while output and not output[-1].strip():
            output.pop()
        status = re.fullmatch(r"\[(\d+)\]", output[-1]) if output else None
        yield Command(command, "\n".join(output[:-1] if status else output), int(status[1]) if status else 0)
        number = end_of_output


def _read_command(lines: list[str], number: int) -> tuple[str, int]:
    """A command, which goes on while a quote, a here-document or a line is not ended, and the line after it."""
    command = lines[number].removeprefix("$ ")
    number += 1
    heredoc = _HEREDOC.search(command)
    while number < len(lines) and (_is_open(command) if not heredoc else command.rpartition("\n")[2] != heredoc[1]):
        command = f"{command}\n{lines[number]}"
        number += 1
    return command, number


def _is_open(command: str) -> bool:
    try:
        shlex.split(command)
    except ValueError:
        return True
    return command.endswith("\\")


def normalise(text: str) -> str:
    """The text without what differs from run to run."""
    for pattern, replacement in _VARYING:
        text = pattern.sub(replacement, text)
    return text.strip("\n")


def matches(expected: str, actual: str) -> bool:
    """The output is as written; `...` on a line of its own is any lines, `…` any characters of a line."""
    pattern = ""
    for line in normalise(expected).split("\n"):
        pattern += r"(?:.*\n)*?" if line.strip() == "..." else re.escape(line).replace("…", ".*") + r"\n"
    return re.fullmatch(pattern, normalise(actual) + "\n") is not None


def difference(command: Command, actual: str) -> str:
    """What is told when the output is another one."""
    return f"$ {command.text}\n--- as written\n{normalise(command.output)}\n--- as printed\n{normalise(actual)}\n--- in full\n{actual}"


# -- pytest ------------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="session")
def running_() -> Iterator[Running]:
    """What all documents share."""
    running = Running()
    yield running
    running.close()


@pytest.fixture(scope="module")
def story_(running_: Running) -> Iterator[Story]:
    """What one document has for itself."""
    story = Story(running_)
    yield story
    story.close()


_collect = Sybil(parsers=[parse], pattern="*.md", path=str(ROOT), fixtures=["story_"]).pytest()


def pytest_collect_file(file_path: Path, parent: pytest.Collector) -> Any:
    """README.md and all of docs/ have examples."""
    is_ours = file_path == ROOT / "README.md" or ROOT / "docs" in file_path.parents
    return _collect(file_path, parent) if is_ours else None


def pytest_itemcollected(item: pytest.Item) -> None:
    """Commands are real processes."""
    if isinstance(item, SybilItem) and item.example.region.evaluator.language == "console":
        item.add_marker("slow")

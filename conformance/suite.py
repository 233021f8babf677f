"""The suite: brought by npm, and what is in it."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeAlias

from bench.processes import Broken
from conformance import HERE

PACKAGE = "http-cache-tests"
"""Its name in npm's registry."""

SOURCE = "github:http-tests/cache-tests"
"""Where it is written: further than what was last published."""

Results: TypeAlias = Mapping[str, Any]
"""By a test's id: true, or how it ended and what it said."""


@dataclass(frozen=True)
class Case:
    """A test of the suite."""

    id: str
    name: str
    kind: str
    """`required`, `optimal`, or `check`: which only says how it is."""


@dataclass(frozen=True)
class Part:
    """Tests about one thing."""

    name: str
    tests: Sequence[Case]


@dataclass(frozen=True)
class Published:
    """What the suite publishes of another cache."""

    name: str
    version: str
    results: Results = field(repr=False)


@dataclass(frozen=True)
class Suite:
    """The suite in a folder."""

    folder: Path
    version: str
    parts: Sequence[Part] = field(repr=False)
    sent: Sequence[str] = field(repr=False)
    """Header fields that its client sends."""

    received: Sequence[str] = field(repr=False)
    """Header fields that its server answers with."""

    published: Sequence[Published] = field(repr=False)

    @property
    def is_source(self) -> bool:
        """It is as it is written now, not as it was last published."""
        return (self.folder / "test-engine").is_dir()

    @property
    def scripts(self) -> tuple[str, str]:
        """Of its server and its client."""
        return ("test-engine/server/server.mjs", "test-engine/cli.mjs") if self.is_source else ("server/server.mjs", "cli.mjs")


def fetch(spec: str, folder: Path) -> Suite:
    """The suite by whatever npm takes for a package: a name, `github:…`, a folder. Raises `Broken`."""
    if not shutil.which("node") or not shutil.which("npm"):
        raise Broken("the suite is JavaScript: it needs node and npm")
    (folder / "package.json").write_text("{}")
    local = Path(spec).resolve() if Path(spec).is_dir() else None
    asked = [
        "npm",
        "install",
        "--no-audit",
        "--no-fund",
        "--ignore-scripts",
        "--install-links",
        f"file:{local}" if local else spec,
    ]
    done = subprocess.run(asked, cwd=folder, capture_output=True, text=True, check=False)
    if done.returncode:
        raise Broken(f"npm does not bring {spec}: {done.stderr.strip()[-300:]}")
    return read(folder / "node_modules" / PACKAGE)


def read(folder: Path) -> Suite:
    """The suite that is in a folder. Raises `Broken`."""
    done = subprocess.run(["node", HERE / "listing.mjs", folder], capture_output=True, text=True, check=False, env=os.environ)
    if done.returncode:
        raise Broken(f"no suite that can be read: {done.stderr.strip()[-300:]}")
    found = json.loads(done.stdout)
    parts = [Part(part["name"], [Case(**test) for test in part["tests"]]) for part in found["suites"]]
    published = [Published(**one) for one in found["published"]]
    return Suite(folder, found["version"], parts, found["sent"], found["received"], published)

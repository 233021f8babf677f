"""The venv that the Python peers share, apart from the gateway's own packages."""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping
from pathlib import Path

from bench import APPS, CACHE, HERE
from bench.peers import Scene
from bench.peers.setting_up import installed, run
from bench.processes import Command

APP = APPS / "python"
VENV = CACHE / "python"
PYTHON = VENV / "bin" / "python"
REQUIREMENTS = HERE / "requirements.txt"

UVICORN = ("-m", "uvicorn", "--loop", "uvloop", "--http", "httptools", "--no-access-log", "--log-level", "warning")
"""How each of the ASGI peers is served: with the quickest there is."""


def versions(*packages: str) -> str:
    """Makes the venv if it is not there; gives what it has of these packages. Raises `Missing`."""
    installed(VENV, [REQUIREMENTS], _install)
    pins = dict(line.lower().split("==") for line in REQUIREMENTS.read_text().splitlines() if "==" in line)
    return ", ".join(f"{name} {pins[name]}" for name in packages)


def _install() -> None:
    run([sys.executable, "-m", "venv", VENV])
    run([PYTHON, "-m", "pip", "install", "--disable-pip-version-check", "--no-input", "-r", REQUIREMENTS])


def command(scene: Scene, *args: str | Path) -> Command:
    """A Python that finds the apps, told by its environment what to aggregate."""
    return Command([PYTHON, *args], environment(scene), APP)


def environment(scene: Scene) -> Mapping[str, str]:
    """What the apps read. `PYTHONPATH` is ours and would lend them our packages."""
    return {"PYTHONPATH": "", "PORT": str(scene.port), "ROUTE": scene.workload.path, "PARTS": json.dumps(scene.parts())}

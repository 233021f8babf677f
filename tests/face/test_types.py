"""Type checkers understand classes: what is right passes mypy's strictest, and a wrong word does not."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
EXAMPLE = re.search(r"```python\n(.*?)```", (ROOT / "docs/features/python.md").read_text(), re.DOTALL)

pytestmark = pytest.mark.slow


def complaints(text: str, folder: Path) -> list[str]:
    """What mypy says of this text in a project that has not set it up, as line and code."""
    (folder / "home.py").write_text(text)
    command = [sys.executable, "-m", "mypy", "--strict", "--config-file=", f"--cache-dir={ROOT / '.mypy_cache'}", "home.py"]
    run = subprocess.run(command, cwd=folder, env={"MYPYPATH": str(ROOT)}, capture_output=True, text=True, check=False)
    assert run.returncode in (0, 1), run.stderr
    return re.findall(r"^home\.py:(\d+): error: .*?\[([a-z-]+)\]$", run.stdout, re.MULTILINE)


def test_example_of_the_docs_passes(tmp_path):
    """Fields have their types, hooks and gateways theirs."""
    assert EXAMPLE
    text = EXAMPLE[1] + (
        "\n    def answer(self) -> float:\n        return sum(order.total for order in self.orders)\n"
        "\n\nfrom gateway import Gateway\n"
        'app = Gateway.load("config/gateway.yaml", endpoints=[Home]).app\n'
        '\n\n@app.get("/hello")\nasync def hello() -> dict[str, str]:\n    return {"hello": "world"}\n'
    )

    assert complaints(text, tmp_path) == []


def test_mistakes_that_types_show_are_shown(tmp_path):
    """A word that no step has, a value that no word takes, a member that no field has."""
    text = (
        "from gateway import Endpoint, step\n"
        'class Home(Endpoint, path="/"):\n'
        '    user: int = step("users /", optionl=True)\n'
        '    name: str = step.post("users /", needs=5)\n'
        "    def answer(self) -> str:\n"
        "        return self.user\n"
    )

    assert complaints(text, tmp_path) == [("3", "call-arg"), ("4", "arg-type"), ("6", "return-value")]

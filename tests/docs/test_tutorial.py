"""The tutorial leads where it says: from the smallest config to the showcase."""

from __future__ import annotations

import re
from pathlib import Path

from gateway.compile import compile_plans
from gateway.load import load_text

ROOT = Path(__file__).parents[2]
TUTORIAL = (ROOT / "docs" / "tutorial.md").read_text(encoding="utf-8")


def test_the_tutorial_has_ten_steps_in_order() -> None:
    """Each is numbered, and none is missing."""
    assert re.findall(r"^## (\d+)\. ", TUTORIAL, re.MULTILINE) == [str(number) for number in range(1, 11)]


def test_the_last_step_is_the_showcase() -> None:
    """Its config gives the very plan that `make demo` serves."""
    *_, last = re.findall(r"^\$ cat > home\.yaml <<'END'\n(.*?)^END$", TUTORIAL, re.MULTILINE | re.DOTALL)
    showcase = ROOT / "config" / "gateway.yaml"

    reached = compile_plans(load_text(last, str(ROOT / "home.yaml"), {}))

    assert reached == compile_plans(load_text(showcase.read_text(encoding="utf-8"), str(showcase), {}))

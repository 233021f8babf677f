"""Golden files: a config, dashes, and what comes of it: its plans, or everything that is wrong with it.

Adding a test is adding a file to `golden/`. `UPDATE_GOLDEN=1 pytest tests/config/test_golden.py` writes what comes below the dashes;
read every line of it before you commit it.
"""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from gateway.compile import compile_plans
from gateway.errors import ConfigError
from gateway.load import load_text

ROOT = Path(__file__).parents[2]
GOLDEN = Path(__file__).parent / "golden"
FILES = sorted(GOLDEN.glob("*.txt"))
DASHES = "\n----\n"
ENVIRON = {"TOKEN": "t0ken-from-outside", "EMPTY": "", "SHORT": "s", "NUMBER": "3"}


def outcome(config: str) -> str:
    """The plans as they print themselves, or the findings as `gateway check` prints them."""
    try:
        plans = compile_plans(load_text(config, "gateway.yaml", ENVIRON))
    except ConfigError as error:
        return str(error)
    return "\n\n".join(map(str, plans))


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.stem)
def test_config_gives_its_plans_or_its_findings(file, monkeypatch):
    """The printed plan, or each mistake once, at its very place, with a hint."""
    monkeypatch.chdir(ROOT / "config")  # where the files are that a config names
    config, _, expected = file.read_text(encoding="utf-8").partition(DASHES)

    came = outcome(config + "\n")

    if os.environ.get("UPDATE_GOLDEN"):
        file.write_text(f"{config}{DASHES}{came}\n", encoding="utf-8")
    else:
        assert came == expected.rstrip("\n")


def test_there_are_golden_files_of_both_kinds():
    """An empty folder would let everything pass."""
    wrong = [file for file in FILES if DASHES + "gateway.yaml:" in file.read_text(encoding="utf-8")]

    assert len(FILES) >= 45
    assert 10 <= len(wrong) <= len(FILES) - 10


def test_the_showcase_is_among_the_golden_files():
    """What `make demo` serves is what the golden plan shows."""
    shown = (ROOT / "config" / "gateway.yaml").read_text(encoding="utf-8")

    config = (GOLDEN / "plan-showcase.txt").read_text(encoding="utf-8").partition(DASHES)[0]

    assert config.strip() == shown.strip()

"""Golden files of classes. Adding a test is adding a file to `golden/`; `UPDATE_GOLDEN=1` writes what comes below the last dashes.

Two parts: classes, and everything that is wrong with them. Three: endpoints of a config, the same as classes, and the plans of both.
"""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from gateway.compile import compile_plans
from gateway.load import load_text

GOLDEN = Path(__file__).parent / "golden"
FILES = sorted(GOLDEN.glob("*.txt"))
DASHES = "\n----\n"


def parts(file: Path) -> list[str]:
    return file.read_text(encoding="utf-8").rstrip("\n").split(DASHES)


def check(file: Path, came: str) -> None:
    *before, expected = parts(file)
    if os.environ.get("UPDATE_GOLDEN"):
        file.write_text(DASHES.join((*before, came)) + "\n", encoding="utf-8")
    else:
        assert came == expected


@pytest.mark.parametrize("file", [file for file in FILES if len(parts(file)) == 2], ids=lambda file: file.stem)
def test_mistakes_in_classes_are_findings(file, findings):
    """Each once, at its very place in the class's own file, with a hint."""
    check(file, "\n".join(findings(parts(file)[0])))


@pytest.mark.parametrize("file", [file for file in FILES if len(parts(file)) == 3], ids=lambda file: file.stem)
def test_both_faces_give_the_same_plan(file, compiled, without_endpoints):
    """What a class says and what a config says is compiled to equal plans, types apart, with equal prints."""
    yaml, classes, _ = parts(file)

    of_config = compile_plans(load_text(f"{without_endpoints}endpoints:\n{yaml}\n"))
    of_classes = compiled(classes)

    assert of_classes == of_config
    check(file, "\n\n".join(map(str, of_classes)))


def test_there_are_golden_files_of_both_kinds():
    """An empty folder would let everything pass."""
    assert sum(len(parts(file)) == 2 for file in FILES) >= 10
    assert sum(len(parts(file)) == 3 for file in FILES) >= 4

"""The examples of README.md and docs/ are tests; `tests/docs/doc_examples.py` says what is done with each."""

from __future__ import annotations

import sys
from pathlib import Path

# With --import-mode=importlib no folder of tests is on the path by itself.
sys.path.append(str(Path(__file__).parent / "tests" / "docs"))

pytest_plugins = ["doc_examples"]

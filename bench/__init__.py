"""What a request costs: Fanin and its peers, measured side by side in one run.

`make bench` (or `python -m bench`) sets up the peers that can be had, checks that all of them give the same answers, measures them in
interleaved rounds and prints a table. Nothing here is a test, and nothing is asserted about time: read the ratios.
"""

from __future__ import annotations

from pathlib import Path

HERE = Path(__file__).parent
ROOT = HERE.parent
APPS = HERE / "apps"
CACHE = HERE / ".cache"
"""What peers need and nobody should download twice; ignored by git, dropped by `make clean`."""

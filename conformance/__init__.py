"""Public test suites, played to a gateway as users start it.

`make cache-tests` (or `python -m conformance`) plays the suite for HTTP caches, <https://github.com/http-tests/cache-tests>, by Mark
Nottingham, to a passthrough that keeps what goes by, and prints its results beside those that the suite publishes of other caches. npm
brings the suite; nothing of it is here.
"""

from __future__ import annotations

from pathlib import Path

HERE = Path(__file__).parent
ROOT = HERE.parent

"""The demo answers as its own OpenAPI document says, whatever it is asked: schemathesis asks."""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path
from typing import Any

import pytest

pytestmark = pytest.mark.slow

SETTINGS = Path(__file__).with_name("schemathesis.toml")
EXAMPLES = 100
SECONDS = 120
"""Each takes a fifth of it where nothing else runs."""


@pytest.mark.parametrize("settings", ["", '[parameters]\nuser_id = "42"\n'], ids=["any-user", "one-who-exists"])
async def test_schemathesis_finds_nothing_against_the_demo(served: Any, tmp_path: Path, settings: str) -> None:
    """Every check it has: what is answered has a documented status, type, headers and schema; what is wrong is refused, what is right is not.

    Hardly any user of its own choice exists, so that it is told of one for the answers that are no problems.
    """
    (tmp_path / "schemathesis.toml").write_text(SETTINGS.read_text() + settings)
    arguments = ["run", f"http://127.0.0.1:{served.port}/openapi.json", "--checks", "all", "--max-examples", str(EXAMPLES)]
    arguments += ["--seed", "1", "--workers", "4", "--no-color", "--generation-database", "none"]

    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "schemathesis.cli", *arguments,
        cwd=tmp_path, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT,
    )  # fmt: skip
    try:
        async with asyncio.timeout(SECONDS):
            output, _ = await process.communicate()
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()

    assert process.returncode == 0, output.decode()

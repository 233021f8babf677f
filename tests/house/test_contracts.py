"""Who may import whom, as written in pyproject.toml."""

import subprocess
import sys
import tomllib
from pathlib import Path

ROOT = Path(__file__).parents[2]


def test_imports_keep_the_contracts():
    """Imports point down, layers stand apart, and each library has one door."""
    command = Path(sys.executable).with_name("lint-imports")

    run = subprocess.run([command, "--no-cache", "--no-logo"], cwd=ROOT, capture_output=True, text=True, check=False)

    assert run.returncode == 0, f"\n{run.stdout}{run.stderr}"


def test_every_module_of_the_gateway_has_a_floor():
    """The layers contract names all of `gateway`, so that a new module cannot slip past it."""
    contracts = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["importlinter"]
    floors = next(c for c in contracts["contracts"] if c["id"] == "floors")
    named = {name.strip(" ()") for floor in floors["layers"] for name in floor.split("|")}

    modules = {path.stem for path in (ROOT / "gateway").iterdir() if path.suffix == ".py" or (path / "__init__.py").exists()}

    assert floors["exhaustive"] is True
    assert modules, "no modules found: is this still the right folder?"
    assert modules - {"__init__", "__main__"} <= named

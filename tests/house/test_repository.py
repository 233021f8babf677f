"""Rules for the files themselves: sizes, docstrings, locks."""

import ast
import re
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).parents[2]
LOCKS = ["requirements/run.txt", "requirements/dev.txt"]
MODULE_LINES = 350
FUNCTION_LINES = 40

Function = ast.FunctionDef | ast.AsyncFunctionDef
Definition = Function | ast.ClassDef


def python_files(*packages: str) -> list[Path]:
    """Every module of the packages; finding none is a failure, or the rules would hold for nothing."""
    files = [path for package in packages for path in sorted((ROOT / package).rglob("*.py"))]
    for package in packages:
        assert any(ROOT / package in path.parents for path in files), f"no Python in {package}/"
    return files


def where(path: Path, node: ast.AST | None = None) -> str:
    """The place as editors and terminals link it."""
    return f"{path.relative_to(ROOT)}:{getattr(node, 'lineno', 1)}"


def public_definitions(scope: ast.Module | ast.ClassDef) -> Iterator[Definition]:
    """Classes, functions and methods that others can reach by name."""
    for node in scope.body:
        if isinstance(node, Definition) and not node.name.startswith("_"):
            yield node
            if isinstance(node, ast.ClassDef):
                yield from public_definitions(node)


def is_overload(node: Definition) -> bool:
    """Overloads and setters share the docstring of the one that stands for them."""
    names = {ast.unparse(decorator).rpartition(".")[2] for decorator in node.decorator_list}
    return bool(names & {"overload", "setter", "deleter"})


def code_lines(function: Function) -> int:
    """From `def` to the last line, the docstring aside: a manual may be long."""
    first = function.body[0]
    has_docstring = ast.get_docstring(function, clean=False) is not None
    docstring = first.end_lineno - first.lineno + 1 if has_docstring else 0
    return function.end_lineno - function.lineno + 1 - docstring


def pins(lock: str) -> dict[str, str]:
    """Package → version, as locked."""
    found = re.findall(r"^([\w.-]+)==([^\s;]+)", (ROOT / lock).read_text(), flags=re.MULTILINE)
    return {canonicalize_name(name): version for name, version in found}


def test_no_file_has_two_versions_of_itself() -> None:
    """What a merge could not decide has been decided by somebody."""
    pages = [*ROOT.glob("*.md"), *ROOT.glob("*.toml"), *(ROOT / "docs").rglob("*.md"), *(ROOT / "config").rglob("*.yaml")]

    undecided = [where(path) for path in pages if re.search(r"^(<{7}|>{7}) ", path.read_text(encoding="utf-8"), re.MULTILINE)]

    assert (undecided, ROOT / "CHANGELOG.md" in pages) == ([], True)


def test_every_public_name_has_a_docstring():
    """The docstring is the manual, so nothing public goes without."""
    silent = []
    for path in python_files("gateway"):
        module = ast.parse(path.read_text())
        if not ast.get_docstring(module):
            silent.append(where(path))
        silent += [
            f"{where(path, node)} {node.name}"
            for node in public_definitions(module)
            if not is_overload(node) and not ast.get_docstring(node)
        ]

    assert silent == []


def test_modules_stay_small():
    """A module is read in one sitting."""
    lengths = {where(path): len(path.read_text().splitlines()) for path in python_files("gateway", "services")}

    assert {place: n for place, n in lengths.items() if n > MODULE_LINES} == {}


def test_functions_stay_small():
    """A function is seen without scrolling."""
    long = {
        f"{where(path, node)} {node.name}": code_lines(node)
        for path in python_files("gateway", "services")
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, Function) and code_lines(node) > FUNCTION_LINES
    }

    assert long == {}


def test_nothing_is_left_for_later_in_the_code():
    """What is still to do belongs into the tracker, where it can be found and closed."""
    later = re.compile(r"\b(TODO|FIXME|XXX)\b")

    notes = [
        f"{path.relative_to(ROOT)}:{number} {line.strip()}"
        for path in python_files("gateway", "services")
        for number, line in enumerate(path.read_text().splitlines(), start=1)
        if later.search(line)
    ]

    assert notes == []


@pytest.mark.parametrize("lock", LOCKS)
def test_locks_name_no_place(lock):
    """Packages are locked by content: any mirror or an offline folder serves."""
    lines = (ROOT / lock).read_text().splitlines()

    assert any("==" in line for line in lines)
    assert [line for line in lines if "://" in line or line.startswith(("-", "--index"))] == []


@pytest.mark.parametrize("lock", LOCKS)
def test_every_pin_carries_hashes(lock):
    """`pip install --require-hashes` refuses the whole file for one pin without."""
    blocks = re.split(r"^(?=[\w.-]+==)", (ROOT / lock).read_text(), flags=re.MULTILINE)[1:]

    assert [block for block in blocks if "--hash=sha256:" not in block] == []


@pytest.mark.parametrize(("lock", "extra"), [(LOCKS[0], None), (LOCKS[1], "dev")])
def test_locks_are_up_to_date(lock, extra):
    """What pyproject.toml asks for is what is locked; if not: `make lock`."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    asked = project["dependencies"] + (project["optional-dependencies"][extra] if extra else [])
    locked = pins(lock)

    unmet = [
        text
        for text, requirement in ((text, Requirement(text)) for text in asked)
        if not requirement.specifier.contains(locked.get(canonicalize_name(requirement.name), "0"), prereleases=True)
        or canonicalize_name(requirement.name) not in locked
    ]

    assert unmet == []


def test_tests_run_with_what_is_served():
    """The development lock is the runtime lock and more, never another version."""
    run, dev = map(pins, LOCKS)

    assert run.items() <= dev.items()


def test_every_silenced_rule_says_why():
    """An ignored rule without a reason outlives the reason."""
    config = (ROOT / "pyproject.toml").read_text()
    ruff = config[config.index("[tool.ruff.lint]") : config.index("[tool.ruff.lint.pylint]")]
    silenced = ruff[ruff.index("ignore = [") :].splitlines()

    rules = [line for line in silenced if re.match(r'\s+"[A-Z]+\d*",|"\S+" = \["', line)]

    assert rules
    assert [line for line in rules if "#" not in line] == []

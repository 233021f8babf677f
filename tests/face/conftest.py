"""Endpoints written as classes, each in a file of its own."""

from __future__ import annotations

import importlib.util
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from textwrap import dedent
from types import ModuleType
from typing import Any, TypeAlias

import pytest

from gateway.compile import compile_plans
from gateway.errors import ConfigError
from gateway.face import Endpoint, read_class
from gateway.load import load_text
from gateway.plan import Plan

UPSTREAMS = """
version: 1
upstreams:
  users: { url: "http://127.0.0.1:9101" }
  orders: { url: "http://127.0.0.1:9102", retry: { attempts: 2 } }
"""

PRELUDE = """
from __future__ import annotations
from typing import Any
from pydantic import BaseModel, Field
from gateway import Endpoint, step
class User(BaseModel):
    id: int
    segment: str = "new"
class Order(BaseModel):
    id: int
"""
"""What every such file begins with."""

Module: TypeAlias = Callable[[str], ModuleType]
Classes: TypeAlias = Callable[[str], list[type[Endpoint]]]


@pytest.fixture
def module(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Module]:
    """Makes a module of some classes: the file `home.py`, in the folder we are in, with the models `User` and `Order`."""
    monkeypatch.chdir(tmp_path)

    def make(classes: str) -> ModuleType:
        (tmp_path / "models.py").write_text(PRELUDE)
        (tmp_path / "home.py").write_text(
            f"from __future__ import annotations; from models import *\n{dedent(classes).strip()}\n", encoding="utf-8"
        )
        for name in ("models", "home"):
            spec = importlib.util.spec_from_file_location(name, tmp_path / f"{name}.py")
            assert spec
            assert spec.loader
            made = sys.modules[name] = importlib.util.module_from_spec(spec)
            spec.loader.exec_module(made)
        return made

    yield make
    sys.modules.pop("models", None)
    sys.modules.pop("home", None)


@pytest.fixture
def without_endpoints() -> str:
    """A config but for its endpoints."""
    return UPSTREAMS


@pytest.fixture
def classes(module: Module) -> Classes:
    """Gives the endpoints among some classes, in the order written; those named `With…` are for others to inherit from."""

    def find(text: str) -> list[type[Endpoint]]:
        made = module(text)
        return [
            one
            for name, one in vars(made).items()
            if isinstance(one, type) and issubclass(one, Endpoint) and one is not Endpoint and not name.startswith("With")
        ]

    return find


@pytest.fixture
def compiled(classes: Classes) -> Callable[..., tuple[Plan, ...]]:
    """The plans of some classes, behind those of a config."""

    def compile_classes(text: str, config: str = UPSTREAMS) -> tuple[Plan, ...]:
        return compile_plans(load_text(config, "gateway.yaml", {}, [read_class(one) for one in classes(text)]))

    return compile_classes


@pytest.fixture
def findings(compiled: Callable[..., Any]) -> Callable[..., list[str]]:
    """Everything that is wrong with some classes and a config."""

    def find(text: str, config: str = UPSTREAMS) -> list[str]:
        try:
            compiled(text, config)
        except ConfigError as error:
            return [str(finding) for finding in error.findings]
        return []

    return find

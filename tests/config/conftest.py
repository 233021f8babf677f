"""What the tests of configs share."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import pytest

from gateway.compile import compile_plans
from gateway.errors import ConfigError
from gateway.finding import Finding
from gateway.load import load_text
from gateway.plan import Plan


@pytest.fixture
def findings() -> Callable[..., tuple[Finding, ...]]:
    """Everything that is wrong with a config; nothing when plans can be made of it."""

    def find(config: str, environ: Mapping[str, str] | None = None) -> tuple[Finding, ...]:
        try:
            compile_plans(load_text(config, "gateway.yaml", environ or {}))
        except ConfigError as error:
            return error.findings
        return ()

    return find


@pytest.fixture
def compiled() -> Callable[..., tuple[Plan, ...]]:
    """The plans of a config that is right."""

    def compile_text(config: str, environ: Mapping[str, str] | None = None) -> tuple[Plan, ...]:
        return compile_plans(load_text(config, "gateway.yaml", environ or {}))

    return compile_text

"""Stacks built from short configs, around an upstream that the test plays."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import pytest

from gateway.call import Call, Reply
from gateway.compile import compile_plans
from gateway.errors import ConfigError
from gateway.limit import LimitsState
from gateway.load import load_text
from gateway.recipe import Recipe
from gateway.stack import Stack, host_stack, step_stack, upstream_stack
from gateway.store import MemoryStore

CONFIG = """
version: 1
upstreams: {{users: {{url: "http://127.0.0.1:9101", {policies}}}}}
endpoints: [{{path: "/{{id}}", steps: {{user: {{get: "users /users/{{path.id}}", {own}}}}}}}]
"""


@dataclass(eq=False)
class Stacked:
    """The stacks of a step around one upstream, with the store below its cache."""

    recipe: Recipe
    upstream: Any
    make_call: Callable[..., Call]
    store: MemoryStore = field(default_factory=lambda: MemoryStore(100_000))

    @property
    def stacks(self) -> tuple[Stack, Stack, Stack]:
        """The step's own, the upstream's and its host's."""
        return step_stack(self.recipe, self.store), upstream_stack(self.recipe.upstream), host_stack(LimitsState())

    async def __call__(self, call: Call | None = None) -> Reply:
        """Send a call through all of them."""
        step, upstream, host = self.stacks
        return await step.around(upstream.around(host.around(self.upstream)))(call or self.call())

    def call(self, **parts: Any) -> Call:
        """A call as the step makes it."""
        return self.make_call(timeout=self.recipe.policies.timeout, **parts)


@pytest.fixture
def stacked(upstream: Any, make_call: Any) -> Callable[..., Stacked]:
    """Makes the stacks of a step from what its upstream says and what it says itself, as in a config."""

    def make(policies: str = "", own: str = "") -> Stacked:
        try:
            (plan,) = compile_plans(load_text(CONFIG.format(policies=policies, own=own)))
        except ConfigError as error:
            pytest.fail(str(error))
        return Stacked(plan.steps[0].recipe, upstream, make_call)

    return make

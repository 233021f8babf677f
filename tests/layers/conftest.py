"""Stacks built from short configs, around an upstream that the test plays."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any

import pytest

from gateway.call import Call, Caller, Reply
from gateway.compile import compile_plans
from gateway.errors import ConfigError
from gateway.limit import LimitsState
from gateway.load import load_text
from gateway.plan.recipe import Recipe
from gateway.stack import Stack, UpstreamState, WaysState, host_stack, step_stack, upstream_stack
from gateway.states.hosts import HostState
from gateway.store import MemoryStore

CONFIG = """
version: 1
upstreams: {{users: {{{where}, {policies}}}}}
endpoints: [{{path: "/{{id}}", steps: {{user: {{get: "users /users/{{path.id}}", {own}}}}}}}]
"""


@dataclass(eq=False)
class Stacked:
    """The stacks of a step around one upstream, with the store below its cache."""

    recipe: Recipe
    upstream: Any
    make_call: Callable[..., Call]
    store: MemoryStore = field(default_factory=lambda: MemoryStore(100_000))
    hosts: dict[str, Any] = field(default_factory=dict)
    """Who plays which host, by its URL; whoever is not in it is played by `upstream`."""

    @property
    def stacks(self) -> tuple[Stack, Stack, Stack]:
        """The step's own, the upstream's and its host's."""
        upstream = self.recipe.upstream
        one = HostState(upstream.url)
        host = host_stack(upstream, one, (one,), LimitsState())
        return step_stack(self.recipe, self.store, self.shared), upstream_stack(upstream), host

    @cached_property
    def ways(self) -> WaysState:
        """Those to the upstream, with what belongs to it."""
        return WaysState(self.recipe.upstream, LimitsState(), lambda url: self.hosts.get(url, self.upstream))

    @property
    def shared(self) -> UpstreamState:
        """What steps share of their layers."""
        return self.ways.shared

    @cached_property
    def caller(self) -> Caller:
        """All of them around the upstream, their state in them."""
        return step_stack(self.recipe, self.store, self.shared).around(self.ways.caller)

    async def __call__(self, call: Call | None = None) -> Reply:
        """Send a call through all of them."""
        return await self.caller(call or self.call())

    def call(self, **parts: Any) -> Call:
        """A call as the step makes it."""
        policies = self.recipe.policies
        return self.make_call(timeout=policies.timeout, inject=policies.inject, **parts)


@pytest.fixture
def stacked(upstream: Any, make_call: Any) -> Callable[..., Stacked]:
    """Makes the stacks of a step from what its upstream says and what it says itself, as in a config; `hosts` play its hosts, `broken` lets happen what is injected."""

    def make(policies: str = "", own: str = "", *, broken: bool = False, **hosts: Any) -> Stacked:
        urls = {f"http://{name}.test": played for name, played in hosts.items()}
        where = f"urls: {[*urls]}" if urls else 'url: "http://127.0.0.1:9101"'
        try:
            (plan,) = compile_plans(load_text(CONFIG.format(where=where, policies=policies, own=own)))
        except ConfigError as error:
            pytest.fail(str(error))
        recipe = plan.steps[0].recipe
        recipe = replace(recipe, upstream=replace(recipe.upstream, broken=broken))
        return Stacked(recipe, upstream, make_call, hosts=urls)

    return make

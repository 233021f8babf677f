"""Stacks built from short configs, around an upstream that the test plays."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from functools import cached_property
from itertools import count
from typing import Any

import pytest

from gateway.caching import Work
from gateway.caching.purging import PurgesState
from gateway.caching.refreshing import RefreshesState
from gateway.call import Call, Caller, Reply
from gateway.compile import compile_plans
from gateway.errors import ConfigError
from gateway.layers.cache import Cache
from gateway.layers.keep import Keep
from gateway.limit import LimitsState
from gateway.load import load_text
from gateway.plan import Plan, kept_upstreams
from gateway.plan.recipe import Recipe
from gateway.policy import CachePolicy
from gateway.stack import Keeping, Stack, UpstreamState, WaysState, host_stack, step_stack, upstream_stack
from gateway.states.hosts import HostState
from gateway.store import MemoryStore
from gateway.telemetry import Span, SpanType, Trace

CONFIG = """
version: 1
upstreams: {{users: {{{where}, {policies}}}}}
endpoints: [{{path: "/{{id}}", steps: {{user: {{get: "users /users/{{path.id}}", {own}}}}}}}]
"""


@dataclass
class Behind:
    """Does at once what no request waits for, as tasks of the test's own loop."""

    tasks: list[asyncio.Task[object]] = field(default_factory=list)
    causes: list[Span] = field(default_factory=list)

    def __call__(self, name: str, cause: Span, work: Work) -> None:
        trace = Trace(id=2, sampled=True, next_id=count(100).__next__)
        self.causes.append(cause)
        self.tasks.append(asyncio.ensure_future(work(trace.span(SpanType(name), None))))

    async def ended(self) -> None:
        """Wait until all of it is done, however it ends."""
        await asyncio.gather(*self.tasks, return_exceptions=True)


@pytest.fixture
def behind() -> Behind:
    """What is done while nobody waits for it."""
    return Behind()


@dataclass
class Clock:
    """A clock that stands until the test moves it."""

    now: float = 1_000_000.0

    def __call__(self) -> float:
        return self.now


@dataclass(eq=False)
class Kept:
    """What the cache's layers make of an upstream: `await kept(call)`. Time is what `clock` says."""

    policy: CachePolicy
    upstream: Any
    make_call: Callable[..., Call]
    behind: Behind
    store: Any
    clock: Clock
    heeds: bool = False

    @cached_property
    def caller(self) -> Caller:
        keep = Keep(self.policy, self.store, ("endpoint:GET /",), clock=self.clock)
        return Cache(self.policy, self.store, self.behind, RefreshesState(), 5.0, self.heeds, self.clock)(keep(self.upstream))

    async def __call__(self, call: Call | None = None, **parts: Any) -> Reply:
        return await self.caller(call or self.make_call(**parts))

    async def later(self, seconds: float, call: Call | None = None, **parts: Any) -> Reply:
        """Ask so many seconds later."""
        self.clock.now += seconds
        return await self(call, **parts)

    def entries(self) -> list[Any]:
        """What is kept, the oldest use first."""
        return [kept.value for kept in self.store._entries.values()]


@pytest.fixture
def kept(upstream: Any, make_call: Any, behind: Behind) -> Callable[..., Kept]:
    """Makes the cache's layers around the upstream, with a policy in the words of the config."""

    def make(*, heeds: bool = False, store: Any = None, purges: Any = None, played: Any = None, **words: Any) -> Kept:
        clock = Clock()
        store = store or MemoryStore(1_000_000, purges=purges, clock=clock)
        policy = CachePolicy.model_validate(words or {"ttl": "30s"})
        return Kept(policy, played or upstream, make_call, behind, store, clock, heeds)

    return make


@dataclass(eq=False)
class Stacked:
    """The stacks of a step around one upstream, with the store below its cache."""

    plan: Plan
    recipe: Recipe
    upstream: Any
    make_call: Callable[..., Call]
    store: MemoryStore = field(init=False)
    behind: Behind = field(default_factory=Behind)
    purges: PurgesState = field(default_factory=PurgesState)
    hosts: dict[str, Any] = field(default_factory=dict)
    """Who plays which host, by its URL; whoever is not in it is played by `upstream`."""

    def __post_init__(self) -> None:
        self.store = MemoryStore(100_000, purges=self.purges)

    @property
    def own(self) -> Stack:
        """What the step has of its own."""
        keeping = Keeping(self.store, self.behind, self.purges.purge, kept_upstreams([self.plan]))
        return step_stack(self.recipe, self.plan, keeping, self.shared)

    @property
    def stacks(self) -> tuple[Stack, Stack, Stack]:
        """The step's own, the upstream's and its host's."""
        upstream = self.recipe.upstream
        one = HostState(upstream.url)
        host = host_stack(upstream, one, (one,), LimitsState())
        return self.own, upstream_stack(upstream), host

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
        return self.own.around(self.ways.caller)

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
        return Stacked(plan, recipe, upstream, make_call, hosts=urls)

    return make

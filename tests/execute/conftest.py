"""Plans compiled from short YAML, each step with an upstream of its own that the test plays."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from itertools import count
from textwrap import dedent, indent
from typing import Any

import pytest

from gateway.call import Callers
from gateway.compile import compile_plans
from gateway.errors import ConfigError
from gateway.execute import Ran, run
from gateway.expressions.reference import Fields
from gateway.layers.timeout import Timeout
from gateway.load import load_text
from gateway.plan import Plan
from gateway.stack import Keeping, UpstreamState, shelf_of, step_stack
from gateway.store import MemoryStore
from gateway.telemetry import Span, SpanType, Trace
from gateway.typed import Model, ValueType

CONFIG = """
version: 1
upstreams: {shop: {url: "http://127.0.0.1:9101"}}
endpoints:
  - path: /home/{id}
    steps:
"""


@dataclass(eq=False)
class Home:
    """An endpoint to run; `home["user"]` is the upstream that its step `user` asks, and unless told otherwise it answers "user"."""

    plan: Plan
    upstreams: dict[str, Any]
    span: Span = field(default_factory=lambda: Trace(1, True, count(1).__next__).span(SpanType("GET /home/{id}", "server"), None))

    store: MemoryStore = field(default_factory=lambda: MemoryStore(100_000))

    def __getitem__(self, step: str) -> Any:
        return self.upstreams[step]

    async def run(self, *, within: float = 2.0, **request: Any) -> Ran:
        """Run the plan on a request whose deadline is that many seconds away."""
        values = {"path": {"id": "42"}, "query": {}, "headers": Fields(), "body": None, **request}
        keeping = Keeping(self.store, lambda *_: None, lambda *_: None)
        of = {
            recipe.key: step_stack(recipe, self.plan, keeping, UpstreamState()).around(Timeout()(self[recipe.key]))
            for recipe in self.plan.recipes
        }
        batched = [step for step in self.plan.steps if step.loop and step.loop.batch]
        callers = Callers(of, {step.name: shelf for step in batched if (shelf := shelf_of(step.recipe, self.plan, keeping))})
        return await run(self.plan, callers, values, asyncio.get_running_loop().time() + within, self.span)

    def starts(self) -> dict[str, float]:
        """When each step was first sent."""
        return {name: upstream.times[0] for name, upstream in self.upstreams.items() if upstream.times}


@pytest.fixture(scope="session")
def home(new_upstream: Callable[[], Any]) -> Callable[..., Home]:
    """Makes an endpoint from the YAML of its steps and of its answer, and the types of the steps that have one."""

    def make(steps: str, response: str = "", **types: ValueType) -> Home:
        answer = f"\n    response: {response}" if response else ""
        try:
            loaded = load_text(CONFIG + indent(dedent(steps), " " * 6) + answer)
            (plan,) = compile_plans(replace(loaded, models={0: Model(types)}))
        except ConfigError as error:
            pytest.fail(str(error))
        upstreams = {recipe.key: new_upstream() for recipe in plan.recipes}
        for name, upstream in upstreams.items():
            upstream.always(upstream.reply(name))
        return Home(plan, upstreams)

    return make

"""The two stacks, outermost layer first. Every line says what it must be above or below, and why.

A step's layers hold what belongs to the step. An upstream's are built once and shared by all steps that call it: what counts and limits
a host (a breaker, a bulkhead, hosts to choose from) belongs there. A layer that is not configured is not in the stack.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import reduce

from gateway.call import Caller, Layer, Shelf
from gateway.layers.cache import Cache, Store
from gateway.layers.retry import Retry
from gateway.layers.timeout import Timeout
from gateway.layers.trace import Trace
from gateway.limit import LimitsState
from gateway.recipe import Recipe, Upstream


@dataclass(frozen=True, slots=True)
class Stack:
    """Layers in order, outermost first."""

    layers: tuple[Layer, ...]

    def around(self, caller: Caller) -> Caller:
        """The caller with all layers around it."""
        return reduce(lambda inner, layer: layer(inner), reversed(self.layers), caller)

    def __str__(self) -> str:
        return " → ".join(str(layer) for layer in self.layers)


def step_stack(recipe: Recipe, store: Store) -> Stack:
    """What stands between a step's call and its upstream. The step's own span is opened by `execute`: a skipped step has one too."""
    return Stack(tuple(_of_step(recipe, store)))


def shelf_of(recipe: Recipe, store: Store) -> Shelf | None:
    """Where the replies to a recipe are kept whose calls a batch makes; None when they are not."""
    return Cache(recipe.policies.cache, store) if recipe.policies.cache else None


def upstream_stack(upstream: Upstream, limits: LimitsState) -> Stack:
    """What every attempt at this upstream goes through, whichever step makes it."""
    return Stack(tuple(_of_upstream(upstream, limits)))


def _of_step(recipe: Recipe, store: Store) -> Iterator[Layer]:
    policies = recipe.policies
    # Above everything that costs: a hit has no attempt to make.
    if policies.cache:
        yield Cache(policies.cache, store)
    # Above the upstream's stack: every attempt is traced and limited on its own, and counted by whatever will count there.
    if policies.retry and policies.retry.attempts > 1:
        yield Retry(policies.retry)


def _of_upstream(upstream: Upstream, limits: LimitsState) -> Iterator[Layer]:
    # Above all that one attempt waits for, so that the span covers it. Below retry: a span per attempt.
    yield Trace(upstream)
    # Innermost: bounds one send, body included. Below trace, which records it as this attempt's failure. Who waits above it for
    # something else (a back-off, a permit) waits no longer than the deadline by itself.
    yield Timeout(limits)

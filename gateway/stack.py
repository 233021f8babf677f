"""The two stacks, outermost layer first. Every line says what it must be above or below, and why.

A step's layers hold what belongs to the step. An upstream's are built once and shared by all steps that call it: what counts and limits
a host (a breaker, a bulkhead, hosts to choose from) belongs there. A layer that is not configured is not in the stack.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import reduce
from typing import Protocol

from gateway.caching import Background, Store
from gateway.caching.flights import FlightsState
from gateway.caching.invalidation import SAFE
from gateway.caching.refreshing import RefreshesState
from gateway.call import Call, Caller, Layer, Reply, Shelf
from gateway.layers.balance import Balance
from gateway.layers.breaker import Breaker
from gateway.layers.bulkhead import Bulkhead
from gateway.layers.cache import Cache
from gateway.layers.coalesce import Coalesce
from gateway.layers.eject import Eject
from gateway.layers.hedge import Hedge
from gateway.layers.inject import Inject
from gateway.layers.invalidate import Invalidate
from gateway.layers.keep import Keep
from gateway.layers.pause import Pause
from gateway.layers.replay import Replay
from gateway.layers.retry import Retry
from gateway.layers.shelf import Items
from gateway.layers.throttle import Throttle
from gateway.layers.timeout import Timeout
from gateway.layers.trace import Trace
from gateway.limit import LimitsState
from gateway.plan import Plan
from gateway.plan.recipe import Recipe, Upstream
from gateway.states.breaking import BreakerState
from gateway.states.budget import BudgetState
from gateway.states.ejection import OutlierState
from gateway.states.hosts import HostsState, HostState, Place
from gateway.states.pause import PauseState
from gateway.states.throttling import ThrottleState


class Sender(Protocol):
    """What sends to a host."""

    async def __call__(self, call: Call) -> Reply:
        """Send a call."""

    def close(self) -> None:
        """No further call will come; what is open is closed when it is done."""


@dataclass(frozen=True, slots=True)
class Stack:
    """Layers in order, outermost first."""

    layers: tuple[Layer, ...]

    def around(self, caller: Caller) -> Caller:
        """The caller with all layers around it."""
        return reduce(lambda inner, layer: layer(inner), reversed(self.layers), caller)

    def __str__(self) -> str:
        return " → ".join(str(layer) for layer in self.layers)


@dataclass(frozen=True, slots=True)
class UpstreamState:
    """What the steps that call an upstream share of their own layers."""

    budget: BudgetState = field(default_factory=BudgetState)
    """Of retries."""

    hedges: BudgetState = field(default_factory=BudgetState)
    """The budget of second copies."""

    pause: PauseState = field(default_factory=PauseState)
    refreshes: RefreshesState = field(default_factory=RefreshesState)
    """What is being fetched anew, since it is served stale."""

    flights: dict[object, FlightsState[Reply]] = field(default_factory=dict)
    """Calls that others may join, by what steps have in common that make the same of one."""

    def flights_of(self, recipe: Recipe) -> FlightsState[Reply]:
        """Those that the calls of a recipe may join."""
        expects = recipe.expects
        return self.flights.setdefault((expects.accept, expects.handled, expects.format.name, recipe.policies), FlightsState())


@dataclass(frozen=True, slots=True)
class Keeping:
    """What all steps keep replies with."""

    store: Store
    background: Background
    tell: Callable[[str, float], None]
    """Voids what has a scope and was asked for by a time."""

    of: frozenset[str] = frozenset()
    """The upstreams of which something is kept."""

    limits: LimitsState = field(default_factory=LimitsState, repr=False, compare=False)


def step_stack(recipe: Recipe, plan: Plan, keeping: Keeping, shared: UpstreamState) -> Stack:
    """What stands between a step's call and its upstream. The step's own span is opened by `execute`: a skipped step has one too."""
    return Stack((*_of_keeping(recipe, plan, keeping, shared), *_of_step(recipe, shared)))


def shelf_of(recipe: Recipe, plan: Plan, keeping: Keeping) -> Shelf | None:
    """Where the replies to a recipe are kept whose calls a batch makes; None when they are not."""
    policy = recipe.policies.cache
    return Items(policy, keeping.store, _scopes(recipe, plan)) if policy else None


def upstream_stack(upstream: Upstream) -> Stack:
    """What every attempt at this upstream goes through, whichever step makes it and whichever host it goes to."""
    return Stack(tuple(_of_upstream(upstream)))


def host_stack(upstream: Upstream, host: HostState, hosts: Sequence[HostState], limits: LimitsState) -> Stack:
    """What every attempt at one of an upstream's hosts goes through."""
    return Stack(tuple(_of_host(upstream, host, hosts, limits)))


@dataclass(slots=True, eq=False)
class WaysState:
    """The hosts of an upstream while the gateway runs, and the way to each. There is one for each upstream, for all who call it."""

    upstream: Upstream
    limits: LimitsState = field(repr=False)
    make_sender: Callable[[str], Sender] = field(repr=False)
    """Makes what sends to the host with this URL."""

    hosts: HostsState = field(default_factory=HostsState, init=False)
    caller: Caller = field(init=False, repr=False)
    """All that is between the steps' own stacks and the wire."""

    stack: Stack = field(init=False, repr=False)
    """The layers of that which are the whole upstream's."""

    shared: UpstreamState = field(default_factory=UpstreamState, init=False, repr=False)

    senders: dict[str, Sender] = field(default_factory=dict, init=False, repr=False)
    """By the host's URL, what sends to it without any layer."""

    stacks: dict[str, Stack] = field(default_factory=dict, init=False, repr=False)
    """By the host's URL, its own layers."""

    callers: dict[str, Caller] = field(default_factory=dict, init=False, repr=False)
    """By the host's URL, these around its sender."""

    def __post_init__(self) -> None:
        if not self.upstream.discover:
            self.lead_to(map(Place, self.upstream.hosts))
        has_several = self.upstream.others or self.upstream.discover
        # Below all that counts the whole upstream's calls, above all that is a host's own.
        inner = Balance(self.hosts).over(self.callers) if has_several else self.callers[self.upstream.url]
        self.stack = upstream_stack(self.upstream)
        self.caller = self.stack.around(inner)

    def lead_to(self, places: Iterable[Place]) -> tuple[list[HostState], list[HostState]]:
        """Take these for the hosts. Gives those that have joined and those that have gone, whose calls in flight go on to their ends."""
        joined, gone = self.hosts.update(places)
        for host in joined:
            self.senders[host.url] = sender = self.make_sender(host.url)
            self.stacks[host.url] = stack = host_stack(self.upstream, host, self.hosts, self.limits)
            self.callers[host.url] = stack.around(sender)
        for host in gone:
            del self.callers[host.url], self.stacks[host.url]
            self.senders.pop(host.url).close()
        return joined, gone


def _of_keeping(recipe: Recipe, plan: Plan, keeping: Keeping, shared: UpstreamState) -> Iterator[Layer]:
    policy = recipe.policies.cache
    # Above retry: what has been written is known when all attempts are over.
    if recipe.method not in SAFE and recipe.upstream.name in keeping.of:
        yield Invalidate(recipe.upstream.hosts, keeping.tell)
    # Above everything that costs: a hit has no attempt to make, and what is kept stands in for a failure of all below.
    if policy and plan.passthrough:
        yield Replay(policy, keeping.store, keeping.background, shared.refreshes, _scopes(recipe, plan), plan.timeout)
    elif policy:
        heeds = _says_what_it_takes(recipe)
        yield Cache(policy, keeping.store, keeping.background, shared.refreshes, plan.timeout, heeds)
    # Below cache: only misses join. Above all that makes attempts: those who join share one sequence of them, and its end.
    if recipe.policies.coalesce:
        yield Coalesce(shared.flights_of(recipe))
    if policy and not plan.passthrough:
        # Below coalesce: what one process has of the same call is asked for once. Above retry: a lease is held, and a reply judged, once for all attempts.
        yield Keep(policy, keeping.store, _scopes(recipe, plan), keeping.limits)


def _scopes(recipe: Recipe, plan: Plan) -> tuple[str, ...]:
    """What all that a recipe keeps is purged by; an upstream's tags are plain text, a step's own come with each call."""
    policy = recipe.policies.cache
    own = recipe.label.tags if recipe.label else ()
    tags = policy.tags if policy and not own else ()
    return (f"endpoint:{plan.method} {plan.path}", *(f"tag:{tag}" for tag in tags))


def _says_what_it_takes(recipe: Recipe) -> bool:
    """Its calls may have directives for caches."""
    names = {*(name for name, _ in (*recipe.base_headers, *recipe.headers)), *recipe.forward_headers}
    return not names.isdisjoint(("cache-control", "pragma"))


def _of_step(recipe: Recipe, shared: UpstreamState) -> Iterator[Layer]:
    policies = recipe.policies
    # Above the upstream's stack: every attempt is traced, counted and limited on its own. The budget is the upstream's: what is new load for
    # it is that whichever step makes it.
    if policies.retry and policies.retry.attempts > 1:
        yield Retry(policies.retry, budget=shared.budget)
    # Below retry: each attempt keeps to what one before it was told. Above the upstream's stack: who waits takes no place in it. Also where
    # nothing is sent again: what the upstream asks for is asked of everybody.
    if policies.retry and policies.retry.pause:
        yield Pause(policies.retry.pause, shared.pause)
    # Below retry: both copies are one attempt. Below pause: nobody counts the wait for its end as the upstream's slowness. Above the
    # upstream's stack: the second copy is traced and limited as any call, and balanced to another host.
    if policies.hedge:
        yield Hedge(policies.hedge, shared.hedges)


def _of_upstream(upstream: Upstream) -> Iterator[Layer]:
    # Above all that one attempt waits for, so that the span covers it. Below retry: a span per attempt.
    yield Trace(upstream)
    # Above all that waits or takes a place: what is not to be sent does neither. Above balance: what is asked less is the whole upstream.
    if upstream.throttle:
        yield Throttle(ThrottleState(upstream.throttle))
    # Below retry and pause: nobody holds a permit who is not about to send. Below trace, so that the span has the wait for it. Above
    # balance: the permits are the whole upstream's, and a full house is no host's fault.
    if upstream.bulkhead:
        yield Bulkhead.of(upstream.bulkhead)


def _of_host(upstream: Upstream, host: HostState, hosts: Sequence[HostState], limits: LimitsState) -> Iterator[Layer]:
    # No constraint towards the breaker, whose rejections say nothing of the host; above the attempt's limit, as that is.
    if upstream.eject:
        outlier = OutlierState(upstream.eject, host, hosts)
        host.bars.append(outlier.bars)
        yield Eject(outlier)
    # Above the attempt's limit, so that it sees what took too long. Below balance, which is told when it is open, and goes elsewhere.
    if upstream.breaker:
        breaker = BreakerState(upstream.breaker)
        host.bars.append(breaker.is_open)
        yield Breaker(host.url, breaker)
    # Below all but what plays the host: bounds one send, body included. Below trace, which records it as this attempt's failure. Who waits
    # above it for something else (a back-off, a permit) waits no longer than the deadline by itself.
    yield Timeout(limits)
    # In the place of the host's own faults: whatever stands above cannot tell, and a call that hangs is ended in time.
    if upstream.broken:
        yield Inject()

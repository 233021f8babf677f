"""Composition root: config → plans → the FastAPI app. The app's lifespan owns everything that must be closed again."""

from __future__ import annotations

import asyncio
import hashlib
import logging
import os
from collections.abc import AsyncIterator, Callable, Collection, Iterable, Mapping
from contextlib import asynccontextmanager, nullcontext
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import httpx
from fastapi import FastAPI
from fastapi_offline import FastAPIOffline
from starlette.middleware import Middleware
from starlette.responses import JSONResponse, Response

from gateway import __version__
from gateway.call import Callers
from gateway.compile import compile_plans
from gateway.errors import StartError
from gateway.events import FAULTS_INJECTED
from gateway.export import Tracing
from gateway.face import read_class
from gateway.guard import Guard, send_problem
from gateway.inbound.admission import Admission, Door
from gateway.inbound.endpoint import Endpoint
from gateway.inbound.explain import Explaining
from gateway.inbound.kept import Kept, KeptState
from gateway.inbound.once import Once, OutcomesState
from gateway.inbound.operation import describe
from gateway.inbound.places import Places
from gateway.inbound.relay import Relay
from gateway.inbound.route import Endpoints, Others, Shortcut
from gateway.inbound.strangers import HANDLERS, as_response
from gateway.journal.state import JournalState, keep_journal
from gateway.limit import LimitsState
from gateway.load import load_file, load_text
from gateway.logs import lost as lost_lines
from gateway.logs.requests import are_wanted, tell_request
from gateway.metrics.conditions import conditions
from gateway.metrics.gauges import Gauges
from gateway.metrics.sharing import add_up
from gateway.metrics.state import MetricsState
from gateway.plan import Plan, broken_on_purpose, kept_upstreams
from gateway.plan.needs import needs_of
from gateway.plan.recipe import Upstream
from gateway.problem import of_status
from gateway.running import RunningState
from gateway.stack import Keeping, WaysState, shelf_of, step_stack
from gateway.states.shedding import SheddingState
from gateway.store import MemoryStore, open_store
from gateway.upkeep import Upkeep
from gateway.upkeep.background import BackgroundState
from gateway.upkeep.discovery import Find, make_find
from gateway.upkeep.documents import ask_document, warn_of_drift
from gateway.upkeep.pulse import Pulse
from gateway.upstream import Client, make_client, make_sender

if TYPE_CHECKING:
    from starlette.types import ASGIApp, Receive, Scope
    from starlette.types import Send as Answer

    from gateway.call import Headers
    from gateway.face import Endpoint as EndpointClass
    from gateway.load import Loaded
    from gateway.spec import GatewaySpec
    from gateway.telemetry import Trace


_log = logging.getLogger("gateway.inject")


class Gateway:
    """A config, compiled, with the FastAPI app that serves it.

        gateway = Gateway.load("config/gateway.yaml")
        app = gateway.app          # add your own routes, dependencies, middleware

    `transport` replaces the wire under the shared client, such as an `httpx.MockTransport` in a test; `sinks` are given every finished
    trace; with `inject` the faults that the config has for rehearsals happen; `journal` is the file that traces are kept in, for the admin
    side.
    """

    def __init__(
        self,
        loaded: Loaded,
        *,
        transport: httpx.AsyncBaseTransport | None = None,
        tracing: Tracing | None = None,
        sinks: Iterable[Callable[[Trace], None]] = (),
        inject: bool = False,
        journal: Path | None = None,
    ) -> None:
        self.plans: tuple[Plan, ...] = compile_plans(loaded)
        """Raises `ConfigError` with every finding."""
        assert loaded.spec is not None  # compile_plans has raised otherwise
        self.spec: GatewaySpec = loaded.spec
        self.source = loaded.source
        self.places = tuple(index for index, _ in loaded.each_endpoint())
        """For each plan its index in the config."""

        self.revision = hashlib.sha256(repr(loaded.source.tree).encode()).hexdigest()[:12]
        self._transport = transport
        self.tracing = tracing or Tracing(sinks=sinks)
        self.tracing.redaction.learn(self.secrets)
        self._running: RunningState | None = None
        self._inject = inject
        self.journal = journal
        """The file that traces are kept in, from the next start on; None for none."""
        self.board: Path | None = None
        """A file by which it and others of the same config tell each other what is purged, where there is no Redis, from the next start on."""

        upstreams = {recipe.upstream.name: recipe.upstream for plan in self.plans for recipe in plan.recipes}
        self._documents = {name: upstream.document for name, upstream in upstreams.items() if upstream.document}
        self._described: tuple[object, dict[str, Any]] | None = None
        self._endpoints = Endpoints()
        self.app: FastAPI = self._make_app()

    @classmethod
    def load(cls, file: str | Path, *, endpoints: Iterable[type[EndpointClass]] = (), **options: Any) -> Gateway:
        """The gateway of a config file, and of endpoints that are classes. Raises `StartError`, `ConfigError`; takes the options of
        the class.
        """
        return cls(load_file(file, [read_class(one) for one in endpoints]), **options)

    @classmethod
    def from_text(cls, text: str, *, endpoints: Iterable[type[EndpointClass]] = (), **options: Any) -> Gateway:
        """The gateway of a config given as text. Raises `ConfigError`."""
        return cls(load_text(text, classes=[read_class(one) for one in endpoints]), **options)

    @property
    def secrets(self) -> dict[str, str]:
        """What is to be seen in no log and no trace, by what is shown in its place: the config's, and those that this process has besides."""
        ours = ("GATEWAY_ADMIN_TOKEN", "GATEWAY_EXPLAIN_KEY")
        return {value: f"${{{name}}}" for name in ours if (value := os.environ.get(name))} | self.source.secrets()

    @property
    def running(self) -> RunningState | None:
        """What there is while the app's lifespan lasts; None before and after."""
        return self._running

    def leave(self) -> None:
        """The gateway is about to stop: what has no end of its own ends, what has one goes on to it."""
        if self._running:
            self._running.leaving.set()

    def _make_app(self) -> FastAPI:
        app = FastAPIOffline(
            title="Fanin",
            version=__version__,
            redoc_url=None,
            # A redirect to the path without its slash would be built from the client's Host.
            redirect_slashes=False,
            lifespan=self.lifespan,
            # One owner of telemetry only, and that is us.
            telemetry={"auto_configure": False, "tracing": False, "metrics": False, "logs": False},
            exception_handlers={**HANDLERS},
        )
        build = app.build_middleware_stack
        app.build_middleware_stack = lambda: self._with_short_way(app, build)  # type: ignore[method-assign]
        app.add_api_route("/livez", self._live, include_in_schema=False)
        app.add_api_route("/readyz", self._ready, include_in_schema=False)
        self._lead_to(lambda _: _not_started)
        app.router.routes.append(self._endpoints)
        document = app.openapi
        app.openapi = lambda: self._documented(document())  # type: ignore[method-assign]  # FastAPI's own way to extend it
        return app

    def _with_short_way(self, app: FastAPI, build: Callable[[], ASGIApp]) -> ASGIApp:
        """The layers around FastAPI's router. A user's own stand around endpoints too; FastAPI's, which endpoints do without (4 µs), do not."""
        if not app.user_middleware:
            return Guard(Shortcut(build(), self._endpoints, app.router.routes))
        given = app.user_middleware
        app.user_middleware = [*given, Middleware(Guard), Middleware(Shortcut, self._endpoints, app.router.routes)]
        try:
            return build()
        finally:
            # It may be built again.
            app.user_middleware = given

    @asynccontextmanager
    async def lifespan(self, _app: object = None) -> AsyncIterator[None]:
        """The time in which endpoints answer. The app has it for its own; an app that this one is mounted in has to be given it, as
        `FastAPI(lifespan=gateway.lifespan)`, since nobody starts what is mounted.
        """
        self.tracing.start(rule=self.spec.telemetry)
        self._tell_of_faults()
        called = self._upstreams()
        journaling = keep_journal(self.journal, needs_of(self.plans), __version__, self.revision, add_up, self.source.redact)
        async with (
            journaling as journal,
            make_client(self._transport, (upstream for upstream, _ in called)) as client,
            open_store(self.spec.cache, self.board) as (store, board),
        ):
            limits, shedding, losses = LimitsState(), self._shedding(), self._losses(journal)
            outcomes = OutcomesState(MemoryStore(self.spec.outcomes_size))
            ways = {one.name: WaysState(one, limits, partial(make_sender, one, client, headers)) for one, headers in called}
            upkeep = [Upkeep(state, _find(state.upstream, client)) for state in ways.values()]
            background, gauges = BackgroundState(self.tracing), Gauges([*ways.values()], store, client.wire, shedding, losses)
            kept, counts = KeptState(store, background), MetricsState(self.plans, gauges)
            self._hand_traces_to(counts, journal, ways)
            self._running = running = RunningState(
                limits, store, board, outcomes, ways, background, kept, counts, journal, shedding
            )
            self._lead_to(lambda plan: self._admitted(plan, running))
            self.app.state.door = self._door(shedding)
            asking = asyncio.create_task(self._ask_for_documents(client))
            try:
                await asyncio.gather(*(one.start() for one in upkeep))
                with Pulse(shedding.look) if shedding and shedding.has_looks else nullcontext():
                    yield
            finally:
                asking.cancel()
                ends = (running.background.stop(), *(one.stop() for one in upkeep))
                await asyncio.gather(asking, *ends, return_exceptions=True)
                self._running = self.app.state.door = None
                self._lead_to(lambda _: _not_started)
                running.threads.shutdown(wait=False, cancel_futures=True)
                if running.left:
                    await asyncio.wait(running.left)
        await self.tracing.stop()

    def _hand_traces_to(self, counts: MetricsState, journal: JournalState | None, ways: Mapping[str, WaysState]) -> None:
        """All who have a use for finished requests: the figures, the log, the journal."""
        self.tracing.measure(counts)
        if are_wanted():
            self.tracing.watch(tell_request, wants_all=False)
        if journal:
            journal.tell = lambda: counts.tell(conditions(ways.values()))
            self.tracing.watch(journal.put, with_exchanges=self.spec.console.bodies)

    def _upstreams(self) -> Collection[tuple[Upstream, set[Headers]]]:
        """Every upstream that is called, with the headers that its steps send in any case."""
        broken = broken_on_purpose(self.plans) if self._inject else ()
        found: dict[str, tuple[Upstream, set[Headers]]] = {}
        for recipe in (recipe for plan in self.plans for recipe in plan.recipes):
            name = recipe.upstream.name
            if name not in found:
                found[name] = replace(recipe.upstream, broken=name in broken), set()
            found[name][1].add(recipe.base_headers)
        return found.values()

    def _losses(self, journal: JournalState | None) -> Mapping[str, Callable[[], int]]:
        return {"spans": self.tracing.lost, "journal": lambda: journal.lost if journal else 0, "logs": lost_lines}

    def _shedding(self) -> SheddingState | None:
        has_critical = any(plan.priority == "critical" for plan in self.plans)
        return SheddingState(self.spec.shed, has_critical) if self.spec.shed else None

    def _door(self, shedding: SheddingState | None) -> Door | None:
        """What the server may ask before it makes a request of a head. A user's middleware has a word to say of every answer (CORS): then
        there is none.
        """
        if shedding is None or self.app.user_middleware:
            return None
        return Door(shedding, self._endpoints, Others(self._endpoints, self.app.router.routes))

    def _admitted(self, plan: Plan, running: RunningState) -> ASGIApp:
        endpoint = self._endpoint(plan, running)
        return Admission(plan, endpoint, running.shedding) if running.shedding else endpoint

    def _endpoint(self, plan: Plan, running: RunningState) -> Endpoint:
        # What belongs to an upstream was built once; this is what belongs to each step.
        keeping = Keeping(running.store, running.background, running.board.tell, kept_upstreams(self.plans), running.limits)
        of = {}
        for recipe in plan.recipes:
            ways = running.ways[recipe.upstream.name]
            of[recipe.key] = step_stack(recipe, plan, keeping, ways.shared).around(ways.caller)
        batched = (step for step in plan.steps if step.loop and step.loop.batch)
        shelves = {step.name: shelf for step in batched if (shelf := shelf_of(step.recipe, plan, keeping))}
        callers = Callers(of, shelves, running.left)
        timing = self.spec.answer.server_timing
        once = Once(plan.idempotency, running.outcomes) if plan.idempotency else None
        kind: Callable[..., Endpoint] = Relay if plan.passthrough else Endpoint
        if plan.keeping:
            places = Places(plan, plan.keeping, self.revision)
            kind = partial(Kept, keeping=plan.keeping, state=running.kept, places=places)
        explaining = Explaining(os.environ.get("GATEWAY_EXPLAIN_KEY"))
        given = (running.limits, running.visits, running.threads, once, timing, self.revision, explaining)
        return kind(plan, callers, self.tracing, *given)

    def _lead_to(self, endpoint: Callable[[Plan], ASGIApp]) -> None:
        self._endpoints.lead_to((plan.method, plan.path, endpoint(plan)) for plan in self.plans)

    def _documented(self, own: dict[str, Any]) -> dict[str, Any]:
        """The OpenAPI document of the user's own routes, and with it every endpoint: made again when either has changed."""
        if self._described is None or self._described[0] is not own:
            self._described = own, describe(own, self.plans, self._documents)
        return self._described[1]

    async def _ask_for_documents(self, client: httpx.AsyncClient) -> None:
        """What is to be had by URL only comes when it comes: nobody waits for it."""
        recipes = [recipe for plan in self.plans for recipe in plan.recipes]
        for upstream in {recipe.upstream.name: recipe.upstream for recipe in recipes if recipe.upstream.document_url}.values():
            if document := await ask_document(upstream, client):
                warn_of_drift(recipes, document)
                self._documents[upstream.name] = document
                self._described = None

    def _tell_of_faults(self) -> None:
        """Nobody should serve with faults, or believe to rehearse without, and not know it."""
        if names := ", ".join(broken_on_purpose(self.plans)):
            if self._inject:
                told = FAULTS_INJECTED.of(upstreams=names)
                _log.warning("FAULTS ARE INJECTED: calls to %s are broken on purpose", names, extra=told)
            else:
                _log.warning(
                    "the config has 'inject' for calls to %s, and nothing of it happens; GATEWAY_INJECT=1 lets it", names
                )

    async def _live(self) -> Response:
        """The process answers."""
        return JSONResponse({"status": "live"})

    async def _ready(self) -> Response:
        """The gateway has started, and is not stopping."""
        if self._running is None:
            return as_response(of_status(503, "Service Unavailable", "starting or stopping"))
        return JSONResponse({"status": "ready"})


def _find(upstream: Upstream, client: Client) -> Find | None:
    return make_find(upstream.discover, client.wire.names) if upstream.discover and client.wire else None


async def _not_started(_scope: Scope, _receive: Receive, send: Answer) -> None:
    await send_problem(of_status(500, "Internal Server Error"), send)
    raise StartError(
        "the app's lifespan has not started; serve the app, or give its gateway's `lifespan` to the app that it is mounted in"
    )

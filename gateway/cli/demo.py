"""`gateway demo`: four mock services and the gateway, a first answer with its waterfall, then serving until Ctrl-C."""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager, contextmanager
from functools import partial
from pathlib import Path

import httpx
import uvicorn
import uvloop
from rich.console import Console
from rich.text import Text

import services
from gateway import telemetry
from gateway.app import Gateway
from gateway.cli.admin import with_admin, with_side
from gateway.cli.call import show_response, show_trace
from gateway.cli.journal import with_journal
from gateway.cli.layout import make_console
from gateway.cli.ports import Address, Claimed, claim, url_of
from gateway.cli.serve import leave_quietly, leave_to, options, startup_failure_told
from gateway.errors import StartError
from gateway.logs import LogPolicy, logging_to
from gateway.plan import Plan
from gateway.telemetry import Trace

HOST = "127.0.0.1"
FIRST_CALL = "/v1/home/42"
PATIENCE = 30.0
"""Seconds until the mock services must have started."""

GRACE = 5.0
"""Seconds that a mock service may take to stop."""

CONFIG = Path(__file__).parents[2] / "config" / "gateway.yaml"
"""In a checkout; an installed package has its own copy."""

INSTALLED_CONFIG = Path(__file__).with_name("showcase.yaml")


def run_demo(
    port: int,
    services_port: int,
    admin_port: int | None = 0,
    *,
    journal: str | None = None,
    once: bool,
    config: Path | None = None,
) -> int:
    """Run the demo until Ctrl-C. With `once` it ends after the first answer, and the exit status is 1 if that is not a good one."""
    leave_quietly()
    console = make_console()
    config = config or (CONFIG if CONFIG.exists() else INSTALLED_CONFIG)
    ports = dict(zip(services.PORTS, range(services_port, services_port + len(services.PORTS)), strict=True))
    os.environ |= {f"{name.upper()}_URL": f"http://{HOST}:{number}" for name, number in ports.items()}
    os.environ["GATEWAY_TRY_FAULTS"] = "1"
    with (
        logging_to(sys.stderr, LogPolicy()) as redaction,
        claim(HOST, port, "--port or GATEWAY_PORT (make demo ARGS='--port 8090')") as taken,
        with_side(taken, Address(HOST, admin_port)) as claimed,
        with_journal(journal, has_readers=claimed.admin is not None) as file,
        asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner,
    ):
        first: asyncio.Future[Trace] = runner.get_loop().create_future()
        gateway = Gateway.load(config, sinks=[partial(_keep, first)], journal=file)
        redaction.learn(gateway.secrets)
        with _services(console, ports), startup_failure_told():
            return runner.run(_serve(console, gateway, claimed, first, ports["recommendations"], once=once))


@contextmanager
def _services(console: Console, ports: Mapping[str, int]) -> Iterator[None]:
    """The four mock services as processes of their own, stopped again at the end."""
    for number in ports.values():
        claim(HOST, number, "--services-port or GATEWAY_SERVICES_PORT (make demo ARGS='--services-port 9201')").close()
    console.print("Starting four mock services and the gateway:\n")
    running: list[subprocess.Popen[bytes]] = []
    try:
        for name, number in ports.items():
            # -P: a folder `services` where the demo is started is somebody else's.
            command = [sys.executable, "-P", "-m", "services", name, "--host", HOST, "--port", str(number)]
            # Their own session: Ctrl-C reaches the demo alone, which stops them in order.
            running.append(subprocess.Popen(command, stdout=subprocess.DEVNULL, env=_environ(), start_new_session=True))
        for name, number in ports.items():
            _await_answer(name, number, running)
            _show_started(console, name, f"http://{HOST}:{number}")
        yield
    finally:
        stop(running)


def _environ() -> dict[str, str]:
    """The environment, with the place that `services` comes from on the path: it may not be installed."""
    path = [str(Path(services.__file__).parents[1]), *filter(None, [os.environ.get("PYTHONPATH")])]
    return {**os.environ, "PYTHONPATH": os.pathsep.join(path)}


def _await_answer(name: str, port: int, running: Sequence[subprocess.Popen[bytes]]) -> None:
    """Wait until a service answers: it listens long before, and the first call would be kept waiting instead."""
    patience = time.monotonic() + PATIENCE
    while time.monotonic() < patience:
        if any(process.poll() is not None for process in running):
            raise StartError("a mock service ended before it answered; its own message stands above")
        try:
            httpx.get(f"http://{HOST}:{port}/livez", timeout=PATIENCE, trust_env=False).raise_for_status()
        except httpx.HTTPError:
            time.sleep(0.05)
        else:
            return
    raise StartError(f"the mock service {name} did not answer on port {port} within {PATIENCE:.0f} s")


def stop(running: Sequence[subprocess.Popen[bytes]], grace: float = GRACE) -> None:
    """End processes, all at once, and by force what is not gone within the grace."""
    patience = time.monotonic() + grace
    for process in running:
        process.terminate()
    for process in running:
        try:
            process.wait(max(0.0, patience - time.monotonic()))
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


async def _serve(
    console: Console, gateway: Gateway, claimed: Claimed, first: asyncio.Future[Trace], breakable: int, *, once: bool
) -> int:
    url = url_of(claimed.endpoints)
    async with _server(gateway, claimed) as server:
        _show_started(console, "gateway", f"{url}\n")
        is_good = await first_call(console, url, gateway.plans, first)
        if server.should_exit:  # told to stop meanwhile
            return 0
        console.print(f"  endpoint  {url}{FIRST_CALL}\n  docs      {url}/docs", soft_wrap=True)
        if claimed.admin:
            console.print(f"  console   {url_of(claimed.admin)}/", soft_wrap=True)
        if once:
            server.should_exit = True
            return 0 if is_good else 1
        console.print("\nServing until Ctrl-C. In another terminal, break an upstream and call again:\n")
        console.print(f'  curl -X PUT http://{HOST}:{breakable}/_chaos -d \'{{"mode": "hang"}}\'', soft_wrap=True)
        console.print(f"  curl -i {url}{FIRST_CALL}", soft_wrap=True)
    return 0


@asynccontextmanager
async def _server(gateway: Gateway, claimed: Claimed) -> AsyncIterator[uvicorn.Server]:
    """The gateway on its port while the block runs, and on until Ctrl-C unless `should_exit` is set."""
    server = uvicorn.Server(uvicorn.Config(with_admin(gateway, claimed.admin_port, claimed.port), **options()))
    leave_to(server)
    serving = asyncio.create_task(server.serve(sockets=claimed.sockets))
    try:
        while not server.started and not serving.done():  # noqa: ASYNC110 - uvicorn has no event for it
            await asyncio.sleep(0.01)
        yield server
        await serving
    finally:
        server.should_exit = True
        await asyncio.gather(serving, return_exceptions=True)


async def first_call(console: Console, url: str, plans: Sequence[Plan], first: asyncio.Future[Trace]) -> bool:
    """Call the gateway as any client would, and print the answer with its waterfall. Says whether it is a good one."""
    console.print(Text(f"GET {url}{FIRST_CALL}", style="bold"), soft_wrap=True)
    try:
        async with httpx.AsyncClient(trust_env=False, timeout=10) as client:
            response = await client.get(url + FIRST_CALL)
    except httpx.TransportError as error:
        console.print(Text(f"no answer: {error}", style="bold red"), soft_wrap=True)
        return False
    show_response(console, response)
    if "traceparent" in response.headers:  # not where the config has no such endpoint any more
        trace = await first
        show_trace(console, trace, plans)
        plan = next(plan for plan in plans if f"{plan.method} {plan.path}" == trace.root.name)
        console.print(f"\n{_comparison(plan, trace)}\n", soft_wrap=True)
    return response.is_success


def _keep(first: asyncio.Future[Trace], trace: Trace) -> None:
    """Keep the first trace; nobody looks at those that follow."""
    if not first.done():
        first.set_result(trace)


def _comparison(plan: Plan, trace: Trace) -> str:
    """The answer's time beside its slowest chain of steps and beside the sum of them all, in milliseconds."""
    took = {
        str(span.attributes[telemetry.STEP_NAME]): span.seconds * 1000
        for span in trace.spans
        if telemetry.STEP_NAME in span.attributes
    }
    needs = {step.name: step.needs for step in plan.steps}

    def chain(name: str) -> tuple[float, tuple[str, ...]]:
        before = max((chain(need) for need in needs[name]), default=(0.0, ()))
        return before[0] + took.get(name, 0.0), (*before[1], name)

    slowest, names = max(chain(name) for name in needs)
    answer = trace.root.seconds * 1000
    return (
        f"  the answer took              {answer:6.0f} ms\n"
        f"  its slowest chain            {slowest:6.0f} ms  {' → '.join(names)}\n"
        f"  the steps one after another  {sum(took.values()):6.0f} ms"
    )


def _show_started(console: Console, name: str, url: str) -> None:
    console.print(f"  [green]✓[/] {name:16} {url}")

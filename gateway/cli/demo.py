"""`gateway demo`: four mock services and the gateway, a first answer with its waterfall, then serving until Ctrl-C."""

from __future__ import annotations

import asyncio
import os
import socket
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager
from functools import partial
from pathlib import Path

import httpx
import uvicorn
import uvloop
from rich.console import Console
from rich.text import Text

from gateway import telemetry
from gateway.app import Gateway
from gateway.cli.call import show_response
from gateway.cli.serve import claim, leave_quietly, options, url_of
from gateway.cli.waterfall import waterfall
from gateway.errors import StartError
from gateway.plan import Plan
from gateway.telemetry import Trace
from services import PORTS

HOST = "127.0.0.1"
FIRST_CALL = "/v1/home/42"
PATIENCE = 30.0
"""Seconds until the mock services must have started."""

CONFIG = Path(__file__).parents[2] / "config" / "gateway.yaml"
"""In a checkout; an installed package has its own copy."""

INSTALLED_CONFIG = Path(__file__).with_name("showcase.yaml")


def run_demo(port: int, services_port: int, *, once: bool) -> int:
    """Run the demo until Ctrl-C, or until the first answer. The exit status is 0 when there was a good one."""
    leave_quietly()
    console = Console()
    ports = dict(zip(PORTS, range(services_port, services_port + len(PORTS)), strict=True))
    taken = claim(HOST, port, "--port or GATEWAY_PORT (make demo ARGS='--port 8090')")
    with taken, _services(console, ports):
        os.environ |= {f"{name.upper()}_URL": f"http://{HOST}:{number}" for name, number in ports.items()}
        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            return runner.run(_serve(console, taken, ports["recommendations"], once=once))


@contextmanager
def _services(console: Console, ports: dict[str, int]) -> Iterator[None]:
    """The four mock services as processes of their own, stopped again at the end."""
    for number in ports.values():
        claim(HOST, number, "--services-port (make demo ARGS='--services-port 9201')").close()
    running: list[subprocess.Popen[bytes]] = []
    try:
        for name, number in ports.items():
            command = [sys.executable, "-m", "services", name, "--host", HOST, "--port", str(number)]
            # Their own session: Ctrl-C reaches the demo alone, which stops them in order.
            running.append(subprocess.Popen(command, stdout=subprocess.DEVNULL, start_new_session=True))
        for name, number in ports.items():
            _await_answer(name, number, running)
            console.print(f"  [green]✓[/] {name:16} http://{HOST}:{number}")
        yield
    finally:
        for process in running:
            process.terminate()
        for process in running:
            process.wait()


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


async def _serve(console: Console, taken: socket.socket, breakable: int, *, once: bool) -> int:
    first: asyncio.Future[Trace] = asyncio.get_running_loop().create_future()
    gateway = Gateway.load(CONFIG if CONFIG.exists() else INSTALLED_CONFIG, sinks=[partial(_keep, first)])
    url = url_of(taken)
    async with _server(gateway, taken) as server:
        console.print(f"  [green]✓[/] {'gateway':16} {url}\n")
        is_good = await _first_call(console, url, gateway.plans[0], first)
        _show_urls(console, url)
        if once:
            server.should_exit = True
        else:
            console.print("\nServing until Ctrl-C. In another terminal, break an upstream and call again:")
            console.print(
                f'  curl -X PUT http://{HOST}:{breakable}/_chaos -d \'{{"mode": "hang"}}\'\n  curl -i {url}{FIRST_CALL}',
                highlight=False,
            )
    return 0 if is_good else 1


@asynccontextmanager
async def _server(gateway: Gateway, taken: socket.socket) -> AsyncIterator[uvicorn.Server]:
    """The gateway on its port while the block runs, and on until Ctrl-C unless `should_exit` is set."""
    server = uvicorn.Server(uvicorn.Config(gateway.app, **options()))
    serving = asyncio.create_task(server.serve(sockets=[taken]))
    while not server.started and not serving.done():  # noqa: ASYNC110 - uvicorn has no event for it
        await asyncio.sleep(0.01)
    try:
        yield server
        await serving
    finally:
        server.should_exit = True
        await asyncio.gather(serving, return_exceptions=True)


async def _first_call(console: Console, url: str, plan: Plan, first: asyncio.Future[Trace]) -> bool:
    async with httpx.AsyncClient(trust_env=False, timeout=10) as client:
        console.print(Text(f"GET {url}{FIRST_CALL}", style="bold"))
        response = await client.get(url + FIRST_CALL)
    show_response(console, response)
    trace = await first
    console.print(waterfall(trace, console.width))
    console.print(f"\n{_comparison(plan, trace)}\n", highlight=False)
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


def _show_urls(console: Console, url: str) -> None:
    console.print(f"  endpoint  {url}{FIRST_CALL}\n  docs      {url}/docs", highlight=False)

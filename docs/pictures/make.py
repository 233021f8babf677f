"""Pictures of the console and of the terminal, made by looking at them: `make pictures`. The demo, two of its services in trouble, a browser,
and a terminal.
"""

from __future__ import annotations

import asyncio
import os
import random
import shutil
import signal
import sys
from asyncio.subprocess import PIPE, Process
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import httpx
import terminal
from playwright.async_api import Browser, async_playwright

FOLDER = Path(__file__).parent
PORT, ADMIN, SERVICES = 18480, 18481, 18401
SIZE = {"width": 1200, "height": 720}
WIDE = {"width": 1600, "height": 860}
"""Where an answer has room beside its waterfall."""

COLUMNS = 112
"""Of the terminal."""

USERS = 240
"""Requests that are made before anybody looks, ten a second."""

TROUBLE = {SERVICES + 1: {"error_rate": 0.35}, SERVICES + 3: {"error_rate": 0.1}}
"""By port: orders often need a second attempt, recommendations do without."""

SEED = 7


async def main() -> int:
    """Make every picture; the exit status is 1 where there is no browser."""
    chromium = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
    if chromium is None:
        print("pictures: there is no Chromium to look with", file=sys.stderr)
        return 1
    async with demo() as client, async_playwright() as driver:
        browser = await driver.chromium.launch(executable_path=chromium, args=["--no-sandbox"])
        live = asyncio.create_task(picture(browser, "live", "#/live", wait=USERS / 15))
        top = asyncio.create_task(printed("top", "top", frames=8))
        await ask(client)
        await asyncio.gather(live, top)
        trace = await telling(client)
        await printed("terminal", f"trace {trace}")
        await picture(browser, "trace", f"#/traces/{trace}", click=".spans [data-row='3']")
        await picture(browser, "trace-dark", f"#/traces/{trace}", dark=True, click=".spans [data-row='3']")
        await picture(browser, "plan", "#/plans", wait=1.5)
        await picture(browser, "try", "#/try?path.user_id=42&query.limit=1&fault.recommendations=503", click=".send")
        await browser.close()
    return 0


@asynccontextmanager
async def demo() -> AsyncIterator[httpx.AsyncClient]:
    """The demo while the block runs, and a client."""
    ports = ["--port", str(PORT), "--admin-port", str(ADMIN), "--services-port", str(SERVICES)]
    process = await asyncio.create_subprocess_exec(sys.executable, "-m", "gateway", "demo", *ports, stdout=PIPE, env=os.environ)
    try:
        await started(process)
        async with httpx.AsyncClient(trust_env=False, timeout=10) as client:
            for port, trouble in TROUBLE.items():
                (await client.put(f"http://127.0.0.1:{port}/_chaos", json=trouble)).raise_for_status()
            yield client
    finally:
        process.send_signal(signal.SIGINT)
        await process.communicate()


async def started(process: Process) -> None:
    """Wait until the demo serves."""
    assert process.stdout
    async with asyncio.timeout(60):
        while b"Serving until" not in (line := await process.stdout.readline()):
            assert line, "the demo did not start"


async def ask(client: httpx.AsyncClient) -> None:
    """Make requests, as many clients do."""
    chance = random.Random(SEED)
    async with asyncio.TaskGroup() as asking:
        for _ in range(USERS):
            asking.create_task(client.get(f"http://127.0.0.1:{PORT}/v1/home/{chance.randint(1, 1010)}"))
            await asyncio.sleep(0.1)


async def telling(client: httpx.AsyncClient) -> str:
    """A request that has something to tell: its orders were asked for twice."""
    found = (await client.get(f"http://127.0.0.1:{ADMIN}/api/traces", params={"limit": 200})).json()["traces"]
    for one in found:
        told = (await client.get(f"http://127.0.0.1:{ADMIN}/api/traces/{one['id']}")).json()
        explained = told["explain"]
        if len(explained) == 4 and explained["orders"]["attempts"] == 2 and explained["products"]["attempts"]:
            return str(told["id"])
    return str(found[0]["id"])


async def printed(name: str, command: str, frames: int = 0) -> None:
    """Save what a command prints."""
    arguments = [*command.split(), "--admin", f"http://127.0.0.1:{ADMIN}"]
    svg = await asyncio.to_thread(terminal.draw, name, arguments, f"gateway {command}", columns=COLUMNS, frames=frames)
    (FOLDER / f"{name}.svg").write_text(svg)


async def picture(browser: Browser, name: str, place: str, *, dark: bool = False, wait: float = 1.0, click: str = "") -> None:
    """Save what a view looks like; where something is clicked on, when there is a waterfall."""
    page = await browser.new_page(viewport=WIDE if name == "try" else SIZE, color_scheme="dark" if dark else "light")
    await page.goto(f"http://127.0.0.1:{ADMIN}/{place}")
    await asyncio.sleep(wait)
    if click:
        await page.locator(click).click()
        await page.mouse.move(0, 0)
        await page.get_by_role("treegrid").wait_for()
    await page.screenshot(path=FOLDER / f"{name}.png")
    await page.close()


if __name__ == "__main__":
    sys.exit(asyncio.run(main()))

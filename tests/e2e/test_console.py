"""The console in a browser: its four views over real traffic, what they say of trouble, and that anybody can use them."""

from __future__ import annotations

import asyncio
import json
import os
import re
import shutil
import socket
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path
from typing import Any

import httpx
import pytest
import uvicorn

from gateway import Gateway
from gateway.cli.admin import with_admin
from gateway.cli.serve import options
from gateway.journal.file import JournalFile
from gateway.journal.record import Finished, Service, pack, summarise
from gateway.telemetry import SHAPE, SpanType, Trace

CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)

playwright = pytest.importorskip("playwright.async_api", reason="NOT TESTED: the console, since playwright is not installed")
axe = pytest.importorskip("axe_playwright_python.async_playwright", reason="NOT TESTED: the console, since axe is not installed")

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(CHROMIUM is None, reason="NOT TESTED: the console, since there is no Chromium"),
]

ROOT = Path(__file__).parents[2]
VIEWS = ("#/live", "#/traces", "#/plans", "#/try")
SECOND = 1_000_000_000


@dataclass
class Watched:
    """A gateway with its admin side on real ports."""

    url: str
    admin: str
    journal: Path
    client: httpx.AsyncClient

    async def ask(self, *users: int) -> list[str]:
        """Make requests; the ids of their traces, which are in the journal."""
        answers = [await self.client.get(f"{self.url}/v1/home/{user}") for user in users]
        ids = [answer.headers["traceparent"].split("-")[1] for answer in answers]
        async with asyncio.timeout(20):
            while (await self.client.get(f"{self.admin}/api/traces/{ids[-1]}")).status_code != 200:  # noqa: ASYNC110 - a thread has no event for it
                await asyncio.sleep(0.05)
        return ids


@dataclass
class Opened:
    """A page, and what must not have happened on it."""

    page: Any
    complaints: list[str] = field(default_factory=list)
    asked: set[str] = field(default_factory=set)
    """Origins that something was asked of."""


Serve = Callable[..., Awaitable[Watched]]
Open = Callable[..., Awaitable[Opened]]


@pytest.fixture
async def serve(urls: dict[str, str], services: Any, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> AsyncIterator[Serve]:
    """Serve the showcase with an admin side."""
    for name in [name for name in os.environ if name.startswith("OTEL_")]:
        monkeypatch.delenv(name)
    for name, url in urls.items():
        monkeypatch.setenv(f"{name.upper()}_URL", url)
    running = []

    async def start(token: str | None = None, console: str = "{}") -> Watched:
        monkeypatch.setenv("GATEWAY_ADMIN_TOKEN", token or "")
        sockets = [socket.create_server(("127.0.0.1", 0)) for _ in range(2)]
        ports = [taken.getsockname()[1] for taken in sockets]
        (tmp_path / "openapi").symlink_to(ROOT / "config" / "openapi")
        (tmp_path / "gateway.yaml").write_text(f"{(ROOT / 'config' / 'gateway.yaml').read_text()}\nconsole: {console}\n")
        gateway = Gateway.load(tmp_path / "gateway.yaml", journal=tmp_path / "journal.sqlite")
        server = uvicorn.Server(uvicorn.Config(with_admin(gateway, ports[1], ports[0]), **options()))
        serving = asyncio.ensure_future(server.serve(sockets=sockets))
        client = httpx.AsyncClient(trust_env=False, timeout=10, verify=False)
        running.append((gateway, server, serving, client))
        made = Watched(*(f"http://127.0.0.1:{port}" for port in ports), tmp_path / "journal.sqlite", client)
        async with asyncio.timeout(10):
            assert (await client.get(f"{made.url}/readyz")).status_code == 200
        return made

    yield start
    for gateway, server, serving, client in running:
        gateway.leave()
        server.should_exit = True
        await serving
        await client.aclose()


@pytest.fixture
async def open_page() -> AsyncIterator[Open]:
    """Open the console; in the end nothing has complained, and nothing was asked of anybody else."""
    opened: list[tuple[Opened, str]] = []
    async with playwright.async_playwright() as driver:
        browser = await driver.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])

        async def show(admin: str, place: str = "#/live", scheme: str = "light", width: int = 1280) -> Opened:
            context = await browser.new_context(
                color_scheme=scheme, viewport={"width": width, "height": 900}, reduced_motion="reduce"
            )
            context.set_default_timeout(60_000)
            made = Opened(await context.new_page())
            made.page.on("console", lambda message: message.type in ("error", "warning") and made.complaints.append(message.text))
            made.page.on("pageerror", lambda error: made.complaints.append(str(error)))
            made.page.on("request", lambda request: made.asked.add(re.sub(r"^([a-z]+:(?://[^/]+)?).*", r"\1", request.url)))
            opened.append((made, admin))
            await made.page.goto(f"{admin}/{place}")
            return made

        yield show
        await browser.close()
    for made, admin in opened:
        assert made.complaints == []
        assert made.asked <= {admin, "data:", f"blob:{admin}"}


async def test_live_shows_requests_as_they_come(serve: Serve, open_page: Open) -> None:
    """Each within a moment, the figures every second, and each upstream there is; a click leads to the trace."""
    gateway = await serve()
    page = (await open_page(gateway.admin)).page
    await page.get_by_text("1 process").wait_for()

    (trace,) = await gateway.ask(42)

    row = page.get_by_role("link", name="/v1/home/42")
    await row.wait_for()
    await page.locator(".figure", has_text="Requests").get_by_text("max").wait_for()
    assert await page.locator(".hosts h3").all_inner_texts() == [
        "users",
        "orders",
        "orders_replica",
        "catalog",
        "recommendations",
    ]
    await page.locator(".card", has_text="users").get_by_text("p99").wait_for()
    assert await page.locator(".card", has_text="users").locator("dt").all_inner_texts() == [
        "calls/s",
        "failed/s",
        "retries/s",
        "p50",
        "p99",
    ]
    await row.click()
    await page.get_by_role("treegrid").wait_for()
    assert f"#/traces/{trace}/" in page.url


async def test_live_says_when_the_gateway_is_gone_and_when_it_is_back(serve: Serve, open_page: Open) -> None:
    """Nobody should take what has stopped for what is quiet."""
    gateway = await serve()
    opened = await open_page(gateway.admin)
    await opened.page.get_by_text("1 process").wait_for()

    await opened.page.route("**/api/live", lambda route: route.abort())
    await opened.page.evaluate("location.hash = '#/plans'")
    await opened.page.evaluate("location.hash = '#/live'")
    await opened.page.get_by_text("not connected").wait_for()
    await opened.page.unroute("**/api/live")

    await opened.page.get_by_text("1 process").wait_for()
    opened.complaints.clear()  # the browser tells of each connection that was refused


async def test_a_trace_is_told_with_what_waited_for_what(serve: Serve, open_page: Open, services: Any) -> None:
    """A broken upstream: the retry, what stood in, what the answer waited for, and why each step ran when it ran."""
    await services["recommendations"].chaos(error_rate=1)
    gateway = await serve()
    (trace,) = await gateway.ask(42)
    page = (await open_page(gateway.admin, f"#/traces/{trace}")).page

    rows = page.get_by_role("treegrid").get_by_role("row")
    await page.get_by_role("row", name="recommendations").first.click()

    assert await page.locator(".top .chip").all_inner_texts() == ["200", "partial"]
    assert "fallback" in await page.get_by_role("row", name="recommendations").first.inner_text()
    assert await page.locator(".backdrop .edge").count() == 2
    assert await rows.count() == 1 + len((await gateway.client.get(f"{gateway.admin}/api/traces/{trace}")).json()["spans"])
    panel = page.get_by_label("Span", exact=True)
    assert "It ran after user" in await panel.inner_text()
    assert "gateway.step.outcome" in await panel.inner_text()


async def test_a_trace_is_saved_as_otlp(serve: Serve, open_page: Open) -> None:
    """For other viewers."""
    gateway = await serve()
    (trace,) = await gateway.ask(42)
    page = (await open_page(gateway.admin, f"#/traces/{trace}")).page

    async with page.expect_download() as coming:
        await page.get_by_role("button", name="OTLP JSON").click()
    saved = await coming.value
    text = await asyncio.to_thread(Path(await saved.path()).read_text)

    assert saved.suggested_filename == f"{trace}.json"
    assert "resourceSpans" in json.loads(text)


async def test_traces_are_gone_through_with_the_keyboard(serve: Serve, open_page: Open) -> None:
    """`/` to search, `j` and `k` to the next and the one before, `Esc` back; arrows through the spans."""
    gateway = await serve()
    first, second, _ = await gateway.ask(1, 2, 3)
    page = (await open_page(gateway.admin, "#/traces")).page
    await page.get_by_text("3 requests").wait_for()

    await page.keyboard.press("j")
    await page.keyboard.press("j")
    await page.get_by_role("heading", name="/v1/home/2").wait_for()
    assert f"/{second}/" in page.url
    await page.locator(".spans [tabindex='0']").focus()
    await page.keyboard.press("ArrowDown")
    assert "step" in await page.locator(".panel h3").inner_text()
    await page.keyboard.press("Escape")
    await page.keyboard.press("/")
    await page.keyboard.type(first[:12])

    await page.get_by_text("1 request", exact=True).wait_for()
    assert f"q={first[:12]}" in page.url
    await page.evaluate("location.hash = '#/plans/%'")
    await page.get_by_role("heading", name="Plans").wait_for()
    await page.keyboard.press("/")
    await page.get_by_text("3 requests").wait_for()
    assert await page.evaluate("document.activeElement.name") == "q"


async def test_a_thousand_traces_are_listed(serve: Serve, open_page: Open) -> None:
    """Page after page, and found again by what they were."""
    gateway = await serve()
    fill(gateway.journal, (made_up(number, steps=2) for number in range(1000)))
    page = (await open_page(gateway.admin, "#/traces")).page

    for _ in range(4):
        await page.get_by_role("button", name="Older requests").click()
        await page.wait_for_load_state("networkidle")

    await page.wait_for_function("document.querySelectorAll('.requests li').length === 1000")
    await page.get_by_role("searchbox").fill("/v1/made-up/777")
    await page.get_by_text("1 request", exact=True).wait_for()


async def test_three_hundred_spans_are_drawn_within_a_tenth_of_a_second(serve: Serve, open_page: Open) -> None:
    """Of scripting, the best of five: what the machine does besides is not the page's."""
    gateway = await serve()
    trace = made_up(0, steps=149)
    assert len(trace.spans) == 300
    fill(gateway.journal, [trace])
    page = (await open_page(gateway.admin, f"#/traces/{trace.id:032x}")).page
    await page.locator(".spans [role=row]").nth(299).wait_for()

    took = await page.evaluate(
        """async (id) => {
            const { story } = await import("/console/story.js");
            const trace = await (await fetch(`/api/traces/${id}`)).json();
            return Math.min(...Array.from({ length: 5 }, () => {
                const began = performance.now();
                story(trace, {});
                return performance.now() - began;
            }));
        }""",
        f"{trace.id:032x}",
    )

    assert took < 100


async def test_a_plan_is_a_graph_of_what_waits_for_what(serve: Serve, open_page: Open) -> None:
    """Each step to the right of those it needs, with its policies, and the line of the config that says so."""
    gateway = await serve()
    await gateway.ask(42)
    page = (await open_page(gateway.admin, "#/plans")).page
    await page.get_by_role("heading", name="/v1/home/{user_id}").wait_for()
    await page.get_by_text("since the gateway began").wait_for()

    boxes = {}
    for name in ("user", "orders", "products", "recommendations"):
        node = page.locator(".node", has=page.locator("strong", has_text=re.compile(f"^{name}$")))
        boxes[name] = await node.bounding_box()
        assert re.search(r"line \d+.*calls\n1", await node.inner_text(), re.DOTALL)

    assert boxes["user"]["x"] == boxes["orders"]["x"] < boxes["products"]["x"] == boxes["recommendations"]["x"]
    assert await page.locator(".policies", has_text="retry 3").count() == 1
    await page.locator(".node", has_text="catalog").get_by_role("button").click()
    assert "products:" in await page.locator(".config .shown").inner_text()


async def test_an_endpoint_is_tried_and_shared(serve: Serve, open_page: Open) -> None:
    """Its answer beside its waterfall; the link fills the form in again, without what is secret; curl does the same."""
    gateway = await serve()
    page = (await open_page(gateway.admin, "#/try")).page
    await page.get_by_label("user_id").fill("7")
    await page.get_by_label("limit").fill("1")
    await page.get_by_label("Headers").fill("Authorization: secret\nAccept-Language: en")

    await page.get_by_role("button", name="Send").click()
    await page.get_by_role("treegrid").wait_for()

    assert '"id": 7' in await page.get_by_label("Body").inner_text()
    assert f"curl -i '{gateway.url}/v1/home/7?limit=1'" in await page.get_by_label("As curl").inner_text()
    assert "secret" not in page.url
    again = (await open_page(gateway.admin, page.url.partition("/#")[2].join(("#", "")))).page
    assert await again.get_by_label("user_id").input_value() == "7"
    assert await again.get_by_label("Headers").input_value() == "Accept-Language: en"


async def test_an_endpoint_is_tried_with_a_fault(serve: Serve, open_page: Open, monkeypatch: pytest.MonkeyPatch) -> None:
    """In the demo: the answer lacks what was broken, the waterfall says so, and the link and curl break it again."""
    monkeypatch.setenv("GATEWAY_TRY_FAULTS", "1")
    gateway = await serve()
    page = (await open_page(gateway.admin, "#/try")).page
    await page.get_by_label("recommendations", exact=True).select_option("503")

    await page.get_by_role("button", name="Send").click()
    await page.get_by_role("treegrid").wait_for()

    assert await page.locator(".answer .chip").all_inner_texts() == ["200", "partial"]
    assert "fallback" in await page.get_by_role("row", name="recommendations").first.inner_text()
    assert "fault.recommendations=503" in page.url
    assert """/_chaos -d '{"error_rate":1}'""" in await page.get_by_label("As curl").inner_text()


async def test_what_came_back_is_shown_where_the_config_says_so(serve: Serve, open_page: Open) -> None:
    """With the whole call, and how it is written; elsewhere it says how to have it."""
    gateway = await serve(console="{ bodies: true }")
    (trace,) = await gateway.ask(42)
    page = (await open_page(gateway.admin, f"#/traces/{trace}")).page
    await page.get_by_role("row", name="GET /orders").first.click()

    panel = page.get_by_label("Span", exact=True)
    assert "/orders?user=42&limit=5" in await panel.locator(".call").inner_text()
    assert '"sku"' in await panel.get_by_label("Came back").inner_text()


async def test_a_token_is_asked_for_where_one_is_set(serve: Serve, open_page: Open) -> None:
    """The page's own files are open; with the token everything is, for this tab."""
    gateway = await serve("right")
    opened = await open_page(gateway.admin)

    await opened.page.get_by_label("Token").fill("wrong")
    await opened.page.get_by_role("button", name="Sign in").click()
    await opened.page.get_by_text("This is not the token.").wait_for()
    await opened.page.get_by_label("Token").fill("right")
    await opened.page.get_by_role("button", name="Sign in").click()

    await opened.page.get_by_text("1 process").wait_for()
    opened.complaints[:] = [text for text in opened.complaints if "401" not in text]  # the browser tells of each refusal


@pytest.mark.parametrize(("scheme", "width"), [("light", 1920), ("light", 390), ("dark", 390), ("dark", 1080)])
async def test_anybody_can_use_it(
    serve: Serve, open_page: Open, services: Any, monkeypatch: pytest.MonkeyPatch, scheme: str, width: int
) -> None:
    """axe-core finds nothing serious in any view, with all that there is to see, and nothing is wider than the screen."""
    monkeypatch.setenv("GATEWAY_TRY_FAULTS", "1")
    await services["recommendations"].chaos(error_rate=1)
    gateway = await serve(console="{ bodies: true }")
    (trace,) = await gateway.ask(42)
    found = []

    for place in (*VIEWS, f"#/traces/{trace}"):
        page = (await open_page(gateway.admin, place, scheme, width)).page
        await page.locator("main :is(h1, h2):visible").first.wait_for()
        if place == "#/try":
            await page.get_by_role("button", name="Send").click()
        if place == "#/plans":
            await page.get_by_role("button", name="line").first.click()
        if trace in place:
            await page.get_by_role("row", name="GET /orders").first.click()
        if place not in ("#/plans", "#/traces", "#/live"):
            await page.get_by_role("treegrid").wait_for()
        told = await axe.Axe().run(page)
        found += [
            (place, one["id"], [node["html"][:120] for node in one["nodes"]])
            for one in told.response["violations"]
            if one["impact"] in ("serious", "critical")
        ]
        assert await page.evaluate("document.documentElement.scrollWidth <= innerWidth"), place

    assert found == []


def fill(journal: Path, traces: Any) -> None:
    """Write traces as another process of the gateway would."""
    service, file = Service("0", "made-up", 1), JournalFile(journal)
    finished = [Finished(trace, [*trace.spans]) for trace in traces]
    file.add([(summarise(one, service), pack(one, {"s1": ("s0",)}, service)) for one in finished], None)
    file.close()


def made_up(number: int, steps: int) -> Trace:
    """A request of so many steps, each with one attempt."""
    clock = count(1_700_000_000 * SECOND, 1_000_000)
    trace = Trace(0xABC0000 + number, True, count(16 * number * steps + 1).__next__, recorded=True)
    root = trace.span(
        SpanType("GET /v1/made-up/{id}", "server", {"http.request.method": "GET", "http.route": "/v1/made-up/{id}"}), None
    )
    root.start = next(clock)
    root.own = {"url.path": f"/v1/made-up/{number}", "http.response.status_code": 200}
    for place in range(steps):
        step = trace.span(SpanType(f"step s{place}", "internal", {"gateway.step.name": f"s{place}"}), root.id)
        step.own = {"gateway.step.outcome": "ok"}
        attempt = trace.span(SpanType("GET /made/{up}", "client", {"http.request.method": "GET"}), step.id)
        attempt.own = {"http.response.status_code": 200}
        step.start = attempt.start = next(clock)
        step.end = attempt.end = next(clock)
    shape = trace.span(SHAPE, root.id)
    shape.own = {"gateway.answer.complete": True}
    shape.start, shape.end, root.end = next(clock), next(clock), next(clock)
    return trace

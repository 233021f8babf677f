"""`gateway top`: what a running gateway does, in the terminal, until Ctrl-C. Without a terminal it is printed once."""

from __future__ import annotations

import json
from collections import deque
from collections.abc import Collection, Iterable, Iterator, Mapping
from contextlib import suppress
from typing import Any

from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.table import Table
from rich.text import Text

from gateway.cli.asking import listen
from gateway.cli.layout import make_console

RECENT = 10
"""Requests that are shown."""

_FIGURES = ("rate", "errors", "partial", "p50_ms", "p99_ms")


def show_top(admin: str | None) -> int:
    """Show it until Ctrl-C, or until the gateway stops."""
    console = make_console()
    # What stands in the terminal stays as it is.
    with suppress(KeyboardInterrupt), listen(admin, "/api/live") as lines:
        _show(console, events(lines))
    return 0


def events(lines: Iterable[str]) -> Iterator[tuple[str, dict[str, Any]]]:
    """The name and the data of each event in the lines of a stream. Raises `ValueError` for what is none of ours."""
    name = ""
    for line in lines:
        field, _, value = line.partition(": ")
        if field == "event":
            name = value
        elif field == "data":
            yield name, json.loads(value)


def _show(console: Console, told: Iterator[tuple[str, dict[str, Any]]]) -> None:
    recent: deque[dict[str, Any]] = deque(maxlen=RECENT)
    seconds: dict[str, Any] = {}
    if not console.is_terminal:
        for name, data in told:
            if name == "request":
                recent.appendleft(data)
            elif seconds:  # the first one is from before anything was heard
                console.print(screen(data, recent))
                return
            else:
                seconds = data
        return
    with Live(console=console, auto_refresh=False) as view:
        for name, data in told:
            if name == "request":
                recent.appendleft(data)
            else:
                view.update(screen(data, recent), refresh=True)


def screen(second: Mapping[str, Any], recent: Iterable[Mapping[str, Any]]) -> RenderableType:
    """What is to be seen: figures of all, of each endpoint, of each upstream where they are told, and the newest requests."""
    parts: list[RenderableType] = [_figures(second)]
    if second["upstreams"]:
        parts += [Text(), _upstreams(second["upstreams"])]
    requests = Table.grid(padding=(0, 2, 0, 0))
    for one in recent:
        requests.add_row(*_request(one))
    return Group(*parts, Text(), requests) if requests.row_count else Group(*parts)


def _figures(second: Mapping[str, Any]) -> Table:
    workers = f"{second['workers']} worker{'s' if second['workers'] != 1 else ''}"
    table = _table(f"requests, {workers}", "a second", "failed", "partial", "p50 ms", "p99 ms", "cached")
    for name, figures in (("all", second), *second["endpoints"].items()):
        shown = (_number(figures[one]) for one in _FIGURES)
        table.add_row(Text(name, style="bold" if figures is second else ""), *shown, _percent(figures["cache_hit_rate"]))
    return table


def _upstreams(told: Iterable[Mapping[str, Any]]) -> Table:
    table = _table("upstreams", "hosts well", "permits", "calls", "failed", "retries", "p50 ms", "p99 ms")
    for one in told:
        figures = (_number(one[name]) for name in ("calls", "errors", "retries", "p50_ms", "p99_ms"))
        table.add_row(Text(one["name"]), _hosts(one["hosts"]), _permits(one["permits"]), *figures)
    return table


def _hosts(hosts: Collection[Mapping[str, Any]]) -> Text:
    """How many are well, and the worst that a breaker is in."""
    well = sum(1 for host in hosts if host["healthy"] and not host["ejected"] and host["breaker"] != "open")
    worst = next((f" {word}" for word in ("open", "half-open") if any(host["breaker"] == word for host in hosts)), "")
    return Text(f"{well}/{len(hosts)}{worst}", style="red" if well < len(hosts) else "yellow" if worst else "")


def _permits(permits: Mapping[str, int] | None) -> Text:
    if permits is None:
        return Text("–", style="dim")
    waiting = f" +{permits['waiting']}" if permits["waiting"] else ""
    return Text(f"{permits['taken']}/{permits['of']}{waiting}", style="yellow" if waiting else "")


def _request(told: Mapping[str, Any]) -> Iterator[Text]:
    status = told["status"]
    bad = [f"{name} {outcome}" for name, outcome in told["steps"].items() if outcome != "ok"]
    yield Text(told["at"][11:23], style="dim")
    yield Text(str(status or "left"), style="red" if (status or 0) >= 500 else "yellow" if told["complete"] is False else "")
    yield Text(f"{told['duration_ms']:.1f} ms", justify="right")
    yield Text(f"{told['method']} {told['target']}", overflow="ellipsis", no_wrap=True)
    yield Text(", ".join(bad), style="yellow", overflow="ellipsis", no_wrap=True)


def _table(first: str, *others: str) -> Table:
    table = Table(box=None, padding=(0, 2, 0, 0), header_style="dim")
    table.add_column(first, overflow="ellipsis", no_wrap=True)
    for name in others:
        table.add_column(name, justify="right", no_wrap=True)
    return table


def _number(value: float | None) -> Text:
    return Text("–", style="dim") if value is None else Text(f"{value:,.1f}")


def _percent(share: float | None) -> Text:
    return Text("–", style="dim") if share is None else Text(f"{share:.0%}")

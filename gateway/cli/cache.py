"""`gateway cache`: asks the admin side of a gateway that runs."""

from __future__ import annotations

import json
from typing import Any

from gateway.cli.asking import ask
from gateway.errors import StartError


def show_cache(admin: str | None, *, as_json: bool) -> int:
    """Print what the cache has come to."""
    told = ask(admin, "stores", "GET", "/api/cache")
    print(json.dumps(told, indent=2) if as_json else "\n".join(_lines(told)))
    return 0


def purge_cache(admin: str | None, order: dict[str, str], *, as_json: bool) -> int:
    """Purge what is named, and print its scope. The exit status is 1 where there is no such thing, or where not everybody knows yet."""
    if len(order) != 1:
        raise StartError("name one thing to purge: --key, --endpoint, --upstream or --tag")
    told = ask(admin, "told", "POST", "/api/cache/purge", order)
    if as_json:
        print(json.dumps(told, indent=2))
    elif "purged" not in told:
        print(told["detail"])
    else:
        print(
            f"purged {told['purged']}"
            if told["told"]
            else f"purged {told['purged']} here; others learn of it when the store is back"
        )
    return 0 if told.get("told") else 1


def _lines(told: dict[str, Any]) -> list[str]:
    lines = [f"process {told['process']}"]
    for one in told["stores"]:
        asked = one["hits"] + one["misses"]
        lines.append(f"  {one['store']:8}{_share(one['hit_rate'])} of {asked:,} reads were hits{_size(one)}{_health(one)}")
    lines += [f"  upstream {one['name']}: {_lookups(one)}" for one in told["upstreams"]]
    for one in told["endpoints"]:
        lines += [f"  endpoint {one['name']}, {kind}: {_lookups(one[kind])}" for kind in ("answers", "calls") if one[kind]]
    if told["hottest"]:
        lines += ["", *(f"  {one['hits']:>8,} hits  {one['key']}  {one['of'] or ''}".rstrip() for one in told["hottest"])]
    return lines


def _lookups(one: dict[str, Any]) -> str:
    asked = one["hits"] + one["stale"] + one["misses"]
    stale = f", {one['stale']:,} of them stale" if one["stale"] else ""
    return f"{_share(one['hit_rate']).strip()} of {asked:,} were there{stale}"


def _share(share: float | None) -> str:
    return f"{share:6.1%}" if share is not None else "    –%"


def _size(store: dict[str, Any]) -> str:
    if store["entries"] is None:
        return ""
    return f"; {store['entries']:,} {'entry' if store['entries'] == 1 else 'entries'}, {store['bytes']:,} bytes"


def _health(store: dict[str, Any]) -> str:
    return "" if store["is_well"] else "; in trouble: it is not asked for now"

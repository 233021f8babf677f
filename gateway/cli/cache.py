"""`gateway cache`: asks the admin side of a gateway that runs."""

from __future__ import annotations

import json
import os
from typing import Any

import httpx

from gateway.cli.admin import PORT, read_token
from gateway.errors import StartError

PATIENCE = 10.0
"""Seconds that an answer may take."""


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


def ask(admin: str | None, member: str, method: str, path: str, body: Any = None) -> dict[str, Any]:
    """What the admin side answers: an object with this member, or a 422. Raises `StartError` that says why not, and what to do."""
    url = admin or f"http://127.0.0.1:{os.environ.get('GATEWAY_ADMIN_PORT') or PORT}"
    token = read_token()
    headers = {"authorization": f"Bearer {token}"} if token else {}
    try:
        # No proxy gets to see the token.
        response = httpx.request(method, url.rstrip("/") + path, json=body, headers=headers, timeout=PATIENCE, trust_env=False)
        told = response.json()
    except (httpx.ConnectError, httpx.ConnectTimeout) as error:
        raise StartError(f"nobody listens on {url}; is a gateway served there? Name its admin side with --admin") from error
    except httpx.TimeoutException as error:
        raise StartError(f"no answer from {url} within {PATIENCE:.0f} s") from error
    except (httpx.HTTPError, httpx.InvalidURL, httpx.UnsupportedProtocol, ValueError) as error:
        raise StartError(_STRANGE.format(url)) from error
    if isinstance(told, dict) and (member in told if response.is_success else response.status_code == 422 and "detail" in told):
        return told
    raise StartError(_refusal(url, response.status_code, told, has_token=bool(token)))


_STRANGE = "what answers on {} is no admin side of a gateway; name another with --admin, such as http://127.0.0.1:8081"


def _refusal(url: str, status: int, told: Any, *, has_token: bool) -> str:
    if status == 401:
        wrong = "GATEWAY_ADMIN_TOKEN is not its token" if has_token else "set GATEWAY_ADMIN_TOKEN"
        return f"the admin side on {url} takes a token: {wrong}"
    if status in (403, 503) and isinstance(told, dict) and "title" in told:
        return f"the admin side on {url} refuses: {told.get('detail') or told['title']}"
    return _STRANGE.format(url)


def _lines(told: dict[str, Any]) -> list[str]:
    lines = [f"process {told['process']}"]
    for one in told["stores"]:
        asked = one["hits"] + one["misses"]
        lines.append(f"  {one['store']:8}{_share(one['hit_rate'])} of {asked:,} reads were hits{_size(one)}{_health(one)}")
    if told["hottest"]:
        lines += ["", "  hits      key", *(f"  {one['hits']:<8,}  {one['key']}" for one in told["hottest"])]
    return lines


def _share(share: float | None) -> str:
    return f"{share:6.1%}" if share is not None else "    –%"


def _size(store: dict[str, Any]) -> str:
    return f"; {store['entries']:,} entries, {store['bytes']:,} bytes" if store["entries"] is not None else ""


def _health(store: dict[str, Any]) -> str:
    return "" if store["is_well"] else "; in trouble: it is not asked for now"

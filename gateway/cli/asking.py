"""Asking the admin side of a gateway that runs, and saying why there is no answer."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import httpx

from gateway.cli.admin import PORT, read_token
from gateway.errors import StartError

PATIENCE = 10.0
"""Seconds that an answer may take, and that may pass between two parts of one."""

_STRANGE = "what answers on {} is no admin side of a gateway; name another with --admin, such as http://127.0.0.1:8081"


def ask(admin: str | None, member: str, method: str, path: str, body: Any = None) -> dict[str, Any]:
    """What the admin side answers: an object with this member, or a 422. Raises `StartError` that says why not, and what to do."""
    url = _url(admin)
    with _asked(url):
        # No proxy gets to see the token.
        response = httpx.request(method, url + path, json=body, headers=_headers(), timeout=PATIENCE, trust_env=False)
        told = response.json()
    if isinstance(told, dict) and (member in told if response.is_success else response.status_code == 422 and "detail" in told):
        return told
    raise StartError(_refusal(url, response.status_code, told))


@contextmanager
def listen(admin: str | None, path: str) -> Iterator[Iterator[str]]:
    """The lines of an answer that goes on, as they come. Raises `StartError`, in the block too."""
    url = _url(admin)
    with (
        _asked(url),
        httpx.stream("GET", url + path, headers=_headers(), timeout=PATIENCE, trust_env=False) as response,
    ):
        if not response.is_success:
            response.read()
            raise StartError(_refusal(url, response.status_code, response.json()))
        yield response.iter_lines()


def _url(admin: str | None) -> str:
    return (admin or f"http://127.0.0.1:{os.environ.get('GATEWAY_ADMIN_PORT') or PORT}").rstrip("/")


def _headers() -> dict[str, str]:
    token = read_token()
    return {"authorization": f"Bearer {token}"} if token else {}


@contextmanager
def _asked(url: str) -> Iterator[None]:
    try:
        yield
    except (httpx.ConnectError, httpx.ConnectTimeout) as error:
        raise StartError(f"nobody listens on {url}; is a gateway served there? Name its admin side with --admin") from error
    except httpx.TimeoutException as error:
        raise StartError(f"no answer from {url} within {PATIENCE:.0f} s") from error
    except (httpx.HTTPError, httpx.InvalidURL, httpx.UnsupportedProtocol, ValueError) as error:
        raise StartError(_STRANGE.format(url)) from error


def _refusal(url: str, status: int, told: Any) -> str:
    if status == 401:
        wrong = "GATEWAY_ADMIN_TOKEN is not its token" if read_token() else "set GATEWAY_ADMIN_TOKEN"
        return f"the admin side on {url} takes a token: {wrong}"
    problem = told if isinstance(told, dict) and str(told.get("type", "")).startswith("urn:problem:fanin:") else {}
    if status in (400, 404) and "detail" in problem:
        return str(problem["detail"])
    if status in (403, 503) and isinstance(told, dict) and "title" in told:
        return f"the admin side on {url} refuses: {told.get('detail') or told['title']}"
    return _STRANGE.format(url)

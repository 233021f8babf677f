"""Who is let in to the admin side: decided on the head of a request alone.

On the loopback address whoever has a shell here is. A browser here is not to be used by a page from elsewhere: a page cannot read what
another origin answers (we send no CORS), cannot send JSON to it unasked (so that all that changes something must be JSON), and one whose
name leads to 127.0.0.1 all of a sudden (DNS rebinding) still has its name in `Host`. Beyond loopback it takes a token, which no page has.
"""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from hmac import compare_digest
from ipaddress import ip_address
from typing import Any

from gateway.guard import App, Receive, Scope, Send, send_problem
from gateway.problem import Problem, of_status

FILES = "/console/"
"""What the console's files are below."""

OPEN = ("/livez", "/")
"""Paths that whoever asks for may have, as what is below `FILES`: they tell nothing."""

_PORT = re.compile(r":[0-9]*$")

_NO_STORE = (b"cache-control", b"no-store")
_ALWAYS = (
    (b"x-content-type-options", b"nosniff"),
    (b"cross-origin-resource-policy", b"same-origin"),
)
"""With every answer: nobody takes it for what it does not say it is, no page of another origin has it as an image."""


def is_loopback(host: str) -> bool:
    """Only programs of this machine reach this host."""
    if host.lower() == "localhost":
        return True
    try:
        return ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return False


@dataclass(frozen=True, slots=True)
class Access:
    """What it takes to be let in."""

    token: str | None = field(default=None, repr=False)
    """None where nobody but this machine gets here."""

    def refuse(self, scope: Mapping[str, Any]) -> Problem | None:
        """Why the request is not let in; None when it is."""
        if scope["path"] in OPEN or scope["path"].startswith(FILES):
            return None
        if self.token is None:
            return _refuse_host(_values(scope, b"host"))
        return _refuse_token(_values(scope, b"authorization"), self.token.encode())


def _refuse_host(hosts: list[bytes]) -> Problem | None:
    if hosts and all(is_loopback(_PORT.sub("", host.decode("latin-1").strip())) for host in hosts):
        return None
    return of_status(403, "Forbidden", "without a token, this is for who asks for localhost or a loopback address")


def _refuse_token(given: list[bytes], token: bytes) -> Problem | None:
    """Bearer tokens (RFC 6750), compared in a time that does not tell how much of them was right."""
    scheme, _, secret = given[0].partition(b" ") if len(given) == 1 else (b"", b"", b"")
    if compare_digest(secret.strip(), token) and scheme.lower() == b"bearer":
        return None
    return of_status(401, "Unauthorized", "send Authorization: Bearer and the token", {"www-authenticate": "Bearer"})


def _values(scope: Mapping[str, Any], name: bytes) -> list[bytes]:
    return [value for key, value in scope["headers"] if key == name]


class Entrance:
    """ASGI in, ASGI out: nothing behind it sees who is not let in."""

    def __init__(self, app: App, access: Access) -> None:
        self.app = app
        self.access = access

    def __call__(self, scope: Scope, receive: Receive, send: Send) -> Awaitable[None]:
        """Pass the request on, or answer it with a problem."""
        if problem := self.access.refuse(scope):
            return send_problem(problem, _with_headers(send))
        return self.app(scope, receive, _with_headers(send))


def _with_headers(send: Send) -> Callable[[Any], Awaitable[None]]:
    def sent(message: Any) -> Awaitable[None]:
        if message["type"] == "http.response.start":
            headers = message["headers"]
            # Nobody keeps what does not say that he may.
            unsaid = () if any(name == b"cache-control" for name, _ in headers) else (_NO_STORE,)
            message = {**message, "headers": [*headers, *unsaid, *_ALWAYS]}
        return send(message)

    return sent

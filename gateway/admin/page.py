"""The console's own files, which tell nothing of a gateway: whoever asks has them, and a token is asked for by what they ask for."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from pathlib import Path

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from gateway.admin.access import FILES
from gateway.app import Gateway

FOLDER = Path(__file__).with_name("console")
FRONT = "index.html"

_KINDS = {
    ".html": "text/html; charset=utf-8",
    ".css": "text/css; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
}

POLICY = "; ".join(
    (
        "default-src 'none'",
        "script-src 'self'",
        "style-src 'self'",
        "img-src 'self' data:",
        "connect-src 'self'",
        "base-uri 'none'",
        "form-action 'none'",
        "frame-ancestors 'none'",
    )
)
"""What a browser lets the page do: nothing from elsewhere, nothing written into it, and no other page around it (CSP Level 3)."""


def routes(_: Gateway) -> Sequence[Route]:
    """The page, and what it is made of. Read once: an installed package does not change."""
    files = {file.name: file.read_bytes() for file in FOLDER.iterdir() if file.suffix in _KINDS}
    return [_route("/" if name == FRONT else FILES + name, name, files[name]) for name in sorted(files)]


def _route(path: str, name: str, body: bytes) -> Route:
    tag = f'"{hashlib.sha256(body).hexdigest()[:20]}"'
    headers = {
        "etag": tag,
        "cache-control": "no-cache",
        "content-type": _KINDS[Path(name).suffix],
        "content-security-policy": POLICY,
        "referrer-policy": "no-referrer",
    }

    async def file(request: Request) -> Response:
        if request.headers.get("if-none-match") == tag:
            return Response(status_code=304, headers=headers)
        return Response(body, headers=headers)

    return Route(path, file)

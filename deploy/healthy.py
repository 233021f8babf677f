"""`python healthy.py URL`: status 0 when the URL answers 200, else 1 and a line. The health check of containers without curl."""

from __future__ import annotations

import sys
from http.client import HTTPException
from urllib.request import ProxyHandler, build_opener

PATIENCE = 2.0
"""Seconds; less than the health check's own timeout, so that it is this one that speaks."""


def main(url: str) -> int:
    """Ask once; the exit status."""
    # Containers may be given proxy variables, and this question is not for a proxy.
    opener = build_opener(ProxyHandler({}))
    try:
        with opener.open(url, timeout=PATIENCE) as reply:
            trouble = "" if reply.status == 200 else f"status {reply.status}"
    except (OSError, HTTPException) as error:  # urllib's own errors are among the first
        trouble = str(error)
    if trouble:
        sys.stderr.write(f"{url}: {trouble}\n")
    return 1 if trouble else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))

"""Upstreams that speak TLS, and are not all whom they claim to be."""

from __future__ import annotations

import importlib.util
import ssl
import warnings
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

from faults.server import FaultServer, served

if TYPE_CHECKING:
    import trustme

ARE_POSSIBLE = importlib.util.find_spec("trustme") is not None
"""Certificates can be made here."""

HOST = "127.0.0.1"
LONG_AGO = datetime(2000, 1, 1, tzinfo=UTC), datetime(2001, 1, 1, tzinfo=UTC)


@dataclass
class Certified:
    """Servers by the name of their upstream."""

    servers: dict[str, FaultServer] = field(default_factory=dict)
    words: dict[str, dict[str, str]] = field(default_factory=dict)
    """What the config says under `tls` of each."""

    @property
    def urls(self) -> dict[str, str]:
        """Where they are; one that hangs speaks no TLS, and is asked for it."""
        return {name: server.url.replace("http://", "https://") for name, server in self.servers.items()}


@asynccontextmanager
async def certified(folder: Path) -> AsyncIterator[Certified]:
    """One server for each thing that can be wrong, and two for which nothing is, while the block runs; files go into the folder."""
    import trustme

    ca, other = trustme.CA(), trustme.CA()
    trusted = _file(folder / "ca.pem", ca.cert_pem)
    ours, wrong = (_file(folder / f"{name}.pem", _identity(one)) for name, one in (("ours", ca), ("wrong", other)))
    contexts = {
        "tls_good": _context(ca),
        "tls_expired": _context(ca, not_before=LONG_AGO[0], not_after=LONG_AGO[1]),
        "tls_other_name": _context(ca, "other.test"),
        "tls_unknown": _context(other),
        "tls_old": _old(_context(ca)),
        "tls_hangs": None,
        "tls_asks": _asking(_context(ca), ca),
        "tls_asks_in_vain": _asking(_context(ca), ca),
        "tls_asks_for_another": _asking(_context(ca), ca),
    }
    shown = {"tls_asks": ours, "tls_asks_for_another": wrong}
    made = Certified()
    async with AsyncExitStack() as stack:
        for name, context in contexts.items():
            made.servers[name] = await stack.enter_async_context(served(tls=context))
            made.words[name] = {"ca": trusted} | ({"certificate": shown[name]} if name in shown else {})
        yield made


def _context(
    ca: trustme.CA, name: str = HOST, *, not_before: datetime | None = None, not_after: datetime | None = None
) -> ssl.SSLContext:
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    ca.issue_cert(name, not_before=not_before, not_after=not_after).configure_cert(context)
    return context


def _old(context: ssl.SSLContext) -> ssl.SSLContext:
    """A server of before 2008."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        context.minimum_version = context.maximum_version = ssl.TLSVersion.TLSv1
    context.set_ciphers("ALL:@SECLEVEL=0")
    return context


def _asking(context: ssl.SSLContext, ca: trustme.CA) -> ssl.SSLContext:
    """A server that wants to know who asks."""
    context.verify_mode = ssl.CERT_REQUIRED
    ca.configure_trust(context)
    return context


def _identity(ca: trustme.CA) -> trustme.Blob:
    return ca.issue_cert("gateway@fanin.test").private_key_and_cert_chain_pem


def _file(path: Path, blob: trustme.Blob) -> str:
    blob.write_to_path(str(path))
    return str(path)

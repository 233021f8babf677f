"""Who an upstream must prove to be, and who we are to it."""

from __future__ import annotations

import ssl
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True)
class TlsPolicy:
    """Certificates, in files. There is no way to leave an upstream unverified."""

    ca: Path | None = None
    """Certificates to trust, in place of the system's."""

    certificate: Path | None = None
    """Ours, to be shown to an upstream that asks for one; its key may be in the same file."""

    key: Path | None = None

    def context(self) -> ssl.SSLContext:
        """Certificates and host names verified, TLS 1.2 or newer. Reads files: a few hundred milliseconds at worst, so once. Raises `OSError`."""
        context = ssl.create_default_context(cafile=self.ca)
        context.minimum_version = ssl.TLSVersion.TLSv1_2
        context.set_alpn_protocols(["http/1.1"])
        if self.certificate is not None:
            context.load_cert_chain(self.certificate, self.key)
        return context

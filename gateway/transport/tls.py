"""Certificates, read and put to use."""

from __future__ import annotations

import ssl

from gateway.policy import TlsPolicy


def make_context(policy: TlsPolicy) -> ssl.SSLContext:
    """Certificates and host names verified, TLS 1.2 or newer. Reads files: a few hundred milliseconds at worst, so once. Raises `OSError`."""
    context = ssl.create_default_context(cafile=policy.ca)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.set_alpn_protocols(["http/1.1"])
    if policy.certificate is not None:
        # A key that is encrypted is refused: without a password OpenSSL asks for one at the terminal, and waits.
        context.load_cert_chain(policy.certificate, policy.key, password="")
    return context

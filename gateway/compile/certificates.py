"""Files with certificates: they are there, and what is in them is of use."""

from __future__ import annotations

from pathlib import Path as FilePath

from gateway.compile.report import Report
from gateway.finding import Path
from gateway.policy import TlsPolicy


def check_certificates(tls: TlsPolicy, path: Path, report: Report) -> None:
    """Report files that would not do."""
    if tls.key and not tls.certificate:
        report.add((*path, "key"), "a key belongs to a certificate; write 'certificate' too", at_key=True)
    named = {name: file for name in ("ca", "certificate", "key") if (file := getattr(tls, name)) is not None}
    unread = [name for name, file in named.items() if not _is_readable(file)]
    for name in unread:
        report.add((*path, name), "cannot read this file")
    if not unread:
        _check_contents(tls, path, report)


def _check_contents(tls: TlsPolicy, path: Path, report: Report) -> None:
    import ssl

    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    if tls.ca:
        try:
            context.load_verify_locations(tls.ca)
        except ssl.SSLError:
            report.add((*path, "ca"), "no certificates in PEM format")
    if tls.certificate:
        try:
            # Without a password OpenSSL asks for one at the terminal, and waits.
            context.load_cert_chain(tls.certificate, tls.key, password="")
        except ssl.SSLError:
            report.add((*path, "certificate"), "no certificate in PEM format, or none that its key, unencrypted, belongs to")


def _is_readable(file: FilePath) -> bool:
    try:
        with file.open("rb"):
            return True
    except (OSError, ValueError):
        return False

"""Files and packages that a way to an upstream needs: looked at when the config is read."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TypeAlias

import pytest
import trustme
from cryptography.hazmat.primitives import serialization

from gateway.compile import compile_plans, hosts, ways
from gateway.errors import ConfigError
from gateway.load import load_text

CONFIG = """
version: 1
upstreams: {{ a: {{ url: https://a.test, {way} }} }}
endpoints: [ {{ path: /a, steps: {{ a: {{ get: a /a }} }} }} ]
"""

Files: TypeAlias = Callable[[str], Path]


def complaints(way: str, config: str = CONFIG) -> list[tuple[str, str]]:
    """What is said of an upstream that is reached this way."""
    try:
        compile_plans(load_text(config.format(way=way), "a.yaml"))
    except ConfigError as error:
        return [(finding.path.removeprefix("upstreams.a."), finding.message) for finding in error.findings]
    return []


@pytest.fixture(scope="session")
def files(tmp_path_factory: pytest.TempPathFactory) -> Files:
    """Certificates and keys by name, good and bad."""
    folder, authority = tmp_path_factory.mktemp("files"), trustme.CA()
    ours = authority.issue_cert("gateway@fanin.test")
    authority.cert_pem.write_to_path(folder / "ca")
    ours.private_key_and_cert_chain_pem.write_to_path(folder / "both")
    ours.cert_chain_pems[0].write_to_path(folder / "certificate")
    ours.private_key_pem.write_to_path(folder / "key")
    authority.issue_cert("another@fanin.test").private_key_pem.write_to_path(folder / "key-of-another")
    (folder / "text").write_text("no certificate")
    key = serialization.load_pem_private_key(ours.private_key_pem.bytes(), None)
    locked = serialization.BestAvailableEncryption(b"secret")
    (folder / "locked-key").write_bytes(
        key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.TraditionalOpenSSL, locked)
    )
    (folder / "folder").mkdir()
    return lambda name: folder / name


@pytest.mark.parametrize("names", [{"ca": "ca"}, {"certificate": "both"}, {"certificate": "certificate", "key": "key"}])
def test_good_certificates_are_no_finding(files: Files, names: dict[str, str]) -> None:
    way = ", ".join(f"{key}: {files(name)}" for key, name in names.items())

    assert complaints(f"tls: {{ {way} }}") == []


@pytest.mark.parametrize(
    ("names", "key", "said"),
    [
        ({"ca": "text"}, "ca", "no certificates"),
        ({"ca": "folder"}, "ca", "cannot read"),
        ({"certificate": "text"}, "certificate", "no certificate"),
        ({"certificate": "certificate"}, "certificate", "its key"),
        ({"certificate": "certificate", "key": "key-of-another"}, "certificate", "its key"),
        ({"certificate": "certificate", "key": "locked-key"}, "certificate", "unencrypted"),
        ({"certificate": "certificate", "key": "gone"}, "key", "cannot read"),
    ],
    ids=lambda given: "-".join(given.values()) if isinstance(given, dict) else None,
)
def test_certificates_that_will_not_do_are_found_before_the_first_call(
    files: Files, names: dict[str, str], key: str, said: str
) -> None:
    """At the file's own place; and an encrypted key asks nobody for its password."""
    way = ", ".join(f"{one}: {files(name)}" for one, name in names.items())

    ((path, message),) = complaints(f"tls: {{ {way} }}")

    assert path == f"tls.{key}"
    assert said in message


@pytest.mark.parametrize("is_there", [True, False])
def test_http2_needs_its_package(monkeypatch: pytest.MonkeyPatch, is_there: bool) -> None:
    """Httpx would refuse it at the first start, which is later than need be."""
    monkeypatch.setattr(ways, "find_spec", lambda name: object() if is_there and name == "h2" else None)

    said = complaints("transport: httpx, http2: true")

    assert [path for path, _ in said] == ([] if is_there else ["http2"])
    assert [path for path, _ in complaints("http2: true")][:1] == ["http2"]


@pytest.mark.parametrize("is_there", [True, False])
def test_records_of_services_need_their_package(monkeypatch: pytest.MonkeyPatch, is_there: bool) -> None:
    """Names with addresses need none; the system looks those up."""
    monkeypatch.setattr(hosts, "find_spec", lambda name: object() if is_there and name == "dns" else None)
    config = CONFIG.replace("url: https://a.test, ", "").replace("{way}", "discover: {{ {way} }}")

    said = complaints("srv: _http._tcp.a.test", config)

    assert [(path, "fanin[dns]" in message) for path, message in said] == ([] if is_there else [("discover.srv", True)])
    assert complaints("a: a.test", config) == []

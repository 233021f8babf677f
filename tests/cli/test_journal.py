"""The journal of `gateway serve`: where it lies, that all workers write to it, and that nothing of it is left or keeps anybody waiting."""

from __future__ import annotations

import json
import re
import signal
import socket
import time
from pathlib import Path
from typing import Any
from urllib.request import urlopen

import pytest

from gateway.cli import journal
from gateway.cli.journal import named, with_journal

ENDPOINT = "  - path: /a/{id}\n    steps: { user: { get: 'users /users/{path.id}' } }\n"


def get(url: str) -> Any:
    """What is answered, as JSON."""
    with urlopen(url, timeout=20) as response:
        return json.loads(response.read())


def test_one_that_nobody_named_goes_with_the_block() -> None:
    """In a folder for this user alone."""
    with with_journal(None, has_readers=True) as file:
        assert file
        assert file.parent.stat().st_mode & 0o777 == 0o700
        file.write_bytes(b"")

    assert not file.parent.exists()


@pytest.mark.parametrize(("wanted", "has_readers"), [("off", True), ("off", False), (None, False), ("", False)])
def test_there_is_none_where_it_is_off_or_nobody_could_read_it(wanted: str | None, has_readers: bool) -> None:
    """Without an admin side it would cost something and tell nobody."""
    with with_journal(wanted, has_readers=has_readers) as file:
        assert file is None

    assert named(file) == "off"


def test_one_that_is_named_stays(tmp_path: Path) -> None:
    """Also where nobody reads it now."""
    with with_journal(str(tmp_path / "kept"), has_readers=False) as file:
        assert file == tmp_path / "kept"
        assert named(file) == str(file)
        file.write_bytes(b"")

    assert file.exists()


def test_where_there_is_no_room_for_files_there_is_none(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """As in a container that may write nothing; what to do is said."""

    def refuse(**_: Any) -> Any:
        raise OSError(30, "Read-only file system")

    monkeypatch.setattr(journal, "TemporaryDirectory", refuse)

    with with_journal(None, has_readers=True) as file:
        assert file is None

    assert [one.getMessage() for one in caplog.records] == [
        "there is no journal: Read-only file system; name a file for it with --journal or GATEWAY_JOURNAL"
    ]


@pytest.mark.slow
@pytest.mark.parametrize("workers", [1, 2])
def test_whoever_answered_any_worker_tells(start: Any, write: Any, free_ports: Any, tmp_path: Path, workers: int) -> None:
    """Ten requests of several connections are found by whichever process is asked; a listener ends at once with the gateway, and so does
    the file.
    """
    port, folder = free_ports(1), tmp_path / "temporary"
    folder.mkdir()
    served = ("serve", "-c", write(ENDPOINT), "--port", "0", "--admin-port", str(port), "--workers", str(workers))
    process = start(*served, TMPDIR=str(folder))
    url, admin = re.findall(r"http://[\d.:]+", process.stderr.readline())[::2]
    for number in range(10):
        with pytest.raises(OSError, match="502"):
            urlopen(f"{url}/a/{number}", timeout=20)

    lists = []
    deadline = time.monotonic() + 20
    while len(lists) < 6 and time.monotonic() < deadline:
        found = get(f"{admin}/api/traces")["traces"]
        lists += [found] if len(found) == 10 else []
    ids = [{one["id"] for one in found} for found in lists]
    listener = socket.create_connection(("127.0.0.1", port), timeout=20)
    listener.sendall(b"GET /api/live HTTP/1.1\r\nHost: localhost\r\n\r\n")
    heard = b""
    while b"event: second" not in heard:
        heard += listener.recv(65536)

    assert [*folder.iterdir()]
    process.send_signal(signal.SIGTERM)
    while part := listener.recv(65536):
        heard += part
    listener.close()

    assert len(lists) == 6
    assert all(one == ids[0] for one in ids)
    assert heard.endswith(b"0\r\n\r\n")  # the end of a body, not of a connection
    assert process.communicate() == ("", "")
    assert process.returncode == 0
    assert not [*folder.iterdir()]

"""What setting a peer up takes: tools that may be missing, commands that may fail, files that are made once."""

from __future__ import annotations

import hashlib
import shutil
import subprocess
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path

from bench.peers import Missing

PATIENCE = 300.0
"""Seconds that one step of a set-up may take."""


def tool(name: str) -> str:
    """The path of a program. Raises `Missing`."""
    found = shutil.which(name)
    if found is None:
        raise Missing(f"no {name} on the PATH")
    return found


def run(args: Sequence[str | Path], cwd: Path | None = None, env: Mapping[str, str] | None = None) -> str:
    """What a command prints. Raises `Missing` with its last words."""
    command = " ".join(map(str, args[:2]))
    try:
        done = subprocess.run(
            args, cwd=cwd, env=env, capture_output=True, text=True, timeout=PATIENCE, stdin=subprocess.DEVNULL, check=False
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise Missing(f"{command}: {error}") from error
    if done.returncode:
        said = (done.stderr.strip() or done.stdout.strip() or "it said nothing").splitlines()
        raise Missing(f"{command} failed: {said[-1]}")
    return done.stdout + done.stderr


def installed(home: Path, made_from: Iterable[Path], make: Callable[[], None]) -> None:
    """Make a folder unless it was made from these very files before. A failure leaves nothing that looks made."""
    stamp, wanted = home / ".made-from", hashlib.sha256(b"".join(path.read_bytes() for path in made_from)).hexdigest()
    if stamp.exists() and stamp.read_text() == wanted:
        return
    shutil.rmtree(home, ignore_errors=True)
    home.mkdir(parents=True)
    make()
    stamp.write_text(wanted)


def copied(file: Path, folder: Path) -> None:
    """A file of ours, where its tool looks for it."""
    folder.mkdir(parents=True, exist_ok=True)
    shutil.copy(file, folder)

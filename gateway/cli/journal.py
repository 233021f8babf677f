"""Where a gateway that is served keeps its journal: in a file of its own that goes with it, in one that stays, or nowhere."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from pathlib import Path
from tempfile import TemporaryDirectory

NONE = "off"
"""What is said for no journal."""

_NAME = "journal.sqlite"
_log = logging.getLogger(__name__)


@contextmanager
def with_journal(wanted: str | None, *, has_readers: bool) -> Iterator[Path | None]:
    """The file, for as long as the block runs; None for no journal. One that nobody asked for by name is for the admin side alone."""
    if wanted == NONE or not (wanted or has_readers):
        yield None
    elif wanted:
        yield Path(wanted)
    else:
        with _folder() or nullcontext() as folder:
            yield Path(folder, _NAME) if folder else None


def named(file: Path | None) -> str:
    """What `GATEWAY_JOURNAL` says to a worker that is to keep its traces there."""
    return str(file or NONE)


def _folder() -> TemporaryDirectory[str] | None:
    try:
        # For this user alone: SQLite has files of its own beside the one that it is given.
        return TemporaryDirectory(prefix="fanin-", ignore_cleanup_errors=True)
    except OSError as error:
        _log.warning("there is no journal: %s; name a file for it with --journal or GATEWAY_JOURNAL", error.strerror or error)
        return None

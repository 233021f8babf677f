"""Log lines: rendered where something happens, and written by a thread, so that nobody waits for who reads them.

Modules speak by Python's own `logging`, as everything around them does: uvicorn, asyncio, a user's functions. What becomes of it is
decided here, once for all: one form, one filter, one queue. An app that has the gateway in it keeps its own way of logging.
"""

from __future__ import annotations

import logging
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import IO, Literal, TypeAlias, cast

from gateway.redaction import Redaction

Form: TypeAlias = Literal["json", "text", "off"]
Level: TypeAlias = Literal["debug", "info", "warning", "error"]

ALWAYS = logging.getLogger("gateway.serve")
"""What is said in any case: where it serves."""

_SILENT = logging.CRITICAL + 1


@dataclass(frozen=True, slots=True)
class LogPolicy:
    """What is logged, and how."""

    form: Form = "text"
    level: Level = "warning"
    """The least that is said; from `info` on there is a line for each request."""

    @classmethod
    def of(cls, environ: Mapping[str, str]) -> LogPolicy:
        """As a process was told by the one that started it."""
        usual = cls()
        form, level = environ.get("GATEWAY_LOG_FORMAT", usual.form), environ.get("GATEWAY_LOG_LEVEL", usual.level)
        return cls(cast("Form", form), cast("Level", level))


def usual_form(stream: IO[str] | None = None) -> Form:
    """Text for who looks at it, JSON for what reads it."""
    return "text" if (stream or sys.stderr).isatty() else "json"


@contextmanager
def logging_to(stream: IO[str], policy: LogPolicy) -> Iterator[Redaction]:
    """Have everything that is logged written there, until the block is left. What is not to be seen in it is for who comes by it to say."""
    root, redaction = logging.getLogger(), Redaction()
    before = root.level, ALWAYS.level
    handler = begin_logging(stream, policy, redaction)
    try:
        yield redaction
    finally:
        root.removeHandler(handler)
        handler.close()
        root.setLevel(before[0])
        ALWAYS.setLevel(before[1])


def begin_logging(stream: IO[str], policy: LogPolicy, redaction: Redaction) -> logging.Handler:
    """Have everything that is logged written there, to the end of the process: Python closes what is left then."""
    handler = _handler(stream, policy, redaction)
    root = logging.getLogger()
    root.addHandler(handler)
    root.setLevel(_SILENT if policy.form == "off" else policy.level.upper())
    ALWAYS.setLevel(_SILENT if policy.form == "off" else logging.INFO)
    return handler


def lost() -> int:
    """Lines that were to be written by this process and are not, in all. Only its own handler knows; an app's own way of logging says nothing."""
    return sum(getattr(handler, "lost", 0) for handler in logging.getLogger().handlers)


def _handler(stream: IO[str], policy: LogPolicy, redaction: Redaction) -> logging.Handler:
    if policy.form == "off":
        return logging.NullHandler()
    # structlog takes 100 ms of CPU to import, which a gateway in another app need not wait for.
    from gateway.logs.handler import make_handler

    return make_handler(stream, policy.form, redaction, shows_texts=policy.level == "debug")

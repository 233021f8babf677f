"""Where Python's `logging` hands its records over: a line of each, and the line into the queue."""

from __future__ import annotations

import logging
from typing import IO

import structlog

from gateway.events import LINES_LOST
from gateway.logs.rendering import LineFormatter, to_logging
from gateway.logs.writing import WriterState, writes_to
from gateway.redaction import Redaction


class LinesHandler(logging.Handler):
    """Renders at once, so that nothing of a request is held until its line is written."""

    def __init__(self, stream: IO[str], formatter: logging.Formatter) -> None:
        super().__init__()
        self.setFormatter(formatter)
        self.writer = WriterState(writes_to(stream), self._lost)

    def emit(self, record: logging.LogRecord) -> None:
        """Have the record's line written. Never waits, and raises nothing."""
        try:
            self.writer.put(f"{self.format(record)}\n".encode("utf-8", "replace"))
        except Exception:
            # Whoever logs something that cannot be printed goes on all the same.
            self.writer.lost += 1

    @property
    def lost(self) -> int:
        """Lines lost until now."""
        return self.writer.lost

    def close(self) -> None:
        """Write what waits."""
        self.writer.stop()
        super().close()

    def _lost(self, count: int) -> bytes:
        record = logging.LogRecord("gateway.logs", logging.WARNING, "", 0, "%d lines of the log are lost", (count,), None)
        record.__dict__ |= LINES_LOST.of(count=count)
        return f"{self.format(record)}\n".encode()


def make_handler(stream: IO[str], form: str, redaction: Redaction, *, shows_texts: bool) -> LinesHandler:
    """A handler; structlog's loggers find their way to it unless somebody has told them another one."""
    if not structlog.is_configured():
        structlog.configure(
            processors=[
                structlog.stdlib.filter_by_level,
                structlog.contextvars.merge_contextvars,
                structlog.stdlib.PositionalArgumentsFormatter(),
                to_logging,
            ],
            wrapper_class=structlog.stdlib.BoundLogger,
            logger_factory=structlog.stdlib.LoggerFactory(),
        )
    return LinesHandler(stream, LineFormatter(form, redaction, shows_texts=shows_texts))

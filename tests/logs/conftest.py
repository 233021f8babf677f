"""Everything that is logged, as the lines that come of it."""

from __future__ import annotations

import io
import json
import logging
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from typing import Any, TypeAlias

import pytest
import structlog

from gateway.logs import LogPolicy, logging_to
from gateway.redaction import Redaction

Lines: TypeAlias = Callable[..., Any]


class Log:
    """Logging to a text, which is read when it has ended."""

    def __init__(self) -> None:
        self._stack, self._stream = ExitStack(), io.StringIO()
        self.redaction = Redaction()

    def begin(self, **policy: Any) -> None:
        """Log in JSON, unless another form is asked for."""
        self.redaction = self._stack.enter_context(logging_to(self._stream, LogPolicy(**{"form": "json", **policy})))

    def text(self) -> str:
        """All that was logged, to the end."""
        self._stack.close()
        return self._stream.getvalue()

    def lines(self) -> list[dict[str, Any]]:
        """The same as values."""
        return [json.loads(line) for line in self.text().splitlines()]


@pytest.fixture
def log() -> Iterator[Log]:
    """A log that has not begun."""
    made = Log()
    before = logging.getLogger().handlers[:]
    yield made
    made.text()
    structlog.reset_defaults()
    assert logging.getLogger().handlers == before

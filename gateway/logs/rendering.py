"""A log record → a line. structlog hands it from processor to processor, which are the same for both forms but for the last:

1  when, how bad, and what: an event's name and its attributes, or a message
2  the request within which it happened
3  an exception: its class, and where it came from. Its text only where everything is asked for: it quotes what it is about
4  the filter
5  JSON, or text
"""

from __future__ import annotations

import json
import logging
import re
import traceback
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

from structlog.typing import EventDict, Processor, ProcessorReturnValue, WrappedLogger

from gateway.events import REQUEST, TOLD, Event
from gateway.formats.encode import Unencodable, encode_json
from gateway.logs.requests import in_words
from gateway.redaction import Redaction
from gateway.telemetry import CURRENT, error_type

_CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f]")


class LineFormatter(logging.Formatter):
    """Renders records; `shows_texts` is for those of exceptions. structlog's own has a copy of each record for other formatters: 5 µs."""

    def __init__(self, form: str, redaction: Redaction, *, shows_texts: bool) -> None:
        super().__init__()

        def filtered(_: WrappedLogger, __: str, event: EventDict) -> EventDict:  # 3 4
            if error := event.pop("exc_info", None):
                event["exception"] = "".join(_exception(error[1], shows_texts=shows_texts)).rstrip()
            name = event.get("event")
            if name == REQUEST.name:
                return event  # it has names from the config, and words of ours
            return redaction.texts(event) if name else redaction.fields(event)

        last: Processor = _as_json if form == "json" else _as_text
        self._processors: tuple[Processor, ...] = (_place, filtered, last)
        self._second, self._shown = 0, ""

    def format(self, record: logging.LogRecord) -> str:
        """The line, without its end."""
        event: Any = self._describe(record)
        for processor in self._processors:
            event = processor(None, record.levelname, event)
        return str(event)

    def _describe(self, record: logging.LogRecord) -> EventDict:  # 1
        named: Event | None
        named, attributes = getattr(record, TOLD, (None, {}))
        second = int(record.created)
        if second != self._second:
            self._second, self._shown = second, datetime.fromtimestamp(second, UTC).strftime("%Y-%m-%dT%H:%M:%S")
        event: dict[str, Any] = {"time": f"{self._shown}.{int(record.msecs):03}Z", "level": record.levelname.lower()}
        event |= {"event": named.name} if named else {"logger": record.name}
        if message := record.getMessage():
            event["message"] = message
        if record.exc_info and record.exc_info[1]:
            event["exc_info"] = record.exc_info
        return {**event, **attributes}


def to_logging(_: WrappedLogger, __: str, event: EventDict) -> ProcessorReturnValue:
    """What a logger of structlog's was given, for Python's."""
    known = {name: event.pop(name) for name in ("exc_info", "stack_info") if name in event}
    return (str(event.pop("event", "")),), {**known, "extra": {TOLD: (None, event)}}


def _place(_: WrappedLogger, __: str, event: EventDict) -> EventDict:  # 2
    span = CURRENT.get()
    if span and "trace_id" not in event:
        event["trace_id"], event["span_id"] = f"{span.trace.id:032x}", f"{span.id:016x}"
    return event


def _exception(error: BaseException, *, shows_texts: bool) -> Iterator[str]:
    """As Python prints it, with what it came of before it; two that came of each other are told once."""
    chain: list[BaseException] = []
    at: BaseException | None = error
    while at is not None and at not in chain:
        chain.insert(0, at)
        at = at.__cause__ or (None if at.__suppress_context__ else at.__context__)
    for one in chain:
        yield "Traceback (most recent call last):\n"
        yield from traceback.format_tb(one.__traceback__)
        yield f"{_in_a_line(one, shows_texts=shows_texts)}\n"
        for inner in one.exceptions if isinstance(one, BaseExceptionGroup) else ():
            yield from _exception(inner, shows_texts=shows_texts)


def _in_a_line(error: BaseException, *, shows_texts: bool) -> str:
    name = error_type(error).removeprefix("builtins.")
    # What we say ourselves quotes nothing.
    is_ours = type(error).__module__.partition(".")[0] == "gateway"
    return f"{name}: {error}" if shows_texts or is_ours else f"{name} (its text is said at level debug)"


def _as_json(_: WrappedLogger, __: str, event: EventDict) -> str:  # 5
    try:
        return encode_json(event).decode()
    except Unencodable:
        # A user's own loggers may be given anything.
        return json.dumps(event, default=repr)


def _as_text(_: WrappedLogger, __: str, event: EventDict) -> str:
    message = event.get("message") or in_words(event)
    return _CONTROL.sub(lambda match: f"\\x{ord(match[0]):02x}", "\n".join(filter(None, (message, event.get("exception")))))

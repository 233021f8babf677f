"""What becomes of a log record: its members, the request it belongs to, what is left out of it."""

from __future__ import annotations

import logging
import re
from itertools import count
from typing import Any

import pytest
import structlog

from gateway.errors import CallError
from gateway.events import BREAKER_OPENED
from gateway.logs import ALWAYS
from gateway.telemetry import CURRENT, SpanType, Trace

LOGGER = logging.getLogger("shop.rank")


def fail(error: BaseException, cause: BaseException | None = None) -> None:
    """Log an exception as a crash does."""
    try:
        raise error from cause
    except type(error):
        LOGGER.exception("it failed")


def test_a_line_says_when_how_bad_who_and_what(log: Any) -> None:
    """One object, in one line, whatever is in the message."""
    log.begin()

    LOGGER.warning("%d of\n%s", 2, "many")

    (line,) = log.lines()
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", line.pop("time"))
    assert line == {"level": "warning", "logger": "shop.rank", "message": "2 of\nmany"}


def test_an_event_has_its_name_and_what_there_is_to_say(log: Any) -> None:
    """Beside the words."""
    log.begin()

    LOGGER.warning("open", extra=BREAKER_OPENED.of(host="http://a.test", seconds=5.0))

    (line,) = log.lines()
    del line["time"]
    told = {"event": "gateway.breaker.opened", "host": "http://a.test", "seconds": 5.0}
    assert line == {"level": "warning", "message": "open", **told}


def test_text_is_the_words_alone(log: Any) -> None:
    """Control characters in them move no cursor."""
    log.begin(form="text")

    LOGGER.warning("open\x1b[2J", extra=BREAKER_OPENED.of(host="http://a.test"))
    LOGGER.info("not said")

    assert log.text() == "open\\x1b[2J\n"


@pytest.mark.parametrize(
    ("policy", "said"),
    [
        ({}, ["serving", "w"]),
        ({"level": "info"}, ["serving", "i", "w"]),
        ({"level": "error"}, ["serving"]),
        ({"form": "off"}, []),
    ],
    ids=str,
)
def test_the_level_is_the_least_that_is_said(log: Any, policy: dict[str, Any], said: list[str]) -> None:
    """Where it serves is said in any case, unless nothing is."""
    log.begin(**policy)

    ALWAYS.info("serving")
    LOGGER.info("i")
    LOGGER.warning("w")

    assert [line["message"] for line in log.lines()] == said


def test_a_line_within_a_request_has_its_ids(log: Any) -> None:
    """And one that is none's has not."""
    log.begin()
    root = Trace(id=0xABC, sampled=True, next_id=count(1).__next__).span(SpanType("GET /", "server"), None)

    token = CURRENT.set(root)
    LOGGER.warning("within")
    CURRENT.reset(token)
    LOGGER.warning("after")

    within, after = log.lines()
    assert (within["trace_id"], within["span_id"]) == (f"{0xABC:032x}", f"{1:016x}")
    assert "trace_id" not in after


@pytest.mark.parametrize("level", ["warning", "debug"])
def test_what_an_exception_says_is_said_at_debug_only(log: Any, level: str) -> None:
    """It quotes what it is about; where it came from does not. What it was caused by stands before it."""
    log.begin(level=level)

    fail(ValueError("about s3cret"), KeyError("of s3cret"))

    exception = log.lines()[0]["exception"]
    assert exception.index("KeyError") < exception.index("ValueError")
    assert "in fail\n    raise error from cause\n" in exception
    assert exception.count("s3cret") == (2 if level == "debug" else 0)


def test_what_we_raise_ourselves_says_why(log: Any) -> None:
    """It quotes nothing; and each of a group is told."""
    log.begin()

    fail(ExceptionGroup("s3cret", [CallError("no connection"), TypeError("s3cret")]))

    exception = log.lines()[0]["exception"]
    assert "gateway.errors.CallError: no connection\n" in exception
    assert exception.endswith("TypeError (its text is said at level debug)")
    assert "s3cret" not in exception


def test_exceptions_that_caused_each_other_are_told_once(log: Any) -> None:
    """A circle has no end."""
    log.begin()
    first, second = ValueError(), KeyError()
    first.__context__, second.__context__ = second, first

    LOGGER.error("round", exc_info=first)

    assert log.lines()[0]["exception"].count("Traceback") == 2


def test_structlog_s_loggers_go_the_same_way(log: Any) -> None:
    """With their values beside the words, and under the same filter."""
    log.begin(level="info")
    log.redaction.learn({"canary-secret": "${KEY}"})

    structlog.get_logger("shop").bind(n=3).info("ranked", password="hunter2", of=["canary-secret"])
    structlog.get_logger("shop").debug("not said")

    (line,) = log.lines()
    del line["time"]
    told = {"n": 3, "password": "…", "of": ["${KEY}"]}
    assert line == {"level": "info", "logger": "shop", "message": "ranked", **told}


def test_what_cannot_be_printed_is_shown_as_python_has_it(log: Any) -> None:
    """A logger may be given anything."""
    log.begin()

    structlog.get_logger("shop").warning("odd", what=object())

    assert log.lines()[0]["what"].startswith("<object object")


@pytest.mark.parametrize("form", ["json", "text"])
def test_the_filter_is_before_every_form(log: Any, form: str) -> None:
    """Names and values; in the attributes of an event too."""
    log.begin(form=form)
    log.redaction.learn({"canary-secret": "${KEY}"})

    LOGGER.warning("Authorization: Bearer canary-bearer and canary-secret")
    LOGGER.warning("host %s", "canary-secret", extra=BREAKER_OPENED.of(host="http://u:canary-pass@canary-secret/"))

    text = log.text()
    assert "canary" not in text
    assert "${KEY}" in text

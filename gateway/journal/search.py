"""What traces are asked for → the words of SQL for it. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

MOST = 200
"""Rows of a page."""

_STATUS = re.compile(r"[1-5](?:[0-9]{2}|xx)")
_STEP = re.compile(r"[A-Za-z_][A-Za-z0-9_]*(?::[a-z]+)?")
_DIGITS = re.compile(r"[0-9]{1,12}(?:\.[0-9]{1,6})?")


class BadSearch(ValueError):
    """Something else was asked for than there is; says what, and what would do."""


@dataclass(frozen=True, slots=True)
class Search:
    """Which traces, the newest first."""

    endpoint: str | None = None
    """Its path as written, with or without the method before it."""

    status: str | None = None
    """`404`, `5xx`, or `partial`: an answer that lacks something."""

    step: str | None = None
    """A step that began, or one that ended so: `orders:fallback`."""

    min_ms: float = 0.0
    q: str | None = None
    """The beginning of a trace id, or a part of the path that was asked for."""

    before: int | None = None
    """Only what is older than the row with this `seq`."""

    limit: int = 50

    def where(self) -> tuple[str, list[Any]]:
        """The condition of SQL, and its values."""
        conditions, values = [], []
        for condition, *given in self._conditions():
            conditions.append(condition)
            values += given
        return " AND ".join(conditions) or "1", values

    def _conditions(self) -> Iterator[tuple[Any, ...]]:
        if self.endpoint:
            yield "(path = ? OR name = ?)", self.endpoint, self.endpoint
        if self.status == "partial":
            yield ("complete = 0",)
        elif self.status:
            low = int(self.status.replace("xx", "00"))
            yield "status BETWEEN ? AND ?", low, low + 99 if self.status.endswith("xx") else low
        if self.step:
            yield "instr(steps, ?)", f" {self.step} " if ":" in self.step else f" {self.step}:"
        if self.min_ms:
            yield "duration >= ?", self.min_ms
        if self.q:
            yield "(substr(trace, 1, length(?)) = ? OR instr(target, ?))", self.q.lower(), self.q.lower(), self.q
        if self.before is not None:
            yield "seq < ?", self.before


def read_search(given: dict[str, str]) -> Search:
    """What is asked for by these parameters. Raises `BadSearch`."""
    unknown = given.keys() - {"endpoint", "status", "step", "min_ms", "q", "before", "limit"}
    if unknown:
        raise BadSearch(f"{min(unknown)}: no such parameter; there are endpoint, status, step, min_ms, q, before and limit")
    return Search(
        endpoint=given.get("endpoint") or None,
        status=_matching(given, "status", re.compile(_STATUS.pattern + "|partial"), "a status such as 404 or 5xx, or partial"),
        step=_matching(given, "step", _STEP, "a step's name, or with its outcome as in orders:failed"),
        min_ms=float(_matching(given, "min_ms", _DIGITS, "a number of milliseconds") or 0.0),
        q=given.get("q") or None,
        before=_number(given, "before", None),
        limit=min(max(_number(given, "limit", 50) or 50, 1), MOST),
    )


def _matching(given: dict[str, str], name: str, form: re.Pattern[str], words: str) -> str | None:
    text = given.get(name) or None
    if text and not form.fullmatch(text):
        raise BadSearch(f"{name}: should be {words}")
    return text


def _number(given: dict[str, str], name: str, usual: int | None) -> int | None:
    text = _matching(given, name, re.compile("[0-9]{1,15}"), "a whole number")
    return int(text) if text else usual

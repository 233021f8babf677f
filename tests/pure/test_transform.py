"""Users' functions: found or refused when the config is read; whatever they do when they run costs the one value they make."""

from __future__ import annotations

import asyncio
import logging
import sys
from functools import partial
from pathlib import Path
from typing import Any

import pytest

import gateway
from gateway.answer.transform import BadHook, Hook, find_hook, make_hook
from gateway.expressions.reference import Unresolved
from gateway.formats.decode import check_json

CANARY = "c4n4ry"


async def waits(value: Any) -> Any:
    """A coroutine."""
    return value


class Waiting:
    """An object that is called like one."""

    async def __call__(self, value: Any) -> Any:
        return value


def raises(error: BaseException) -> Any:
    """A function that raises this."""

    def function(_: Any) -> Any:
        raise error

    return function


def test_a_function_is_found_by_its_name() -> None:
    hook = find_hook("json:dumps")

    assert (hook.name, hook({"a": [1]})) == ("json:dumps", '{"a": [1]}')


@pytest.mark.parametrize(
    "function", [lambda value: value, lambda *values: values[0], lambda value, more=1: value, partial(max, 1), str, bool]
)
def test_a_function_of_one_argument_is_a_hook(function: Any) -> None:
    """Whatever else it could take; a builtin that does not say what it takes is believed."""
    assert make_hook("shop:rank", function).name == "shop:rank"


@pytest.mark.parametrize(
    ("function", "reason"),
    [
        (5, "is not a function"),
        (waits, "is async"),
        (partial(waits), "is async"),
        (Waiting(), "is async"),
        (lambda: 1, "takes others"),
        (lambda one, other: 1, "takes others"),
        (lambda value, *, key: 1, "takes others"),
    ],
)
def test_what_cannot_be_called_with_a_value_alone_is_refused(function: Any, reason: str) -> None:
    """When the config is read, and not with the first request."""
    with pytest.raises(BadHook, match=reason):
        make_hook("shop:rank", function)


@pytest.mark.parametrize(
    ("source", "reason"),
    [
        ("import no_such_module_here", "No module named 'no_such_module_here'"),
        ("def broken(", "was never closed"),
        ("raise RuntimeError", "RuntimeError"),
        ("raise SystemExit(3)", "3"),
        ("raise ValueError('one line\\nand another')", "one line$"),
    ],
)
def test_a_module_that_cannot_be_imported_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, source: str, reason: str
) -> None:
    """Whatever it raises, on one line; it ends nothing."""
    (tmp_path / "broken_hooks.py").write_text(source)
    monkeypatch.syspath_prepend(tmp_path)

    with pytest.raises(BadHook, match=f"^cannot import 'broken_hooks': .*{reason}"):
        find_hook("broken_hooks:rank")

    assert "broken_hooks" not in sys.modules


@pytest.mark.parametrize("value", [{"a": [1, {"b": 2}]}, check_json(b'{"a":[1,{"b":2}]}'), {"a": check_json(b'[1,{"b":2}]')}])
def test_a_function_has_a_value_of_its_own(value: Any) -> None:
    """Decoded, wherever a text stands in it; it may change it, and nobody else sees that."""

    def spoil(own: Any) -> Any:
        own["a"][1].clear()
        return own

    before = repr(value)
    found = Hook("shop:spoil", spoil)(value)

    assert found == {"a": [1, {}]}
    assert repr(value) == before


@pytest.mark.parametrize(
    ("made", "expected"),
    [((1, 2), [1, 2]), ({1: "a"}, {"1": "a"}), (float("nan"), None), (None, None), (10**30, 10**30), (range, None)],
)
def test_what_a_function_returns_is_as_json_has_it(made: Any, expected: Any) -> None:
    """A tuple is a list, and so on; what has no form in JSON is a bug like any other."""
    hook = make_hook("shop:make", lambda _: made)

    if made is range:
        with pytest.raises(Unresolved, match=r"^shop:make failed$"):
            hook(1)
    else:
        assert hook(1) == expected


@pytest.mark.parametrize(
    "error", [ValueError(CANARY), KeyError(CANARY), RecursionError(), SystemExit(1), StopIteration()], ids=repr
)
def test_a_function_that_raises_is_unresolved_and_logged(caplog: pytest.LogCaptureFixture, error: BaseException) -> None:
    """The traceback is in the log; what is told has no word of it."""
    hook = make_hook("shop:rank", raises(error))

    with caplog.at_level(logging.ERROR), pytest.raises(Unresolved, match=r"^shop:rank failed$"):
        hook(1)

    (record,) = caplog.records
    assert record.name == "gateway.transform"
    assert record.exc_info
    assert record.exc_info[1] is error


@pytest.mark.parametrize("value", [check_json(b"1e400"), "\ud800"])
def test_a_value_that_cannot_be_given_is_no_bug_of_the_function(caplog: pytest.LogCaptureFixture, value: Any) -> None:
    """It is not even called."""
    hook = make_hook("shop:rank", raises(AssertionError()))

    with pytest.raises(Unresolved, match="cannot be given a value"):
        hook(value)

    assert caplog.records == []


def test_whoever_cancels_is_not_kept_from_it() -> None:
    """Only what is wrong with the function is the function's."""
    with pytest.raises(asyncio.CancelledError):
        make_hook("shop:rank", raises(asyncio.CancelledError()))(1)


def test_a_function_is_marked_and_stays_itself() -> None:
    """By the public decorator; without it a function is run where everything is."""

    @gateway.off_loop
    def rank(value: Any) -> Any:
        return [value]

    assert rank(1) == [1]
    assert make_hook("shop:rank", rank).off_loop
    assert not make_hook("shop:rank", lambda value: value).off_loop

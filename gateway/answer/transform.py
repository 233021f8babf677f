"""A user's own function in an answer: found when the config is read, given a value that is nobody else's.

Whatever it does when it runs costs the one member it makes. What it raised, and where, is in the log.
"""

from __future__ import annotations

import inspect
import logging
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from importlib import import_module
from types import ModuleType
from typing import Any, TypeAlias, TypeVar

from gateway.events import TRANSFORM_FAILED
from gateway.expressions.reference import Unresolved, did_you_mean
from gateway.formats.decode import Undecodable, decode_json
from gateway.formats.encode import Unencodable, encode_json

Function: TypeAlias = Callable[[Any], Any]
Marked = TypeVar("Marked", bound=Function)

_NAME = re.compile(r"([A-Za-z_]\w*(?:\.[A-Za-z_]\w*)*):([A-Za-z_]\w*)")
_MARK = "__gateway_off_loop__"

_log = logging.getLogger("gateway.transform")


class BadHook(ValueError):
    """There is no such function, or it is not one that can be called with a value; the message says which."""


@dataclass(frozen=True, slots=True)
class Hook:
    """A user's function of one value."""

    name: str
    """`module:function`, as written."""

    function: Function = field(repr=False)
    schema: Mapping[str, Any] | None = field(default=None, repr=False, compare=False)
    """JSON Schema of what it returns as far as somebody said it, its references to its own `$defs`."""

    @property
    def off_loop(self) -> bool:
        """It is marked as one that takes long."""
        return bool(getattr(self.function, _MARK, False))

    def __call__(self, value: Any) -> Any:
        """What the function makes of a value of its own, as JSON would have it. Raises `Unresolved`, whatever the function raises."""
        try:
            own = decode_json(encode_json(value))
        except (Unencodable, Undecodable) as error:
            raise Unresolved(f"{self.name} cannot be given a value that JSON has no form for") from error
        try:
            return decode_json(encode_json(self.function(own)))
        except (Exception, SystemExit) as error:
            # A bug of the user's, who finds it by its traceback; what it says is not for clients.
            _log.exception(
                "%s failed, and its member of the answer is null", self.name, extra=TRANSFORM_FAILED.of(function=self.name)
            )
            raise Unresolved(f"{self.name} failed") from error


@dataclass(frozen=True, slots=True)
class Transform:
    """A part of an answer that a user's function makes of another."""

    hook: Hook
    of: Any
    """The template of what the function is given."""

    @property
    def parts(self) -> tuple[Any, ...]:
        """The templates it is made of."""
        return (self.of,)

    def __call__(self, values: Iterable[Any]) -> Any:
        """What the function makes of the value. Raises `Unresolved`."""
        (value,) = values
        return self.hook(value)


def off_loop(function: Marked) -> Marked:
    """Mark a function that takes long: answers with it are made in a thread, so that others need not wait.

    @gateway.off_loop
    def rank(items): ...
    """
    setattr(function, _MARK, True)
    return function


def find_hook(name: str) -> Hook:
    """Import `module:function`, which runs the module. Raises `BadHook`."""
    match = _NAME.fullmatch(name)
    if not match:
        raise BadHook("write module:function, as in shop.hooks:rank")
    module = _imported(match[1])
    try:
        function = getattr(module, match[2])
    except AttributeError as error:
        known = (known for known, value in vars(module).items() if callable(value))
        raise BadHook(f"{match[1]!r} has no function {match[2]!r}{did_you_mean(match[2], known)}") from error
    return make_hook(name, function)


def make_hook(name: str, function: Any) -> Hook:
    """A hook of a function at hand. Raises `BadHook` when it cannot be called with a value alone."""
    if not callable(function):
        raise BadHook(f"{name!r} is not a function")
    if inspect.iscoroutinefunction(function) or inspect.iscoroutinefunction(type(function).__call__):
        raise BadHook(f"{name!r} is async; write a plain function, marked with @gateway.off_loop when it takes long")
    if not _takes_one(function):
        raise BadHook(f"{name!r} is called with one argument, the value, and takes others")
    return Hook(name, function)


def _imported(module: str) -> ModuleType:
    try:
        return import_module(module)
    except (Exception, SystemExit) as error:
        # A module may raise anything when it is run.
        reason = str(error).partition("\n")[0] or type(error).__name__
        raise BadHook(f"cannot import {module!r}: {reason}") from error


def _takes_one(function: Function) -> bool:
    try:
        inspect.signature(function).bind(None)
    except TypeError:
        return False
    except ValueError:
        pass  # a builtin that does not say
    return True

"""`--endpoints`: classes by the names that they have in Python."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterable, Iterator
from importlib import import_module
from types import ModuleType

from gateway.errors import StartError
from gateway.expressions.reference import did_you_mean
from gateway.face import Endpoint, has_path


def find_classes(names: Iterable[str]) -> list[type[Endpoint]]:
    """The classes of `MODULE:CLASS`, and of `MODULE` all those with a path that it defines itself. Raises `StartError`."""
    return list(dict.fromkeys(one for name in names for one in _find(name)))


def _find(name: str) -> Iterator[type[Endpoint]]:
    module_name, _, class_name = name.partition(":")
    module = _import(module_name)
    own = {key: one for key, one in vars(module).items() if isinstance(one, type) and issubclass(one, Endpoint)}
    if class_name:
        if class_name not in own:
            raise StartError(f"{module_name} has no endpoint {class_name}{did_you_mean(class_name, own)}")
        yield own[class_name]
        return
    found = [one for one in own.values() if one.__module__ == module_name and has_path(one)]
    if not found:
        raise StartError(f"{module_name} defines no endpoint: a class below gateway.Endpoint that has a path")
    yield from found


def _import(name: str) -> ModuleType:
    """The module, looked for from here as well, as `python -m` does."""
    here = os.getcwd()
    if here not in sys.path and "" not in sys.path:
        sys.path.insert(0, here)
    try:
        return import_module(name)
    except ModuleNotFoundError as error:
        if error.name is None or not f"{name}.".startswith(f"{error.name}."):
            raise  # what the module itself wants is not there, and its traceback says where
        raise StartError(f"no module {error.name}; write --endpoints as it would be imported here: shop.home:Home") from None
    except (ValueError, TypeError) as error:
        raise StartError(f"not a module's name: {name!r}; write it as in shop.home:Home") from error

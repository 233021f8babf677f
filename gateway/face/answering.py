"""The answer that a class makes of itself: what its method `answer` returns, or the whole of it, computed fields included."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import Any, get_type_hints

from pydantic.errors import PydanticUserError

from gateway.answer.transform import BadHook, Hook, make_hook
from gateway.face.endpoint import Endpoint
from gateway.typed import ValueType


def find_answer(endpoint: type[Endpoint]) -> Hook | None:
    """What makes the answer; None where it is each field's value by its name. Raises `BadHook`."""
    method = getattr(endpoint, "answer", None)
    if method is None:
        return _hook(endpoint, lambda whole: whole, ValueType(endpoint)) if endpoint.model_computed_fields else None
    make_hook("answer", method)
    try:
        returned = ValueType(get_type_hints(method, include_extras=True).get("return", Any))
    except NameError as error:
        raise BadHook(f"the type that it returns is not defined: {error.name}") from error
    except PydanticUserError as error:
        raise BadHook("the type that it returns is none that pydantic can write") from error
    return _hook(endpoint, method, returned)


def _hook(endpoint: type[Endpoint], method: Callable[[Any], Any], returned: ValueType) -> Hook:
    whole = ValueType(endpoint)

    @wraps(method)
    def make(values: Any) -> Any:
        return returned.write(method(whole.read(values)))

    return Hook(f"{endpoint.__name__}.answer", make, returned.schema)

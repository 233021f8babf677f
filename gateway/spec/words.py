"""What all parts of a config share: how names are written, what of a client's request goes along."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated, Any, Literal, TypeAlias

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field
from pydantic.config import JsonDict
from pydantic_core import PydanticCustomError

from gateway.policy.units import HEADER_NAME, HeaderName

__all__ = [
    "CHARACTERS", "CLOSED", "METHODS", "CallForwardSpec", "ForwardSpec", "FurtherMethod", "HeaderName", "Name", "Prefix", "Scalar",
    "Spec", "Status",
]  # fmt: skip

METHODS = ("get", "post", "put", "patch", "delete")

FurtherMethod: TypeAlias = Literal[
    "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "QUERY", "SEARCH", "REPORT", "PROPFIND", "PROPPATCH", "MKCOL", "COPY", "MOVE", "LOCK",
    "UNLOCK", "ACL", "BIND", "REBIND", "UNBIND", "MKCALENDAR", "MKACTIVITY", "CHECKOUT", "MERGE", "LINK", "UNLINK", "PURGE", "SOURCE",
    "NOTIFY", "SUBSCRIBE", "UNSUBSCRIBE", "M-SEARCH",
]  # fmt: skip
"""Methods that may go by unread: those that the server's parser knows. HEAD comes with GET; TRACE and CONNECT no gateway relays."""

_IDENTIFIER = r"^[A-Za-z_][A-Za-z0-9_]*$"
_PREFIX = r"^[A-Za-z0-9._:-]+$"

CHARACTERS = {
    _IDENTIFIER: "a name has only letters, digits and underscores, and no digit first",
    _PREFIX: "a prefix has only letters, digits and the characters . _ : -",
    HEADER_NAME: "a header's name has only letters, digits and hyphens",
}
"""What each pattern says in words."""

Name: TypeAlias = Annotated[str, Field(pattern=_IDENTIFIER, max_length=64)]
Prefix: TypeAlias = Annotated[str, Field(pattern=_PREFIX, min_length=1, max_length=64)]
Status: TypeAlias = Annotated[int, Field(ge=100, le=599)]

CLOSED: JsonDict = {"additionalProperties": False}
"""For the JSON Schema of keys that have a pattern: others are wrong."""


def _text_or_number(value: Any) -> Any:
    if isinstance(value, bool) or not isinstance(value, str | int | float):
        # Said once, where a union would complain for each of its parts.
        raise PydanticCustomError("scalar", "should be text or a number")
    return value


Scalar: TypeAlias = Annotated[str | int | float, BeforeValidator(_text_or_number)]


class Spec(BaseModel):
    """What all parts of a config share."""

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)

    def __repr_args__(self) -> Iterator[tuple[None, str]]:
        """Which fields are written, not what: any value may be a secret from the environment."""
        return ((None, name) for name in type(self).model_fields if name in self.model_fields_set)


class ForwardSpec(Spec):
    """What of the client's request goes along. Everything else stays here: default deny."""

    headers: tuple[HeaderName, ...] = ()
    """Names of client headers to pass on."""

    query: tuple[str, ...] = ()
    """Names of client query parameters to pass on."""


class CallForwardSpec(ForwardSpec):
    """What of the client's request goes along with one call."""

    body: bool = False
    """Pass the client's body on as it came, with its content type: it is not read here, and may be of any kind."""

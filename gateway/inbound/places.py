"""Where the answer to a request is kept: a digest of all that the plan can read of it.

What it cannot read is not even looked at, so that it neither changes an answer nor makes another entry. What is read is read here as the
plan will: a parameter that hides behind another (`;`, `%26`, given twice) hides from both or from none.
"""

from __future__ import annotations

from collections.abc import Mapping
from hashlib import sha256
from typing import Any

from starlette.types import Scope

from gateway.caching import Place
from gateway.caching.entry import FORMAT
from gateway.inbound.request import Picked, read_query, read_request
from gateway.plan import Plan
from gateway.plan.keeping import Keeping
from gateway.render import render_place


class Places:
    """The places of an endpoint's answers. Another config has others, since its answers may differ."""

    def __init__(self, plan: Plan, keeping: Keeping, revision: str) -> None:
        self._plan = plan
        self._label = keeping.label
        self._has_key = bool(keeping.label and keeping.label.key)
        self._before = repr([FORMAT, revision, plan.method, plan.path]).encode()
        self._path = keeping.path
        self._query = keeping.query
        self._scopes = keeping.scopes
        self._headers = tuple(name.encode() for name in keeping.headers)

    def of(self, scope: Scope, headers: Picked) -> str | None:
        """The key of a request's answer; None where the config's own comes to nothing, so that nothing is kept. Raises `Refused`."""
        path = scope["path_params"]
        query = read_query(scope["query_string"]) if self._query and scope["query_string"] else {}
        told: tuple[object, ...] = (
            [path[name] for name in self._path],
            [query.get(name) for name in self._query],
            [headers.get(name) for name in self._headers],
        )
        if self._has_key:
            told = *told, self._labelled(read_request(self._plan, scope, headers)).named
            if not told[-1]:
                return None
        # No text in it can pass for another: what Python writes of lists of texts and bytes, it reads back as the same.
        return sha256(self._before + repr(told).encode()).hexdigest()

    def scopes_of(self, key: str, values: Mapping[str, Any]) -> tuple[str, ...]:
        """What the answer to a request with these values is purged by; nothing where that cannot be told, so that it is not to be kept."""
        place = self._labelled(values)
        if place.named == ():
            return ()
        return (*self._scopes, f"key:{key}", *(f"tag:{tag}" for tag in place.tags))

    def _labelled(self, values: Mapping[str, Any]) -> Place:
        """What the config says of where the answer to a request with these values is kept."""
        return render_place(self._label, values) if self._label else Place()

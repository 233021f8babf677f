"""What a client wants of an answer → the plan that makes it."""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache, partial
from typing import Any

from gateway.answer.selection import BadSelection, parse_selection
from gateway.inbound.request import Refused
from gateway.inputs import Misfit
from gateway.plan import Plan
from gateway.plan.prune import prune
from gateway.problem import of_inputs

KEPT = 32
"""Plans for one endpoint. Clients have a few selections, and whoever makes up new ones all the time must not fill the memory."""


class Choices:
    """The plans of an endpoint, by what is wanted of its answer."""

    def __init__(self, plan: Plan) -> None:
        self._plan = plan
        self._pruned = lru_cache(KEPT)(partial(prune, plan))

    def of(self, query: Mapping[str, Any]) -> Plan:
        """The plan for a request with these query parameters. Raises `Refused`."""
        wanted = self._plan.fields
        if wanted is None or wanted.name not in query:
            return self._plan
        given = query[wanted.name]
        try:
            return self._pruned(parse_selection(given if isinstance(given, str) else ",".join(given)))
        except BadSelection as error:
            raise Refused(of_inputs([Misfit("query", wanted.name, str(error))])) from error

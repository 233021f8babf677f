"""What runs while somebody looks, or why there is nothing to look at."""

from __future__ import annotations

from gateway.app import Gateway
from gateway.inbound.request import Refused
from gateway.journal.state import JournalState
from gateway.problem import of_status
from gateway.running import RunningState


def running(gateway: Gateway) -> RunningState:
    """The gateway's state. Raises `Refused` before it has started and while it stops."""
    if gateway.running is None:
        raise Refused(of_status(503, "Service Unavailable", "starting or stopping"))
    return gateway.running


def journal_of(gateway: Gateway) -> JournalState:
    """The gateway's journal. Raises `Refused` where it keeps none."""
    journal = running(gateway).journal
    if journal is None:
        raise Refused(of_status(404, "Not Found", "this gateway keeps no journal: --journal says so, or its log why"))
    return journal

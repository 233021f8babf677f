"""What every service has besides its own endpoints: `/livez`, the switch, the counts, and what was asked.

None of it is counted, delayed or failed, whatever the setting.
"""

from __future__ import annotations

from typing import Annotated, TypeAlias, cast

from fastapi import APIRouter, Depends, Request

from services.chaos import Setting
from services.record import Seen, ServiceState, Stats

router = APIRouter(tags=["switches"])


async def _state(request: Request) -> ServiceState:
    return cast(ServiceState, request.app.state.service)


State: TypeAlias = Annotated[ServiceState, Depends(_state)]


@router.get("/livez")
async def read_livez() -> dict[str, str]:
    """The process is there."""
    return {"status": "ok"}


@router.put("/_chaos")
async def put_chaos(setting: Setting, state: State) -> Setting:
    """Replace the whole setting; a field that is absent goes back to its default."""
    state.switch(setting)
    return state.setting


@router.get("/_chaos")
async def read_chaos(state: State) -> Setting:
    """The present setting; `times` counts down, and after the last the faults are gone."""
    return state.setting


@router.delete("/_chaos", status_code=204)
async def delete_chaos(state: State) -> None:
    """All is well from the next request on."""
    state.switch(Setting())


@router.get("/_stats")
async def read_stats(state: State) -> Stats:
    """How many requests came, are being answered, and lost their caller before the answer was complete."""
    return state.stats


@router.delete("/_stats", status_code=204)
async def delete_stats(state: State) -> None:
    """Begin the counts anew; `in_flight` keeps being true."""
    state.forget_counts()


@router.get("/_requests")
async def read_requests(state: State) -> list[Seen]:
    """The last hundred requests, the oldest first, exactly as they came over the wire."""
    return list(state.seen)


@router.delete("/_requests", status_code=204)
async def delete_requests(state: State) -> None:
    """Forget what was asked."""
    state.seen.clear()

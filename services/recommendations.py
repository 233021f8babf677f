"""What a segment may like. Slow, as such models are, and one request in twenty is two to four times as slow."""

from __future__ import annotations

from fastapi import APIRouter, HTTPException

from services.chaos import Latency
from services.data import Recommendations, recommend

USUAL_LATENCY = Latency(ms=250, tail=0.05)

router = APIRouter(tags=["recommendations"])


@router.get("/for/{segment}", responses={404: {"description": "No such segment"}})
async def read_recommendations(segment: str) -> Recommendations:
    """The products to show, the best first; 404 for a segment that nobody is in."""
    found = recommend(segment)
    if found is None:
        raise HTTPException(404, "no such segment")
    return found

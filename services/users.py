"""Who the customers are: a thousand users, ids 1 to 1000."""

from __future__ import annotations

from fastapi import APIRouter, HTTPException

from services.chaos import Latency
from services.data import User, find_user, parse_user_id

USUAL_LATENCY = Latency(ms=20)

router = APIRouter(tags=["users"])


@router.get("/users/{user_id}", responses={404: {"description": "No such user"}})
async def read_user(user_id: str) -> User:
    """One user; 404 for whatever is not the id of one."""
    known = parse_user_id(user_id)
    user = None if known is None else find_user(known)
    if user is None:
        raise HTTPException(404, "no such user")
    return user

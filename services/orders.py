"""What the users bought, the newest order first. Nothing is stored: placing the same order twice gives the same answer."""

from __future__ import annotations

import re
from typing import Annotated

from fastapi import APIRouter, HTTPException, Query, Response
from pydantic import BaseModel, ConfigDict, Field

from services.chaos import Latency
from services.data import CATALOG, PLACED_ORDER_IDS, Item, Order, find_user, orders_of, parse_user_id, place_order

USUAL_LATENCY = Latency(ms=60)

router = APIRouter(tags=["orders"])


class Line(BaseModel):
    """One product and how many of it."""

    model_config = ConfigDict(extra="forbid", strict=True)

    sku: str
    quantity: int = Field(ge=1, le=100)


class Draft(BaseModel):
    """An order to be placed."""

    model_config = ConfigDict(extra="forbid", strict=True)

    user: int
    items: list[Line] = Field(min_length=1, max_length=100)


@router.get("/orders")
async def list_orders(user: str, limit: Annotated[int, Query(ge=1, le=100)] = 5) -> list[Order]:
    """The newest orders of a user, at most `limit`; none for a user who does not exist."""
    known = parse_user_id(user)
    return [] if known is None else orders_of(known)[:limit]


@router.delete("/orders/{id}", status_code=204)
async def cancel_order(id: str) -> None:
    """Nothing, for an order that can have been placed, as often as it is asked; 404 for any other."""
    if not (re.fullmatch("[0-9]{7}", id) and int(id) in PLACED_ORDER_IDS):
        raise HTTPException(404, "no such order")


@router.post("/orders", status_code=201)
async def create_order(draft: Draft, response: Response) -> Order:
    """The placed order, its address in `Location`; 422 for a user or a product that does not exist."""
    if find_user(draft.user) is None:
        raise HTTPException(422, "no such user")
    unknown = [line.sku for line in draft.items if line.sku not in CATALOG]
    if unknown:
        raise HTTPException(422, f"no such product: {', '.join(unknown)}")
    order = place_order(draft.user, [Item(line.sku, line.quantity) for line in draft.items])
    response.headers["Location"] = f"/orders/{order.id}"
    return order

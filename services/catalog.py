"""What is on sale: five hundred products, ``sku-0001`` to ``sku-0500``."""

from __future__ import annotations

from fastapi import APIRouter, HTTPException

from services.chaos import Latency
from services.data import CATALOG, Product

USUAL_LATENCY = Latency(ms=30)

router = APIRouter(tags=["catalog"])


@router.get("/products/{sku}", responses={404: {"description": "No such product"}})
async def read_product(sku: str) -> Product:
    """One product; 404 for a sku that is not in the catalog."""
    if sku not in CATALOG:
        raise HTTPException(404, "no such product")
    return CATALOG[sku]


@router.get("/products")
async def list_products(sku: str) -> list[Product]:
    """The products among these skus (`a,b,c`) that there are, in the order asked, each once."""
    return [CATALOG[one] for one in dict.fromkeys(sku.split(",")) if one in CATALOG]

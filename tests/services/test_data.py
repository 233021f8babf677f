"""The data: derived from ids alone, true to each other, pleasant to look at."""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.data import (
    CATALOG,
    SEGMENTS,
    USER_IDS,
    Item,
    find_user,
    orders_of,
    parse_user_id,
    place_order,
    recommend,
)

ANOTHER_PROCESS = """
import asyncio, httpx, json, sys
from services import create

async def ask(name, path):
    transport = httpx.ASGITransport(create(name))
    async with httpx.AsyncClient(transport=transport, base_url="http://mock") as client:
        return (await client.get(path)).text

async def main():
    return await asyncio.gather(*(ask(*call) for call in json.loads(sys.argv[1])))

print(json.dumps(asyncio.run(main())))
"""

CALLS = [
    ("users", "/users/42"),
    ("users", "/users/1000"),
    ("orders", "/orders?user=42&limit=100"),
    ("catalog", "/products?sku=sku-0001,sku-0250,sku-0500"),
    ("recommendations", "/for/gold"),
]


@pytest.mark.slow
async def test_every_process_gives_the_same_bytes(ports: dict[str, int]) -> None:
    """The same id gives the same bytes in another process, whatever its hash seed."""
    other = await asyncio.to_thread(
        subprocess.run,
        [sys.executable, "-c", ANOTHER_PROCESS, json.dumps(CALLS)],
        cwd=Path(__file__).parents[2],
        env=os.environ | {"PYTHONHASHSEED": "7"},
        capture_output=True,
        check=True,
        timeout=20,
    )

    here = await asyncio.gather(*(_ask(ports[name], path) for name, path in CALLS))

    assert json.loads(other.stdout) == list(here)


async def _ask(port: int, path: str) -> str:
    async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{port}", trust_env=False) as client:
        return (await client.get(path)).text


def test_user_42_makes_a_good_demo() -> None:
    """The demo's user may be shown recommendations and has several orders of several items."""
    user = find_user(42)
    orders = orders_of(42)

    assert user is not None
    assert user.consents.personalised
    assert len(orders) > 5
    assert all(len(order.items) > 1 for order in orders[:5])


def test_users_are_a_mix() -> None:
    """Every segment has members, most users agree to personalisation, and nobody shares an email address."""
    users = [user for user in map(find_user, USER_IDS) if user is not None]

    assert len(users) == 1000
    assert {user.segment for user in users} == set(SEGMENTS)
    assert 500 < sum(user.consents.personalised for user in users) < 1000
    assert len({user.email for user in users}) == 1000
    assert all(user.email.isascii() and user.email.endswith("@example.com") for user in users)


def test_orders_agree_with_the_catalog() -> None:
    """Every item is on sale, none twice in an order, and a total is what its items cost."""
    orders = [order for user_id in USER_IDS for order in orders_of(user_id)]

    assert len({order.id for order in orders}) == len(orders)
    for order in orders:
        cost = sum(round(CATALOG[item.sku].price * 100) * item.quantity for item in order.items)
        assert order.total == cost / 100
        assert len({item.sku for item in order.items}) == len(order.items) > 0


def test_catalog_has_distinct_names_and_prices_in_cents() -> None:
    """Five hundred products, no two of one name, no price finer than a cent."""
    products = CATALOG.values()

    assert len({product.name for product in products}) == 500
    assert all(product.price == round(product.price, 2) > 0 for product in products)


@pytest.mark.parametrize("segment", SEGMENTS)
def test_recommendations_are_on_sale_and_best_first(segment: str) -> None:
    """A segment is recommended products of the catalog, in falling order of a score below 1."""
    found = recommend(segment)

    assert found is not None
    scores = [item.score for item in found.items]
    assert scores == sorted(scores, reverse=True)
    assert all(0 < score < 1 for score in scores)
    assert {item.sku for item in found.items} <= CATALOG.keys()


def test_placing_an_order_twice_gives_the_same_order() -> None:
    """A placed order follows from its user and items; other items make another."""
    lamp, mug = Item("sku-0001", 1), Item("sku-0005", 2)

    first, again, other = (
        place_order(42, [lamp, mug]),
        place_order(42, [lamp, mug]),
        place_order(42, [mug]),
    )

    assert first == again
    assert first.id != other.id
    assert first.total == round(CATALOG["sku-0001"].price + 2 * CATALOG["sku-0005"].price, 2)


@pytest.mark.parametrize("text", ["0", "1001", "042", "-1", "+1", "1_0", "4.0", "٤٢", "", " 42", "9" * 5000])
def test_an_id_is_read_only_as_it_is_written(text: str) -> None:
    """Whatever is not the plain decimal form of an id is the id of nobody."""
    assert parse_user_id(text) is None


@given(st.integers())
def test_every_user_is_found_by_its_written_id(number: int) -> None:
    """An id is read back exactly if somebody has it."""
    expected = number if 1 <= number <= 1000 else None

    assert parse_user_id(str(number)) == expected
    assert (find_user(number) is not None) == (expected is not None)


def test_nothing_is_known_of_the_unknown() -> None:
    """Unknown ids give nothing, and no error."""
    nothing: list[Any] = [find_user(0), find_user(1001), recommend("platinum")]

    assert nothing == [None, None, None]
    assert orders_of(1001) == []

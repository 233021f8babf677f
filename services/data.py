"""Everything the services know, derived from ids alone: no clock, no state, no stored tables.

A value is drawn from a hash of what it belongs to (``draw("user", 42, "segment")``), so it is the same
in every process, on every machine and in every version of Python. Unknown ids give `None` or an empty list.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from hashlib import blake2b
from typing import TypeVar

from services.words import FINISHES, FIRST_NAMES, GOODS, LAST_NAMES, PRICE_ENDINGS

T = TypeVar("T")

USER_IDS = range(1, 1001)
SEGMENTS = ("new", "regular", "gold")
MODELS = {"new": "bestsellers-3", "regular": "also-bought-5", "gold": "taste-7"}

_SHOP = "shop-1170"  # part of every draw: another word, another shop. With this one user 42 makes a good demo.
_SEGMENT_SHARES = ("new", "regular", "regular", "gold")
_ORDER_COUNTS = {"new": range(2), "regular": range(2, 7), "gold": range(6, 15)}
PLACED_ORDER_IDS = range(1_000_000, 10_000_000)  # above every id that `orders_of` gives


@dataclass(frozen=True)
class Consents:
    """What a user agreed to."""

    personalised: bool


@dataclass(frozen=True)
class User:
    """A customer of the shop; `segment` is one of `SEGMENTS`."""

    id: int
    name: str
    email: str
    segment: str
    consents: Consents


@dataclass(frozen=True)
class Product:
    """Something on sale; `price` has at most two decimals."""

    sku: str
    name: str
    price: float


@dataclass(frozen=True)
class Item:
    """One line of an order: so many of one product."""

    sku: str
    quantity: int


@dataclass(frozen=True)
class Order:
    """What a user bought; `total` is the sum of the catalog's prices times the quantities."""

    id: int
    user: int
    total: float
    items: list[Item]


@dataclass(frozen=True)
class Suggestion:
    """A product a segment may like; `score` is between 0 and 1."""

    sku: str
    score: float


@dataclass(frozen=True)
class Recommendations:
    """What to show to a segment, best first, and the model that said so."""

    segment: str
    model: str
    items: list[Suggestion]


def draw(*key: object) -> int:
    """Give the number, below 2**64, that belongs to this key for ever."""
    text = "/".join(map(str, (_SHOP, *key)))
    return int.from_bytes(blake2b(text.encode(), digest_size=8).digest())


def choose(options: Sequence[T], *key: object) -> T:
    """Give the one of the options that belongs to this key."""
    return options[draw(*key) % len(options)]


def find_user(user_id: int) -> User | None:
    """Give the user of this id, or `None` outside `USER_IDS`."""
    if user_id not in USER_IDS:
        return None
    first = choose(FIRST_NAMES, "user", user_id, "first")
    last = choose(LAST_NAMES, "user", user_id, "last")
    return User(
        id=user_id,
        name=f"{first} {last}",
        email=f"{_plain(first)}.{_plain(last)}.{user_id}@example.com",
        segment=choose(_SEGMENT_SHARES, "user", user_id, "segment"),
        consents=Consents(personalised=draw("user", user_id, "personalised") % 100 < 85),
    )


def parse_user_id(text: str) -> int | None:
    """Read a user's id as it is written in a URL; `None` if no user has such an id (``042``, ``4e1``, ``abc``)."""
    if not (text.isascii() and text.isdigit() and len(text) <= len(str(USER_IDS[-1]))):
        return None
    number = int(text)
    return number if number in USER_IDS and str(number) == text else None


def orders_of(user_id: int) -> list[Order]:
    """Give every order of a user, the newest first; none for a user who does not exist."""
    user = find_user(user_id)
    if user is None:
        return []
    count = choose(_ORDER_COUNTS[user.segment], "orders", user_id, "count")
    return [_order(user_id, number) for number in range(count, 0, -1)]


def place_order(user_id: int, items: Sequence[Item]) -> Order:
    """Give the order these items make; the same user and items make the same order. All skus must be in `CATALOG`."""
    lines = list(items)
    written = (f"{item.sku} x {item.quantity}" for item in lines)
    order_id = choose(PLACED_ORDER_IDS, "placed", user_id, *written)
    return Order(id=order_id, user=user_id, total=_total(lines), items=lines)


def recommend(segment: str) -> Recommendations | None:
    """Give eight products for a segment, or `None` for a segment that nobody is in."""
    if segment not in SEGMENTS:
        return None
    skus = sorted(CATALOG, key=lambda sku: draw("recommended", segment, sku))[:8]
    losses = [draw("score", segment, place) % 90 + 10 for place in range(len(skus))]
    return Recommendations(
        segment=segment,
        model=MODELS[segment],
        items=[Suggestion(sku=sku, score=round(1 - sum(losses[: place + 1]) / 1000, 3)) for place, sku in enumerate(skus)],
    )


def _order(user_id: int, number: int) -> Order:
    lines = choose(range(1, 5), "order", user_id, number, "lines")
    skus = dict.fromkeys(choose(_SKUS, "order", user_id, number, line, "sku") for line in range(lines))
    items = [Item(sku=sku, quantity=choose((1, 1, 1, 2, 2, 3), "order", user_id, number, sku)) for sku in skus]
    return Order(id=user_id * 100 + number, user=user_id, total=_total(items), items=items)


def _total(items: Sequence[Item]) -> float:
    # Summed in cents: floats would add up to 0.30000000000000004.
    return sum(round(CATALOG[item.sku].price * 100) * item.quantity for item in items) / 100


def _product(number: int) -> Product:
    # A Latin square: all names differ, and neighbours in the catalog share neither goods nor finish.
    row, column = divmod(number - 1, len(GOODS))
    goods, lowest, highest = GOODS[column]
    finish = FINISHES[(row + column) % len(FINISHES)]
    units = choose(range(lowest, highest), "product", number, "price")
    cents = choose(PRICE_ENDINGS, "product", number, "ending")
    return Product(f"sku-{number:04d}", f"{finish} {goods}", (units * 100 + cents) / 100)


def _plain(name: str) -> str:
    return unicodedata.normalize("NFKD", name).encode("ascii", "ignore").decode().lower()


def _catalog() -> Mapping[str, Product]:
    products = map(_product, range(1, len(GOODS) * len(FINISHES) + 1))
    return {product.sku: product for product in products}


CATALOG: Mapping[str, Product] = _catalog()
"""Every product by its sku, ``sku-0001`` to ``sku-0500``."""

_SKUS = tuple(CATALOG)

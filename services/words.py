"""The words that the services' data are made of. Changing or reordering one changes everybody's answers."""

from __future__ import annotations

FIRST_NAMES = (
    "Ada", "Amara", "Anton", "Bilal", "Camille", "Chiara", "Daniel", "Elif", "Emre", "Femi",
    "Freya", "Hana", "Hugo", "Ines", "Ivan", "Jonas", "José", "Kenji", "Laila", "Leo",
    "Lucía", "Mateo", "Mei", "Mira", "Nadia", "Noah", "Oscar", "Priya", "Renée", "Rosa",
    "Samir", "Sofia", "Tariq", "Tomás", "Uma", "Vera", "Wanjiru", "Yuki", "Zara", "Zoë",
)  # fmt: skip

LAST_NAMES = (
    "Adeyemi", "Almeida", "Andersson", "Aydin", "Bauer", "Bianchi", "Castillo", "Chen", "Costa", "Dubois",
    "Eriksen", "Fischer", "Fontaine", "García", "Haddad", "Hoffmann", "Ito", "Jansen", "Kamau", "Kaur",
    "Kowalski", "Lindqvist", "Lopez", "Marino", "Mensah", "Müller", "Nakamura", "Novak", "Okafor", "Olsen",
    "Patel", "Petrov", "Rossi", "Sato", "Silva", "Tanaka", "Vargas", "Walker", "Yilmaz", "Zhang",
)  # fmt: skip

FINISHES = (
    "Amber", "Ash", "Birch", "Brass", "Cedar", "Charcoal", "Clay", "Cobalt", "Copper", "Cork",
    "Indigo", "Ivory", "Linen", "Moss", "Oak", "Olive", "Slate", "Stone", "Teal", "Walnut",
)  # fmt: skip

GOODS = (
    ("Desk Lamp", 35, 90), ("Tea Kettle", 28, 75), ("Notebook", 6, 18), ("Backpack", 45, 140),
    ("Coffee Mug", 8, 22), ("Throw Blanket", 30, 95), ("Wall Clock", 25, 80), ("Picture Frame", 9, 40),
    ("Water Bottle", 14, 38), ("Bookend", 12, 34), ("Cutting Board", 18, 60), ("Headphone Stand", 20, 55),
    ("Plant Pot", 7, 45), ("Umbrella", 19, 65), ("Serving Tray", 16, 58), ("Candle Holder", 8, 32),
    ("Shelf", 32, 120), ("Salad Bowl", 17, 52), ("Side Table", 60, 190), ("Card Wallet", 15, 70),
    ("Key Hook", 5, 20), ("Laptop Sleeve", 22, 66), ("Cushion", 13, 48), ("Mirror", 40, 160),
    ("Pen", 4, 30),
)  # fmt: skip
"""What is sold, with its lowest and highest price in whole units."""

PRICE_ENDINGS = (25, 49, 75, 95, 99)

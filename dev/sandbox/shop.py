"""The shop: where its visitors come from, and what it sells."""

import copy
from typing import Any

Item = dict[str, Any]

SECOND = 1000
MINUTE = 60 * SECOND
HOUR = 60 * MINUTE
DAY = 24 * HOUR
BEGINNING = 1_767_225_600_000
"""2026-01-01T00:00:00Z, when the first visitor comes; milliseconds since the epoch."""

SESSION_TIMEOUT = 30 * MINUTE
SHOP = "https://shop.example"
CURRENCY = "EUR"
"""What everybody pays in, unless a world has several currencies."""

METADATA = {
    "organizationName": "Example Outfitters",
    "organizationSlug": "example-outfitters",
    "workspaceName": "Shop",
    "workspaceSlug": "shop",
    "applicationName": "Web shop",
    "applicationSlug": "web-shop",
}

PLACES = [
    ("EU", "DE", "Berlin", "BE", "Berlin", "Europe/Berlin", 52.52437, 13.41053, "EUR", "49", "de"),
    ("EU", "FR", "Île-de-France", "IDF", "Paris", "Europe/Paris", 48.85341, 2.3488, "EUR", "33", "fr"),
    ("SA", "BR", "São Paulo", "SP", "São Paulo", "America/Sao_Paulo", -23.5475, -46.63611, "BRL", "55", "pt"),
    ("NA", "US", "New York", "NY", "New York", "America/New_York", 40.71427, -74.00597, "USD", "1", "en"),
    ("AS", "JP", "東京都", "13", "東京", "Asia/Tokyo", 35.6895, 139.69171, "JPY", "81", "ja"),
    ("OC", "AU", "Victoria", "VIC", "Melbourne", "Australia/Melbourne", -37.814, 144.96332, "AUD", "61", "en"),
    ("AF", "KE", "Nairobi", "30", "Nairobi", "Africa/Nairobi", -1.28333, 36.81667, "KES", "254", "sw"),
]  # fmt: skip

PRODUCTS = [
    ("trail-jacket", "Trail jacket", "Jackets", "Northface & Söhne", 129.90, 159.00),
    ("wool-socks", "Wool socks “Merino”", "Socks", "Sheepish", 14.50, None),
    ("tent-2p", "Tent for two", "Tents", "Hüttenwerk", 349.00, 399.99),
    ("stove", "Gas stove", "Cooking", "Feuer/Flamme", 59.90, None),
    ("headlamp", "Headlamp 300 lm", "Lights", "Lumen, Inc.", 34.95, 39.95),
    ("backpack-45", "Backpack 45 l", "Backpacks", "Träger", 189.0, None),
    ("mug", "Enamel mug 🏕️", "Cooking", "Feuer/Flamme", 9.99, None),
    ("map", "Hiking map 1:25 000", "Maps", "Karto", 12.8, None),
]

CAMPAIGNS = [
    None,
    ("spring-sale", "google", "cpc", "banner-1", "rain jacket"),
    ("newsletter-12", "newsletter", "email", None, None),
    ("influencer", "instagram", "social", "story", None),
]

BROWSERS = [
    ("Chrome", "129.0.1", "WEB", "Macintosh", "Apple", "DESKTOP", "macOS", "14.5"),
    ("Safari", "17.4", "WEB", "iPhone", "Apple", "MOBILE", "iOS", "17.4.1"),
    ("Firefox", "131.0", "WEB", None, None, "DESKTOP", "Ubuntu", None),
    ("Instagram", "301.0", "IN_APP", "Galaxy S23", "Samsung", "MOBILE", "Android", "14"),
    ("Googlebot", "2.1", "CRAWLER", None, "Google", "BOT", None, None),
]

NAMES = [
    ("Aylin", "Öztürk"), ("Jürgen", "Groß"), ("Zoë", "O’Neill"), ("José", "García Márquez"),
    ("Naoko", "佐藤"), ("Ada", "Lovelace"), ("Grace", "Hopper"), ("Ana", "da Silva"),
]  # fmt: skip

CONTEXT = {"type": "web", "metadata": {"release": "1.42"}}

AUDIENCES = [
    {"id": "returning", "name": "Returning visitors", "customId": "returning"},
    {"id": "hikers", "name": None, "customId": None},
]

VARIANTS = [
    ("aaaaaaaa-0000-4000-8000-000000000001", None),
    ("bbbbbbbb-0000-4000-8000-000000000002", "Summer hero"),
]

EXPERIENCES = [
    # experience, name, name after it was renamed, audience, its name and custom id, slot, its name
    ("0f3d3a77-62d5-4c4f-9f0c-64c1b2a7a001", "Welcome back", "Welcome home",
     "2b8aa2a4-5cd7-4b07-a1dd-1f9c3c2b0d5e", "Returning visitors", "returning",
     "7d1a4a7b-6f3f-4b0e-8a43-4a3a6c3d9d11", "Home hero", "home-hero"),
    ("0f3d3a77-62d5-4c4f-9f0c-64c1b2a7a001", "Welcome back", "Welcome home",
     "2b8aa2a4-5cd7-4b07-a1dd-1f9c3c2b0d5e", "Returning visitors", "returning",
     "7d1a4a7b-6f3f-4b0e-8a43-4a3a6c3d9d12", "Cart banner", "cart-banner"),
    ("0f3d3a77-62d5-4c4f-9f0c-64c1b2a7a002", "Hikers", "Hikers",
     "2b8aa2a4-5cd7-4b07-a1dd-1f9c3c2b0d5f", "Hikers", None,
     "7d1a4a7b-6f3f-4b0e-8a43-4a3a6c3d9d11", "Home hero", "home-hero"),
]  # fmt: skip
RENAMED = BEGINNING + 2 * DAY
"""When experiences get their later names."""

STATUSES = ("PLACED", "PAID", "COMPLETED")


def location(place: tuple[Any, ...]) -> Item:
    """Return the `Location` of one of the `PLACES`."""
    continent, country, region, code, city, zone, latitude, longitude, currency, phone, lang = place
    return {
        "continent": continent,
        "country": country,
        "region": {"name": region, "code": code},
        "city": city,
        "district": None,
        "timezone": zone,
        "coordinates": {"latitude": latitude, "longitude": longitude},
        "currency": {"name": None, "code": currency},
        "phoneCode": phone,
        "population": "3644826",
        "postalCode": None,
        "languages": [lang, "en"],
        "tags": [],
        "source": "IP",
    }


def client(browser: tuple[Any, ...]) -> Item:
    """Return the `Client` of one of the `BROWSERS`."""
    name, version, kind, device, vendor, category, system, system_version = browser
    return {
        "browser": {"name": name, "version": version, "type": kind},
        "device": {
            "name": device,
            "vendor": vendor,
            "category": category,
            "operatingSystem": {"name": system, "version": system_version},
        },
    }


def product_of(product: tuple[Any, ...], currency: str) -> Item:
    """Return the `Product` of one of the `PRODUCTS`."""
    name, title, category, brand, price, original = product
    return {
        "productId": name,
        "sku": f"{name}-01",
        "name": title,
        "category": category,
        "brand": brand,
        "variant": None,
        "displayPrice": price,
        "originalPrice": original,
        "currency": currency,
        "url": f"{SHOP}/p/{name}",
        "imageUrl": f"https://cdn.shop.example/{name}.jpg",
    }


def cart_of(items: list[Item], currency: str, coupon: str | None) -> Item:
    """Return a `Cart`, but for the time of its last update."""
    subtotal = round(sum(item["total"] for item in items), 2)
    return {
        "currency": currency,
        "items": copy.deepcopy(items),
        "subtotal": subtotal,
        "shippingPrice": 4.9,
        "taxes": {"VAT": round(subtotal * 0.19, 2)},
        "costs": None,
        "discount": None,
        "total": round(subtotal * 1.19 + 4.9, 2),
        "coupon": coupon,
    }


def item_of(index: int, product: Item, quantity: int) -> Item:
    """Return an `Item` of a cart."""
    return {
        "index": index,
        "product": product,
        "quantity": quantity,
        "total": round(product["displayPrice"] * quantity, 2),
        "discount": None,
        "coupon": None,
    }


def moved_on(order: Item) -> Item:
    """Return an `Order` with its next status; shipping is free from then on."""
    status = STATUSES[min(STATUSES.index(order["status"]) + 1, len(STATUSES) - 1)]
    total = round(order["total"] - order["shippingPrice"], 2)
    return {**order, "status": status, "shippingPrice": 0, "total": total}


def personalization(
    experience: tuple[Any, ...], time: int, content_id: str, variant: tuple[str, str | None] | None
) -> Item:
    """Return the payload of `slotPersonalized`, with an experiment if there is a variant.

    Args:
        experience: One of `EXPERIENCES`.
        time: When it happens; milliseconds since the epoch.
        content_id: The content that is shown.
        variant: One of `VARIANTS`, if an experiment runs.
    """
    experience_id, name, later_name, audience_id, audience, audience_key, *slot = experience
    assigned = variant and {
        "experimentId": "5a1f8f8c-0b9f-4f06-8f2c-5b3f3f3a7b22",
        "variantId": variant[0],
    }
    return {
        "personalization": {
            "audienceId": audience_id,
            "slotId": slot[0],
            "experienceId": experience_id,
            "contentId": content_id,
            "slotVersion": {"majorVersion": "2", "minorVersion": "0"},
            "assignedVariant": assigned,
            "locale": "de-DE",
        },
        "metadata": {
            "audienceName": audience,
            "audienceCustomId": audience_key,
            "slotName": slot[1],
            "slotCustomId": slot[2],
            "experienceName": name if time < RENAMED else later_name,
            "experimentName": "Hero test" if variant else None,
            "variantName": variant[1] if variant else None,
        },
    }

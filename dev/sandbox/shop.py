"""The shop: where its visitors come from, and what it sells."""

from __future__ import annotations

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

VARIANTS = ["aaaaaaaa-0000-4000-8000-000000000001", "bbbbbbbb-0000-4000-8000-000000000002"]


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


def personalization(content_id: str, variant_id: str | None) -> Item:
    """Return the payload of `slotPersonalized`, with an experiment if there is a variant."""
    variant = {"experimentId": "5a1f8f8c-0b9f-4f06-8f2c-5b3f3f3a7b22", "variantId": variant_id}
    return {
        "personalization": {
            "audienceId": "2b8aa2a4-5cd7-4b07-a1dd-1f9c3c2b0d5e",
            "slotId": "7d1a4a7b-6f3f-4b0e-8a43-4a3a6c3d9d11",
            "experienceId": "0f3d3a77-62d5-4c4f-9f0c-64c1b2a7a001",
            "contentId": content_id,
            "slotVersion": {"majorVersion": "2", "minorVersion": "0"},
            "assignedVariant": variant if variant_id else None,
            "locale": "de-DE",
        },
        "metadata": {
            "audienceName": "Returning visitors",
            "audienceCustomId": "returning",
            "slotName": "Home hero",
            "slotCustomId": "home-hero",
            "experienceName": "Welcome back",
            "experimentName": "Hero test" if variant_id else None,
            "variantName": None,
        },
    }

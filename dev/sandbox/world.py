"""The data of the sandbox: people who visit a shop, browse, fill carts, order, and return."""

from __future__ import annotations

import copy
import random
import uuid
from collections import defaultdict
from dataclasses import dataclass, field
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


@dataclass
class Log:
    """What a stream exports, in the order in which it became available.

    An item that comes again replaces the one before, as a session does whose close time moved.
    """

    key: str
    order: str
    entries: list[Item | None] = field(default_factory=list)
    _places: dict[str, int] = field(default_factory=dict)

    def extend(self, items: list[Item]) -> None:
        for item in sorted(items, key=lambda item: int(item[self.order])):
            name = item.get(self.key)
            if name is not None:
                if name in self._places:
                    self.entries[self._places[name]] = None
                self._places[name] = len(self.entries)
            self.entries.append(copy.deepcopy(item))

    @property
    def items(self) -> list[Item]:
        return [entry for entry in self.entries if entry is not None]


class World:
    """A shop and its visitors, the same for the same seed."""

    def __init__(self, seed: int = 1, visits: int = 250, *, ids: bool = True) -> None:
        """Make a world.

        Args:
            seed: Two worlds with the same seed and the same history are equal.
            visits: Number of visits that have happened.
            ids: Whether events have an `id`; contracts before 0.6.0 gave none.
        """
        self.random = random.Random(seed)
        self.now = BEGINNING
        self.ids = ids
        self.logs = {
            "events": Log("id", "timestamp"),
            "sessions": Log("sessionId", "closeTime"),
            "users": Log("userId", "lastModifiedTime"),
        }
        self._users: list[Item] = []
        self._sessions: list[Item] = []
        self.visits(visits)

    def items(self, stream: str) -> list[Item]:
        """Return all that a stream would export from the beginning on, as the API gives it."""
        return self.logs[stream].items

    # What happens

    def visits(self, count: int) -> None:
        """Let people visit the shop."""
        batch: dict[str, list[Item]] = defaultdict(list)
        users: dict[str, Item] = {}
        for number in range(count):
            self.now += int(self.random.expovariate(1 / (40 * MINUTE))) + SECOND
            user = self._visitor()
            visit = _Visit(self, user, everything=number == 0)
            batch["events"] += visit.events
            batch["sessions"].append(visit.session)
            users[user["userId"]] = user
            self._sessions.append(visit.session)
        for stream, items in (*batch.items(), ("users", list(users.values()))):
            self.logs[stream].extend(items)

    def late_events(self, count: int) -> None:
        """Let events arrive that happened hours ago; their sessions close later for it."""
        for _ in range(count):
            session = self.random.choice(self._sessions[-20:])
            event = self.event(
                session, int(session["window"]["end"]) + self.random.randrange(SESSION_TIMEOUT),
                {"@type": "nothingChanged", "sinceTime": session["window"]["end"]},
            )  # fmt: skip
            session["window"]["end"] = event["timestamp"]
            session["closeTime"] = max(self.now, event["timestamp"] + SESSION_TIMEOUT)
            self.now += SECOND
            self.logs["events"].extend([event])
            self.logs["sessions"].extend([session])

    def change_users(self, count: int) -> None:
        """Let users change their profile."""
        for user in self.random.sample(self._users, count):
            self.now += SECOND
            user |= {"jobTitle": f"Ranger {self.now}", "lastModifiedTime": self.now}
            self.logs["users"].extend([user])

    # What it is made of

    def uuid(self) -> str:
        return str(uuid.UUID(int=self.random.getrandbits(128), version=4))

    def event(self, session: Item, time: int, payload: Item, context: Item | None = None) -> Item:
        head = {"id": self.uuid()} if self.ids else {}
        return {
            **head,
            "sessionId": session["sessionId"],
            "userId": session["userId"],
            "timestamp": time,
            "context": context,
            "payload": payload,
        }

    def _visitor(self) -> Item:
        if self._users and self.random.random() < 0.45:
            return self.random.choice(self._users)
        user: Item = {
            "userId": self.uuid(), "externalUserId": None,
            "firstName": None, "lastName": None, "birthDate": None, "gender": "unknown",
            "email": None, "alternateEmail": None, "phone": None, "alternatePhone": None,
            "address": dict.fromkeys(
                ("street", "district", "city", "region", "country", "postalCode")
            ),
            "avatar": None, "company": None, "companyUrl": None, "jobTitle": None,
            "activities": [], "interests": [], "customAttributes": {},
            "lastModifiedTime": self.now, "statistics": {"orders": 0, "sessions": 0},
        }  # fmt: skip
        self._users.append(user)
        return user

    def sign_up(self, user: Item) -> None:
        number = len(self._users)
        first, last = self.random.choice(NAMES)
        place = self.random.choice(PLACES)
        user |= {
            "externalUserId": f"customer-{number}", "firstName": first, "lastName": last,
            "birthDate": self.random.randrange(-20 * 365 * DAY, 35 * 365 * DAY, DAY),
            "gender": self.random.choice(("female", "male", "neutral", "unknown")),
            "email": f"customer{number}@mail.example", "phone": f"+49 30 {number:07d}",
            "address": {
                "street": f"Hauptstraße {number}", "district": None, "city": place[4],
                "region": place[2], "country": place[1], "postalCode": f"{10000 + number}",
            },
            "company": self.random.choice((None, 'ACME "Rockets" Ltd.')),
            # contracts before 0.7.1 gave a string or null here
            "activities": self.random.choice((["hiking", "camping"], [], "climbing", None)),
            "interests": self.random.choice((["tents"], "maps", None)),
            "customAttributes": {"tier": self.random.choice(("gold", "silver")), "score": 0.25},
        }  # fmt: skip


class _Visit:
    """One visit: its session and its events."""

    def __init__(self, world: World, user: Item, *, everything: bool) -> None:
        """Let a user visit the shop.

        Args:
            world: Where it happens; its clock goes on.
            user: Who visits.
            everything: Whether all that can happen does, so that each type of event is there.
        """
        self.world = world
        self.random = world.random
        self.user = user
        self.everything = everything
        self.time = world.now
        self.tab = world.uuid()
        self.url = f"{SHOP}/"
        self.events: list[Item] = []
        place = self.random.choice(PLACES)
        self.currency = place[8]
        self.location = _location(place)
        self.client = _client(self.random.choice(BROWSERS))
        campaign = self.random.choice(CAMPAIGNS)
        names = ("name", "source", "medium", "content", "term")
        self.session: Item = {
            "sessionId": world.uuid(),
            "userId": user["userId"],
            "parentId": None,
            "externalUserId": user["externalUserId"],
            "window": {"start": self.time, "end": self.time},
            "closeTime": self.time,
            "referrer": "https://search.example/?q=tent&hl=de" if campaign else None,
            "landingPageUrl": self.url,
            "campaign": dict(zip(names, campaign, strict=True)) if campaign else {},
            "location": self.location,
            "client": self.client,
            "attributes": {"experiment": "b", "visits": user["statistics"]["sessions"] + 1},
            "statistics": {"pageViews": 0, "tabViews": 1, "orders": 0},
        }
        self._arrive()
        self._browse()
        self._leave()

    def _maybe(self, chance: float) -> bool:
        return self.everything or self.random.random() < chance

    def _add(self, event_type: str, /, *, wait: int = 20 * SECOND, **payload: Any) -> None:
        self.time += self.random.randrange(50, wait)
        context = {
            "type": "web",
            "metadata": {"release": "1.42"},
            "tabId": self.tab,
            "url": self.url,
        }
        event = self.world.event(self.session, self.time, {"@type": event_type, **payload}, context)
        self.events.append(event)
        self.session["window"]["end"] = self.time

    def _arrive(self) -> None:
        self._add("tabOpened", wait=100, tabId=self.tab)
        self._page("/", "Welcome – Example Outfitters")
        self._add("clientDetected", wait=100, client=self.client)
        self._add("locationDetected", wait=100, location=self.location)
        if self._maybe(0.5):
            self._add(
                "audienceMatched",
                audienceIds=[
                    {"id": "returning", "name": "Returning visitors", "customId": "returning"},
                    {"id": "hikers", "name": None, "customId": None},
                ],
            )
        if self._maybe(0.5):
            self._personalize()
        if self._maybe(0.1):
            self._add("testGroupAssigned", testId="checkout-button", groupId="b")
        if self.user["externalUserId"] is None and self._maybe(0.2):
            self.world.sign_up(self.user)
            self._add("userSignedUp", externalUserId=self.user["externalUserId"])
        if self.user["externalUserId"] and self._maybe(0.5):
            self._add("userSignedIn", externalUserId=self.user["externalUserId"])

    def _page(self, path: str, title: str) -> None:
        referrer, self.url = self.url, f"{SHOP}{path}"
        agent = self.client["browser"]["name"]
        self._add(
            "pageOpened",
            url=self.url,
            userAgent=f"Mozilla/5.0 ({agent})" if agent else None,
            preferredLanguages="de-DE,de;q=0.9,en;q=0.8",
            referrer=referrer,
        )
        self._add(
            "pageLoaded", wait=3 * SECOND, url=self.url, title=title,
            lastModifiedTime=self.time - DAY,
        )  # fmt: skip
        self.session["statistics"]["pageViews"] += 1

    def _personalize(self) -> None:
        variant = self._maybe(0.5)
        self._add(
            "slotPersonalized",
            personalization={
                "audienceId": "2b8aa2a4-5cd7-4b07-a1dd-1f9c3c2b0d5e",
                "slotId": "7d1a4a7b-6f3f-4b0e-8a43-4a3a6c3d9d11",
                "experienceId": "0f3d3a77-62d5-4c4f-9f0c-64c1b2a7a001",
                "contentId": self.world.uuid(),
                "slotVersion": {"majorVersion": "2", "minorVersion": "0"},
                "assignedVariant": {
                    "experimentId": "5a1f8f8c-0b9f-4f06-8f2c-5b3f3f3a7b22",
                    "variantId": self.random.choice(
                        (
                            "aaaaaaaa-0000-4000-8000-000000000001",
                            "bbbbbbbb-0000-4000-8000-000000000002",
                        )
                    ),
                }
                if variant
                else None,
                "locale": "de-DE",
            },
            metadata={
                "audienceName": "Returning visitors",
                "audienceCustomId": "returning",
                "slotName": "Home hero",
                "slotCustomId": "home-hero",
                "experienceName": "Welcome back",
                "experimentName": "Hero test" if variant else None,
                "variantName": None,
            },
        )

    def _browse(self) -> None:
        cart: list[Item] = []
        for number in range(self.random.randrange(1, 5)):
            product = _product(self.random.choice(PRODUCTS), self.currency)
            self._page(f"/p/{product['productId']}", product["name"])
            if self._maybe(0.3):
                self._add("tabUrlChanged", tabId=self.tab, url=f"{self.url}#reviews")
            self._add("productViewed", product=product)
            size = {"width": 1440, "height": 5210.5}
            if self._maybe(0.4):
                self._add(
                    "userScrolled",
                    start={"x": 0, "y": 0},
                    end={"x": 0, "y": self.random.randrange(4000) + 0.25},
                    surfaceSize=size,
                    viewportSize={"width": 1440, "height": 900},
                )
            if self._maybe(0.4):
                self._add("userClicked", point={"x": 611.5, "y": 1302}, surfaceSize=size)
            if self._maybe(0.35):
                quantity = self.random.randrange(1, 4)
                cart.append(
                    {
                        "index": number,
                        "product": product,
                        "quantity": quantity,
                        "total": round(product["displayPrice"] * quantity, 2),
                        "discount": None,
                        "coupon": None,
                    }
                )
                self._add("cartModified", cart=self._cart(cart))
        if cart:
            self._check_out(cart)
        elif self._maybe(0.2):
            self._add("leadGenerated", leadId=f"lead-{self.time}", value="12.50", currency="EUR")
        if self._maybe(0.1):
            self._add("leadGenerated", leadId=f"lead-{self.time}")

    def _cart(self, items: list[Item]) -> Item:
        subtotal = round(sum(item["total"] for item in items), 2)
        return {
            "currency": self.currency,
            "items": copy.deepcopy(items),
            "subtotal": subtotal,
            "shippingPrice": 4.9,
            "taxes": {"VAT": round(subtotal * 0.19, 2)},
            "costs": None,
            "discount": None,
            "total": round(subtotal * 1.19 + 4.9, 2),
            "coupon": self.random.choice((None, "WELCOME10")),
            "lastUpdateTime": self.time,
        }

    def _check_out(self, items: list[Item]) -> None:
        self._page("/cart", "Cart")
        cart = self._cart(items)
        self._add("cartViewed", cart=cart)
        if not self._maybe(0.6):
            self._abandon(items, cart)
            return
        order_id = self.world.uuid()
        self._add("checkoutStarted", cart=cart, orderId=self.random.choice((order_id, None)))
        if self._maybe(0.7):
            order = {name: value for name, value in cart.items() if name != "lastUpdateTime"}
            self._add(
                "orderPlaced",
                order={
                    "orderId": order_id,
                    **order,
                    "paymentMethod": "card",
                    "installments": self.random.choice((1, 3, None)),
                    "status": self.random.choice(("PLACED", "PAID")),
                },
            )
            self._add("goalCompleted", goalId="order", value=str(cart["total"]), currency="EUR")
            self.session["statistics"]["orders"] += 1
            self.user["statistics"]["orders"] += 1
        if self.everything:
            self._abandon(items, cart)

    def _abandon(self, items: list[Item], cart: Item) -> None:
        self._add("productAbandoned", cartItem=items[0], cart=cart)
        self._add("cartAbandoned", cart=cart)

    def _leave(self) -> None:
        if self._maybe(0.2):
            self._add(
                "eventOccurred", name="wishlist", details={"items": 3, "public": False, "note": "ü"}
            )
        if self._maybe(0.3):
            self._add("tabVisibilityChanged", tabId=self.tab, visibility="HIDDEN")
            self._add("nothingChanged", sinceTime=self.time)
        if self.user["externalUserId"] and self._maybe(0.2):
            self._add("userSignedOut", externalUserId=self.user["externalUserId"])
        self.session["closeTime"] = self.time + SESSION_TIMEOUT
        self.session["externalUserId"] = self.user["externalUserId"]
        self.user["statistics"]["sessions"] += 1
        self.user["lastModifiedTime"] = self.time


def _location(place: tuple[Any, ...]) -> Item:
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


def _client(browser: tuple[Any, ...]) -> Item:
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


def _product(product: tuple[Any, ...], currency: str) -> Item:
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

"""A visit to the shop: its session and its events."""

from __future__ import annotations

import copy
from typing import TYPE_CHECKING, Any

from dev.sandbox.shop import (
    BROWSERS,
    CAMPAIGNS,
    DAY,
    PLACES,
    PRODUCTS,
    SECOND,
    SESSION_TIMEOUT,
    SHOP,
    VARIANTS,
    Item,
    client,
    location,
    personalization,
    product_of,
)

if TYPE_CHECKING:
    from dev.sandbox.world import World


class Visit:
    """One visit: its session and its events."""

    def __init__(self, world: World, user: Item, *, everything: bool) -> None:
        """Let a user visit the shop.

        Args:
            world: Where it happens; the visit uses its random numbers and its current time.
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
        self.location = location(place)
        self.client = client(self.random.choice(BROWSERS))
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
        in_test = self._maybe(0.5)
        content_id = self.world.uuid()
        variant_id = self.random.choice(VARIANTS) if in_test else None
        self._add("slotPersonalized", **personalization(content_id, variant_id))

    def _browse(self) -> None:
        cart: list[Item] = []
        for number in range(self.random.randrange(1, 5)):
            product = product_of(self.random.choice(PRODUCTS), self.currency)
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

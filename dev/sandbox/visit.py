"""A visit to the shop: its session and its events."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from dev.sandbox import shop

if TYPE_CHECKING:
    from dev.sandbox.shop import Item
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
        self.url = f"{shop.SHOP}/"
        self.events: list[Item] = []
        place = self.random.choice(shop.PLACES)
        self.currency = place[8] if world.currencies else shop.CURRENCY
        self.location = shop.location(place)
        self.client = shop.client(self.random.choice(shop.BROWSERS))
        campaign = self.random.choice(shop.CAMPAIGNS)
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

    def _add(self, event_type: str, /, *, wait: int = 20 * shop.SECOND, **payload: Any) -> None:
        self.time += self.random.randrange(50, wait)
        context = {**shop.CONTEXT, "tabId": self.tab, "url": self.url}
        event = self.world.event(self.session, self.time, {"@type": event_type, **payload}, context)
        self.events.append(event)
        self.session["window"]["end"] = self.time

    def _perhaps(self, chance: float, event_type: str, /, **payload: Any) -> None:
        if self._maybe(chance):
            self._add(event_type, **payload)

    def _arrive(self) -> None:
        self._add("tabOpened", wait=100, tabId=self.tab)
        self._page("/", "Welcome – Example Outfitters")
        self._add("clientDetected", wait=100, client=self.client)
        self._add("locationDetected", wait=100, location=self.location)
        self._perhaps(0.5, "audienceMatched", audienceIds=shop.AUDIENCES)
        if self._maybe(0.5):
            self._personalize()
        self._perhaps(0.1, "testGroupAssigned", testId="checkout-button", groupId="b")
        if self.user["externalUserId"] is None and self._maybe(0.2):
            self.world.sign_up(self.user)
            self._add("userSignedUp", externalUserId=self.user["externalUserId"])
        if self.user["externalUserId"] and self._maybe(0.5):
            self._add("userSignedIn", externalUserId=self.user["externalUserId"])

    def _page(self, path: str, title: str) -> None:
        referrer, self.url = self.url, f"{shop.SHOP}{path}"
        agent = self.client["browser"]["name"]
        reader: Item = {
            "userAgent": f"Mozilla/5.0 ({agent})" if agent else None,
            "preferredLanguages": "de-DE,de;q=0.9,en;q=0.8",
        }
        self._add("pageOpened", url=self.url, **reader, referrer=referrer)
        loaded: Item = {"url": self.url, "title": title, "lastModifiedTime": self.time - shop.DAY}
        self._add("pageLoaded", wait=3 * shop.SECOND, **loaded)
        self.session["statistics"]["pageViews"] += 1

    def _personalize(self) -> None:
        variant = None
        if self._maybe(0.6):
            # A user keeps a variant, unless it was forgotten, as by another device.
            seed = 0 if self._maybe(0.1) else int(self.user["userId"][:8], 16)
            variant = shop.VARIANTS[seed % len(shop.VARIANTS)]
        experience = self.random.choice(shop.EXPERIENCES)
        shown = shop.personalization(experience, self.time, self.world.uuid(), variant)
        self._add("slotPersonalized", **shown)

    def _browse(self) -> None:
        cart: list[Item] = []
        for number in range(self.random.randrange(1, 5)):
            product = shop.product_of(self.random.choice(shop.PRODUCTS), self.currency)
            self._page(f"/p/{product['productId']}", product["name"])
            self._perhaps(0.3, "tabUrlChanged", tabId=self.tab, url=f"{self.url}#reviews")
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
            self._perhaps(0.4, "userClicked", point={"x": 611.5, "y": 1302}, surfaceSize=size)
            if self._maybe(0.35):
                quantity = self.random.randrange(1, 4)
                cart.append(shop.item_of(number, product, quantity))
                self._add("cartModified", cart=self._cart(cart))
        if cart:
            self._check_out(cart)
        elif self._maybe(0.2):
            value = f"{self.random.randrange(500, 5000) / 100:.2f}"
            self._add("leadGenerated", leadId=f"lead-{self.time}", value=value, currency="EUR")
        self._perhaps(0.1, "leadGenerated", leadId=f"lead-{self.time}")

    def _cart(self, items: list[Item]) -> Item:
        cart = shop.cart_of(items, self.currency, self.random.choice((None, "WELCOME10")))
        return {**cart, "lastUpdateTime": self.time}

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
            self._order(order_id, cart)
            if self._maybe(0.2):
                # Some order again: two orders in one session.
                self._order(self.world.uuid(), self._cart(items[:1]))
        if self.everything:
            self._abandon(items, cart)

    def _order(self, order_id: str, cart: Item) -> None:
        order = {
            "orderId": order_id,
            **{name: value for name, value in cart.items() if name != "lastUpdateTime"},
            "paymentMethod": "card",
            "installments": self.random.choice((1, 3, None)),
            "status": "PLACED",
        }
        self._add("orderPlaced", order=order)
        self._add("goalCompleted", goalId="order", value=str(cart["total"]), currency=self.currency)
        for _ in range(2 if self.everything else self.random.randrange(3)):
            order = shop.moved_on(order)
            self._add("orderPlaced", order=order)
        self.world.placed(self.session, self.user, order)

    def _abandon(self, items: list[Item], cart: Item) -> None:
        self._add("productAbandoned", cartItem=items[0], cart=cart)
        self._add("cartAbandoned", cart=cart)

    def _leave(self) -> None:
        details = {"items": 3, "public": False, "note": "ü"}
        self._perhaps(0.2, "eventOccurred", name="wishlist", details=details)
        self._perhaps(0.15, "goalCompleted", goalId="newsletter", value=None, currency=None)
        if self._maybe(0.3):
            self._add("tabVisibilityChanged", tabId=self.tab, visibility="HIDDEN")
            self._add("nothingChanged", sinceTime=self.time)
        if self.user["externalUserId"] and self._maybe(0.2):
            self._add("userSignedOut", externalUserId=self.user["externalUserId"])
        self.session["closeTime"] = self.time + shop.SESSION_TIMEOUT
        self.session["externalUserId"] = self.user["externalUserId"]
        self.user["statistics"]["sessions"] += 1
        self.user["lastModifiedTime"] = self.time

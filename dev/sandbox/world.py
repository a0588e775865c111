"""The data of the sandbox: people who visit a shop, browse, fill carts, order, and return."""

import copy
import math
import random
import uuid
from collections import defaultdict
from dataclasses import dataclass, field

from dev.sandbox import shop
from dev.sandbox.shop import BEGINNING, DAY, METADATA, Item
from dev.sandbox.visit import Visit

__all__ = ["BEGINNING", "DAY", "METADATA", "Log", "World"]


@dataclass
class Log:
    """What a stream exports, in the order in which it became available.

    An item that changes is exported again, in place of its earlier version: a session whose close
    time moved, a user with another profile.
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

    def __init__(
        self, seed: int = 1, visits: int = 250, *, ids: bool = True, currencies: bool = False
    ) -> None:
        """Make a world.

        Args:
            seed: Two worlds with the same seed and the same history are equal.
            visits: Number of visits that have happened.
            ids: Whether events have an `id`; contracts before 0.6.0 gave none.
            currencies: Whether people pay in the currency of their country; else all pay in one.
        """
        self.random = random.Random(seed)
        self.now = BEGINNING
        self.ids = ids
        self.currencies = currencies
        self.logs = {
            "events": Log("id", "timestamp"),
            "sessions": Log("sessionId", "closeTime"),
            "users": Log("userId", "lastModifiedTime"),
        }
        self._users: list[Item] = []
        self._sessions: list[Item] = []
        self._orders: dict[str, tuple[Item, Item]] = {}
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
            self.now += int(self.random.expovariate(1 / (40 * shop.MINUTE))) + shop.SECOND
            user = self._visitor()
            visit = Visit(self, user, everything=number == 0)
            batch["events"] += visit.events
            batch["sessions"].append(visit.session)
            users[user["userId"]] = user
            self._sessions.append(visit.session)
        for stream, items in (*batch.items(), ("users", list(users.values()))):
            self.logs[stream].extend(items)

    def go_on(self, visits: int) -> None:
        """Let time pass: people visit, and a tenth as many events, orders and changes are late."""
        self.visits(visits)
        late = math.ceil(visits / 10)
        self.late_events(late)
        self.late_orders(late)
        self.change_users(late)

    def late_events(self, count: int) -> None:
        """Let events arrive that happened hours ago; their sessions close later for it."""
        for _ in range(count if self._sessions else 0):
            session = self.random.choice(self._sessions[-20:])
            end = session["window"]["end"]
            self._arrive_late(session, {"@type": "nothingChanged", "sinceTime": end})

    def late_orders(self, count: int) -> None:
        """Let orders arrive that were placed long ago, and in turn older orders move on."""
        for number in range(count if self._sessions else 0):
            session = self.random.choice(self._sessions)
            waiting = [
                known for known in self._orders.values() if known[1]["status"] != shop.STATUSES[-1]
            ]
            if number % 2 and waiting:
                session, order = self.random.choice(waiting)
                order = shop.moved_on(order)
                self._orders[order["orderId"]] = (session, order)
            else:
                currency = (
                    session["location"]["currency"]["code"] if self.currencies else shop.CURRENCY
                )
                item = shop.item_of(
                    0, shop.product_of(self.random.choice(shop.PRODUCTS), currency), 3
                )
                details = {"paymentMethod": None, "installments": None, "status": "PLACED"}
                order = {"orderId": self.uuid(), **shop.cart_of([item], currency, None), **details}
                (user,) = (u for u in self._users if u["userId"] == session["userId"])
                self.placed(session, user, order)
                self._change(user)
            self._arrive_late(session, {"@type": "orderPlaced", "order": order})

    def placed(self, session: Item, user: Item, order: Item) -> None:
        """Count an order, in its session and for its user, and remember how it stands."""
        self._orders[order["orderId"]] = (session, order)
        session["statistics"]["orders"] += 1
        user["statistics"]["orders"] += 1

    def _arrive_late(self, session: Item, payload: Item) -> None:
        end = int(session["window"]["end"])
        event = self.event(session, end + self.random.randrange(shop.SESSION_TIMEOUT), payload)
        session["window"]["end"] = event["timestamp"]
        session["closeTime"] = max(self.now, event["timestamp"] + shop.SESSION_TIMEOUT)
        self.now += shop.SECOND
        self.logs["events"].extend([event])
        self.logs["sessions"].extend([session])

    def change_users(self, count: int) -> None:
        """Let users change their profile."""
        for user in self.random.sample(self._users, min(count, len(self._users))):
            self.now += shop.SECOND
            user["jobTitle"] = f"Ranger {self.now}"
            self._change(user)

    def _change(self, user: Item) -> None:
        """Export a user again: later than before, even if the last visit went on until now."""
        user["lastModifiedTime"] = max(self.now, user["lastModifiedTime"] + 1)
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
        first, last = self.random.choice(shop.NAMES)
        place = self.random.choice(shop.PLACES)
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

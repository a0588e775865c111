"""What the models should hold: worked out from the API's data in plain Python, with `Decimal`."""

import json
from collections import defaultdict
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from datetime import datetime, timedelta, timezone
from decimal import ROUND_HALF_UP, Decimal
from typing import Any
from zoneinfo import ZoneInfo

from dev.sandbox import World

Row = dict[str, Any]
Tables = dict[str, list[Row]]

KEYS = {
    "stg_croct__events": "event_id",
    "stg_croct__sessions": "session_id",
    "stg_croct__users": "user_id",
    "croct__page_views": "event_id",
    "croct__product_views": "event_id",
    "croct__cart_events": "event_id",
    "croct__order_events": "event_id",
    "croct__personalizations": "event_id",
    "croct__goals": "event_id",
    "croct__leads": "event_id",
    "croct__custom_events": "event_id",
    "croct__orders": "order_id",
    "croct__order_items": "order_item_id",
    "croct__sessions": "session_id",
    "croct__users": "user_id",
    "croct__experiment_exposures": "exposure_id",
    "croct__experiment_results": "experiment_variant_id",
    "croct__experiences": "placement_id",
    "croct__products": "product_id",
    "croct__daily": "day",
}
"""Each model, with its key."""

_EVENT = {"event_id": "id", "session_id": "sessionId", "user_id": "userId"}
_AMOUNTS = ("currency", "items", "subtotal", "discount", "total", "coupon")
_CART = {"shipping_price": "shippingPrice", **{name: name for name in _AMOUNTS}}
_EVENT_MODELS: dict[str, tuple[tuple[str, ...], dict[str, str]]] = {
    "croct__page_views": (
        ("pageOpened",),
        {"url": "url", "referrer": "referrer", "user_agent": "userAgent",
         "preferred_languages": "preferredLanguages"},
    ),
    "croct__product_views": (
        ("productViewed",),
        {"product_id": "product.productId", "sku": "product.sku", "product_name": "product.name",
         "category": "product.category", "brand": "product.brand", "variant": "product.variant",
         "price": "product.displayPrice", "original_price": "product.originalPrice",
         "currency": "product.currency", "url": "product.url"},
    ),
    "croct__cart_events": (
        ("cartViewed", "cartModified", "cartAbandoned", "checkoutStarted", "productAbandoned"),
        {"event_type": "@type", "order_id": "orderId",
         "abandoned_product_id": "cartItem.product.productId",
         **{name: f"cart.{path}" for name, path in _CART.items()}},
    ),
    "croct__order_events": (
        ("orderPlaced",),
        {"order_id": "order.orderId", "status": "order.status", "taxes": "order.taxes",
         "costs": "order.costs", "payment_method": "order.paymentMethod",
         "installments": "order.installments",
         **{name: f"order.{path}" for name, path in _CART.items()}},
    ),
    "croct__personalizations": (
        ("slotPersonalized",),
        {"experience_id": "personalization.experienceId",
         "experience_name": "metadata.experienceName",
         "audience_id": "personalization.audienceId", "audience_name": "metadata.audienceName",
         "audience_custom_id": "metadata.audienceCustomId", "slot_id": "personalization.slotId",
         "slot_name": "metadata.slotName", "slot_custom_id": "metadata.slotCustomId",
         "slot_major_version": "personalization.slotVersion.majorVersion",
         "slot_minor_version": "personalization.slotVersion.minorVersion",
         "content_id": "personalization.contentId", "locale": "personalization.locale",
         "experiment_id": "personalization.assignedVariant.experimentId",
         "experiment_name": "metadata.experimentName",
         "variant_id": "personalization.assignedVariant.variantId",
         "variant_name": "metadata.variantName"},
    ),
    "croct__goals": (
        ("goalCompleted",), {"goal_id": "goalId", "value": "value", "currency": "currency"},
    ),
    "croct__leads": (
        ("leadGenerated",), {"lead_id": "leadId", "value": "value", "currency": "currency"},
    ),
    "croct__custom_events": (("eventOccurred",), {"event_name": "name", "details": "details"}),
}  # fmt: skip
_SESSION = {
    "session_id": "sessionId", "user_id": "userId", "parent_session_id": "parentId",
    "external_user_id": "externalUserId", "referrer": "referrer",
    "landing_page_url": "landingPageUrl", "campaign_name": "campaign.name",
    "campaign_source": "campaign.source", "campaign_medium": "campaign.medium",
    "campaign_content": "campaign.content", "campaign_term": "campaign.term",
    "continent": "location.continent", "country": "location.country",
    "region": "location.region.name", "city": "location.city", "timezone": "location.timezone",
    "browser": "client.browser.name", "browser_type": "client.browser.type",
    "device_category": "client.device.category", "device_vendor": "client.device.vendor",
    "device_name": "client.device.name", "operating_system": "client.device.operatingSystem.name",
    "attributes": "attributes", "page_views": "statistics.pageViews",
    "tab_views": "statistics.tabViews", "reported_orders": "statistics.orders",
    "additional_properties": "additionalProperties",
}  # fmt: skip
_USER = {
    "user_id": "userId", "external_user_id": "externalUserId", "first_name": "firstName",
    "last_name": "lastName", "gender": "gender", "email": "email",
    "alternate_email": "alternateEmail", "phone": "phone", "alternate_phone": "alternatePhone",
    "street": "address.street", "district": "address.district", "city": "address.city",
    "region": "address.region", "country": "address.country", "postal_code": "address.postalCode",
    "avatar": "avatar", "company": "company", "company_url": "companyUrl", "job_title": "jobTitle",
    "activities": "activities", "interests": "interests", "custom_attributes": "customAttributes",
    "reported_orders": "statistics.orders", "reported_sessions": "statistics.sessions",
    "additional_properties": "additionalProperties",
}  # fmt: skip


def at(value: Any, path: str) -> Any:
    """Return what is at a path such as `order.total`; nothing, if there is none."""
    for name in path.split("."):
        value = (value or {}).get(name)
    return value


def time(ms: int | None) -> str | None:
    """Format a time as PostgreSQL has it in JSON."""
    if ms is None:
        return None
    moment = datetime(1970, 1, 1, tzinfo=timezone.utc) + timedelta(milliseconds=ms)
    text = moment.replace(tzinfo=None).isoformat(timespec="microseconds")
    return text.rstrip("0").rstrip(".")


def ratio(part: int, whole: int) -> Decimal | None:
    if not whole:
        return None
    return (Decimal(part) / whole).quantize(Decimal("0.000001"), ROUND_HALF_UP)


def by(rows: Iterable[Row], *names: str) -> dict[Any, list[Row]]:
    """Group rows by the value of a column, or by the values of several."""
    groups: dict[Any, list[Row]] = defaultdict(list)
    for row in rows:
        groups[row[names[0]] if len(names) == 1 else tuple(row[name] for name in names)].append(row)
    return groups


def revenue_of(rows: Iterable[Row]) -> Decimal:
    return sum((row["revenue"] for row in rows if row["revenue"] is not None), Decimal(0))


@dataclass
class Expected:
    """The models of some records."""

    events: list[Row]
    sessions: list[Row]
    users: list[Row]
    reporting_currency: str | None = None
    exchange_rates: dict[str, str] = field(default_factory=dict)
    zone: str = "UTC"

    @classmethod
    def of(cls, world: World, **options: Any) -> "Expected":
        """Take all that the API exports."""
        streams = {
            name: json.loads(json.dumps(world.items(name)), parse_float=Decimal)
            for name in ("events", "sessions", "users")
        }
        return cls(**{**streams, **options})

    def tables(self) -> Tables:
        """Return all models."""
        self.made: Tables = {**self._staging(), **self._event_models()}
        steps: dict[str, Callable[[], list[Row]]] = {
            "croct__orders": self._orders,
            "croct__order_items": self._order_items,
            "croct__sessions": self._sessions,
            "croct__users": self._users,
            "croct__experiment_exposures": self._exposures,
            "croct__experiment_results": self._results,
            "croct__experiences": self._experiences,
            "croct__products": self._products,
            "croct__daily": self._daily,
        }
        for name, step in steps.items():
            self.made[name] = step()
        return self.made

    def _day(self, text: str | None) -> str | None:
        if text is None:
            return None
        moment = datetime.fromisoformat(text).replace(tzinfo=timezone.utc)
        return moment.astimezone(ZoneInfo(self.zone)).date().isoformat()

    def _revenue(self, amount: Decimal | None, currency: str) -> Decimal | None:
        if amount is None or self.reporting_currency in (None, currency):
            return amount
        rate = self.exchange_rates.get(currency)
        return None if rate is None else round(amount * Decimal(rate), 9)

    def _staging(self) -> Tables:
        events = [
            {
                **{name: at(item, path) for name, path in _EVENT.items()},
                "event_type": item["payload"]["@type"],
                "occurred_at": time(item["timestamp"]),
                "tab_id": at(item, "context.tabId"),
                "url": at(item, "context.url"),
                "workspace_slug": "shop",
                "application_slug": "web-shop",
                "payload": item["payload"],
                "additional_properties": None,
            }
            for item in self.events
        ]
        sessions = [
            {
                **{name: at(item, path) for name, path in _SESSION.items()},
                "started_at": time(at(item, "window.start")),
                "ended_at": time(at(item, "window.end")),
                "closed_at": time(item["closeTime"]),
            }
            for item in self.sessions
        ]
        users = []
        for item in self.users:
            row = {name: at(item, path) for name, path in _USER.items()}
            for name in ("activities", "interests"):
                row[name] = [row[name]] if isinstance(row[name], str) else row[name]
            birth = time(item["birthDate"])
            row |= {
                "birth_date": birth and birth[:10],
                "modified_at": time(item["lastModifiedTime"]),
            }
            users.append(row)
        return {
            "stg_croct__events": events,
            "stg_croct__sessions": sessions,
            "stg_croct__users": users,
        }

    def _event_models(self) -> Tables:
        made = {}
        for model, (types, columns) in _EVENT_MODELS.items():
            rows = [
                {
                    **{name: at(item, path) for name, path in _EVENT.items()},
                    "occurred_at": time(item["timestamp"]),
                    **{name: at(item["payload"], path) for name, path in columns.items()},
                }
                for item in self.events
                if item["payload"]["@type"] in types
            ]
            for row in rows:
                if "items" in row:
                    row["item_count"] = len(row["items"] or ())
                if "value" in row and row["value"] is not None:
                    row["value"] = Decimal(row["value"])
            made[model] = rows
        return made

    def _orders(self) -> list[Row]:
        ranks = [None, "PLACED", "PAID", "COMPLETED"]
        rows = []
        for order_id, versions in by(self.made["croct__order_events"], "order_id").items():
            latest = max(
                versions, key=lambda v: (v["occurred_at"], ranks.index(v["status"]), v["event_id"])
            )
            first = min(versions, key=lambda v: (v["occurred_at"], v["event_id"]))
            row = {n: v for n, v in latest.items() if n not in ("event_id", "occurred_at")}
            rows.append({
                **row,
                "order_id": order_id,
                "session_id": first["session_id"],
                "user_id": first["user_id"],
                "placed_at": first["occurred_at"],
                "placed_on": self._day(first["occurred_at"]),
                "updated_at": latest["occurred_at"],
                "revenue": self._revenue(row["total"], row["currency"]),
            })  # fmt: skip
        return rows

    def _order_items(self) -> list[Row]:
        kept = ("order_id", "session_id", "user_id", "placed_at", "placed_on", "status", "currency")
        return [
            {
                **{name: order[name] for name in kept},
                "order_item_id": f"{order['order_id']}-{position}",
                "position": position,
                **{name: at(item, f"product.{name}") for name in ("sku", "category", "brand", "variant")},
                **{name: item[name] for name in ("quantity", "discount", "total", "coupon")},
                "product_id": at(item, "product.productId"),
                "product_name": at(item, "product.name"),
                "price": at(item, "product.displayPrice"),
                "revenue": self._revenue(item["total"], order["currency"]),
            }
            for order in self.made["croct__orders"]
            for position, item in enumerate(order["items"] or ())
        ]  # fmt: skip

    def _sessions(self) -> list[Row]:
        left_out = {
            "parent_session_id", "external_user_id", "campaign_content", "campaign_term",
            "continent", "timezone", "browser_type", "device_vendor", "device_name", "attributes",
            "tab_views", "additional_properties",
        }  # fmt: skip
        views = by(self.made["croct__product_views"], "session_id")
        carts = by(self.made["croct__cart_events"], "session_id")
        orders = by(self.made["croct__orders"], "session_id")
        of_user = by(self.made["stg_croct__sessions"], "user_id")
        rows = []
        for session in self.made["stg_croct__sessions"]:
            key = session["session_id"]
            siblings = sorted(
                (other["started_at"], other["session_id"]) for other in of_user[session["user_id"]]
            )
            rows.append({
                **{name: value for name, value in session.items() if name not in left_out},
                "session_number": siblings.index((session["started_at"], key)) + 1,
                "started_on": self._day(session["started_at"]),
                "is_bot": session["device_category"] == "BOT" or session["browser_type"] == "CRAWLER",
                "has_product_view": key in views,
                "has_cart": any(event["item_count"] for event in carts.get(key, ())),
                "has_checkout": any(
                    event["event_type"] == "checkoutStarted" for event in carts.get(key, ())
                ),
                "has_order": key in orders,
                "order_count": len(orders.get(key, ())),
                "revenue": revenue_of(orders.get(key, ())),
            })  # fmt: skip
        return rows

    def _users(self) -> list[Row]:
        profiles = {row["user_id"]: row for row in self.made["stg_croct__users"]}
        sessions = by(self.made["croct__sessions"], "user_id")
        events = by(self.made["stg_croct__events"], "user_id")
        orders = by(self.made["croct__orders"], "user_id")
        rows = []
        for user_id in {*profiles, *sessions, *events}:
            profile = profiles.get(user_id, {})
            visits = sorted(sessions.get(user_id, ()), key=lambda s: s["session_number"])
            campaign = next((s for s in visits if s["campaign_name"]), {})
            times = [event["occurred_at"] for event in events.get(user_id, ())]
            first = [*times, *(session["started_at"] for session in visits)]
            last = [*times, *(session["ended_at"] for session in visits)]
            placed = [order["placed_at"] for order in orders.get(user_id, ())]
            rows.append({
                "user_id": user_id,
                **{name: profile.get(name) for name in ("external_user_id", "gender", "country")},
                "first_seen_at": min(first, default=None),
                "last_seen_at": max(last, default=None),
                **{f"first_{name}": campaign.get(name)
                   for name in ("campaign_name", "campaign_source", "campaign_medium")},
                "is_bot": any(session["is_bot"] for session in visits),
                "session_count": len(visits),
                "order_count": len(placed),
                "first_order_at": min(placed, default=None),
                "last_order_at": max(placed, default=None),
                "lifetime_revenue": revenue_of(orders.get(user_id, ())),
            })  # fmt: skip
        return rows

    def _exposures(self) -> list[Row]:
        impressions = [row for row in self.made["croct__personalizations"] if row["variant_id"]]
        orders = by(self.made["croct__orders"], "user_id")
        goals = by(self.made["croct__goals"], "user_id")
        rows = []
        for (experiment, user), seen in by(impressions, "experiment_id", "user_id").items():
            first = min(seen, key=lambda row: (row["occurred_at"], row["event_id"]))
            start = first["occurred_at"]
            end = (datetime.fromisoformat(start) + timedelta(days=30)).isoformat()
            bought = [o for o in orders.get(user, ()) if start <= o["placed_at"] < end]
            reached = [g for g in goals.get(user, ()) if start <= g["occurred_at"] < end]
            rows.append({
                "exposure_id": f"{experiment}-{user}",
                "experiment_id": experiment,
                "user_id": user,
                "variant_id": first["variant_id"],
                "exposed_at": start,
                "saw_other_variant": len({row["variant_id"] for row in seen}) > 1,
                "order_count": len(bought),
                "revenue": revenue_of(bought),
                "goal_count": len(reached),
            })  # fmt: skip
        return rows

    def _results(self) -> list[Row]:
        rows = []
        impressions = by(self.made["croct__personalizations"], "experiment_id", "variant_id")
        exposures = by(self.made["croct__experiment_exposures"], "experiment_id", "variant_id")
        for (experiment, variant), users in exposures.items():
            latest = _latest(impressions[experiment, variant])
            converted = sum(user["order_count"] > 0 for user in users)
            rows.append({
                "experiment_variant_id": f"{experiment}-{variant}",
                "experiment_id": experiment,
                "experiment_name": latest["experiment_name"],
                "variant_id": variant,
                "variant_name": latest["variant_name"],
                "user_count": len(users),
                "users_with_other_variants": sum(user["saw_other_variant"] for user in users),
                "converted_users": converted,
                "conversion_rate": ratio(converted, len(users)),
                "order_count": sum(user["order_count"] for user in users),
                "goal_count": sum(user["goal_count"] for user in users),
                "revenue": revenue_of(users),
            })  # fmt: skip
        return rows

    def _experiences(self) -> list[Row]:
        orders = by(self.made["croct__orders"], "session_id")
        rows = []
        ids = ("experience_id", "audience_id", "slot_id")
        for key, shown in by(self.made["croct__personalizations"], *ids).items():
            latest = _latest(shown)
            sessions = {row["session_id"] for row in shown}
            buying = [session for session in sessions if session in orders]
            names = (*ids, "experience_name", "audience_name", "slot_name")
            rows.append({
                "placement_id": "-".join(key),
                **{name: latest[name] for name in names},
                "impressions": len(shown),
                "sessions": len(sessions),
                "sessions_with_order": len(buying),
                "revenue": revenue_of(order for session in buying for order in orders[session]),
            })  # fmt: skip
        return rows

    def _products(self) -> list[Row]:
        views = by(self.made["croct__product_views"], "product_id")
        items = by(self.made["croct__order_items"], "product_id")
        in_cart: dict[str, list[Row]] = defaultdict(list)
        for event in self.made["croct__cart_events"]:
            for item in event["items"] or ():
                in_cart[at(item, "product.productId")].append({
                    "product_name": at(item, "product.name"),
                    "category": at(item, "product.category"),
                    "brand": at(item, "product.brand"),
                    "session_id": event["session_id"],
                })  # fmt: skip
        rows = []
        for key in {*views, *items, *in_cart}:
            # Products keep their names in the sandbox.
            named = [*views[key], *items[key], *in_cart[key]][0]
            rows.append({
                "product_id": key,
                **{name: named[name] for name in ("product_name", "category", "brand")},
                "views": len(views[key]),
                "sessions_viewed": len({row["session_id"] for row in views[key]}),
                "sessions_in_cart": len({row["session_id"] for row in in_cart[key]}),
                "orders": len({row["order_id"] for row in items[key]}),
                "units": sum(row["quantity"] for row in items[key]),
                "revenue": revenue_of(items[key]),
            })  # fmt: skip
        return rows

    def _daily(self) -> list[Row]:
        sessions = by(self.made["croct__sessions"], "started_on")
        orders = by(self.made["croct__orders"], "placed_on")
        rows = []
        for day in {*sessions, *orders}:
            funnel = {
                f"sessions_with_{step}": sum(row[f"has_{step}"] for row in sessions[day])
                for step in ("product_view", "cart", "checkout", "order")
            }
            rows.append({
                "day": day,
                "sessions": len(sessions[day]),
                "users": len({row["user_id"] for row in sessions[day]}),
                **funnel,
                "conversion_rate": ratio(funnel["sessions_with_order"], len(sessions[day])),
                "orders": len(orders[day]),
                "revenue": revenue_of(orders[day]),
            })  # fmt: skip
        return rows


def _latest(rows: list[Row]) -> Row:
    return max(rows, key=lambda row: (row["occurred_at"], row["event_id"]))


def differences(model: str, found: list[Row], wanted: list[Row]) -> list[str]:
    """Compare a model with the rows that it should have: keys, columns and values.

    Args:
        model: Its name.
        found: Its rows in the warehouse.
        wanted: The rows that it should have.

    Returns:
        A line for each difference; the first ten of them.
    """
    key = KEYS[model]
    rows = {row[key]: row for row in found}
    lines = []
    if len(rows) != len(found):
        lines.append(f"{model}: {len(found) - len(rows)} keys are there twice")
    expected = {row[key]: row for row in wanted}
    lines += [f"{model}: {name} should not be there" for name in rows.keys() - expected.keys()]
    lines += [f"{model}: {name} is missing" for name in expected.keys() - rows.keys()]
    for name in rows.keys() & expected.keys():
        row, want = rows[name], expected[name]
        for column in (row.keys() | want.keys()) - {"loaded_at"}:
            have, should = row.get(column, "no such column"), want.get(column, "not expected")
            if have != should:
                lines.append(f"{model} {name} {column}: {have!r}, should be {should!r}")
    return lines[:10]

"""The contract of the Export API (0.7.1) as schemas, and the shape of stream maps.

Property names, types and meanings are those of the API's published clients. Everything but the
primary keys is nullable, because records written under older contracts leave properties out, and
every object allows further properties. Maps with free keys have no ``properties``: with an empty
set of them, flattening would leave such a map no column at all.
"""

from collections.abc import Iterable, Iterator
from typing import Any

from singer_sdk import typing as th
from singer_sdk.mapper import NULL_STRING


def text(name: str, description: str) -> th.Property[Any]:
    """Declare a nullable string."""
    return th.Property(name, th.StringType, description=description)


def integer(name: str, description: str) -> th.Property[Any]:
    """Declare a nullable integer."""
    return th.Property(name, th.IntegerType, description=description)


def number(name: str, description: str) -> th.Property[Any]:
    """Declare a nullable number."""
    return th.Property(name, th.NumberType, description=description)


def time(name: str, description: str) -> th.Property[Any]:
    """Declare a time that the tap turns from milliseconds into an RFC 3339 string."""
    return th.Property(name, th.DateTimeType, description=description)


def key(name: str, description: str) -> th.Property[Any]:
    """Declare a primary key: the only kind of property that is never null."""
    return th.Property(name, th.StringType, required=True, description=description)


def record(name: str, properties: Iterable[th.Property[Any]], description: str) -> th.Property[Any]:
    """Declare a nullable object with known properties."""
    return th.Property(name, th.ObjectType(*properties), description=description)


def mapping(name: str, values: th.JSONTypeHelper[Any] | None, description: str) -> th.Property[Any]:
    """Declare a nullable object with free keys; its values can be anything, if not said."""
    schema = {"type": ["object"], "additionalProperties": values.to_dict() if values else True}
    return th.Property(name, th.CustomType(schema), description=description)


def strings(name: str, description: str) -> th.Property[Any]:
    """Declare a nullable list of strings."""
    return th.Property(name, th.ArrayType(th.StringType(nullable=True)), description=description)


def records(
    name: str, properties: Iterable[th.Property[Any]], description: str
) -> th.Property[Any]:
    """Declare a nullable list of objects."""
    items = th.ObjectType(*properties, nullable=True)
    return th.Property(name, th.ArrayType(items), description=description)


ADDITIONAL = "additionalProperties"
"""The column for what the API adds before the schemas know it."""

_ADDITIONAL = mapping(ADDITIONAL, None, "Properties that the API gave and this schema lacks")

AMOUNT = th.NumberType(nullable=True)

LOCATION = (
    text("continent", "Continent: AF, AN, AS, EU, NA, OC or SA"),
    text("country", "Country, as an ISO 3166 code"),
    record(
        "region",
        (text("name", "Name of the region"), text("code", "Code of the region")),
        "State, province or region",
    ),
    text("city", "City"),
    text("district", "District"),
    text("timezone", "Time zone, as an IANA name"),
    record(
        "coordinates",
        (number("latitude", "Latitude in degrees"), number("longitude", "Longitude in degrees")),
        "Geographic coordinates",
    ),
    record(
        "currency",
        (text("name", "Name of the currency"), text("code", "Code of the currency")),
        "Currency used at the location",
    ),
    text("phoneCode", "International calling code"),
    text("population", "Population, as text"),
    text("postalCode", "Postal code"),
    strings("languages", "Languages spoken at the location"),
    strings("tags", "Tags of the location"),
    text("source", "Where the location is from: UNKNOWN, IP, INPUT, BROWSER or GPS"),
)

CLIENT = (
    record(
        "browser",
        (
            text("name", "Name of the browser"),
            text("version", "Version of the browser"),
            text("type", "WEB, IN_APP, CRAWLER, OTHER or UNKNOWN"),
        ),
        "Browser",
    ),
    record(
        "device",
        (
            text("name", "Name of the device"),
            text("vendor", "Vendor of the device"),
            text("category", "DESKTOP, TABLET, MOBILE, BOT, OTHER or UNKNOWN"),
            record(
                "operatingSystem",
                (
                    text("name", "Name of the operating system"),
                    text("version", "Version of the operating system"),
                ),
                "Operating system",
            ),
        ),
        "Device",
    ),
)

CAMPAIGN = (
    text("name", "Name of the campaign (utm_campaign)"),
    text("source", "Source of the traffic (utm_source)"),
    text("medium", "Medium of the traffic (utm_medium)"),
    text("content", "Content that was clicked (utm_content)"),
    text("term", "Search term (utm_term)"),
)

PRODUCT = (
    text("productId", "Identifier of the product"),
    text("sku", "Stock keeping unit"),
    text("name", "Name of the product"),
    text("category", "Category of the product"),
    text("brand", "Brand of the product"),
    text("variant", "Variant of the product"),
    number("displayPrice", "Price shown to the user"),
    number("originalPrice", "Price before discounts"),
    text("currency", "Currency of the prices"),
    text("url", "URL of the product page"),
    text("imageUrl", "URL of the product image"),
)

ITEM = (
    integer("index", "Position in the cart, from 0"),
    record("product", PRODUCT, "Product"),
    integer("quantity", "Number of units"),
    number("total", "Total of the item"),
    number("discount", "Discount on the item"),
    text("coupon", "Coupon applied to the item"),
)

_AMOUNTS = (
    text("currency", "Currency of the amounts: an ISO 4217 or local code"),
    records("items", ITEM, "Items"),
    number("subtotal", "Total before shipping, taxes, costs and discounts"),
    number("shippingPrice", "Price of the shipping"),
    mapping("taxes", AMOUNT, "Taxes: name to amount"),
    mapping("costs", AMOUNT, "Other costs: name to amount"),
    number("discount", "Discount"),
    number("total", "Total"),
    text("coupon", "Coupon applied"),
)

CART = (
    *_AMOUNTS,
    integer("lastUpdateTime", "Last change of the cart, in milliseconds since the epoch"),
)

ORDER = (
    text("orderId", "Identifier of the order"),
    *_AMOUNTS,
    text("paymentMethod", "Payment method"),
    integer("installments", "Number of installments"),
    text("status", "PLACED, PAID or COMPLETED"),
)

POINT = (
    number("x", "Horizontal position in pixels"),
    number("y", "Vertical position in pixels"),
)

SIZE = (number("width", "Width in pixels"), number("height", "Height in pixels"))

CONTEXT = (
    text("type", "Kind of context: `web`"),
    mapping("metadata", th.StringType(nullable=True), "Metadata of the context"),
    text("tabId", "Identifier of the browser tab"),
    text("url", "URL of the page"),
)

_EXTERNAL_USER = text("externalUserId", "Identifier of the user in your systems")
_TAB = text("tabId", "Identifier of the browser tab")
_URL = text("url", "URL of the page")
_CART = record("cart", CART, "Shopping cart")
_VALUE = text("value", "Monetary value, as text")
_CURRENCY = text("currency", "Currency of the value")
_SURFACE = record("surfaceSize", SIZE, "Size of the whole page")

PAYLOADS: dict[str, tuple[th.Property[Any], ...]] = {
    "userSignedUp": (_EXTERNAL_USER,),
    "userSignedIn": (_EXTERNAL_USER,),
    "userSignedOut": (_EXTERNAL_USER,),
    "tabOpened": (_TAB,),
    "tabUrlChanged": (_TAB, _URL),
    "tabVisibilityChanged": (_TAB, text("visibility", "VISIBLE or HIDDEN")),
    "pageOpened": (
        _URL,
        text("userAgent", "User agent of the browser"),
        text("preferredLanguages", "Languages that the browser prefers"),
        text("referrer", "URL of the page before"),
    ),
    "pageLoaded": (
        _URL,
        text("title", "Title of the page"),
        integer("lastModifiedTime", "Last change of the page, in milliseconds since the epoch"),
    ),
    "locationDetected": (record("location", LOCATION, "Location of the user"),),
    "clientDetected": (record("client", CLIENT, "Browser and device of the user"),),
    "productViewed": (record("product", PRODUCT, "Product viewed"),),
    "productAbandoned": (record("cartItem", ITEM, "Item left in the cart"), _CART),
    "cartViewed": (_CART,),
    "cartModified": (_CART,),
    "cartAbandoned": (_CART,),
    "checkoutStarted": (_CART, text("orderId", "Identifier of the order")),
    "orderPlaced": (record("order", ORDER, "Order placed"),),
    "goalCompleted": (text("goalId", "Identifier of the goal"), _VALUE, _CURRENCY),
    "leadGenerated": (text("leadId", "Identifier of the lead"), _VALUE, _CURRENCY),
    "eventOccurred": (
        text("name", "Name of the custom event"),
        mapping("details", None, "Details of the custom event"),
    ),
    "nothingChanged": (
        integer("sinceTime", "Time of the last change, in milliseconds since the epoch"),
    ),
    "testGroupAssigned": (
        text("testId", "Identifier of the test"),
        text("groupId", "Identifier of the group in the test"),
    ),
    "slotPersonalized": (
        record(
            "personalization",
            (
                text("audienceId", "Identifier of the audience"),
                text("slotId", "Identifier of the slot"),
                text("experienceId", "Identifier of the experience"),
                text("contentId", "Identifier of the content"),
                record(
                    "slotVersion",
                    (
                        text("majorVersion", "Major version of the slot"),
                        text("minorVersion", "Minor version of the slot"),
                    ),
                    "Version of the slot",
                ),
                record(
                    "assignedVariant",
                    (
                        text("experimentId", "Identifier of the experiment"),
                        text("variantId", "Identifier of the variant"),
                    ),
                    "Variant of the experiment, if one was running",
                ),
                text("locale", "Locale of the content"),
            ),
            "What was personalized, and how",
        ),
        record(
            "metadata",
            (
                text("audienceName", "Name of the audience"),
                text("audienceCustomId", "Custom identifier of the audience"),
                text("slotName", "Name of the slot"),
                text("slotCustomId", "Custom identifier of the slot"),
                text("experienceName", "Name of the experience"),
                text("experimentName", "Name of the experiment"),
                text("variantName", "Name of the variant"),
            ),
            "Names of what was personalized",
        ),
    ),
    "audienceMatched": (
        records(
            "audienceIds",
            (
                text("id", "Identifier of the audience"),
                text("name", "Name of the audience"),
                text("customId", "Custom identifier of the audience"),
            ),
            "Audiences that the user matches",
        ),
    ),
    "userClicked": (record("point", POINT, "Where the user clicked"), _SURFACE),
    "userScrolled": (
        record("start", POINT, "Where the scrolling began"),
        record("end", POINT, "Where the scrolling ended"),
        _SURFACE,
        record("viewportSize", SIZE, "Size of the visible part"),
    ),
}
"""The event types, each with the properties that its payload has besides ``@type``."""

EVENT_DESCRIPTIONS = {
    "userSignedUp": "A user signs up",
    "userSignedIn": "A user signs in, or your application identifies an anonymous user",
    "userSignedOut": "A user signs out, or your application makes the user anonymous again",
    "tabOpened": "A user opens the site in a new browser tab",
    "tabUrlChanged": "The URL of the tab changes: the user navigates",
    "tabVisibilityChanged": "A user switches to or away from the tab, or minimizes the window",
    "pageOpened": "A user opens a page; once per page, before it has loaded",
    "pageLoaded": "A page has loaded",
    "locationDetected": "Croct detects where the user is",
    "clientDetected": "Croct detects the user's browser and device",
    "productViewed": "A user views a product",
    "productAbandoned": "A session ends with a product left in the cart; one event per product",
    "cartViewed": "A user views the cart",
    "cartModified": "A user adds, changes or removes an item of the cart",
    "cartAbandoned": "A session ends with a cart that did not become an order",
    "checkoutStarted": "A user starts the checkout",
    "orderPlaced": "A user places an order",
    "goalCompleted": "A user reaches a goal that your application tracks",
    "leadGenerated": "A user becomes a lead, such as by sending a form",
    "eventOccurred": "A custom event of your application happens",
    "nothingChanged": "A user becomes inactive",
    "testGroupAssigned": "A user is assigned to a test group (contracts up to 0.3)",
    "slotPersonalized": "A slot shows personalized content to a user",
    "audienceMatched": "A user matches one or more audiences",
    "userClicked": "A user clicks somewhere on a page",
    "userScrolled": "A user scrolls a page",
}
"""When an event of each type happens."""

EVENT_TYPES = tuple(PAYLOADS)

_PAYLOAD = {prop.name: prop for properties in PAYLOADS.values() for prop in properties}

EVENT: dict[str, Any] = th.PropertiesList(
    key("id", "Identifier of the event; derived from its content where the API gives none"),
    text("sessionId", "Identifier of the session"),
    text("userId", "Identifier of the user"),
    time("timestamp", "When the event happened"),
    record("context", CONTEXT, "Where the event happened"),
    record(
        "payload",
        (text("@type", "Type of the event"), *_PAYLOAD.values()),
        "What happened; which properties are there depends on the type",
    ),
    text("eventType", "Type of the event: the payload's `@type` (added by the tap)"),
    record(
        "metadata",
        (
            text("organizationName", "Name of the organization"),
            text("organizationSlug", "Slug of the organization"),
            text("workspaceName", "Name of the workspace"),
            text("workspaceSlug", "Slug of the workspace"),
            text("applicationName", "Name of the application"),
            text("applicationSlug", "Slug of the application"),
        ),
        "Where the event belongs (from the response, added by the tap)",
    ),
    _ADDITIONAL,
).to_dict()

SESSION: dict[str, Any] = th.PropertiesList(
    key("sessionId", "Identifier of the session"),
    text("userId", "Identifier of the user"),
    text("parentId", "Identifier of the session that superseded this one"),
    text("externalUserId", "Identifier of the user in your systems; null for anonymous users"),
    record(
        "window",
        (time("start", "Time of the first event"), time("end", "Time of the last event")),
        "Time that the session spans",
    ),
    time("closeTime", "When the session closed; can move later while events still arrive"),
    text("referrer", "URL that the session came from"),
    text("landingPageUrl", "URL of the first page"),
    record("campaign", CAMPAIGN, "Campaign that the session came from"),
    record("location", LOCATION, "Location of the user"),
    record("client", CLIENT, "Browser and device of the user"),
    mapping("attributes", None, "Custom attributes of the session"),
    record(
        "statistics",
        (
            integer("pageViews", "Number of page views"),
            integer("tabViews", "Number of tab views"),
            integer("orders", "Number of orders"),
        ),
        "Counts over the session",
    ),
    _ADDITIONAL,
).to_dict()

USER: dict[str, Any] = th.PropertiesList(
    key("userId", "Identifier of the user"),
    text("externalUserId", "Identifier of the user in your systems; null for anonymous users"),
    text("firstName", "First name"),
    text("lastName", "Last name"),
    time("birthDate", "Date of birth"),
    text("gender", "Gender"),
    text("email", "Email address"),
    text("alternateEmail", "Other email address"),
    text("phone", "Phone number"),
    text("alternatePhone", "Other phone number"),
    record(
        "address",
        (
            text("street", "Street"),
            text("district", "District"),
            text("city", "City"),
            text("region", "State, province or region"),
            text("country", "Country"),
            text("postalCode", "Postal code"),
        ),
        "Address",
    ),
    text("avatar", "URL of the picture"),
    text("company", "Company"),
    text("companyUrl", "URL of the company"),
    text("jobTitle", "Job title"),
    strings("activities", "Activities"),
    strings("interests", "Interests"),
    mapping("customAttributes", None, "Custom attributes of the user"),
    time("lastModifiedTime", "Last change of the user"),
    record(
        "statistics",
        (integer("orders", "Number of orders"), integer("sessions", "Number of sessions")),
        "Counts over all sessions of the user",
    ),
    _ADDITIONAL,
).to_dict()


_NULL = f'"{NULL_STRING}"'
_IS_NULL = rf"^{NULL_STRING}\Z"
_ELSE = {"type": ["string", "null"], "pattern": _IS_NULL, "title": _NULL}
_KEYS = f"a list of properties, or {_NULL}"
_NO_ALIAS = "left out beside `__source__`: the name of the map names the stream that it makes"
STREAM_MAPS: dict[str, Any] = {
    "properties": {
        "__else__": _ELSE,
    },
    "additionalProperties": {
        "type": ["object", "string", "null"],
        "pattern": _IS_NULL,
        "title": f"an object of properties and their expressions, or {_NULL}",
        "properties": {
            "__else__": _ELSE,
            "__key_properties__": {
                "type": ["array", "string", "null"],
                "pattern": _IS_NULL,
                "items": {"type": "string", "title": _KEYS},
                "title": _KEYS,
            },
        },
        "patternProperties": {
            "^__(alias|filter|source)__$": {
                "type": ["string", "null"],
                "pattern": r"\S",
                "title": "a string",
            },
        },
        "if": {"properties": {"__source__": {"type": "string"}}, "required": ["__source__"]},
        "then": {"properties": {"__alias__": {"type": "null", "title": _NO_ALIAS}}},
        "additionalProperties": {
            "type": ["string", "null"],
            "pattern": r"^(?!\s*(?i:null)\s*$)\s*\S",  # `meltano config set` makes a text of null
            "title": f"an expression (a string) or {_NULL}",
        },
    },
}
"""The shape of stream maps; titles say what each part may be.

Not left to the SDK's schema, which crashes on a wrong `__else__`.
"""


def undeclared(value: object, schema: dict[str, Any], path: str = "") -> Iterator[str]:
    """Yield the path of each property that is in a value and not in its schema.

    Args:
        value: A decoded JSON value.
        schema: Its JSON schema, as the functions of this module build it.
        path: The value's own path, such as `payload.cart.`; list items are `[]`.

    Yields:
        Paths such as `payload.cart.items[].giftWrap`.
    """
    if isinstance(value, list) and "items" in schema:
        for item in value:
            yield from undeclared(item, schema["items"], f"{path[:-1]}[].")
    elif isinstance(value, dict) and "properties" in schema:
        properties = schema["properties"]
        for name, child in value.items():
            if name not in properties:
                yield f"{path}{name}"
            elif isinstance(child, (dict, list)):
                yield from undeclared(child, properties[name], f"{path}{name}.")

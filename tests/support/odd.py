"""Data that the schemas do not promise: additions, old contracts, huge numbers, impossible times."""

from typing import Any

from dev.expected import STREAMS, Record, by_key, expected
from dev.sandbox import World
from dev.warehouse import SCHEMAS

BEYOND_CALENDARS = 400_000_000_000_000
"""Milliseconds since the epoch: in the year 14645."""

ADDED = {"a": [1, {"b": 2**70}], "c": None}


def add(world: World, *, nul: bool = False) -> None:
    """Let one item of each stream be odd.

    Args:
        world: The sandbox's data.
        nul: Whether there are NUL characters, too; many targets can't store them.
    """
    user, session, event = (dict(world.items(name)[-1]) for name in ("users", "sessions", "events"))
    user |= {
        "addedLater": ADDED,
        "addedText": "später",
        "birthDate": BEYOND_CALENDARS,
        "activities": "climbing",
        "customAttributes": {"big": 2**70, "small": -(2**65), "ratio": 0.1, "addedLater": ADDED},
    }
    del user["gender"], user["companyUrl"]
    session |= {
        "addedLater": "text",
        "location": {**session["location"], "planet": {"name": "Earth"}},
        "campaign": {"addedLater": [1, 2]},
        "attributes": {"big": 2**64, "nested": {"deep": {"deeper": [2**65]}}},
        "statistics": {"pageViews": 2**40, "tabViews": 1, "orders": 0},
    }
    del session["referrer"]
    event |= {
        "addedLater": True,
        "context": None,
        "payload": {
            "@type": "eventOccurred",
            "name": "odd",
            "details": {"big": 2**70, "list": [1.5, None, {"x": "y"}]},
            "addedLater": ADDED,
        },
    }
    if nul:
        user |= {"company": "AC\0ME", "customAttributes": {"no\0te": "a\0b"}}
        event["payload"]["details"] = {"no\0te": ["a\0b"]}
    for stream, item in (("users", user), ("sessions", session), ("events", event)):
        world.logs[stream].extend([item])


def wanted(world: World) -> dict[str, dict[str, Record]]:
    """Return each table by key: every declared column, null where nothing is."""
    return {s: by_key(s, [_record(s, item) for item in world.items(s)]) for s in STREAMS}


def _record(stream: str, item: dict[str, Any]) -> Record:
    known = {name: value for name, value in item.items() if name in SCHEMAS[stream]["properties"]}
    if item.get("birthDate") == BEYOND_CALENDARS:
        known["birthDate"] = None
    record = expected(stream, known)
    added = {name: value for name, value in item.items() if name not in known}
    return {
        **dict.fromkeys(SCHEMAS[stream]["properties"]),
        **record,
        "additionalProperties": added or None,
    }

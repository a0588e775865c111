"""What the Export API answers, as its published contract has it; see `server.py` for HTTP."""

import base64
import json
import math
from contextlib import suppress
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from dev.sandbox.shop import METADATA
from dev.sandbox.world import World

TYPES_URL = "https://croct.help/sdk/export"

KEY = "5f0c1c1e-7a3b-4d7e-9b62-0c3f6f1e8a11"
"""The sandbox's key: a version 4 UUID, as all of Croct's are."""

OLD_KEY = "sandbox-key"
"""Its key up to version 0.2, which still works."""

EVENT_TYPES = frozenset(event["payload"]["@type"] for event in World(visits=1).items("events"))
"""The first visit to a shop has them all. The tap's list might be wrong, and is not asked."""
ENDS = ("cursor", "null", "empty")
"""How an export can end: a `cursor` on an empty page, a `null` or an `empty` one with items."""

UNITS = ("milliseconds", "seconds")
"""Units of `start` and `end`."""

PROBLEMS = {
    "unknown-api-key": (401, "Unauthorized", "The API key was revoked, or never existed."),
    "invalid-api-key": (401, "Unauthorized", "The API key is not a version 4 UUID."),
    "past-due-subscription": (402, "Payment required", "An invoice is overdue."),
    "quota-exceeded": (402, "Payment required", "The monthly active users are used up."),
    "suspended-service": (202, "Accepted", "The service is suspended."),
}
"""What the API can answer to any request, by the last part of the problem's `type`."""


@dataclass
class Switches:
    """What the API's sources disagree on, and what else a test may want different."""

    time_unit: str = UNITS[0]
    end: str = ENDS[0]

    api_key: str = KEY
    problem: str | None = None
    """What is answered to every request: one of `PROBLEMS`."""

    latency: float = 0.0
    """Seconds before each answer."""

    faults: float = 0.0
    """Share of the requests that meet a random fault, from 0 to 1."""


@dataclass
class Request:
    """A request as the API saw it."""

    stream: str
    params: dict[str, list[str]]
    headers: dict[str, str]
    items: int = 0
    time: float = 0.0

    def param(self, name: str) -> str | None:
        """Return the first value of a query parameter; nothing, if it was not sent."""
        return self.params.get(name, [None])[0]


class Problem(Exception):  # noqa: N818 - what RFC 9457 calls it
    """A problem as RFC 9457 has it."""

    def __init__(self, status: int, title: str, detail: str, kind: str) -> None:
        """Make a problem.

        Args:
            status: Status of the answer.
            title: What kind of problem it is, in words.
            detail: What is wrong with this request.
            kind: Last part of the `type`, a URL.
        """
        super().__init__(title)
        self.status = status
        link = f"{TYPES_URL}/{kind}"
        self.body = {"type": link, "title": title, "detail": detail, "status": status}


class Api:
    """The Export API of a world."""

    def __init__(self, world: World, switches: Switches) -> None:
        """Take the data, and how the API behaves."""
        self.world = world
        self.switches = switches

    def answer(self, request: Request) -> dict[str, Any]:
        """Answer a request for a page.

        Args:
            request: What is asked for; the number of items of the answer is noted in it.

        Returns:
            The body: `items`, `nextCursor`, and for events `metadata`.

        Raises:
            Problem: If there is something wrong with the request.
        """
        self._check(request)
        size = _integer(request, "pageSize", 1, 1000, 100)
        items, following, more = self._page(request, _position(request), size)
        request.items = len(items)
        cursor: str | None = _cursor(request, following)
        if not more and self.switches.end != "cursor":
            cursor = None if self.switches.end == "null" else ""
        body: dict[str, Any] = {"items": items, "nextCursor": cursor}
        if request.stream == "events":
            body["metadata"] = METADATA
        return body

    def _check(self, request: Request) -> None:
        keys = {self.switches.api_key} | ({OLD_KEY} if self.switches.api_key == KEY else set())
        key = request.headers.get("x-api-key", "")
        kind = self.switches.problem
        if kind is None and key not in keys:
            kind = "unknown-api-key" if _is_uuid(key) else "invalid-api-key"
        if kind is not None:
            raise Problem(*PROBLEMS[kind], kind)
        known = {"pageSize", "cursor", "start", "end"}
        if request.stream == "events":
            known.add("events")
        for name in request.params.keys() - known:
            raise _invalid(f"Unknown parameter {name}.")
        for event_type in request.params.get("events", ()):
            if event_type not in EVENT_TYPES:
                raise _invalid(f"Unknown event type {event_type}.")

    def _page(
        self, request: Request, position: int, size: float
    ) -> tuple[list[dict[str, Any]], int, bool]:
        """Return a page's items, the position behind them, and whether there are more."""
        factor = 1000 if self.switches.time_unit == "seconds" else 1
        start = _integer(request, "start", -(2**63), 2**63, -math.inf) * factor
        end = _integer(request, "end", -(2**63), 2**63, math.inf) * factor
        types = request.params.get("events") if request.stream == "events" else None
        log = self.world.logs[request.stream]
        items: list[dict[str, Any]] = []
        for index in range(position, len(log.entries)):
            entry = log.entries[index]
            if entry is None or not start <= entry[log.order] < end:
                continue
            if types is not None and entry["payload"]["@type"] not in types:
                continue
            if len(items) == size:
                return items, index, True
            items.append(entry)
        return items, len(log.entries), False


def _is_uuid(text: str) -> bool:
    with suppress(ValueError):
        return UUID(text).version == 4
    return False


def _cursor(request: Request, position: int) -> str:
    """Return a cursor with all the characters that a URL has to encode."""
    return base64.b64encode(b"+/?&" + json.dumps([request.stream, position]).encode()).decode()


def _position(request: Request) -> int:
    cursor = request.param("cursor")
    if cursor is None:
        return 0
    try:
        stream, position = json.loads(base64.b64decode(cursor, validate=True)[4:])
    except ValueError:
        raise _invalid("The cursor is malformed.") from None
    if stream != request.stream:
        raise _invalid("The cursor belongs to another export.")
    return int(position)


def _invalid(detail: str) -> Problem:
    return Problem(400, "Invalid input", detail, "invalid-input")


def _integer(request: Request, name: str, low: int, high: int, default: float) -> float:
    text = request.param(name)
    if text is None:
        return default
    try:
        value = int(text)
    except ValueError:
        raise _invalid(f"{name} must be an integer.") from None
    if not low <= value <= high:
        raise _invalid(f"{name} must be from {low} to {high}.")
    return value

"""The recipes of the docs do what the docs say, compared with the source."""

from __future__ import annotations

import gzip
import hashlib
import json
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import pytest

from dev.expected import STREAMS, expected_records
from tests.support.documents import steps

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from dev.running import Output
    from dev.sandbox import Sandbox

    Start = Callable[..., Sandbox]

SALT = "pepper and salt"


def recipe(page: str, file: str) -> dict[str, Any]:
    """Return the configuration that a page says to save as a file."""
    (step,) = [step for step in steps(page) if step.note == file]
    config: dict[str, Any] = json.loads(step.text)
    return config


def exported(output: Output) -> dict[str, list[dict[str, Any]]]:
    """Return the records of each stream, out of RECORD messages and batch files."""
    assert output.code == 0, output.stderr
    assert output.warnings == []
    found: dict[str, list[dict[str, Any]]] = {}
    for message in output.messages:
        if message["type"] == "RECORD":
            found.setdefault(message["stream"], []).append(message["record"])
        for file in message.get("manifest", ()):
            with gzip.open(file.removeprefix("file://"), "rt", encoding="utf-8") as lines:
                found.setdefault(message["stream"], []).extend(map(json.loads, lines))
    return found


class TestEventTables:
    """`orders` and `experiments` out of `events`."""

    @pytest.mark.parametrize("batched", [False, True], ids=["records", "batch files"])
    def test_every_row(
        self, start: Start, tap: Callable[..., Output], tmp_path: Path, *, batched: bool
    ) -> None:
        sandbox = start(visits=80)
        config = sandbox.config(**recipe("docs/event-tables.md", "event-tables.json"))
        if batched:
            config["batch_config"] = batches(tmp_path)
        found = exported(tap(config))
        events = expected_records(sandbox.world, "events")
        assert set(found) == {*STREAMS, "orders", "experiments"}
        assert found["events"] == events
        assert found["orders"] == [
            {**shared(event), "orderId": order["orderId"], "currency": order["currency"],
             "total": order["total"], "coupon": order["coupon"], "payload": event["payload"]}
            for event in events if (order := event["payload"].get("order"))
        ]  # fmt: skip
        assert found["experiments"] == [
            {**shared(event), "experimentId": variant["experimentId"],
             "variantId": variant["variantId"],
             "experiment": event["payload"]["metadata"]["experimentName"]}
            for event in events
            if (variant := event["payload"].get("personalization", {}).get("assignedVariant"))
        ]  # fmt: skip
        assert len(found["orders"]) > 5 < len(found["experiments"])

    def test_the_types(self, sandbox: Sandbox, tap: Callable[..., Output]) -> None:
        output = tap(sandbox.config(**recipe("docs/event-tables.md", "event-tables.json")))
        schemas = {m["stream"]: m for m in output.of("SCHEMA")}
        orders = schemas["orders"]["schema"]["properties"]
        assert schemas["orders"]["key_properties"] == ["id"]
        assert "number" in orders["total"]["type"]
        assert orders["timestamp"]["format"] == "date-time"
        assert "object" in orders["payload"]["type"]


def shared(event: dict[str, Any]) -> dict[str, Any]:
    return {name: event[name] for name in ("id", "sessionId", "userId", "timestamp")}


def batches(folder: Path) -> dict[str, Any]:
    root = folder / "batches"
    root.mkdir()
    return {
        "encoding": {"format": "jsonl", "compression": "gzip"},
        "storage": {"root": f"file://{root}"},
    }


def without_query(url: str | None) -> str | None:
    return urlsplit(url)._replace(query="", fragment="").geturl() if url else url


def salted(value: str) -> str:
    return hashlib.sha256((SALT + value).encode()).hexdigest()


def values(found: object) -> Iterator[object]:
    """Yield every key and every value that is neither an object nor a list, at any depth."""
    if isinstance(found, dict):
        yield from found
        found = list(found.values())
    if isinstance(found, list):
        for item in found:
            yield from values(item)
    else:
        yield found


class TestPrivacy:
    """After the recipe, nothing personal of the sandbox is left."""

    @pytest.mark.slow
    @pytest.mark.parametrize("batched", [False, True], ids=["records", "batch files"])
    def test_nothing_personal(
        self, start: Start, tap: Callable[..., Output], tmp_path: Path, *, batched: bool
    ) -> None:
        sandbox = start(visits=80)
        fill_in(sandbox)
        personal = personal_values(sandbox)
        config = sandbox.config(
            **recipe("docs/privacy.md", "privacy.json"), stream_map_config={"salt": SALT}
        )
        if batched:
            config["batch_config"] = batches(tmp_path)
        found = exported(tap(config))
        assert {s: len(rows) for s, rows in found.items()} == {
            stream: len(sandbox.world.items(stream)) for stream in STREAMS
        }
        texts = [str(value) for value in values(found)]
        assert not personal & set(texts)
        for text in texts:
            assert not any(len(value) > 4 and value in text for value in personal), text

    @pytest.mark.slow
    def test_what_stays(self, start: Start, tap: Callable[..., Output]) -> None:
        """Pseudonyms that can be joined, and everything that the page does not name."""
        sandbox = start(visits=80)
        found = exported(
            tap(
                sandbox.config(
                    **recipe("docs/privacy.md", "privacy.json"), stream_map_config={"salt": SALT}
                )
            )
        )
        users = expected_records(sandbox.world, "users")
        for user, source in zip(found["users"], users, strict=True):
            assert user["userId"] == source["userId"]
            assert user["email"] == (salted(source["email"]) if source["email"] else None)
            assert user["statistics"] == source["statistics"]
        keys = {user["externalUserId"] for user in found["users"] if user["externalUserId"]}
        known = [s["externalUserId"] for s in found["sessions"] if s["externalUserId"]]
        assert known
        assert set(known) <= keys
        events = expected_records(sandbox.world, "events")
        removed = {"externalUserId", "location", "details", "leadId", "userAgent"}
        for event, source in zip(found["events"], events, strict=True):
            kept = {k: v for k, v in source["payload"].items() if k not in removed}
            for name in {"url", "referrer"} & kept.keys():
                kept[name] = without_query(kept[name])
            assert event["payload"] == kept
            assert event["eventType"] == source["eventType"]


def fill_in(sandbox: Sandbox) -> None:
    """Let a user have all that a user can have, and URLs carry what they should not."""
    user = next(u for u in sandbox.world.items("users") if u["email"])
    sandbox.world.logs["users"].extend([
        {**user, "email": " Mixed.Case@mail.example", "alternateEmail": "other@mail.example", "alternatePhone": "+1 555 0100",
         "avatar": "https://pictures.example/zoe.jpg", "jobTitle": "Chief Mountaineer",
         "companyUrl": "https://acme.example", "customAttributes": {"loyaltyCard": "card-778899"}},
    ])  # fmt: skip
    session = dict(sandbox.world.items("sessions")[0])
    session |= {
        "landingPageUrl": "https://shop.example/?email=leak1@mail.example",
        "referrer": "https://search.example/?q=leak2#leak3-fragment",
        "attributes": {"crm": "crm-445566"},
    }
    sandbox.world.logs["sessions"].extend([session])
    event = dict(sandbox.world.items("events")[0])
    event |= {
        "context": {"type": "web", "metadata": {"login": "meta-778"}, "url": "https://shop.example/?leak4=x"},
        "payload": {"@type": "pageOpened", "url": "https://shop.example/?leak5=y", "userAgent": "Agent/99.1",
                    "referrer": "https://shop.example/?leak6=z", "preferredLanguages": None},
    }  # fmt: skip
    sandbox.world.logs["events"].extend([event])


def personal_values(sandbox: Sandbox) -> set[str]:
    """Return every personal value of the sandbox, as text."""
    found: set[object] = {
        "leak1",
        "leak2",
        "leak3",
        "leak4",
        "leak5",
        "leak6",
        "meta-778",
        "Agent/99.1",
    }
    for user, record in zip(
        sandbox.world.items("users"), expected_records(sandbox.world, "users"), strict=True
    ):
        names = ("externalUserId", "firstName", "lastName", "email", "alternateEmail", "phone",
                 "alternatePhone", "birthDate", "avatar", "company", "companyUrl", "jobTitle")  # fmt: skip
        found |= {user[name] for name in names} | {record["birthDate"]}
        found |= {user["address"][name] for name in ("street", "city", "postalCode")}
        found |= set(values(user["customAttributes"])) - {0.25, "tier", "score"}
    for session in sandbox.world.items("sessions"):
        found |= {
            session["externalUserId"],
            session["location"]["city"],
            session["location"]["timezone"],
        }
        found |= set(session["location"]["coordinates"].values())
        found |= {session["attributes"].get("crm")}
    for event in sandbox.world.items("events"):
        payload = event["payload"]
        found |= {payload.get("externalUserId"), payload.get("leadId"), payload.get("userAgent")}
    # A city can have the name of its region, which stays.
    regions = {session["location"]["region"]["name"] for session in sandbox.world.items("sessions")}
    return {str(value) for value in found - regions if value is not None}

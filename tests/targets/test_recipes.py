"""The recipes of the docs do what the docs say, compared with the source."""

import hashlib
import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest

from dev.environments import ROOT
from dev.expected import KEYS, STREAMS, by_key, expected_records
from dev.postgres import Postgres
from dev.running import Output, write
from dev.sandbox import Sandbox
from tests.support.documents import Step, steps
from tests.support.fixtures import Start, Tap
from tests.support.loaded import DuckDB
from tests.support.reader import Reader, follow

SALT = "pepper and salt"


def recipe(page: str, file: str) -> dict[str, Any]:
    """Return the configuration that a page says to save as a file."""
    (step,) = [step for step in steps(page) if step.note == file]
    config: dict[str, Any] = json.loads(step.text)
    return config


def exported(output: Output) -> dict[str, list[dict[str, Any]]]:
    """Return the records of each stream."""
    assert output.code == 0, output.stderr
    assert output.warnings == []
    streams = {message["stream"] for message in output.messages if "stream" in message}
    return {stream: output.records(stream) for stream in streams}


def test_event_tables(start: Start, tap: Tap) -> None:
    """`orders` out of `events`: every row."""
    sandbox = start(visits=80)
    output = tap(sandbox.config(**recipe("docs/event-tables.md", "event-tables.json")))
    found = exported(output)
    events = expected_records(sandbox.world, "events")
    assert set(found) == {*STREAMS, "orders"}
    assert found["events"] == events
    assert found["orders"] == [
        {**shared(event), "orderId": order["orderId"], "currency": order["currency"],
         "total": order["total"], "coupon": order["coupon"], "payload": event["payload"]}
        for event in events if (order := event["payload"].get("order"))
    ]  # fmt: skip
    assert len(found["orders"]) > 5
    (schema,) = [m["schema"] for m in output.of("SCHEMA") if m["stream"] == "orders"]
    assert "number" in schema["properties"]["total"]["type"]
    assert schema["properties"]["timestamp"]["format"] == "date-time"


def shared(event: dict[str, Any]) -> dict[str, Any]:
    return {name: event[name] for name in ("id", "sessionId", "userId", "timestamp")}


def without_query(url: str | None) -> str | None:
    return urlsplit(url)._replace(query="", fragment="").geturl() if url else url


def salted(value: str, salt: str = SALT) -> str:
    return hashlib.sha256((salt + value).encode()).hexdigest()


def privacy() -> dict[str, Any]:
    """Return the configuration of the page about personal data."""
    config: dict[str, Any] = json.loads((ROOT / "docs" / "privacy.json").read_text())
    return config


def lines(folder: Path, pattern: str) -> list[dict[str, Any]]:
    """Return what is in the only file of a folder whose name has a pattern."""
    (file,) = folder.glob(pattern)
    return [json.loads(line) for line in file.read_text(encoding="utf-8").splitlines()]


def check_nothing_personal(found: dict[str, list[dict[str, Any]]], sandbox: Sandbox) -> None:
    """Look for the sandbox's personal values in what was exported.

    Raises:
        AssertionError: If one is found, or a record is missing.
    """
    personal = personal_values(sandbox)
    assert {s: len({row[KEYS[s]] for row in rows}) for s, rows in found.items()} == {
        stream: len(by_key(stream, sandbox.world.items(stream))) for stream in STREAMS
    }
    texts = [str(value) for value in values(list(found.values()))]
    assert not personal & set(texts)
    for text in texts:
        words = set(re.split(r"\W+", text))  # a time or an id may hold the digits of a postal code
        assert not any(value in (words if value.isdigit() else text)
                       for value in personal if len(value) > 4), text  # fmt: skip


class TestSelection:
    """What the page about selection leaves out is not exported, and all else is."""

    @pytest.mark.slow
    @pytest.mark.xdist_group("postgres")
    def test_the_page(self, start: Start, tmp_path: Path, warehouse: Postgres) -> None:
        """Orders into PostgreSQL; with Meltano, in `meltano.yml`; with files, in a catalog."""
        sandbox = start(visits=40)
        reader = Reader(tmp_path, sandbox)
        install = Step("docs/postgresql.md", 1, "bash", "python -m venv target-postgres\n")
        assert reader.follow(install) == ""
        write(reader.folder / "target.json", warehouse.target_config)
        follow(reader, "docs/selection.md")
        self.check_orders(sandbox, reader.folder / "private-orders.json", warehouse)
        users = expected_records(sandbox.world, "users")
        addresses = {user["userId"]: user["address"] for user in users}

        written = lines(reader.folder, "croct.jsonl")
        records = [m["record"] for m in written if m["type"] == "RECORD" and m["stream"] == "users"]
        assert len(records) == len(users)
        for user in records:
            source = {k: v for k, v in addresses[user["userId"]].items() if k != "city"}
            assert user["address"] == source
            assert "email" not in user

        for command in ("mkdir -p output", "meltano run tap-croct target-duckdb"):
            assert reader.follow(Step("docs/selection.md", 1, "bash", command + "\n")) == ""
        duck = DuckDB(reader.folder / "output")
        made = duck.query("select table_name from duckdb_tables() where schema_name = 'croct'")
        assert set(made) == {("events",), ("users",)}
        assert len(duck.records("events")) == len(sandbox.world.items("events"))
        loaded = duck.records("users")
        emails = {user["userId"]: user["email"] for user in users}
        assert {user["userId"]: user["email"] for user in loaded} == emails
        for user in loaded:
            source = {k: v for k, v in addresses[user["userId"]].items() if k != "street"}
            assert user["address"] == source
            assert "phone" not in user

    def check_orders(self, sandbox: Sandbox, merged: Path, warehouse: Postgres) -> None:
        """The warehouse has the orders and nothing else; the merged file has the maps of both."""
        found = warehouse.query(
            "select table_name from information_schema.tables where table_schema = 'croct'"
        )
        assert [table["table_name"] for table in found] == ["events"]
        orders = [e for e in sandbox.world.items("events") if "order" in e["payload"]]
        rows = warehouse.query('select "eventType" as type, payload from croct.events')
        assert len(rows) == sum(e["payload"]["@type"] == "orderPlaced" for e in orders) > 0
        assert {row["type"] for row in rows} == {"orderPlaced"}
        maps = json.loads(merged.read_text())["stream_maps"]
        nothing = dict.fromkeys(("sessions", "users"), "__NULL__")
        assert maps == {"events": privacy()["stream_maps"]["events"], **nothing}


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

    def test_the_page_shows_lines_of_the_file(self) -> None:
        (shown, _) = [step for step in steps("docs/privacy.md") if step.language == "json"]
        lines = json.loads(shown.text)["stream_maps"]["users"]
        assert len(lines) == 2
        assert lines.items() <= privacy()["stream_maps"]["users"].items()

    @pytest.mark.slow
    def test_the_page(self, start: Start, tmp_path: Path) -> None:
        """Through Meltano into DuckDB, and through a pipe into files."""
        sandbox = start(visits=80)
        fill_in(sandbox)
        reader = Reader(tmp_path, sandbox)
        follow(reader, "docs/privacy.md")
        warehouse = DuckDB(reader.folder / "output")
        through_meltano = {stream: warehouse.records(stream) for stream in STREAMS}
        folder = reader.folder / "output" / "private"
        through_a_pipe = {stream: lines(folder, f"{stream}-*.jsonl") for stream in STREAMS}
        salt = recipe("docs/privacy.md", "salt.json")["stream_map_config"]["salt"]
        for found in (through_meltano, through_a_pipe):
            check_nothing_personal(found, sandbox)
            latest = {user["userId"]: user["email"] for user in found["users"]}
            assert latest == {
                user_id: user["email"] and salted(user["email"].strip().lower(), salt)
                for user_id, user in by_key("users", sandbox.world.items("users")).items()
            }

    @pytest.mark.slow
    def test_what_stays(self, start: Start, tap: Tap) -> None:
        """Pseudonyms that can be joined, and everything that the page does not name."""
        sandbox = start(visits=80)
        found = exported(tap(sandbox.config(**privacy(), stream_map_config={"salt": SALT})))
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
    found: set[object] = {"meta-778", "Agent/99.1", *(f"leak{number}" for number in range(1, 7))}
    for user, record in zip(
        sandbox.world.items("users"), expected_records(sandbox.world, "users"), strict=True
    ):
        names = ("externalUserId", "firstName", "lastName", "email", "alternateEmail", "phone",
                 "alternatePhone", "birthDate", "avatar", "company", "companyUrl", "jobTitle")  # fmt: skip
        found |= {user[name] for name in names} | {record["birthDate"]}
        found |= {user["address"][name] for name in ("street", "city", "postalCode")}
        found |= set(values(user["customAttributes"])) - {0.25, "tier", "score"}
    for session in sandbox.world.items("sessions"):
        place = session["location"]
        found |= {session["externalUserId"], session["attributes"].get("crm")}
        found |= {place["city"], place["timezone"], *place["coordinates"].values()}
    for event in sandbox.world.items("events"):
        payload = event["payload"]
        found |= {payload.get("externalUserId"), payload.get("leadId"), payload.get("userAgent")}
    # A city can have the name of its region, which stays.
    regions = {session["location"]["region"]["name"] for session in sandbox.world.items("sessions")}
    return {str(value) for value in found - regions if value is not None}

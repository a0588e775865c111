"""Selection, stream maps, flattening and batch files: the values that come out."""

from __future__ import annotations

import copy
import gzip
import hashlib
import json
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlparse
from urllib.request import url2pathname

import msgspec
import pytest
from singer_sdk.helpers._batch import StorageTarget

from dev.expected import STREAMS, expected_records, flatten
from dev.running import Output
from tests.support.catalogs import catalog_of, select

if TYPE_CHECKING:
    from collections.abc import Callable

    from dev.sandbox import Sandbox

    Tap = Callable[..., Output]
    Start = Callable[..., Sandbox]

# A map that looks into whole records, so that all of them are decoded.
PLAIN: dict[str, Any] = {"stream_maps": {stream: {"__filter__": "record"} for stream in STREAMS}}


def record_lines(output: Output, stream: str) -> list[str]:
    """Return the records as they were written, byte for byte."""

    class Line(msgspec.Struct):
        type: str
        stream: str = ""
        record: msgspec.Raw = msgspec.Raw(b"")

    lines = (msgspec.json.decode(line, type=Line) for line in output.stdout.splitlines())
    return [bytes(line.record).decode() for line in lines if line.stream == stream and line.record]


def selected_catalog(folder: Path) -> dict[str, Any]:
    catalog = catalog_of(folder)
    for stream in STREAMS:
        select(catalog, stream, selected=True)
    return catalog


def test_passed_through_and_decoded_are_the_same_bytes(start: Start, tap: Tap) -> None:
    sandbox = start(visits=60)
    fast, plain = tap(sandbox.config()), tap(sandbox.config(**PLAIN))
    for stream in STREAMS:
        assert record_lines(fast, stream) == record_lines(plain, stream)
        assert fast.records(stream) == expected_records(sandbox.world, stream)
    assert fast.state == plain.state


def test_unusual_events(start: Start, tap: Tap) -> None:
    sandbox = start()
    entries = sandbox.world.logs["events"].entries
    entries[5]["new"] = {"a": [1, 2.5]}  # type: ignore[index]
    entries[50]["timestamp"] = None  # type: ignore[index]
    entries[90].pop("context")  # type: ignore[union-attr]
    entries[130]["payload"] = "none"  # type: ignore[index]
    output = tap(sandbox.config(page_size=40))
    plain = tap(sandbox.config(page_size=40, **PLAIN))
    assert record_lines(output, "events") == record_lines(plain, "events")
    records = output.records("events")
    assert records[5]["additionalProperties"] == {"new": {"a": [1, 2.5]}}
    assert records[50]["timestamp"] is None
    assert "context" not in records[90]
    assert (records[130]["payload"], records[130]["eventType"]) == ("none", None)
    assert len(records) == len(entries)


class TestSelection:
    """What is deselected is gone, at every depth; the keys stay."""

    def test_nested(self, sandbox: Sandbox, tap: Tap, tmp_path: Path) -> None:
        catalog = selected_catalog(tmp_path)
        select(catalog, "users", selected=False)
        select(catalog, "events", "payload", "cart", selected=False)
        select(catalog, "events", "metadata", "organizationName", selected=False)
        select(catalog, "sessions", "location", selected=False)
        output = tap(sandbox.config(), catalog=catalog)
        assert output.records("users") == []
        wanted = copy.deepcopy(expected_records(sandbox.world, "events"))
        for record in wanted:
            record["payload"].pop("cart", None)
            record["metadata"].pop("organizationName")
        assert output.records("events") == wanted
        assert any("cart" in item["payload"] for item in sandbox.world.items("events"))
        assert all("location" not in session for session in output.records("sessions"))
        (schema,) = [m["schema"] for m in output.of("SCHEMA") if m["stream"] == "events"]
        assert "cart" not in schema["properties"]["payload"]["properties"]
        assert "product" in schema["properties"]["payload"]["properties"]

    def test_top_level(self, sandbox: Sandbox, tap: Tap, tmp_path: Path) -> None:
        catalog = selected_catalog(tmp_path)
        for name in ("id", "timestamp", "payload", "eventType"):
            select(catalog, "events", name, selected=False)
        output = tap(sandbox.config(), catalog=catalog)
        for record, item in zip(
            output.records("events"), sandbox.world.items("events"), strict=True
        ):
            assert record["id"] == item["id"]
            assert "timestamp" in record
            assert not {"payload", "eventType"} & record.keys()
        assert output.state["bookmarks"]["events"]["replication_key_value"]


class TestStreamMaps:
    """What a privacy officer asks for first, and more."""

    MAPS = {  # noqa: RUF012
        "users": {
            "email": "sha256(email) if email else None",
            "phone": "__NULL__",
            "alternatePhone": None,
        },
        "events": {"__filter__": "eventType != 'pageOpened'", "page": "payload.get('url')"},
        "sessions": {"__alias__": "visits"},
    }

    def test_values(self, sandbox: Sandbox, tap: Tap) -> None:
        output = tap(sandbox.config(stream_maps=self.MAPS))
        assert output.code == 0, output.stderr
        wanted = expected_records(sandbox.world, "users")
        for user in wanted:
            if user["email"]:
                user["email"] = hashlib.sha256(user["email"].encode()).hexdigest()
            del user["phone"], user["alternatePhone"]
        assert output.records("users") == wanted
        assert output.records("visits") == expected_records(sandbox.world, "sessions")
        assert output.records("events") == [
            {**event, "page": event["payload"].get("url")}
            for event in expected_records(sandbox.world, "events")
            if event["eventType"] != "pageOpened"
        ]
        (schema,) = [m["schema"] for m in output.of("SCHEMA") if m["stream"] == "users"]
        assert not {"phone", "alternatePhone"} & schema["properties"].keys()

    def test_spaces_around_expressions(self, sandbox: Sandbox, tap: Tap) -> None:
        """As YAML leaves them; to Python, those in front are an indentation."""
        spaced = {
            "users": {"email": "\n  sha256(email) if email else None\n", "phone": " __NULL__"},
            "events": {"__filter__": " eventType != 'pageOpened'", "page": "\tpayload.get('url') "},
        }
        maps = {s: {n: t.strip() for n, t in spaced[s].items()} for s in spaced}
        output = tap(sandbox.config(stream_maps=spaced))
        assert output.code == 0, output.stderr
        for stream in STREAMS:
            wanted = tap(sandbox.config(stream_maps=maps)).records(stream)
            assert output.records(stream) == wanted

    def test_a_property_of_the_catalog_alone(
        self, sandbox: Sandbox, tap: Tap, tmp_path: Path
    ) -> None:
        catalog = selected_catalog(tmp_path)
        users = next(e for e in catalog["streams"] if e["tap_stream_id"] == "users")
        users["schema"]["properties"]["plan"] = {"type": ["string", "null"]}
        for number, user in enumerate(sandbox.world.logs["users"].entries):
            assert user is not None
            user["plan"] = "gold" if number % 3 == 0 else "free"
        for expression in ("plan == 'gold'", "record['plan'] == 'gold'"):
            maps = {"users": {"__filter__": expression}}
            records = tap(sandbox.config(stream_maps=maps), catalog=catalog).records("users")
            assert {record["plan"] for record in records} == {"gold"}

    @pytest.mark.parametrize("drop", [None, "sha256(email) if email else None"])
    def test_a_property_that_the_catalog_leaves_out_does_not_slip_past_a_map(
        self, sandbox: Sandbox, tap: Tap, tmp_path: Path, drop: str | None
    ) -> None:
        catalog = selected_catalog(tmp_path)
        users = next(e for e in catalog["streams"] if e["tap_stream_id"] == "users")
        del users["schema"]["properties"]["email"]
        output = tap(sandbox.config(stream_maps={"users": {"email": drop}}), catalog=catalog)
        assert output.code == 0, output.stderr
        users_lines = [m for m in output.stdout.splitlines() if '"stream":"users"' in m]
        assert not any("@mail.example" in line for line in users_lines)

    @pytest.mark.parametrize(
        ("expression", "error"),
        [
            ("int(email or 'x')", "ValueError"),
            ("json.loads(email or 'x')", "JSONDecodeError"),
            ("{'a': 1}[email or 'x']", "KeyError"),
            ("record[email or 'x']", "KeyError"),
            ("'a'.encode(email or 'x')", "LookupError"),
            ("email + 5", "TypeError: can only concatenate str"),
        ],
    )
    def test_a_value_is_not_quoted(
        self, sandbox: Sandbox, tap: Tap, expression: str, error: str
    ) -> None:
        output = tap(
            sandbox.config(
                stream_maps={"users": {"h": expression, "__filter__": "email is not None"}}
            ),
            TAP_CROCT_LOGLEVEL="DEBUG",
        )
        assert output.code == 1
        says = f"users: the stream map `{expression}` fails on a record: {error}"
        assert says in output.stderr
        assert "@mail" not in output.stderr
        assert "LOGLEVEL" not in output.stderr

    @pytest.mark.parametrize("odd", [1.5, {"a": 2.5}, [1, None, "x{"]])
    def test_types_of_events_that_are_not_text(
        self, sandbox: Sandbox, tap: Tap, odd: object
    ) -> None:
        event = sandbox.world.items("events")[0]
        event["payload"]["@type"] = odd
        maps = {"events": {"page": "payload.get('url')"}}
        output = tap(sandbox.config(stream_maps=maps))
        assert output.code == 0, output.stderr
        (record,) = (r for r in output.records("events") if r["id"] == event["id"])
        assert record["eventType"] == odd
        assert record["payload"]["@type"] == odd

    @pytest.mark.parametrize("operation", ["** 2", "<< 99999", ">> 99999"])
    def test_a_number_that_is_too_high_is_not_quoted(
        self, sandbox: Sandbox, tap: Tap, operation: str
    ) -> None:
        expression = f"int('9' * 20 + phone[-7:]) {operation}"
        output = tap(
            sandbox.config(
                stream_maps={"users": {"h": expression, "__filter__": "phone is not None"}}
            ),
            TAP_CROCT_LOGLEVEL="DEBUG",
        )
        assert output.code == 1
        says = f"the stream map `{expression}` fails on a record: NumberTooHigh."
        assert says in output.stderr
        assert "99999990" not in output.stderr

    @pytest.mark.parametrize(
        ("maps", "says"),
        [
            ({"users": {"email": "sha256("}}, "`sha256(` is not an expression"),
            ({"users": {"email": "nope(email)"}}, "nope"),
            (
                {"users": {"email": "sha256(email)", "phone": None}},
                "users: the stream map `sha256(email)` fails on a record: AttributeError: 'NoneType'",
            ),
            ({"users": {"email": "email.lowr()"}}, "`email.lowr()` fails on a record: Attribute"),
            ({"users": {"n": "1 / len(interests)"}}, '`1 / len(interests)` fails on a record: Function 'len' not defined'),
            ({"users": {"n": "1 / int(bool(email))"}}, "fails on a record: ZeroDivisionError"),
            (
                {"orders": {"__source__": "events", "total": "payload['order']['total']"}},
                "orders: the stream map `payload['order']['total']` fails on a record: KeyError",
            ),
            ({"users": {"userId": None}}, "Removing key property 'userId' is not permitted"),
        ],
    )
    def test_mistakes_get_a_message(
        self, sandbox: Sandbox, tap: Tap, maps: dict[str, Any], says: str
    ) -> None:
        output = tap(sandbox.config(stream_maps=maps))
        assert output.code == 1
        assert says in output.last_line
        assert "Traceback" not in output.stderr


@pytest.mark.parametrize("depth", [1, 3])
def test_flattening(sandbox: Sandbox, tap: Tap, depth: int) -> None:
    output = tap(sandbox.config(flattening_enabled=True, flattening_max_depth=depth))
    for stream in STREAMS:
        schema = next(m["schema"] for m in output.of("SCHEMA") if m["stream"] == stream)
        columns = schema["properties"]
        assert all("object" not in column["type"] for column in columns.values())
        for record, wanted in zip(
            output.records(stream), expected_records(sandbox.world, stream), strict=True
        ):
            flat = flatten(wanted, columns)
            assert {name: record.get(name) for name in flat} == flat
            if stream == "events":
                assert record["payload__@type"] == wanted["payload"]["@type"]
            elif stream == "sessions":
                assert json.loads(record["attributes"]) == wanted["attributes"]


class TestBatch:
    """Batch files hold the records that RECORD messages would; the bookmark follows them."""

    @staticmethod
    def config(sandbox: Sandbox, folder: Path, **settings: Any) -> dict[str, Any]:
        batch = {
            "encoding": {"format": "jsonl", "compression": "gzip"},
            "storage": {"root": folder.as_uri(), "prefix": "croct-"},
            "batch_size": 70,
        }
        return sandbox.config(batch_config=batch, page_size=30, **settings)

    @staticmethod
    def read(output: Output, stream: str) -> list[dict[str, Any]]:
        return [
            json.loads(line)
            for message in output.of("BATCH")
            if message["stream"] == stream
            for url in message["manifest"]
            for line in gzip.open(url2pathname(urlparse(url).path), "rt", encoding="utf-8")
        ]

    def test_values(self, sandbox: Sandbox, tap: Tap, tmp_path: Path) -> None:
        output = tap(self.config(sandbox, tmp_path / "files"))
        assert output.code == 0, output.stderr
        assert output.of("RECORD") == []
        for stream in STREAMS:
            assert self.read(output, stream) == expected_records(sandbox.world, stream)
        assert output.state == tap(sandbox.config()).state

    @pytest.mark.parametrize("compression", ["gzip", "none", None])
    def test_the_message_says_how_to_read_the_files(
        self, sandbox: Sandbox, tap: Tap, tmp_path: Path, compression: str | None
    ) -> None:
        """A target unpacks what the message calls gzip, and nothing else."""
        config = self.config(sandbox, tmp_path / "files")
        given = {} if compression is None else {"compression": compression}
        config["batch_config"]["encoding"] = {"format": "jsonl", **given}
        output = tap(config)
        assert output.code == 0, output.stderr
        found = []
        for message in output.of("BATCH"):
            packed = message["encoding"]["compression"] == "gzip"
            assert packed == (compression != "none")
            for url in message["manifest"] if message["stream"] == "events" else ():
                content = Path(url2pathname(urlparse(url).path)).read_bytes()
                assert url.endswith(".json.gz" if packed else ".json")
                lines = (gzip.decompress(content) if packed else content).splitlines()
                found += [json.loads(line) for line in lines]
        assert found == expected_records(sandbox.world, "events")

    def test_selection_and_stream_maps_hold(
        self, sandbox: Sandbox, tap: Tap, tmp_path: Path
    ) -> None:
        catalog = selected_catalog(tmp_path)
        select(catalog, "events", "payload", "cart", selected=False)
        maps = {"users": {"email": "md5(email) if email else None", "phone": None}}
        output = tap(self.config(sandbox, tmp_path / "files", stream_maps=maps), catalog=catalog)
        lines = tap(sandbox.config(stream_maps=maps), catalog=catalog)
        for stream in STREAMS:
            assert self.read(output, stream) == lines.records(stream)
        assert all("cart" not in event["payload"] for event in self.read(output, "events"))
        assert all("phone" not in user for user in self.read(output, "users"))

    def test_several_stream_maps_of_a_stream(
        self, sandbox: Sandbox, tap: Tap, tmp_path: Path
    ) -> None:
        """What one of them leaves out is not in its files, whatever the others publish."""
        maps = {
            "ids": {"__source__": "users", "userId": "userId", "__else__": None},
            "addresses": {"__source__": "users", "phone": None},
            "users": {"email": None},
        }
        output = tap(self.config(sandbox, tmp_path / "files", stream_maps=maps))
        assert output.code == 0, output.stderr
        lines = tap(sandbox.config(stream_maps=maps))
        users = [user["userId"] for user in sandbox.world.items("users")]
        assert self.read(output, "ids") == [{"userId": user} for user in users]
        for stream in maps:
            assert self.read(output, stream) == lines.records(stream)
        files = [url for message in output.of("BATCH") for url in message["manifest"]]
        assert len(set(files)) == len(files)

    def test_a_file_that_cannot_be_written(
        self, sandbox: Sandbox, tap: Tap, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """The bookmark stays behind the last file that was; the next run brings the rest."""
        written: list[str] = []
        original = StorageTarget.open

        def refuse(storage: Any, filename: str, mode: str = "rb") -> Any:
            written.append(filename)
            if len(written) == 3:
                raise OSError(28, "No space left on device")
            return original(storage, filename, mode)

        monkeypatch.setattr(StorageTarget, "open", refuse)
        first = tap(self.config(sandbox, tmp_path / "files"))
        assert first.code == 1
        assert "events: the batch file cannot be written: " in first.last_line
        second = tap(self.config(sandbox, tmp_path / "files"), state=first.state)
        found = self.read(first, "events") + self.read(second, "events")
        keys = {record["id"] for record in found}
        assert keys == {item["id"] for item in sandbox.world.items("events")}

    def test_the_bookmark_is_behind_the_files(
        self, sandbox: Sandbox, tap: Tap, tmp_path: Path
    ) -> None:
        output = tap(self.config(sandbox, tmp_path / "files"))
        events = sandbox.world.items("events")
        out = 0
        for message in output.messages:
            if message["type"] == "BATCH" and message["stream"] == "events":
                out += sum(1 for _ in self.read(Output(0, json.dumps(message), ""), "events"))
            elif message["type"] == "STATE" and "events" in message["value"]["bookmarks"]:
                bookmark = message["value"]["bookmarks"]["events"]
                if "cursor" in bookmark:
                    state = {"bookmarks": {"events": bookmark}}
                    rest = tap(sandbox.config(max_records=1), state=state)
                    place = rest.records("events")[:1]
                    index = next(
                        (n for n, e in enumerate(events) if place and e["id"] == place[0]["id"]),
                        len(events),
                    )
                    assert out - 30 - 70 <= index <= out
        assert out == len(events)


def test_batch_files_that_need_another_package(sandbox: Sandbox, tap: Tap) -> None:
    batch = {"encoding": {"format": "jsonl"}, "storage": {"root": "s3://bucket/folder"}}
    output = tap(sandbox.config(batch_config=batch))
    assert output.code == 1
    says = "events: the batch file cannot be written: Install s3fs to access S3"
    assert output.last_line.endswith(says)

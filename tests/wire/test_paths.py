"""Selection, stream maps, flattening and batch files: the values that come out."""

from __future__ import annotations

import gzip
import hashlib
import json
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlparse
from urllib.request import url2pathname

import pytest

from dev.expected import KEYS, STREAMS, expected, expected_records, flatten
from dev.sandbox import Fault
from tests.support.batches import batches, in_files
from tests.support.catalogs import select, selected_catalog

if TYPE_CHECKING:
    from dev.sandbox import Sandbox
    from tests.support.fixtures import Start, Tap


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
        wanted = expected_records(sandbox.world, "events")
        assert any("cart" in record["payload"] for record in wanted)
        for record in wanted:
            record["payload"].pop("cart", None)
            record["metadata"].pop("organizationName")
        assert output.records("events") == wanted
        assert all("location" not in session for session in output.records("sessions"))
        (schema,) = [m["schema"] for m in output.of("SCHEMA") if m["stream"] == "events"]
        assert "cart" not in schema["properties"]["payload"]["properties"]
        assert "product" in schema["properties"]["payload"]["properties"]

    def test_top_level(self, sandbox: Sandbox, tap: Tap, tmp_path: Path) -> None:
        catalog = selected_catalog(tmp_path)
        for name in ("id", "timestamp", "payload", "eventType"):
            select(catalog, "events", name, selected=False)
        wanted = expected_records(sandbox.world, "events")
        for record in wanted:
            del record["payload"], record["eventType"]
        assert tap(sandbox.config(), catalog=catalog).records("events") == wanted

    @pytest.mark.parametrize("name", ["a b", 'a"b', "class", "__init__", "ünï", "a\n"])
    def test_a_name_of_the_catalog_alone(
        self, sandbox: Sandbox, tap: Tap, tmp_path: Path, name: str
    ) -> None:
        catalog = selected_catalog(tmp_path)
        integer = {"type": ["integer", "null"]}
        below = {"type": ["object", "null"], "properties": {"e": integer, "f": integer}}
        entry = catalog["streams"][2]
        entry["schema"]["properties"][name] = below
        breadcrumb = ["properties", name, "properties", "e"]
        entry["metadata"].append({"breadcrumb": breadcrumb, "metadata": {"selected": False}})
        sandbox.world.items("users")[0][name] = {"e": 1, "f": 2}
        record = tap(sandbox.config(), catalog=catalog).records("users")[0]
        assert record == {**expected("users", sandbox.world.items("users")[0]), name: {"f": 2}}


class TestStreamMaps:
    """What a privacy officer asks for first, and more."""

    MAPS = {  # noqa: RUF012 - nothing changes it
        "users": {
            "email": "\n  sha256(email) if email else None\n",  # spaces, as YAML leaves them
            "phone": " __NULL__",
            "alternatePhone": None,
        },
        "events": {"__filter__": " eventType != 'pageOpened'", "page": "\tpayload.get('url') "},
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

    def test_invented_values(self, sandbox: Sandbox, tap: Tap) -> None:
        """With the extra `faker`."""
        config = sandbox.config(
            stream_maps={"users": {"email": "fake.email() if email else None"}},
            faker_config={"seed": 7, "locale": "en_US"},
        )
        real = [user["email"] for user in sandbox.world.items("users")]
        first, again = ([user["email"] for user in tap(config).records("users")] for _ in range(2))
        assert first == again
        assert [email is None for email in first] == [email is None for email in real]
        invented = {email for email in first if email}
        assert len(invented) > 1
        assert all("@" in email for email in invented)
        assert not invented & set(real)

    def test_a_property_of_the_catalog_alone(
        self, sandbox: Sandbox, tap: Tap, tmp_path: Path
    ) -> None:
        catalog = selected_catalog(tmp_path)
        catalog["streams"][2]["schema"]["properties"]["plan"] = {"type": ["string", "null"]}
        for number, user in enumerate(sandbox.world.items("users")):
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
        del catalog["streams"][2]["schema"]["properties"]["email"]
        output = tap(sandbox.config(stream_maps={"users": {"email": drop}}), catalog=catalog)
        assert output.code == 0, output.stderr
        assert output.records("users")
        assert "@mail.example" not in json.dumps(output.records("users"))

    @pytest.mark.parametrize("name", ["users", "*"])
    def test_a_stream_that_is_not_selected(
        self, sandbox: Sandbox, tap: Tap, tmp_path: Path, name: str
    ) -> None:
        catalog = selected_catalog(tmp_path, "events")
        maps = {name: {"externalUserId": None, "added": "'x'"}}
        output = tap(sandbox.config(stream_maps=maps), catalog=catalog)
        assert output.code == 0, output.stderr
        assert {message["stream"] for message in output.of("SCHEMA")} == {"events"}
        assert output.counts()["events"] == len(sandbox.world.items("events"))


class TestFlattening:
    """Columns for what is nested."""

    @pytest.mark.parametrize("depth", [1, 3])
    def test_values(self, sandbox: Sandbox, tap: Tap, depth: int) -> None:
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

    def test_names_of_columns_that_clash(self, sandbox: Sandbox, tap: Tap, tmp_path: Path) -> None:
        """Cut to 25 characters, the names of two columns of events are the same."""
        catalog = selected_catalog(tmp_path, "sessions", "users")
        config = sandbox.config(
            flattening_enabled=True, flattening_max_depth=3, flattening_max_key_length=25
        )
        output = tap(config, catalog=catalog)
        assert output.code == 0, output.stderr
        assert output.counts()["users"] == len(sandbox.world.items("users"))
        output = tap(config)
        assert output.code == 1
        assert "`flattening_max_key_length` cuts the names of two columns" in output.last_line


class TestBatch:
    """Batch files hold the records that RECORD messages would; the bookmark follows them."""

    @staticmethod
    def config(sandbox: Sandbox, folder: Path, **settings: Any) -> dict[str, Any]:
        files = batches(folder / "files", batch_size=70)
        return sandbox.config(**files, page_size=30, **settings)

    def test_values(self, sandbox: Sandbox, tap: Tap, tmp_path: Path) -> None:
        output = tap(self.config(sandbox, tmp_path))
        assert output.code == 0, output.stderr
        assert output.of("RECORD") == []
        for stream in STREAMS:
            assert in_files(output, stream) == expected_records(sandbox.world, stream)
        assert output.state == tap(sandbox.config()).state
        files = [Path(urlparse(url).path) for m in output.of("BATCH") for url in m["manifest"]]
        assert sorted(files) == sorted((tmp_path / "files").iterdir())
        assert all(file.name.startswith("croct-") for file in files)

    @pytest.mark.parametrize("compression", ["gzip", "none", None])
    def test_the_message_says_how_to_read_the_files(
        self, sandbox: Sandbox, tap: Tap, tmp_path: Path, compression: str | None
    ) -> None:
        """A target unpacks what the message calls gzip, and nothing else."""
        config = self.config(sandbox, tmp_path)
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

    def test_several_maps_of_a_stream_and_a_selection(
        self, sandbox: Sandbox, tap: Tap, tmp_path: Path
    ) -> None:
        """What one of the maps leaves out is not in its files, whatever the others publish."""
        catalog = selected_catalog(tmp_path)
        select(catalog, "events", "payload", "cart", selected=False)
        maps = {
            "ids": {"__source__": "users", "userId": "userId", "__else__": None},
            "addresses": {"__source__": "users", "phone": None},
            "users": {"email": "md5(email) if email else None"},
        }
        output = tap(self.config(sandbox, tmp_path, stream_maps=maps), catalog=catalog)
        assert output.code == 0, output.stderr
        users = [user["userId"] for user in sandbox.world.items("users")]
        assert in_files(output, "ids") == [{"userId": user} for user in users]
        lines = tap(sandbox.config(stream_maps=maps), catalog=catalog)
        for stream in (*maps, *STREAMS):
            assert in_files(output, stream) == lines.records(stream)
        assert all("cart" not in event["payload"] for event in in_files(output, "events"))
        files = [url for message in output.of("BATCH") for url in message["manifest"]]
        assert len(set(files)) == len(files)

    def test_a_file_that_cannot_be_written(self, start: Start, tap: Tap, tmp_path: Path) -> None:
        """The bookmark stays behind the last file that was; the next run brings the rest."""
        sandbox = start()
        folder, moved = tmp_path / "files", tmp_path / "moved"

        def take_away(_: object) -> bool:
            if len(sandbox.pages("events")) == 8 and folder.exists():
                folder.rename(moved)
                folder.touch()
            return False

        sandbox.faults = [Fault(when=take_away)]
        first = tap(self.config(sandbox, tmp_path))
        assert first.code == 1
        assert "events: the batch file cannot be written: " in first.last_line
        folder.unlink()
        moved.rename(folder)
        second = tap(self.config(sandbox, tmp_path), state=first.state)
        assert 0 < len(in_files(first, "events")) < 240
        found = in_files(first, "events") + in_files(second, "events")
        assert {r["id"] for r in found} == {i["id"] for i in sandbox.world.items("events")}

    def test_the_bookmark_is_behind_the_files(
        self, sandbox: Sandbox, tap: Tap, tmp_path: Path
    ) -> None:
        output = tap(self.config(sandbox, tmp_path))
        keys = [event[KEYS["events"]] for event in sandbox.world.items("events")]
        read = len(in_files(output, "events"))
        assert read == len(keys)
        out = 0
        for line, message in zip(output.stdout.splitlines(), output.messages, strict=True):
            if message["type"] == "BATCH":
                out += len(in_files(type(output)(0, line, ""), "events"))
            bookmark = message.get("value", {}).get("bookmarks", {}).get("events", {})
            if message["type"] == "STATE" and "cursor" in bookmark and out < read:
                rest = tap(sandbox.config(max_records=1), state={"bookmarks": {"events": bookmark}})
                assert out - 30 - 70 <= keys.index(rest.records("events")[0]["id"]) <= out

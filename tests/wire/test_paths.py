"""Stream maps, flattening and batch files: the values that come out."""

import gzip
import hashlib
import json
from pathlib import Path
from typing import Any
from urllib.parse import urlparse

import pytest

from dev.expected import STREAMS, expected_records, flatten
from dev.sandbox import Fault, Sandbox
from tests.support.catalogs import entry_of, select, select_only
from tests.support.fixtures import Json, Refused, Tap
from tests.support.runs import Pipeline, batches, ids, in_files

# Stream maps: what a privacy officer asks for first, and more

MAPS = {
    "users": {
        "email": "\n  sha256(email) if email else None\n",  # spaces, as YAML leaves them
        "phone": " __NULL__",
        "alternatePhone": None,
    },
    "events": {"__filter__": " eventType != 'pageOpened'", "page": "\tpayload.get('url') "},
    "sessions": {"__alias__": "visits"},
}


def test_mapped_values(sandbox: Sandbox, tap: Tap) -> None:
    output = tap(sandbox.config(stream_maps=MAPS))
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


def test_invented_values(sandbox: Sandbox, tap: Tap) -> None:
    """With the extra `faker`."""
    maps = {"users": {"email": "fake.email() if email else None"}}
    config = sandbox.config(stream_maps=maps, faker_config={"seed": 7, "locale": "en_US"})
    real = [user["email"] for user in sandbox.world.items("users")]
    first, again = ([user["email"] for user in tap(config).records("users")] for _ in range(2))
    assert first == again
    assert [email is None for email in first] == [email is None for email in real]
    assert {*first} & {*real} <= {None}


@pytest.mark.parametrize("drop", [None, "sha256(email) if email else None"])
def test_a_property_that_the_catalog_leaves_out_does_not_slip_past_a_map(
    sandbox: Sandbox, tap: Tap, catalog: Json, drop: str | None
) -> None:
    del entry_of(catalog, "users")["schema"]["properties"]["email"]
    output = tap(sandbox.config(stream_maps={"users": {"email": drop}}), catalog=catalog)
    assert output.records("users")
    assert "@mail.example" not in json.dumps(output.records("users"))


@pytest.mark.parametrize("name", ["users", "*"])
def test_a_map_of_a_stream_that_is_not_selected(
    sandbox: Sandbox, tap: Tap, catalog: Json, name: str
) -> None:
    select_only(catalog, "events")
    maps = {name: {"externalUserId": None, "added": "'x'"}}
    output = tap(sandbox.config(stream_maps=maps), catalog=catalog)
    assert {message["stream"] for message in output.of("SCHEMA")} == {"events"}
    assert output.counts()["events"] == len(sandbox.world.items("events"))


# Flattening: columns for what is nested

FLAT = {"flattening_enabled": True, "flattening_max_depth": 3}


@pytest.mark.parametrize("depth", [1, 3])
def test_flattened_values(sandbox: Sandbox, tap: Tap, depth: int) -> None:
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


@pytest.mark.parametrize(
    ("depth", "lands"),
    [(1, {"address__new": {"a": {"b": 1}}}), (2, {"address__new__a": {"b": 1}})],
)
def test_no_deeper_than_asked_for(sandbox: Sandbox, tap: Tap, depth: int, lands: Json) -> None:
    sandbox.world.items("users")[0]["address"] = {"new": {"a": {"b": 1}}}
    output = tap(sandbox.config(flattening_enabled=True, flattening_max_depth=depth))
    assert json.loads(output.records("users")[0]["additionalProperties"]) == lands


def test_two_names_for_one_column(sandbox: Sandbox, tap: Tap) -> None:
    """The later one gets none, and both values arrive."""
    address = {"new": {"a": 1}, "new__a": 2, "city": "Lima"}
    sandbox.world.items("users")[0].update({"address": address, "address__city": "Rome"})
    output = tap(sandbox.config(flattening_enabled=True, flattening_max_depth=2))
    user = output.records("users")[0]
    assert user["address__city"] == "Lima"
    wanted = {"address__new__a": 1, "address.new__a": 2, "address__city": "Rome"}
    assert json.loads(user["additionalProperties"]) == wanted


def test_more_names_than_are_remembered(sandbox: Sandbox, tap: Tap) -> None:
    first, second = sandbox.world.items("events")[:2]
    first["payload"] = {f"free{number}": number for number in range(10_050)}
    product = {"product": {"sku": "A"}, "product__sku": "B"}
    second["payload"] = {"@type": "productViewed", **product, "new": {"a": 1}, "new__a": 2}
    output = tap(sandbox.config(**FLAT))
    event = output.records("events")[1]
    assert event["payload__product__sku"] == "A"
    wanted = {"payload.product__sku": "B", "payload__new__a": 1, "payload.new__a": 2}
    assert json.loads(event["additionalProperties"]) == wanted


@pytest.mark.parametrize("separator", ["__", "."])
def test_a_column_belongs_to_what_declares_it(sandbox: Sandbox, tap: Tap, separator: str) -> None:
    """Whatever comes first, and in whatever record."""
    first, second = sandbox.world.items("users")[:2]
    first["address"] = {f"new{separator}a": 1, "new": {"a": 2}}
    first[f"address{separator}city"] = "Rome"
    second["address"] = {"city": "Lima"}
    output = tap(sandbox.config(**FLAT, flattening_separator=separator))
    users = output.records("users")
    assert f"address{separator}city" not in users[0]
    assert users[1][f"address{separator}city"] == "Lima"
    assert sorted(map(str, json.loads(users[0]["additionalProperties"]).values())) == [
        *("1", "2", "Rome")
    ]


def test_a_column_is_not_taken_by_what_has_none(sandbox: Sandbox, tap: Tap, catalog: Json) -> None:
    """What lies below the maximum depth has no column, whatever its name would be."""
    text = {"type": ["string", "null"]}
    plan = {"type": ["object", "null"], "properties": {"level": text}}
    declared = entry_of(catalog, "users")["schema"]["properties"]
    declared["customAttributes"]["properties"] = {"plan__level": text, "plan": plan}
    declared["additionalProperties"]["properties"] = {"other": text}
    values = {"plan": {"level": "deep"}, "plan__level": "gold", "jane.doe@mail.example": 1}
    sandbox.world.items("users")[0]["customAttributes"] = values
    config = sandbox.config(flattening_enabled=True, flattening_max_depth=1)
    output = tap(config, catalog=catalog)
    user = output.records("users")[0]
    assert "jane.doe" in user["additionalProperties"]
    assert "jane.doe" not in output.stderr
    assert user["customAttributes__plan__level"] == "gold"
    assert json.loads(user["customAttributes__plan"]) == {"level": "deep"}


def test_names_of_columns_that_clash(sandbox: Sandbox, tap: Tap, catalog: Json) -> None:
    """Cut to 25 characters, the names of two columns of events are the same."""
    select_only(catalog, "sessions", "users")
    config = sandbox.config(**FLAT, flattening_max_key_length=25)
    output = tap(config, catalog=catalog)
    assert output.counts()["users"] == len(sandbox.world.items("users"))
    output = tap(config, code=1)
    assert "`flattening_max_key_length` cuts the names of two columns" in output.last_line
    entry_of(catalog, "users")["schema"]["properties"]["email"] = {"enum": ["a"]}
    assert "property needs a `type`" in tap(config, catalog=catalog, code=1).last_line


# Batch files hold the records that RECORD messages would; the bookmark follows them


def in_batches(sandbox: Sandbox, folder: Path, **settings: Any) -> Json:
    return sandbox.config(**batches(folder / "files", batch_size=70), page_size=30, **settings)


PACKED: list[tuple[Json, str, str | None]] = [
    ({"compression": "gzip"}, "file://", "day/"),
    ({"compression": "none"}, "file://", "2026/11/croct-"),
    ({}, "", "day/croct-"),
    ({"compression": "gzip"}, "", "croct-"),
    ({"compression": None}, "", None),
]


@pytest.mark.parametrize(("given", "scheme", "prefix"), PACKED)
def test_where_files_are_and_how_they_are_packed(
    pipeline: Pipeline, tmp_path: Path, given: Json, scheme: str, prefix: str | None
) -> None:
    """A target unpacks what the message calls gzip, and nothing else; null is as if not set."""
    encoding = {"format": "jsonl", **given}
    storage = {"root": f"{scheme}{tmp_path}/files", "prefix": prefix}
    settings: Json = {"encoding": encoding, "storage": storage}
    if prefix is None:
        settings |= {"storage": {**storage, "params": None}, "batch_size": None}
    output = pipeline.run(batch_config=settings)
    (message,) = [found for found in output.of("BATCH") if found["stream"] == "users"]
    packed = message["encoding"]["compression"] == "gzip"
    assert packed == (given != {"compression": "none"})
    (url,) = message["manifest"]
    assert url.endswith(".json.gz" if packed else ".json")
    file = urlparse(url).path
    assert file.startswith(f"{tmp_path}/files/{prefix or ''}")
    content = Path(file).read_bytes()
    lines = (gzip.decompress(content) if packed else content).splitlines()
    wanted = expected_records(pipeline.sandbox.world, "users")
    assert [json.loads(line) for line in lines] == wanted


def test_several_maps_of_a_stream_and_a_selection(
    sandbox: Sandbox, tap: Tap, tmp_path: Path, catalog: Json
) -> None:
    """What one of the maps leaves out is not in its files, whatever the others publish."""
    select(catalog, "events", "payload", "cart", selected=False)
    select(catalog, "events", "eventType", selected=False)
    maps = {
        "ids": {"__source__": "users", "userId": "userId", "__else__": None},
        "addresses": {"__source__": "users", "phone": None},
        "nobody": {"__source__": "users", "__filter__": "False"},
        "users": {"email": "md5(email) if email else None"},
    }
    output = tap(in_batches(sandbox, tmp_path, stream_maps=maps), catalog=catalog)
    users = [user["userId"] for user in sandbox.world.items("users")]
    assert in_files(output, "ids") == [{"userId": user} for user in users]
    assert output.of("RECORD") == []
    lines = tap(sandbox.config(stream_maps=maps), catalog=catalog)
    assert output.state == lines.state
    for stream in (*maps, *STREAMS):
        assert in_files(output, stream) == lines.records(stream)
    assert not any("cart" in e["payload"] or "eventType" in e for e in in_files(output, "events"))
    manifests = [message["manifest"] for message in output.of("BATCH")]
    assert all(manifests)
    assert len(set(map(str, manifests))) == len(manifests)


def test_a_file_that_cannot_be_written(sandbox: Sandbox, tap: Tap, tmp_path: Path) -> None:
    """The bookmark stays behind the last file that was; the next run brings the rest."""
    folder, moved = tmp_path / "files", tmp_path / "moved"

    def take_away(_: object) -> bool:
        if len(sandbox.pages("events")) == 8 and folder.exists():
            folder.rename(moved)
            folder.touch()
        return False

    sandbox.faults = [Fault(when=take_away)]
    first = tap(in_batches(sandbox, tmp_path), code=1)
    assert "events: the batch file cannot be written: " in first.last_line
    folder.unlink()
    moved.rename(folder)
    second = tap(in_batches(sandbox, tmp_path), state=first.state)
    assert 0 < len(in_files(first, "events")) < 240
    found = in_files(first, "events") + in_files(second, "events")
    assert ids(found) == ids(sandbox.world.items("events"))


def batches_in(root: str) -> Json:
    return {"batch_config": {"encoding": {"format": "jsonl"}, "storage": {"root": root}}}


WITHOUT_PACKAGE = ["gs://bucket", "s3://bucket/folder", "sftp://x/y", "simplecache::gs://bucket"]


UNKNOWN = ["s4://bucket/x", "nothing://x", "S3://bucket", "s3:/bucket", "zip://x"]


@pytest.mark.parametrize("root", [*UNKNOWN, *WITHOUT_PACKAGE])
def test_an_unknown_storage(refused: Refused, root: str) -> None:
    assert "batch_config.storage.root: cannot be written to" in refused(batches_in(root))

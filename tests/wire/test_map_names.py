"""Stream maps do what they say, or the run says why not: names, keys, dropped nulls, types."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from dev.expected import KEYS, expected_records
from tests.support.catalogs import selected_catalog

if TYPE_CHECKING:
    from pathlib import Path

    from dev.running import Output
    from dev.sandbox import Sandbox
    from tests.support.fixtures import Tap

ALIAS = "__alias__: must yield a stream name"
ONE_STREAM = "end in one stream"

WRONG: list[tuple[dict[str, Any], str]] = [
    *[({"users": {"__alias__": alias}}, f"users: {ALIAS}") for alias in (
        "1042", "2026-11", "None", "True", "croct users", "''", "' croct'", "[1]", "x(", "1.5",
        "'a\\nb'", "'a/b'", "__stream_name__ + 1",
    )],
    *[({name: {"__source__": "users"}}, "must yield a stream name") for name in (
        "", " ", "a\nb", "users ", "a/b", "\u2028",
    )],
    ({"people": {"__source__": "users", "__alias__": "email"}}, "people: __alias__: must be left out beside"),
    ({"sessions": {"__source__": "users"}}, f'{ONE_STREAM}, "sessions"'),
    ({"a": {"__source__": "user?"}, "users": {"__alias__": "a"}}, ONE_STREAM),
    ({"users": {"__alias__": "events"}}, f'{ONE_STREAM}, "events"'),
    ({"users": {"__alias__": "'x'"}, "events": {"__alias__": "'x'"}}, f'{ONE_STREAM}, "x"'),
    ({"*": {"__alias__": "'all'"}}, f'{ONE_STREAM}, "all"'),
    ({"x": {"__source__": "*s"}}, f'{ONE_STREAM}, "x"'),
    ({"users": {"email": "__NULL__"}, "*": {"phone": "__NULL__"}}, "users and *: all are maps of users"),
    ({"*": {}, "users": {"email": "__NULL__"}}, "* and users: all are maps of users"),
    ({"user*": "__NULL__", "users": {}}, "user* and users: all are maps of users"),
    ({"users": {"__key_properties__": ["nope"]}}, "'nope' was not detected in schema"),
    ({"users": {"__key_properties__": ["email"], "email": "__NULL__"}}, "email"),
    ({"users": {"__key_properties__": "userId"}}, "__key_properties__: must be a list"),
]  # fmt: skip


@pytest.mark.parametrize(("maps", "says"), WRONG)
def test_what_cannot_be_meant(sandbox: Sandbox, tap: Tap, maps: dict[str, Any], says: str) -> None:
    output = tap(sandbox.config(stream_maps=maps))
    assert output.code == 1
    assert says in output.last_line
    assert not sandbox.requests
    flat = {"flattening_enabled": True, "flattening_max_depth": 2}
    assert tap(sandbox.config(stream_maps=maps, **flat)).code == 1


RIGHT: list[tuple[dict[str, Any], dict[str, str]]] = [
    ({"users": {"__alias__": "croct_users"}}, {"users": "croct_users"}),
    ({"users": {"__alias__": "'croct_users'"}}, {"users": "croct_users"}),
    ({"users": {"__alias__": "croct-users"}}, {"users": "croct-users"}),
    ({"*": {"__alias__": "'croct_' + __stream_name__"}}, {s: f"croct_{s}" for s in KEYS}),
    ({"users": {"__alias__": "'events'"}, "events": "__NULL__"}, {"users": "events"}),
    ({"users": "__NULL__", "my people": {"__source__": "users"}}, {"users": "my people"}),
    ({"users": {"__alias__": None, "__filter__": "__NULL__"}}, {"users": "users"}),
]


@pytest.mark.parametrize(("maps", "names"), RIGHT)
def test_what_streams_are_called(
    sandbox: Sandbox, tap: Tap, maps: dict[str, Any], names: dict[str, str]
) -> None:
    output = tap(sandbox.config(stream_maps=maps))
    assert output.code == 0, output.stderr
    for stream, name in names.items():
        assert output.records(name) == expected_records(sandbox.world, stream)


def test_the_name_of_a_stream_that_is_not_exported(
    sandbox: Sandbox, tap: Tap, tmp_path: Path
) -> None:
    catalog = selected_catalog(tmp_path, "users")
    maps = {"users": {"__alias__": "'events'"}, "x": {"__source__": "*"}}
    output = tap(sandbox.config(stream_maps=maps), catalog=catalog)
    assert output.code == 0, output.stderr
    for name in ("events", "x"):
        assert output.records(name) == expected_records(sandbox.world, "users")


@pytest.mark.parametrize("keys", [None, "__NULL__", []])
def test_no_key(sandbox: Sandbox, tap: Tap, keys: object) -> None:
    output = tap(sandbox.config(stream_maps={"users": {"__key_properties__": keys}}))
    found = {m["stream"]: m["key_properties"] for m in output.of("SCHEMA")}
    assert found == {"events": ["id"], "sessions": ["sessionId"], "users": []}


# Nulls that Meltano drops


@pytest.mark.parametrize(
    ("arrived", "variable", "missing"),
    [
        ({"users": {"firstName": "'x'"}}, {"users.email": None}, ["users.email"]),
        ({"users": {}}, {"users.email": None, "users.phone": None}, ["users.email", "users.phone"]),
        ({"users": {}}, {"users.__else__": None}, ["users.__else__"]),
        ({"users": {}}, {"users.__key_properties__": None}, ["users.__key_properties__"]),
        ({"users": {"email": "email"}}, {"users.email": None}, ["users.email"]),
        ({"people": {"__source__": "users"}}, {"people.email": None}, ["people.email"]),
        ({"users": {"email": "__NULL__"}}, {"users.email": None}, []),
        ({"users": {"email": None}}, {"users": {"email": None}}, []),
        ({"users": {"firstName": "'x'"}}, {"users.firstName": "'x'"}, []),
        ({"users": None}, {"users": None}, []),
        ({"users": {"__key_properties__": None}}, {"users.__key_properties__": None}, []),
    ],
)
def test_nulls_that_meltano_has_dropped(
    sandbox: Sandbox, tap: Tap, arrived: Any, variable: Any, missing: list[str]
) -> None:
    environment = {"TAP_CROCT_STREAM_MAPS": json.dumps(variable)}
    output = tap(sandbox.config(stream_maps=arrived), **environment)
    assert output.code == (1 if missing else 0), output.stderr
    for name in missing:
        assert f"stream_maps: {name}: Meltano drops nulls" in output.stderr
        assert '"__NULL__"' in output.last_line
    assert bool(sandbox.requests) is not bool(missing)


def test_a_map_that_arrives_empty(sandbox: Sandbox, tap: Tap) -> None:
    (warning,) = tap(sandbox.config(stream_maps={"users": {}})).warnings
    assert "users: is an empty map" in warning
    assert "Meltano drops" in warning


# Types


@pytest.mark.parametrize(
    ("expression", "hint"),
    [
        ("bool(email)", None),
        ("str(statistics['orders'])", None),
        ("int(statistics['orders'])", None),
        ("json.dumps(address)", None),
        ("lastModifiedTime", None),
        ("None", None),
        ("email is None", "bool("),
        ("statistics['orders']", "int("),
        ("statistics['orders'] / 3", "float("),
        ("address", None),
        ("record['address']", "json.dumps("),
        ("[1, 2]", "json.dumps("),
        ("1 if email else 2.5", "int("),
        ("int('5') / 2", "float("),
        ("(1, 2)", "its column: write `str(…)`"),
        ("float(statistics['orders'])", None),
        ("birthDate[:4] if birthDate else None", None),
        ("datetime.datetime(2026, 1, 31)", None),
        ("datetime.date(2026, 1, 31)", None),
    ],
)
def test_a_value_that_does_not_fit_its_column(
    sandbox: Sandbox, tap: Tap, expression: str, hint: str | None
) -> None:
    output = tap(sandbox.config(stream_maps={"users": {"added": expression}}))
    assert output.code == 0, output.stderr
    warnings = [line for line in output.warnings if "added" in line]
    assert len(warnings) == bool(hint)
    assert hint is None or hint in warnings[0]


def test_a_property_that_gets_another_type(sandbox: Sandbox, tap: Tap) -> None:
    output = tap(sandbox.config(stream_maps={"users": {"email": "email is not None"}}))
    assert [line for line in output.warnings if "users.email" in line or "email" in line]


def test_a_renamed_time(sandbox: Sandbox, tap: Tap) -> None:
    maps = {"users": {"birthDate": "__NULL__", "born": "birthDate"}}
    (schema,) = [m for m in tap(sandbox.config(stream_maps=maps)).of("SCHEMA")
                 if m["stream"] == "users"]  # fmt: skip
    assert schema["schema"]["properties"]["born"]["format"] == "date-time"


def test_what_is_not_json(sandbox: Sandbox, tap: Tap) -> None:
    output = tap(sandbox.config(stream_maps={"users": {"names": "record.keys()"}}))
    assert output.code == 0, output.stderr
    assert output.records("users")[0]["names"].startswith("dict_keys(['userId'")


# Several sources


@pytest.mark.parametrize("where", ["files", "environment"])
@pytest.mark.parametrize("second", [{"users": {"phone": "__NULL__"}}, {}, {"users": None}])
def test_two_sources_of_one_object(
    sandbox: Sandbox, tap: Tap, tmp_path: Path, where: str, second: dict[str, Any]
) -> None:
    """They differ, and only one would count; where they agree, all is well."""
    first = {"users": {"email": "__NULL__"}}

    def run(maps: dict[str, Any]) -> Output:
        more = {"stream_maps": maps, "page_size": 7}
        if where == "files":
            (tmp_path / "second.json").write_text(json.dumps(more))
            options, variables = ["--config", str(tmp_path / "second.json")], {}
        else:
            options = ["--config=ENV"]
            variables = {f"TAP_CROCT_{n.upper()}": json.dumps(v) for n, v in more.items()}
        return tap(sandbox.config(stream_maps=first, page_size=9), *options, **variables)

    output = run(second)
    assert output.code == 1
    for name in ("stream_maps", "config.json", "second.json" if where == "files" else "TAP_CROCT"):
        assert name in output.last_line
    assert not sandbox.requests
    assert run(first).code == 0
    assert sandbox.requests[0].param("pageSize") == "7"

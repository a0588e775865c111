"""Stream maps do what they say, or the run says why not: names, keys, dropped nulls, types."""

import json
import sys
from pathlib import Path

import pytest

from dev.expected import KEYS, expected_records
from dev.running import write
from dev.sandbox import Sandbox
from tests.support.catalogs import entry_of, select_only
from tests.support.fixtures import Json, Refused, Tap

RIGHT: list[Json] = [
    {"users": {"email": None, "phone": "__NULL__", "__else__": None, "userId": "userId"}},
    {"users": {"email": "md5(config['salt'] + email)", "name": "firstName + ' ' + lastName"}},
    {"users": {"email": "config.salt + (config['x'] if 'x' in config else '')"}},
    {"users": {"email": "self.lower() if self else self"}},
    {"users": {"__alias__": "people", "__filter__": "email is not None", "userId": "userId"}},
    {"users": {"__key_properties__": ["userId", "email"]}},
    {"users": {"tags": "[tag.lower() for tag in interests or []]"}},
    {"users": {"all": "json.dumps(record)", "stream": "__stream_name__", "n": "int('5')"}},
    {"users": {"text": "f'{firstName}'", "b": "bool(email)", "nothing": "None", "yes": "True"}},
    {"*": {"externalUserId": None, "loadedBy": "'tap'"}},
    {"use*": {"email": None}},
    {"users": {"email": "md5(str(config['zero']) + str(config['no']) + str(email))"}},
]


@pytest.mark.parametrize("stream_maps", RIGHT, ids=str)
def test_right_ones(sandbox: Sandbox, tap: Tap, stream_maps: Json) -> None:
    given = {"salt": "pepper", "zero": 0, "no": False}
    config = sandbox.config(stream_maps=stream_maps, stream_map_config=given)
    output = tap(config, "--test=schema")
    assert output.warnings == []


ALIAS = "__alias__: must yield a stream name"
ONE_STREAM = "end in one stream"
NO_NAMES = [
    *("1042", "2026-11", "None", "True", "1.5", "[1]", "x(", "''", "croct users"),
    *("' croct'", "'a\\nb'", "'a/b'", "__stream_name__ + 1"),
]
NO_MAPS = ["", " ", "a\nb", "users ", "a/b", "\u2028"]
WRONG: list[tuple[Json, str]] = [
    ({"user": {"email": None}}, 'user: unknown stream "user"; did you mean "users"?'),
    ({"a": {"__source__": "event"}}, 'a: unknown stream "event"; did you mean "events"?'),
    ({"x*": {"email": None}}, 'unknown stream "x*"'),
    ({"us\x1b": None}, r'unknown stream "us\x1b"'),
    ({"users": {"e-mail": None}}, 'e-mail: cannot remove an unknown property; did you mean "email'),
    ({"*": {"zzz": None}}, "zzz: cannot remove an unknown property"),
    ({"users": {"address.street": None}}, "deselected in the catalog"),
    ({"users": {"__fliter__": "True"}}, 'unknown option; did you mean "__filter__"?'),
    ({"users": {"_filter_": "True"}}, 'unknown option; did you mean "__filter__"?'),
    ({"users": {"email": "sha256("}}, "`sha256(` is not an expression"),
    ({"users": {"email": " Null"}}, 'email: must be an expression (a string) or "__NULL__"'),
    ({"users": {"email": "md5(config['pepper'] + email)"}}, "add it to `stream_map_config`"),
    ({"users": {"email": "md5(config.pepper + email)"}}, "`config['pepper']` is not set"),
    ({"users": {"__filter__": "email in config['list']"}}, "__filter__: `config['list']` is not"),
    ({"users": {"email": ""}}, "must be an expression (a string)"),
    ({"users": {"email": "(" * 10_000}}, "is not an expression"),
    ({"users": {"email": 5}}, 'must be an expression (a string) or "__NULL__"'),
    ({"users": {"__filter__": 5}}, "users: __filter__: must be a string"),
    ({"users": {"userId": None}}, "users: userId: is a key, and cannot be removed alone"),
    ({"*": {"sessionId": "__NULL__"}}, '`__key_properties__`, or write "__NULL__" there'),
    # names and keys
    *(({"users": {"__alias__": alias}}, f"users: {ALIAS}") for alias in NO_NAMES),
    *(({name: {"__source__": "users"}}, "must yield a stream name") for name in NO_MAPS),
    ({"people": {"__source__": "users", "__alias__": "email"}}, "people: __alias__: must be left"),
    ({"sessions": {"__source__": "users"}}, "sessions: sessions is another stream of this tap"),
    ({"sessions": {"__source__": "users"}, "__else__": None}, "is another stream of this tap"),
    ({"users": {"__alias__": "'events'"}, "events": None}, "__alias__: events is another stream"),
    ({"Users": {"__source__": "users"}}, f'{ONE_STREAM}, "users"'),
    ({"users": {"__where__": "True"}}, "__where__: unknown option"),
    ({"users": {"__else__": None, "__key_properties__": None}}, "users: leaves no property"),
    ({"users": {"email": "md5(config['empty'] + email)"}}, "`config['empty']` is not set"),
    ({"users": {"__alias__": "'x'"}, "events": {"__alias__": "'x'"}}, f'{ONE_STREAM}, "x"'),
    ({"*": {"__alias__": "'all'"}}, f'{ONE_STREAM}, "all"'),
    ({"x": {"__source__": "*s"}}, f'{ONE_STREAM}, "x"'),
    ({"users": {"email": "__NULL__"}, "*": {"phone": "__NULL__"}}, "users and *: all are maps"),
    ({"user*": "__NULL__", "users": {}}, "user* and users: all are maps of users"),
    ({"users": {"__key_properties__": ["nope"]}}, "'nope' was not detected in schema"),
    (
        {"users": {"__key_properties__": ["email"], "email": "__NULL__"}},
        "email: is a key, and cann",
    ),
    ({"users": {"__key_properties__": "userId"}}, "__key_properties__: must be a list"),
]


@pytest.mark.parametrize(("maps", "says"), WRONG, ids=lambda value: str(value)[:60])
def test_wrong_ones(refused: Refused, maps: Json, says: str) -> None:
    given = {"stream_maps": maps, "stream_map_config": {"empty": " "}, "flattening_separator": "-"}
    assert says in refused(given)
    refused({**given, "flattening_enabled": True, "flattening_max_depth": 2})


def test_fake_without_its_package(refused: Refused, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "faker", None)
    says = refused({"stream_maps": {"users": {"firstName": "fake.first_name()"}}})
    assert "users: firstName: `fake` needs a package" in says


DOUBTFUL = [
    ({"e-mail": "str(email)", "emailHash": "str(email)"}, "e-mail: this adds a column; did"),
    ({"address.city": "'x'"}, "users: address.city: this adds a column, and leaves the nested"),
    ({"address__city": "'x'"}, "leaves the nested property as it is"),
    ({"address/city": "'x'"}, "leaves the nested property as it is"),
    ({}, "users: is an empty map"),
]


@pytest.mark.parametrize(("users", "says"), DOUBTFUL)
def test_a_warning(sandbox: Sandbox, tap: Tap, users: Json, says: str) -> None:
    (warning,) = tap(sandbox.config(stream_maps={"users": users})).warnings
    assert says in warning
    assert users or "Meltano drops" in warning


def test_a_column_named_like_what_the_schema_lacks(sandbox: Sandbox, tap: Tap) -> None:
    """An expression that reads it from where it is needs no warning."""
    sandbox.world.items("users")[0].update(plan="private", tier="gold")
    maps = {"users": {"plan": "'x'", "tier": "str(record.get('additionalProperties'))"}}
    warning, _ = tap(sandbox.config(stream_maps=maps)).warnings
    assert "what the API sends by that name stays in `additionalProperties.plan`" in warning


FAILING = [
    ("int(email or 'x')", "ValueError"),
    ("record[email or 'x']", "KeyError"),
    ("'a'.encode(email or 'x')", "LookupError"),
    ("email + 5", "TypeError: can only concatenate str"),
    ("fake.get_formatter(email or 'x')", "AttributeError."),
    ("len(email)", "FunctionNotDefined: Function 'len' not defined, for expression 'len(email)'\n"),
    ("email.lowr()", "AttributeDoesNotExist: Attribute 'lowr' does not exist"),
    ("int('9' * 20 + email[:0]) << 99999", "NumberTooHigh."),
    ("int('9' * 20 + email[:0]) ** 2", "NumberTooHigh."),
]


@pytest.mark.parametrize(("expression", "error"), FAILING)
def test_a_record_that_an_expression_fails_on(
    sandbox: Sandbox, tap: Tap, expression: str, error: str
) -> None:
    """The error quotes the expression, and nothing of the record."""
    maps = {"users": {"added": expression, "__filter__": "email is not None"}}
    output = tap(sandbox.config(stream_maps=maps), TAP_CROCT_LOGLEVEL="DEBUG", code=1)
    says = f"users: the stream map `{expression}` fails on a record: {error}"
    assert says in output.stderr
    assert "@mail" not in output.stderr
    assert "9999999999" not in output.stderr
    assert "LOGLEVEL" not in output.stderr


# Names and keys

NAMES: list[tuple[Json, dict[str, str]]] = [
    ({"users": {"__alias__": "croct_users"}}, {"users": "croct_users"}),
    ({"users": {"__alias__": "'croct_users'"}}, {"users": "croct_users"}),
    ({"users": {"__alias__": "croct-users"}}, {"users": "croct-users"}),
    ({"*": {"__alias__": "'croct_' + __stream_name__"}}, {s: f"croct_{s}" for s in KEYS}),
    ({"users": "__NULL__", "my people": {"__source__": "users"}}, {"users": "my people"}),
    ({"users": {"__alias__": None, "__filter__": "__NULL__"}}, {"users": "users"}),
]


@pytest.mark.parametrize(("maps", "names"), NAMES)
def test_what_streams_are_called(
    sandbox: Sandbox, tap: Tap, maps: Json, names: dict[str, str]
) -> None:
    output = tap(sandbox.config(stream_maps=maps))
    for stream, name in names.items():
        assert output.records(name) == expected_records(sandbox.world, stream)


def test_one_name_for_streams_of_which_one_is_exported(
    sandbox: Sandbox, tap: Tap, catalog: Json
) -> None:
    select_only(catalog, "users")
    maps = {"users": {"__alias__": "people"}, "x": {"__source__": "*"}}
    output = tap(sandbox.config(stream_maps=maps), catalog=catalog)
    for name in ("people", "x"):
        assert output.records(name) == expected_records(sandbox.world, "users")


@pytest.mark.parametrize("keys", [None, "__NULL__", []])
def test_no_key(sandbox: Sandbox, tap: Tap, keys: object) -> None:
    output = tap(sandbox.config(stream_maps={"users": {"__key_properties__": keys}}))
    found = {m["stream"]: m["key_properties"] for m in output.of("SCHEMA")}
    assert found == {"events": ["id"], "sessions": ["sessionId"], "users": []}


# Nulls that Meltano drops, and maps in two places

SAME = {"users": {"phone": "'x'", "email": "'x'"}}
TWO_PLACES: list[tuple[Json, Json, str]] = [
    # the maps as they arrive, the variable, and where they differ
    (
        {"users": {"firstName": "'x'"}},
        {"users.email": None, "users.firstName": "'x'"},
        "users.email",
    ),
    ({"users": {}}, {"users.email": None, "users.phone": None}, "users.email, users.phone"),
    ({"users": {}}, {"users.__else__": None}, "users.__else__"),
    ({"users": {}}, {"users.__key_properties__": None}, "users.__key_properties__"),
    ({"users": {"email": "email"}}, {"users.email": None}, "users.email"),
    ({"users": {"email": "__NULL__"}}, {"users.email": None}, ""),
    ({"users": {"email": None}}, {"users": {"email": None}}, ""),
    ({"users": {"firstName": "'x'"}}, {"users.firstName": "'x'"}, ""),
    ({"users": {"__key_properties__": None}}, {"users.__key_properties__": []}, ""),
    # Meltano has merged both, and dropped a null of meltano.yml that nobody sees any more
    (
        {"users": {"phone": "'x'"}},
        {"events": {"context": "__NULL__"}},
        "events.context, users.phone",
    ),
    (SAME, {"users": {"email": "'x'"}}, "users.phone"),
    ({"users": {"phone": "'x'"}}, {}, "users.phone"),
    ({}, {"users.email": "__NULL__"}, "users.email"),
    # nothing reads the variable
    (SAME, {"users": {"email": "'y'", "phone": "'x'"}}, "users.email"),
    (SAME, {"users": "__NULL__"}, "users, users.email, users.phone"),
    ({"users": {"email": "'x'"}}, {"users": {"email": "__NULL__"}}, "users.email"),
    (SAME, {**SAME, "__else__": None}, "__else__"),
]


@pytest.mark.parametrize(("arrived", "variable", "differs"), TWO_PLACES, ids=str)
def test_maps_in_two_places(
    sandbox: Sandbox, tap: Tap, arrived: Json, variable: Json, differs: str
) -> None:
    environment = {"TAP_CROCT_STREAM_MAPS": json.dumps(variable)}
    output = tap(sandbox.config(stream_maps=arrived), **environment, code=1 if differs else 0)
    assert f"stream_maps: {differs}: the environment" in output.last_line or not differs
    assert 'write "__NULL__" instead' in output.last_line or not differs
    assert bool(sandbox.requests) is not bool(differs)


def test_maps_of_a_plugin_with_another_name(sandbox: Sandbox, tap: Tap) -> None:
    """Meltano's own variable is that of this plugin; the tap's may be for another one."""
    config = sandbox.config(stream_maps={"users": {"phone": "'x'"}})
    meltano = {"MELTANO_EXTRACTOR_NAME": "shop"}
    other = {"TAP_CROCT_STREAM_MAPS": '{"users": "__NULL__"}'}
    for variable, differs in ({"users.phone": "'x'"}, ""), ({"users.email": None}, "users.email"):
        shown = {**meltano, "MELTANO_EXTRACT_STREAM_MAPS": json.dumps(variable)}
        output = tap(config, **shown, **other, code=1 if differs else 0)
        assert (f"stream_maps: {differs}" in output.last_line) is bool(differs)
    assert "meltano.yml does not declare it with `kind: object`" in tap(config, **meltano).stderr


def test_maps_that_nothing_reads(sandbox: Sandbox, tap: Tap) -> None:
    output = tap(sandbox.config(), TAP_CROCT_STREAM_MAPS='{"users": {"email": "__NULL__"}}')
    assert "TAP_CROCT_STREAM_MAPS is set, but only `--config=ENV` reads it" in output.stderr


# Types


FITTING = [
    ("bool(email)", None),
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
    ("int('5') / 2", "float("),
    ("(1, 2)", "its column: write `str(…)`"),
    ("float(statistics['orders'])", None),
    ("birthDate[:4] if birthDate else None", None),
    ("datetime.datetime(2026, 1, 31)", None),
    ("datetime.date(2026, 1, 31)", None),
]


@pytest.mark.parametrize(("expression", "hint"), FITTING)
def test_a_value_that_does_not_fit_its_column(
    sandbox: Sandbox, tap: Tap, expression: str, hint: str | None
) -> None:
    for name in ("added", "email") if expression == "email is None" else ("added",):
        output = tap(sandbox.config(stream_maps={"users": {name: expression}}))
        warnings = [line for line in output.warnings if name in line]
        assert len(warnings) == bool(hint)
        assert hint is None or hint in warnings[0]


def test_a_value_of_the_api_that_does_not_fit(sandbox: Sandbox, tap: Tap) -> None:
    """No expression made it: nothing in the configuration would mend it."""
    sandbox.world.items("users")[0]["company"] = 5
    output = tap(sandbox.config(stream_maps={"users": {"added": "email"}}))
    assert output.warnings == []
    assert output.records("users")[0]["company"] == 5


def test_a_value_that_is_not_text(sandbox: Sandbox, tap: Tap) -> None:
    output = tap(sandbox.config(stream_maps={"users": {"added": "'\\ud800'"}}), code=1)
    assert "users: page 1: a stream map yields an unpaired surrogate" in output.last_line


def test_a_type_that_json_does_not_have(sandbox: Sandbox, tap: Tap, catalog: Json) -> None:
    """Nothing fits it; the warning quotes no value."""
    entry_of(catalog, "users")["schema"]["properties"]["email"]["type"] = "any"
    maps = {"users": {"email": "email.lower() if email else None"}}
    output = tap(sandbox.config(stream_maps=maps), catalog=catalog)
    assert output.records("users") == expected_records(sandbox.world, "users")
    assert "the stream map of `email` in users yields a value that does not fit" in output.stderr
    assert "@mail" not in output.stderr


def test_what_the_sdk_makes_of_values(sandbox: Sandbox, tap: Tap) -> None:
    """A renamed time stays a time; what is not JSON is text, and so are the names of properties."""
    maps = {"birthDate": "__NULL__", "born": "birthDate", "names": "record.keys()"}
    maps["address"] = "{1: 2}"
    output = tap(sandbox.config(stream_maps={"users": maps}))
    (schema,) = [m["schema"] for m in output.of("SCHEMA") if m["stream"] == "users"]
    assert schema["properties"]["born"]["format"] == "date-time"
    assert output.records("users")[0]["names"].startswith("dict_keys(['userId'")
    assert output.records("users")[0]["address"] == {"1": 2}


def test_json_of_fractions(sandbox: Sandbox, tap: Tap) -> None:
    sandbox.world.items("users")[0]["customAttributes"] = {"rate": 1.5, "names": ["é"]}
    maps = {"text": "json.dumps(customAttributes, ensure_ascii=False)"}
    output = tap(sandbox.config(stream_maps={"users": maps}))
    assert output.records("users")[0]["text"] == '{"rate": 1.5, "names": ["é"]}'


# Several sources


@pytest.mark.parametrize("source", ["second.json", "TAP_CROCT_"])
@pytest.mark.parametrize("second", [{"users": {"phone": "__NULL__"}}, {}, {"users": None}])
def test_two_sources_of_one_object(
    sandbox: Sandbox, tap: Tap, tmp_path: Path, source: str, second: Json
) -> None:
    """They differ, and only one would count; where they agree, all is well."""
    first = {"users": {"email": "__NULL__"}}
    for maps, code in ((second, 1), (first, 0)):
        if source == "second.json":
            write(tmp_path / source, {"stream_maps": maps})
            output = tap(sandbox.config(stream_maps=first), "--config", source, code=code)
        else:
            variable = {f"{source}STREAM_MAPS": json.dumps(maps)}
            output = tap(sandbox.config(stream_maps=first), "--config=ENV", code=code, **variable)
        assert bool(sandbox.requests) is (code == 0)
        for name in ("stream_maps", "config.json", source) if code else ():
            assert name in output.last_line

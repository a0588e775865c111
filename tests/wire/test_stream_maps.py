"""Stream maps that are right, and stream maps that name what does not exist."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from dev.sandbox import Sandbox
    from tests.support.fixtures import Tap

RIGHT: list[dict[str, Any]] = [
    {},
    {"users": None},
    {"users": "__NULL__"},
    {"users": {"email": None, "phone": "__NULL__", "__else__": None, "userId": "userId"}},
    {"users": {"email": "md5(config['salt'] + email)", "name": "firstName + ' ' + lastName"}},
    {
        "users": {
            "email": "config.get('pepper', '') + config.salt + (config['x'] if 'x' in config else '')"
        }
    },
    {"users": {"email": "self.lower() if self else self"}},
    {"users": {"__alias__": "people", "__filter__": "email is not None", "userId": "userId"}},
    {"users": {"__key_properties__": ["userId", "email"]}},
    {"users": {"street": "address['street'] if address else None"}},
    {"users": {"street": "record['address'].get('street')", "e": "_['email']"}},
    {"users": {"year": "datetime.date.fromisoformat(birthDate[:10]).year"}},
    {"users": {"tags": "[tag.lower() for tag in interests or []]"}},
    {"users": {"tags": "{key: str(value) for key, value in customAttributes.items()}"}},
    {"users": {"all": "json.dumps(record)", "stream": "__stream_name__", "n": "int('5')"}},
    {"users": {"text": "f'{firstName}'", "b": "bool(email)", "nothing": "None", "yes": "True"}},
    {"orders": {"__source__": "events", "__filter__": "payload['@type'] == 'orderPlaced'"}},
    {"*": {"externalUserId": None, "loadedBy": "'tap'"}},
    {"use*": {"email": None}},
]


@pytest.mark.parametrize("stream_maps", RIGHT, ids=str)
def test_right_ones(sandbox: Sandbox, tap: Tap, stream_maps: dict[str, Any]) -> None:
    config = sandbox.config(stream_maps=stream_maps, stream_map_config={"salt": "pepper"})
    output = tap(config, "--test=schema")
    assert output.code == 0, output.stderr
    assert output.warnings == []


WRONG: list[tuple[dict[str, Any], str]] = [
    ({"user": {"email": None}}, 'user: unknown stream "user"; did you mean "users"?'),
    ({"user": None}, 'user: unknown stream "user"; did you mean "users"?'),
    ({"orders": {"id": None}}, 'orders: unknown stream "orders"'),
    ({"a": {"__source__": "event"}}, 'a: unknown stream "event"; did you mean "events"?'),
    ({"x*": {"email": None}}, 'unknown stream "x*"'),
    ({"us\x1b": None}, r'unknown stream "us\x1b"'),
    ({"users": {"e-mail": None}}, 'e-mail: cannot remove an unknown property; did you mean "email'),
    ({"users": {"emial": "__NULL__"}}, 'did you mean "email"?'),
    ({"*": {"zzz": None}}, "zzz: cannot remove an unknown property"),
    ({"users": {"address.street": None}}, "deselected in the catalog"),
    ({"users": {"address__street": None}}, "before flattening"),
    ({"users": {"__fliter__": "True"}}, 'unknown option; did you mean "__filter__"?'),
    ({"users": {"email": "sha256("}}, "`sha256(` is not an expression"),
    ({"users": {"email": "null"}}, 'email: must be an expression (a string) or "__NULL__"'),
    ({"users": {"email": " Null"}}, 'email: must be an expression (a string) or "__NULL__"'),
    ({"users": {"email": ""}}, "must be an expression (a string)"),
    ({"users": {"email": "a = 1"}}, "is not an expression"),
    ({"users": {"email": "(" * 10_000}}, "is not an expression"),
    ({"users": {"email": 5}}, 'must be an expression (a string) or "__NULL__"'),
    ({"users": {"email": ["x"]}}, 'must be an expression (a string) or "__NULL__"'),
    ({"users": {"__filter__": 5}}, "users: __filter__: must be a string"),
    ({"users": {"email": "md5(config['pepper'] + email)"}}, "add it to `stream_map_config`"),
    ({"users": {"email": "md5(config.pepper + email)"}}, "`config['pepper']` is not set"),
    ({"users": {"__filter__": "email in config['list']"}}, "__filter__: `config['list']` is not"),
    ({"users": {"userId": None}}, "Removing key property 'userId' is not permitted"),
]


@pytest.mark.parametrize(("stream_maps", "says"), WRONG, ids=lambda value: str(value)[:60])
def test_wrong_ones(sandbox: Sandbox, tap: Tap, stream_maps: dict[str, Any], says: str) -> None:
    output = tap(sandbox.config(stream_maps=stream_maps))
    assert output.code == 1
    assert says in output.last_line
    assert "Traceback" not in output.stderr
    assert output.of("RECORD") == []
    assert sandbox.requests == []


def test_fake_without_its_package(
    sandbox: Sandbox, tap: Tap, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "faker", None)
    output = tap(sandbox.config(stream_maps={"users": {"firstName": "fake.first_name()"}}))
    assert "users: firstName: `fake` needs a package" in output.last_line
    assert not sandbox.requests


def test_every_mistake_has_its_line(sandbox: Sandbox, tap: Tap) -> None:
    maps = {"user": {}, "users": {"e-mail": None, "address-street": None, "__fliter__": "True"}}
    output = tap(sandbox.config(stream_maps=maps, flattening_separator="-"))
    lines = [line for line in output.stderr.splitlines() if " | stream_maps: " in line]
    assert len(lines) == 4
    assert "before flattening" in output.stderr


def test_a_column_that_may_be_a_misspelling(sandbox: Sandbox, tap: Tap) -> None:
    maps = {"users": {"e-mail": "str(email)", "emailHash": "str(email)"}}
    (warning,) = tap(sandbox.config(stream_maps=maps)).warnings
    assert warning.endswith('users: e-mail: this adds a column; did you mean "email"?')


@pytest.mark.parametrize(
    ("expression", "error"),
    [
        ("int(email or 'x')", "ValueError"),
        ("json.loads(email or 'x')", "JSONDecodeError"),
        ("{'a': 1}[email or 'x']", "KeyError"),
        ("record[email or 'x']", "KeyError"),
        ("'a'.encode(email or 'x')", "LookupError"),
        ("email + 5", "TypeError: can only concatenate str"),
        ("email.lowr()", "AttributeDoesNotExist: Attribute 'lowr' does not exist"),
        ("1 / int(bool(firstName) and False)", "ZeroDivisionError"),
        ("int('9' * 20 + email[:0]) << 99999", "NumberTooHigh."),
        ("int('9' * 20 + email[:0]) ** 2", "NumberTooHigh."),
    ],
)
def test_a_record_that_an_expression_fails_on(
    sandbox: Sandbox, tap: Tap, expression: str, error: str
) -> None:
    """The error quotes the expression, and nothing of the record."""
    maps = {"users": {"added": expression, "__filter__": "email is not None"}}
    output = tap(sandbox.config(stream_maps=maps), TAP_CROCT_LOGLEVEL="DEBUG")
    assert output.code == 1
    says = f"users: the stream map `{expression}` fails on a record: {error}"
    assert says in output.stderr
    assert "@mail" not in output.stderr
    assert "9999999999" not in output.stderr
    assert "LOGLEVEL" not in output.stderr

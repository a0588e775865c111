"""Stream maps that name what does not exist."""

from __future__ import annotations

from typing import Any

import pytest

from tap_croct.schemas import EVENT, SESSION, USER
from tap_croct.stream_maps import Stream, StreamMapCheck

STREAMS = [
    Stream("events", EVENT["properties"]),
    Stream("sessions", SESSION["properties"]),
    Stream("users", USER["properties"], frozenset({"phone"})),
]


def check(stream_maps: Any, **config: Any) -> StreamMapCheck:
    config = {"stream_map_config": {"salt": "pepper"}, **config}
    result = StreamMapCheck({"stream_maps": stream_maps, **config}, STREAMS)
    result.run()
    return result


GOOD: list[dict[str, Any]] = [
    {},
    {"users": None},
    {"users": "__NULL__"},
    {"__else__": None},
    {"users": {"email": None, "phone": "__NULL__", "__else__": None}},
    {"users": {"email": "sha256(email) if email else None"}},
    {"users": {"email": "md5(config['salt'] + email)", "name": "firstName + ' ' + lastName"}},
    {"users": {"email": "self.lower() if self else self"}},
    {"users": {"__alias__": "people", "__filter__": "email is not None", "userId": "userId"}},
    {"users": {"__key_properties__": ["userId", "email"]}},
    {"users": {"__key_properties__": None}},
    {"users": {"street": "address['street'] if address else None"}},
    {"users": {"street": "record['address'].get('street')", "e": "_['email']"}},
    {"users": {"year": "datetime.date.fromisoformat(birthDate[:10]).year"}},
    {"users": {"tags": "[tag.lower() for tag in interests or []]"}},
    {"users": {"tags": "{key: str(value) for key, value in customAttributes.items()}"}},
    {"users": {"all": "json.dumps(record)", "stream": "__stream_name__", "n": "int('5')"}},
    {"users": {"text": "f'{firstName}'", "b": "bool(email)", "c": "list((1, *[2]))"}},
    {"users": {"source": "__original_stream_name__", "nothing": "None", "yes": "True"}},
    {"orders": {"__source__": "events", "__filter__": "payload['@type'] == 'orderPlaced'"}},
    {"all": {"__source__": "*", "__else__": None}},
    {"*": {"externalUserId": None, "loadedBy": "'tap'"}},
    {"use*": {"email": None}},
]


@pytest.mark.parametrize("stream_maps", GOOD, ids=str)
def test_good_ones(stream_maps: dict[str, Any]) -> None:
    assert check(stream_maps).mistakes == []
    assert check(stream_maps).warnings == []


BAD: list[tuple[dict[str, Any], str]] = [
    ({"user": {"email": None}}, 'user: unknown stream "user"; did you mean "users"?'),
    ({"user": None}, 'user: unknown stream "user"; did you mean "users"?'),
    ({"orders": {"id": None}}, 'orders: unknown stream "orders"'),
    (
        {"orders": {"__source__": "event"}},
        'orders: unknown stream "event"; did you mean "events"?',
    ),
    ({"x*": {"email": None}}, 'unknown stream "x*"'),
    (
        {"users": {"e-mail": None}},
        'users: e-mail: cannot remove an unknown property; did you mean "email"?',
    ),
    ({"users": {"emial": "__NULL__"}}, 'did you mean "email"?'),
    ({"users": {"zzz": None}}, "zzz: cannot remove an unknown property"),
    ({"users": {"address.street": None}}, "deselect it in the catalog"),
    ({"users": {"address__street": None}}, "before flattening"),
    ({"*": {"zzz": None}}, "zzz: cannot remove an unknown property"),
    (
        {"users": {"email": "sha265(email)"}},
        'users: email: unknown function "sha265"; did you mean "sha256"?',
    ),
    ({"users": {"email": "hash(email)"}}, 'unknown function "hash"'),
    (
        {"users": {"email": "md5(config['slat'] + email)"}},
        '`stream_map_config` has no "slat"; did you mean "salt"?',
    ),
    (
        {"users": {"digest": "sha256(emial)"}},
        'users: digest: users has no property "emial"; did you mean "email"?',
    ),
    ({"users": {"digest": "sha256(record['emial'])"}}, '"emial"; did you mean "email"?'),
    ({"users": {"digest": "sha256(_['emial'])"}}, '"emial"; did you mean "email"?'),
    ({"users": {"a": "address.street + steet"}}, 'users has no property "steet"'),
    ({"users": {"__filter__": "emial is not None"}}, '__filter__: users has no property "emial"'),
    ({"users": {"__fliter__": "True"}}, 'unknown option; did you mean "__filter__"?'),
    ({"users": {"new": "self"}}, "`self` is the value of a property"),
    ({"users": {"email": "sha256(phone)"}}, '"phone" of users is deselected in the catalog'),
    ({"users": {"email": "sha256("}}, "`sha256(` is not an expression"),
    ({"users": {"email": ""}}, "is not an expression"),
    ({"users": {"email": "a = 1"}}, "is not an expression"),
    ({"users": {"email": "(" * 10_000}}, "is not an expression"),
    ({"users": {"email": "lambda x: x"}}, "cannot contain: Lambda"),
    ({"users": {"email": 5}}, "must be an expression (a string) or null"),
    ({"users": {"email": ["x"]}}, "must be an expression (a string) or null"),
    ({"users": {"__filter__": 5}}, "must be an expression (a string) or null"),
    ({"*": {"digest": "sha256(email)"}}, 'events has no property "email"'),
    ({"users": {"x": "len(email)"}}, 'unknown function "len"'),
    ({"users": {"x": "password"}}, 'users has no property "password"'),
    ({"us\x1b": None}, r'unknown stream "us\x1b"'),
]


@pytest.mark.parametrize(("stream_maps", "says"), BAD, ids=lambda value: str(value)[:60])
def test_bad_ones(stream_maps: dict[str, Any], says: str) -> None:
    mistakes = check(stream_maps).mistakes
    assert any(says in mistake for mistake in mistakes), mistakes
    assert all(mistake.startswith("stream_maps: ") for mistake in mistakes)
    assert len(mistakes) == len(set(mistakes))


def test_all_mistakes_are_named() -> None:
    maps = {"user": {}, "users": {"e-mail": None, "phone": "sha265(phnoe)"}}
    assert len(check(maps).mistakes) == 4


def test_another_separator() -> None:
    mistakes = check({"users": {"address-street": None}}, flattening_separator="-").mistakes
    assert "before flattening" in mistakes[0]


def test_a_column_that_may_be_a_misspelling() -> None:
    result = check({"users": {"e-mail": "sha256(email)", "emailHash": "sha256(email)"}})
    assert result.mistakes == []
    assert result.warnings == [
        'stream_maps: users: e-mail: this adds a column; did you mean "email"?'
    ]

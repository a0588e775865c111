"""Items of the API, as they are, were, and should not be: strategies for hypothesis."""

from __future__ import annotations

import copy
from collections import defaultdict
from decimal import Decimal
from functools import cache
from typing import Any

from hypothesis import strategies as st

from dev.expected import KEYS
from dev.sandbox import World
from tests.support.converted import TIMES

Json = dict[str, Any]
Path = tuple[str | int, ...]

TEXTS = [
    "", "\x00", "a\x00b", "a\u2028b\u2029", "\\ud83d", '"', "\\", "😀", "é", "\x1b[31m", "{}", "[1,",
    "1.50", "</script>", "\r\n", "\x7f\x85", "\ufffd\uffff", "𐏿", "x" * 3000, "null",
]  # fmt: skip
NUMBERS: list[Any] = [
    0, -1, 2**53 + 1, 2**63, 12345678901234567890, -(10**40),
    *map(Decimal, ("1.50", "59.90", "1E-7", "0.1234567890123456789", "-0.0", "1E+400", "100.0")),
]  # fmt: skip
NAMES = [
    "new", "giftWrap", "a b", "ü.x", "x__y", "_", "record", "type", "properties", "x" * 80,
    "new.", "self", "id2", "config",
]  # fmt: skip
WRONG: list[Any] = ["text", 7, True, {}, {"a": {"b": {"c": 1}}}, [], [1, {"b": None}], [[]], "{"]
WRONG_TIMES: list[Any] = ["text", {}, {"a": 1}, [], None, "1815-12-10"]
MOMENTS: list[Any] = [
    0, -1, 1767225600664, -62_135_596_800_000, -62_135_596_800_001, 253_402_300_799_999,
    253_402_300_800_000, 10**30, None, "1815-12-10", True, "",
    *map(Decimal, ("1767225600664.0", "1767225600664.5", "-125.0", "1E+3", "1E+30", "-0.0")),
]  # fmt: skip

text = st.sampled_from(TEXTS) | st.text(st.characters(codec="utf-8"), max_size=4)
scalars = (
    st.none() | st.booleans() | st.integers() | st.sampled_from(NUMBERS) | text
    | st.decimals(allow_nan=False, allow_infinity=False)
)  # fmt: skip
names = st.sampled_from(NAMES) | st.text(st.characters(codec="utf-8"), max_size=3)
anything = st.recursive(
    scalars,
    lambda children: st.lists(children, max_size=3) | st.dictionaries(names, children, max_size=3),
    max_leaves=6,
)


@cache
def ordinary(stream: str) -> list[list[Json]]:
    """Return a world's items, by kind: events by their type."""
    kinds: dict[str, list[Json]] = defaultdict(list)
    for item in World(seed=5, visits=40).items(stream):
        kind = item["payload"]["@type"] if stream == "events" else str(item.get("email") is None)
        kinds[kind].append(item)
    return [items[:12] for items in kinds.values()]


def _places(value: Any, path: Path = ()) -> list[Path]:
    children = value.items() if isinstance(value, dict) else enumerate(value)
    found: list[Path] = []
    for name, child in children:
        found.append((*path, name))
        if isinstance(child, (dict, list)):
            found += _places(child, (*path, name))
    return found


def _deep(levels: int = 7, *, lists: bool = False) -> Any:
    value: Any = "bottom"
    for level in range(levels):
        value = [value] if lists and level % 2 else {"deeper": value}
    return value


def at(item: Json, path: Path) -> Any:
    found: Any = item
    for step in path:
        found = found[step]
    return found


def _change(draw: st.DrawFn, stream: str, item: Json) -> None:
    """Change something about an item, anywhere in it."""
    kind = draw(st.sampled_from(["missing", "null", "wrong", "new", "leaf", "time", "key", "free"]))
    if kind == "time":
        *parents, name = draw(st.sampled_from(TIMES[stream]))
        holder = item.get(parents[0]) if parents else item
        if isinstance(holder, dict):
            holder[name] = draw(st.sampled_from(MOMENTS))
    elif kind == "key":
        item[KEYS[stream]] = draw(st.sampled_from([None, "", 5, "é", "same"]))
    elif kind == "new":
        holders = [path for path in [(), *_places(item)] if isinstance(at(item, path), dict)]
        at(item, draw(st.sampled_from(holders)))[draw(names)] = draw(anything | st.builds(_deep))
    elif kind == "free":
        free = [p for p in _places(item) if p[-1] in {"attributes", "customAttributes", "details",
                                                      "metadata", "taxes", "costs"}]  # fmt: skip
        if free:
            maps = st.dictionaries(names, anything) | st.just({"deep": _deep(60, lists=True)})
            _replace(item, draw(st.sampled_from(free)), draw(maps))
    elif places := _places(item):
        _change_at(draw, kind, stream, item, draw(st.sampled_from(places)))


def _change_at(draw: st.DrawFn, kind: str, stream: str, item: Json, path: Path) -> None:
    is_time = path in TIMES[stream]
    if kind == "missing":
        del at(item, path[:-1])[path[-1]]
    elif kind == "null":
        _replace(item, path, None)
    elif kind == "leaf" and isinstance(at(item, path), str):
        _replace(item, path, draw(text))
    elif kind == "leaf" and not is_time:
        _replace(item, path, draw(st.sampled_from(NUMBERS)))
    else:
        _replace(item, path, draw(st.sampled_from(WRONG_TIMES if is_time else WRONG)))


def _replace(item: Json, path: Path, value: Any) -> None:
    at(item, path[:-1])[path[-1]] = copy.deepcopy(value)


@st.composite
def items_of(draw: st.DrawFn, stream: str) -> Json:
    """Items as a shop has them, or under an old contract, most of them with something changed."""
    item = copy.deepcopy(draw(st.sampled_from(draw(st.sampled_from(ordinary(stream))))))
    if draw(st.integers(0, 9)) == 0:
        if stream == "events":
            item["payload"]["type"] = item["payload"].pop("@type")
            item.pop("id")
        else:
            item |= {"activities": "climbing", "interests": ""}
    for _ in range(draw(st.sampled_from([0, 0, 1, 1, 2, 4]))):
        _change(draw, stream, item)
    return item

"""Catalogs as people and tools write them: checked, and made fit for the SDK."""

import copy
import difflib
import functools
import json
import logging
import re
from collections import Counter
from collections.abc import Collection, Iterator, Mapping
from typing import Any, cast

from singer_sdk.singerlib import Catalog, MetadataMapping

from tap_croct.errors import InputError
from tap_croct.logs import MISSPELT, NAME_LIMIT, guess, printable
from tap_croct.schemas import ADDITIONAL
from tap_croct.sync import CroctStream

Streams = Mapping[str, type[CroctStream]]

_SELECTED = "selected"
_BY_DEFAULT = "selected-by-default"
_INCLUSION = "inclusion"
_INCLUSIONS = ("available", "automatic", "unsupported")
_ABOUT = re.compile(  # finds what says something of selection in a key
    "select|(ex|in)clud(e|ing)|inclusion|(black|white)-?list|ignore|omit|skip|disable|enabled|hidden"
    "|^(is-|do-|not?-)*(active|allow|block|delete|deny|discard|drop|enable|exclusions?|export|extract"
    "|filter|hide|keep|mask|redact|reject|remove|replicate|show|suppress|sync|use|visible)(p?e?d)?$"
)

_BRANCHES = ("allOf", "anyOf", "oneOf")
_IN_SCHEMAS = ("const", "default", "enum", "examples", "items", "properties", *_BRANCHES)
_NESTED = re.compile(r"\.|__")  # between the names of a nested property, or of its column
_NAMES = re.compile(r"[^][.,/'\"\s]+")  # in a breadcrumb that is written as a text
_SHORT = {3: 0.65, 4: 0.7}  # how similar short names are that differ in one letter
_KEYS = "table-key-properties"
_METHOD = "replication_method"

Breadcrumb = tuple[str, ...]


def checked(catalog: dict[str, Any] | Catalog, streams: Streams, logger: logging.Logger) -> Catalog:
    """Check a catalog, move all that it says of selection into its metadata, and complete it.

    The primary key, the replication key and `additionalProperties` stay declared, the keys also
    selected. A stream is replicated by the key that the API sorts it by, unless the catalog asks
    for the full table.

    Args:
        catalog: What was given as a catalog.
        streams: The streams by name.
        logger: For warnings about streams that are ignored.

    Returns:
        A catalog of its own, in which what it says of selection in other places is metadata, too.

    Raises:
        InputError: If it is not a catalog, something that it says of selection has no effect, it
            renames a stream, or names a key that is not exported.
    """
    place = ""
    try:
        given: dict[str, Any] = (
            catalog.to_dict() if isinstance(catalog, Catalog) else copy.deepcopy(catalog)
        )
        entries: list[dict[str, Any]] = [*given["streams"]]
        names = Counter(entry["tap_stream_id"] for entry in entries)
        mistakes = [f"{_quoted(n)} stands in it {c} times" for n, c in names.items() if c > 1]
        mistakes += [
            f"{printable(key, NAME_LIMIT)} beside `streams` has no effect: write what is selected "
            "into the metadata of a stream"
            for key, value in given.items()
            if key != "streams" and (key == "metadata" or _meant(key) or _says_selected(value))
        ]
        for entry in entries:
            if stream := streams.get(entry["tap_stream_id"]):
                place = f": see {_quoted(entry['tap_stream_id'])}"
                mistakes += _Entry(entry, stream).mistakes
        place = ""
        made = Catalog.from_dict({"streams": entries})
    except (AttributeError, KeyError, RecursionError, TypeError, ValueError) as error:
        message = f"--catalog is not a Singer catalog, such as `tap-croct --discover` prints{place}"
        raise InputError(message) from error
    if mistakes:
        raise InputError(*(f"--catalog: {mistake}" for mistake in dict.fromkeys(mistakes)))
    for name in names.keys() - streams.keys():
        logger.warning(
            "The catalog has a stream %s, which is not a stream of this tap: it is ignored",
            printable(name, NAME_LIMIT),
        )
    return made


class _Entry:
    """An entry of a catalog: what it says of selection works, or is a mistake."""

    def __init__(self, entry: dict[str, Any], stream: type[CroctStream]) -> None:
        self.mistakes: list[str] = []
        self._name = entry["tap_stream_id"]
        self._own = [("properties", key) for key in stream.own_keys()]
        self._metadata: dict[Breadcrumb, dict[str, Any]] = {}
        declared = cast("dict[str, Any]", stream.schema)
        schema = entry.setdefault("schema", {})
        self._types: dict[Breadcrumb, set[str]] = {}
        for path, part in (*_parts(declared), *_parts(schema)):
            types = part.get("type") or ()
            known = self._types.setdefault(path, set())
            known.update([types] if isinstance(types, str) else types)
        for item in entry.get("metadata") or ():
            self._take(item)
        everything = not self._metadata  # the SDK would take all that is not named for deselected
        self._merge("its entry", (), entry, walked=("schema", "metadata"))
        for path, part in _parts(schema):
            self._merge("its schema", path, part, walked=_IN_SCHEMAS)
        if everything:
            self._metadata.setdefault((), {}).setdefault(_SELECTED, True)
        self._complete(entry, declared["properties"])

    def _take(self, item: dict[str, Any]) -> None:
        """Take an item of the metadata."""
        breadcrumb, metadata = item["breadcrumb"], item["metadata"]
        if not isinstance(breadcrumb, list | tuple) or not {*map(type, breadcrumb)} <= {str}:
            breadcrumb = _NAMES.findall(str(breadcrumb))
        path = tuple(breadcrumb)
        if path in self._metadata:
            self._mistake(path, "stands in the metadata twice")
        self._metadata[path] = metadata
        self._merge("its metadata", path, metadata, _BY_DEFAULT)
        self._merge("its item, beside `metadata`", path, item, walked=["metadata"])

    def _merge(
        self,
        place: str,
        path: Breadcrumb,
        given: dict[str, Any],
        *more: str,
        walked: Collection[str] = (),
    ) -> None:
        """Make metadata of what a place says of selection; below `walked`, others search."""
        others = {k: v for k, v in given.items() if k not in (_SELECTED, _INCLUSION, *more)}
        self._check_keys(place, path, others, walked)
        inclusion = given.pop(_INCLUSION, None)  # to the SDK, `automatic` outweighs `selected`
        if inclusion not in (None, *_INCLUSIONS):
            self._mistake(path, f"`{_INCLUSION}` must be one of {', '.join(_INCLUSIONS)}")
        for key in (_SELECTED, *more):
            value = given.pop(key, None)
            if isinstance(value, str):
                value = {"true": True, "false": False}.get(value.strip().lower(), value)
            if key == _SELECTED and inclusion == "unsupported":
                value = False
            if value is None:
                continue
            if not isinstance(value, bool):
                self._mistake(path, f"`{key}` must be true or false")
            self._check_path(path)
            said = self._metadata.setdefault(path, {}).setdefault(key, value)
            if said != value:
                text = f"`{key}` is {json.dumps(said)} in the metadata"
                text = f"{text}, {json.dumps(value)} in {place}: write it in the metadata only"
                self._mistake(path, text)

    def _check_keys(
        self, place: str, path: Breadcrumb, others: dict[str, Any], walked: Collection[str]
    ) -> None:
        """Find misspelt keys about selection; others may be anything, as other tools write them."""
        for key in sorted(others):
            name = printable(key, NAME_LIMIT)
            if meant := _meant(key):
                text = f'{name} in {place} is not a key there; did you mean "{meant}"'
                self._mistake(path, f"{text} in the metadata? If not, remove it")
            elif key != "metadata" and guess(key, ["metadata"], MISSPELT):
                self._mistake(path, f'{name} in {place} must be called "metadata"')
            elif type(others[key]) is bool and not path and walked is not _IN_SCHEMAS:
                if _path([key]) in self._types:  # somebody means a property
                    text = f"write `{_SELECTED}` into its own metadata, and not its name in {place}"
                    self._mistake(_path([key]), text)
            elif key not in walked and _says_selected(others[key]):
                text = f"`{_SELECTED}` below {name} in {place} has no effect"
                self._mistake(path, f"{text}: write it in the metadata")

    def _check_path(self, breadcrumb: Breadcrumb) -> None:
        """Find breadcrumbs that select nothing, as far as the schema tells."""
        names = breadcrumb[1::2]
        if _path(names) != breadcrumb:
            names = tuple(name for name in breadcrumb if name.lower() != "properties")
        if _path(names) not in self._types:
            parts = tuple(part for name in names for part in _NESTED.split(name))
            names = parts if _path(parts) in self._types else names
        right = _path(names)
        depth = max(n for n in range(len(names) + 1) if right[: 2 * n] in self._types)
        parent, types = right[: 2 * depth], self._types[right[: 2 * depth]]
        declared = [path[-1] for path in self._types if path and path[:-2] == parent]
        rest = names[depth:]
        name = printable("".join(rest[:1]), NAME_LIMIT)
        text = ""
        if rest and depth and types and "object" not in types:
            why = "lists are exported whole, or not" if "array" in types else "it has no parts"
            text = f"nothing below {_shown(parent)} can be selected: {why}"
        elif right != breadcrumb:
            known = right if right and right in self._types else ("properties", "email")
            text = f"must be written {'' if known is right else 'like '}{_shown(known)}"
        elif "*" in "".join(rest):
            text = "there are no wildcards: it selects nothing"
        elif rest and depth == 0:
            place = f"{ADDITIONAL}.{name}, which is {_shown(_path([ADDITIONAL, name]))}"
            text = f"there is no property {name}{guess(name, declared) or '.'}"
            text = f"{text} What the schema lacks lands in {place}"
        elif rest and (meant := guess(name, declared, _SHORT.get(len(name), MISSPELT))):
            text = f"there is no property {name}{meant}"
        if text:
            self._mistake(breadcrumb, text)

    def _complete(self, entry: dict[str, Any], declared: dict[str, Any]) -> None:
        """Complete the entry: keys, replication method, and what an export cannot do without."""
        if entry.get("stream") not in (None, self._name):
            other = printable(entry["stream"], NAME_LIMIT)
            right = f'{{"{self._name}": {{"__alias__": "{other}"}}}}'
            self._mistake((), f'is called "{other}": to rename it, use a stream map: {right}')
        (_, key), (_, replication_key) = self._own
        schema = entry["schema"]
        schema["properties"] = properties = dict(schema.get("properties") or {})
        for own in (key, replication_key):
            properties.setdefault(own, declared[own])
        properties[ADDITIONAL] = declared[ADDITIONAL]  # it takes anything, and 0.1.0 had it not
        for path in self._own:
            self._metadata.setdefault(path, {})[_INCLUSION] = "automatic"
        root = self._metadata.setdefault((), {})
        entry[_METHOD] = self._method({**entry, **root})
        entry["replication_key"] = replication_key
        # The SDK's streams and its stream maps look for the keys in different places.
        given = (entry.get("key_properties"), root.get(_KEYS), [key])
        keys = next(keys for keys in given if keys is not None)
        if isinstance(keys, str):
            raise TypeError
        root[_KEYS] = entry["key_properties"] = list(keys)
        entry["metadata"] = [{"breadcrumb": p, "metadata": m} for p, m in self._metadata.items()]
        selection = MetadataMapping.from_iterable(entry["metadata"]).resolve_selection()
        said = {path for path, m in self._metadata.items() if m.get(_SELECTED) is not None}
        if said and said.isdisjoint({(), *self._own}) and _BY_DEFAULT not in root:
            self._mistake((), f"say whether the stream is selected: `{_SELECTED}` true or false")
        for name in keys if selection[()] else ():
            if name not in properties or not selection["properties", name]:
                text = f"`{printable(name, NAME_LIMIT)}` is one of the keys, and not a property"
                self._mistake(("properties", name), f"{text} that is selected")

    def _method(self, given: dict[str, Any]) -> str:
        """Return how the stream is replicated: in full, if any spelling of the key says so."""
        methods = set()
        for key, value in given.items():
            spelt = key.lower().replace("-", "_").removeprefix("forced_")
            if spelt == _METHOD:
                methods.add(str(value or "INCREMENTAL").upper())
            elif guess(spelt, [_METHOD], MISSPELT):
                self._mistake((), f'{printable(key, NAME_LIMIT)} must be called "{_METHOD}"')
        if not methods <= {"INCREMENTAL", "FULL_TABLE"}:
            self._mistake((), f"`{_METHOD}` must be INCREMENTAL or FULL_TABLE")
        return "FULL_TABLE" if "FULL_TABLE" in methods else "INCREMENTAL"

    def _mistake(self, breadcrumb: object, text: str) -> None:
        self.mistakes.append(f"{_quoted(self._name)}: breadcrumb {_shown(breadcrumb)}: {text}")


@functools.cache  # the same keys are in each property's schema
def _meant(key: str) -> str:
    """Return the key about selection that another key was probably meant as; empty for none."""
    spelt, known = key.lower().replace("_", "-"), (_SELECTED, _BY_DEFAULT, _INCLUSION)
    close = difflib.get_close_matches(spelt, known, 1, MISSPELT)
    return "".join(close) or (_SELECTED if _ABOUT.search(spelt) else "")


def _parts(schema: object, path: Breadcrumb = ()) -> Iterator[tuple[Breadcrumb, dict[str, Any]]]:
    """Yield the parts of a schema in which something may be said of selection: all objects."""
    if not isinstance(schema, dict):
        raise TypeError
    yield path, schema
    for branches in _BRANCHES:
        for branch in schema.get(branches, ()):
            yield from _parts(branch, path)
    if schema.get("items") is not None:
        yield from _parts(schema["items"], (*path, "items"))
    for name, below in (schema.get("properties") or {}).items():
        yield from _parts(below, (*path, "properties", name))


def _says_selected(value: object) -> bool:
    # Before an object, it is the name of a property.
    return re.search(r'"selected": [^{]', json.dumps(value, default=str)) is not None


def _path(names: Any) -> Breadcrumb:
    return tuple(part for name in names for part in ("properties", name))


def _shown(breadcrumb: object) -> str:
    return printable(json.dumps(breadcrumb, ensure_ascii=False, default=str))


def _quoted(name: object) -> str:
    return f'the stream "{printable(name, NAME_LIMIT)}"'

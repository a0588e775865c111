"""Stream maps as people write them: checked, so that a misspelt one lets no personal data pass."""

from __future__ import annotations

import ast
import copy
import fnmatch
import json
import logging
import re
from collections import defaultdict
from typing import TYPE_CHECKING, Any

from singer_sdk.mapper import (
    MAPPER_ALIAS_OPTION,
    MAPPER_ELSE_OPTION,
    MAPPER_FILTER_OPTION,
    MAPPER_KEY_PROPERTIES_OPTION,
    MAPPER_SOURCE_OPTION,
    NULL_STRING,
    PluginMapper,
    RemoveRecordTransform,
)
from singer_sdk.singerlib import Catalog

from tap_croct.errors import InputError
from tap_croct.logs import MISSPELT, NAME_LIMIT, guess, printable

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

_OPTIONS = (
    MAPPER_ALIAS_OPTION,
    MAPPER_ELSE_OPTION,
    MAPPER_FILTER_OPTION,
    MAPPER_KEY_PROPERTIES_OPTION,
    MAPPER_SOURCE_OPTION,
)
_NULLS = (None, NULL_STRING)
_EXPRESSION = f'an expression (a string) or "{NULL_STRING}"'
_MAP = f'an object of properties and their expressions, or "{NULL_STRING}"'
_STREAM_NAME = re.compile(r"[\w.-]+")
_LOGGER = logging.getLogger(__name__)


def register(catalog: Catalog, config: Mapping[str, Any], logger: logging.Logger) -> PluginMapper:
    """Return the SDK's mapper, with the stream maps of the selected streams.

    Args:
        catalog: The catalog.
        config: The settings of the tap.
        logger: For the SDK's own lines.

    Raises:
        InputError: If flattening cuts the names of two columns to the same one, or two streams
            end in one.
    """
    # A copy: the mapper removes `__else__` from what it is given.
    mapper = PluginMapper(copy.deepcopy(dict(config)), logger)
    selected = Catalog(
        (n, entry)
        for n, entry in catalog.items()
        if entry.metadata.resolve_selection().get((), True)
    )
    try:
        mapper.register_raw_streams_from_catalog(selected)
    except ValueError as error:
        message = (
            f"{printable(error)}. If `flattening_max_key_length` cuts the names of two columns to "
            "the same one, set it higher"
        )
        raise InputError(message) from None
    sources = defaultdict(list)
    for stream, maps in mapper.stream_maps.items():
        for made in maps:
            if not isinstance(made, RemoveRecordTransform):
                sources[made.stream_alias].append(stream)
    mistakes = [
        f'stream_maps: {" and ".join(streams)} end in one stream, "{printable(name, NAME_LIMIT)}": '
        "each needs a name of its own"
        for name, streams in sources.items()
        if len(streams) > 1
    ]
    if mistakes:
        raise InputError(*mistakes)
    return mapper


def wrong_shapes(stream_maps: object) -> Iterator[str]:
    """Yield a line for each part of stream maps that has the wrong type.

    Args:
        stream_maps: The setting, whatever it is.
    """
    if not isinstance(stream_maps, dict):
        return  # another type is the JSON schema's to report
    for name, definition in stream_maps.items():
        where = f"stream_maps: {printable(name, NAME_LIMIT)}"
        if definition in _NULLS:
            continue
        if name == MAPPER_ELSE_OPTION:
            yield f'{where}: must be "{NULL_STRING}"'
        elif isinstance(definition, dict):
            yield from _wrong_properties(where, definition)
        else:
            yield f"{where}: must be {_MAP}"


def _wrong_properties(where: str, definition: Mapping[str, object]) -> Iterator[str]:
    for name, value in definition.items():
        here = f"{where}: {printable(name, NAME_LIMIT)}"
        if value in _NULLS:
            continue
        if name == MAPPER_ELSE_OPTION:
            yield f'{here}: must be "{NULL_STRING}"'
        elif name == MAPPER_KEY_PROPERTIES_OPTION:
            if not isinstance(value, list) or not all(isinstance(key, str) for key in value):
                yield f'{here}: must be a list of properties, or "{NULL_STRING}"'
        elif not isinstance(value, str) or not value.strip():
            yield f"{here}: must be {'a string' if name.startswith('__') else _EXPRESSION}"


def normalized(stream_maps: Mapping[str, Any]) -> dict[str, Any]:
    """Write what is equivalent in the one way that the SDK takes as it is meant.

    Expressions have no spaces around them (an indentation to Python), no key is an empty list,
    and what is removed comes last: an expression before it still finds its type.

    Args:
        stream_maps: Valid stream maps.
    """
    return {
        name: _normalized(definition) if isinstance(definition, dict) else definition
        for name, definition in stream_maps.items()
    }


def _normalized(definition: Mapping[str, Any]) -> dict[str, Any]:
    kept, removed = {}, {}
    for name, value in definition.items():
        if name == MAPPER_KEY_PROPERTIES_OPTION:
            kept[name] = [] if value in _NULLS else value
        elif value not in _NULLS:
            kept[name] = value.strip()
        elif name not in (MAPPER_ALIAS_OPTION, MAPPER_FILTER_OPTION, MAPPER_SOURCE_OPTION):
            removed[name] = value
    return kept | removed


def dropped_nulls(stream_maps: Mapping[str, Any], variable: str) -> Iterator[str]:
    """Yield a line for each null that Meltano has dropped from a stream's map.

    Meltano 4 shows them in the tap's environment, with dotted names: `{"users.email": null}`.

    Args:
        stream_maps: The setting as it arrived.
        variable: The environment variable `TAP_CROCT_STREAM_MAPS`.
    """
    try:
        shown = json.loads(variable)
    except (ValueError, RecursionError):
        return
    for path, value in shown.items() if isinstance(shown, dict) else ():
        parts = path.split(".")
        splits = [(".".join(parts[:n]), ".".join(parts[n:])) for n in range(1, len(parts))]
        arrived = any(
            isinstance(stream_maps.get(stream), dict) and stream_maps[stream].get(name, 0) in _NULLS
            for stream, name in splits
        )
        if value is None and splits and not arrived:
            yield (
                f"stream_maps: {printable(path, NAME_LIMIT)}: Meltano drops nulls inside of a "
                f'stream\'s map, so this one would have no effect. Write "{NULL_STRING}" instead'
            )


class StreamMapCheck:
    """The check of the stream maps of a configuration."""

    def __init__(self, config: Mapping[str, Any], streams: Mapping[str, Iterable[str]]) -> None:
        """Check all stream maps.

        Args:
            config: The settings of the tap, valid by their JSON schema.
            streams: The properties of each stream, as they are before flattening.
        """
        self._separator = config.get("flattening_separator") or "__"
        self._streams = streams
        self._maps = {n: d for n, d in config["stream_maps"].items() if n != MAPPER_ELSE_OPTION}
        self.mistakes: list[str] = []
        """A line for each thing that does not exist or cannot be meant."""

        self.warnings: list[str] = []
        """A line for each map and added column that is probably a mistake."""
        for name, definition in self._maps.items():
            self._check(name, definition)

    def _check(self, name: str, definition: Any) -> None:
        where = f"stream_maps: {printable(name, NAME_LIMIT)}"
        options = definition if isinstance(definition, dict) else {}
        source = options.get(MAPPER_SOURCE_OPTION, name)
        streams = (
            {source} if source in self._streams else set(fnmatch.filter(self._streams, source))
        )
        if not streams:
            text = f'unknown stream "{printable(source, NAME_LIMIT)}"{guess(source, self._streams)}'
            self.mistakes.append(f"{where}: {text}")
            return
        if definition == {}:
            self.warnings.append(
                f"{where}: is an empty map. If it had nulls: Meltano drops them inside of a "
                f'stream\'s map. Write "{NULL_STRING}" instead'
            )
        self._check_properties(where, options, streams)
        self._check_alias(where, options, streams)
        if MAPPER_SOURCE_OPTION not in options:
            self._check_only_one(where, name, streams)
        elif name in self._streams.keys() - streams:
            text = "is the name of another stream: give the map a name of its own"
            self.mistakes.append(f"{where}: {text}")

    def _check_only_one(self, where: str, name: str, streams: set[str]) -> None:
        for other, definition in self._maps.items():
            if other == name:
                return
            has_source = isinstance(definition, dict) and MAPPER_SOURCE_OPTION in definition
            both = streams.intersection(fnmatch.filter(self._streams, other))
            if both and not has_source:
                stream = min(both)
                self.mistakes.append(
                    f"{where}: {stream} has another map, {printable(other, NAME_LIMIT)}, and only "
                    f"one would count. Put them together, or make a second stream of {stream} with "
                    f'a map of another name and "{MAPPER_SOURCE_OPTION}": "{stream}"'
                )

    def _check_alias(self, where: str, options: Mapping[str, Any], streams: set[str]) -> None:
        alias = options.get(MAPPER_ALIAS_OPTION)
        if alias is None:
            return
        where = f"{where}: {MAPPER_ALIAS_OPTION}"
        if MAPPER_SOURCE_OPTION in options:
            self.mistakes.append(
                f"{where}: does not go with {MAPPER_SOURCE_OPTION}: "
                "the name of the map is the name of the stream that it makes"
            )
        names = [_evaluated(alias, stream) for stream in streams]
        if not all(isinstance(name, str) and _STREAM_NAME.fullmatch(name) for name in names):
            self.mistakes.append(
                f"{where}: must yield a stream name: letters, digits, `_`, "
                "`-` and `.`; as an expression, text stands in quotes of its own, such as "
                "\"'croct_users'\""
            )

    def _check_properties(
        self, where: str, definition: Mapping[str, Any], streams: set[str]
    ) -> None:
        properties = {name for stream in streams for name in self._streams[stream]}
        for name, value in definition.items():
            here = f"{where}: {printable(name, NAME_LIMIT)}"
            if name in _OPTIONS:
                if name == MAPPER_FILTER_OPTION:
                    self._check_expression(here, value)
            elif name.startswith("__") and (option := guess(name, _OPTIONS, MISSPELT)):
                self.mistakes.append(f"{here}: unknown option{option}")
            elif value in _NULLS:
                if name not in properties:
                    self.mistakes.append(f"{here}: {self._no_property(name, properties)}")
            elif value.lower() == "null":  # as `meltano config set` makes it
                self.mistakes.append(f'{here}: to remove a property, write "{NULL_STRING}"')
            else:
                if name not in properties and (similar := guess(name, properties, MISSPELT)):
                    self.warnings.append(f"{here}: this adds a column{similar}")
                self._check_expression(here, value)

    def _no_property(self, name: str, properties: set[str]) -> str:
        for separator in (".", self._separator):
            if separator in name and name.partition(separator)[0] in properties:
                return (
                    "stream maps remove whole properties only, before flattening: to remove a "
                    "nested one, deselect it in the catalog"
                )
        return f"cannot remove an unknown property{guess(name, properties)}"

    def _check_expression(self, where: str, text: str) -> None:
        try:
            ast.parse(text, mode="eval")
        except (SyntaxError, ValueError, RecursionError, MemoryError) as error:
            reason = printable(getattr(error, "msg", None) or error)
            quoted = printable(text, NAME_LIMIT)
            self.mistakes.append(f"{where}: `{quoted}` is not an expression: {reason}")


def _evaluated(alias: str, stream: str) -> Any:
    """Return what an alias yields, as the SDK evaluates it; None if it fails."""
    mapper = PluginMapper({"stream_maps": {stream: {MAPPER_ALIAS_OPTION: alias}}}, _LOGGER)
    try:
        mapper.register_raw_stream_schema(stream, {"properties": {}}, None)
    except Exception:  # noqa: BLE001 - an expression can raise anything
        return None
    return mapper.stream_maps[stream][0].stream_alias

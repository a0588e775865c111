"""Stream maps as people write them: checked, so that a misspelt one lets no personal data pass."""

import ast
import copy
import fnmatch
import importlib.util
import json
import logging
import re
from collections import defaultdict
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from singer_sdk.exceptions import StreamMapConfigError
from singer_sdk.mapper import NULL_STRING, PluginMapper, RemoveRecordTransform
from singer_sdk.singerlib import Catalog

from tap_croct.errors import InputError
from tap_croct.logs import MISSPELT, NAME_LIMIT, guess, listed, printable

_OPTIONS = ("__alias__", "__else__", "__filter__", "__key_properties__", "__source__")
_NULLS = (None, NULL_STRING)
_NESTED = re.compile(r"\.|/|__")  # between the names of a nested property, or of its column
_STREAM_NAME = re.compile(r"[\w.-]+( [\w.-]+)*")


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
    result = {}
    for name, value in sorted(definition.items(), key=lambda item: item[1] in _NULLS):
        if name == "__key_properties__":
            result[name] = [] if value in _NULLS else value
        elif value not in _NULLS:
            result[name] = value.strip()
        elif name not in ("__alias__", "__filter__", "__source__"):
            result[name] = value
    return result


def differences(stream_maps: Mapping[str, Any], variable: str) -> Iterator[str]:
    """Say where the environment says something of stream maps, and something else arrived.

    Meltano 4 drops nulls inside of a stream's map, but shows them to the tap in its environment,
    with dotted names: `{"users.email": null}`.

    Args:
        stream_maps: The setting as it arrived, not yet normalized.
        variable: The variable about stream maps; ignored if it is not JSON.

    Yields:
        One line for all properties of which they say different things.
    """
    try:
        shown = _paths(json.loads(variable))
    except (AttributeError, ValueError, RecursionError):
        return
    arrived = _paths(stream_maps)
    if differ := [p for p in {**arrived, **shown} if arrived.get(p) != shown.get(p)]:
        yield (
            f"stream_maps: {listed(differ, len(differ))}: the environment says something else. "
            f'Meltano drops nulls inside of a stream\'s map: write "{NULL_STRING}" instead. It '
            "also merges TAP_CROCT_STREAM_MAPS with meltano.yml: write all maps into one place. "
            "Without Meltano, only `--config=ENV` reads that variable"
        )


def _paths(stream_maps: Mapping[str, Any]) -> dict[str, Any]:
    """Return what stream maps say, by dotted names; nulls in one form."""
    paths = {}
    for name, made in stream_maps.items():
        if isinstance(made, dict):
            paths.update({f"{name}.{key}": value for key, value in made.items()})
        else:
            paths[name] = made
    return {p: NULL_STRING if value in (*_NULLS, []) else value for p, value in paths.items()}


@dataclass
class StreamMaps:
    """The stream maps of a configuration."""

    config: Mapping[str, Any]
    """The settings of the tap, valid by their JSON schema."""

    streams: Mapping[str, Collection[str]]
    """The properties of each stream, as they are before flattening."""

    logger: logging.Logger
    """For what is probably a mistake, and the SDK's own lines."""

    def mapper(self, catalog: Catalog) -> PluginMapper:
        """Check all stream maps, and return the SDK's mapper with those of the selected streams.

        Args:
            catalog: The catalog.

        Raises:
            InputError: If a map names what does not exist or cannot be meant, flattening cuts the
                names of two columns to the same one, or two streams end in one.
        """
        if mistakes := [*self._mistakes(catalog)]:
            raise InputError(*mistakes)
        # A copy: the mapper removes `__else__` from what it is given.
        mapper = PluginMapper(copy.deepcopy(dict(self.config)), self.logger)
        selected = {n: e for n, e in catalog.items() if e.metadata.resolve_selection()[()]}
        try:
            mapper.register_raw_streams_from_catalog(Catalog(selected))
        except (KeyError, TypeError):
            message = "--catalog: to be flattened, the schema of each property needs a `type`"
            raise InputError(message) from None
        except ValueError as error:
            hint = "If `flattening_max_key_length` cuts the names of two columns to one, raise it"
            message = f"{printable(error)}. {hint}"
            raise InputError(message) from None
        except StreamMapConfigError as error:
            hint = (
                "`__key_properties__` names the keys, if not all of them are exported as they are"
            )
            message = f"stream_maps: {printable(error)} {hint}"
            raise InputError(message) from None
        sources, mistakes = defaultdict(list), []
        for stream, maps in mapper.stream_maps.items():
            for made in maps:
                if isinstance(made, RemoveRecordTransform):
                    continue
                # Warehouses do not tell `Users` from `users`.
                sources[made.stream_alias.lower()].append(stream)
                if not made.transformed_schema["properties"]:
                    text = f'leaves no property. To leave it out, write "{NULL_STRING}" as its map'
                    mistakes.append(f"stream_maps: {printable(made.stream_alias)}: {text}")
        mistakes += [
            f"stream_maps: {' and '.join(streams)} end in one stream, "
            f'"{printable(name, NAME_LIMIT)}": each needs a name of its own'
            for name, streams in sources.items()
            if len(streams) > 1
        ]
        if mistakes:
            raise InputError(*mistakes)
        return mapper

    def _mistakes(self, catalog: Catalog) -> Iterator[str]:
        """Yield a line for each thing that does not exist or cannot be meant."""
        maps = {n: d for n, d in (self.config.get("stream_maps") or {}).items() if n != "__else__"}
        for name, definition in maps.items():
            yield from self._wrong_map(name, definition, catalog)
        for stream in self.streams:
            names = [
                printable(name, NAME_LIMIT)
                for name, definition in maps.items()
                if fnmatch.fnmatch(stream, name) and "__source__" not in (definition or ())
            ]
            if len(names) > 1:
                yield (
                    f"stream_maps: {' and '.join(names)}: all are maps of {stream}, and only one "
                    f"would count. Put them together, or make a second stream of {stream} with a "
                    f'map of another name and "__source__": "{stream}"'
                )

    def _wrong_map(self, name: str, definition: Any, catalog: Catalog) -> Iterator[str]:
        where = f"stream_maps: {printable(name, NAME_LIMIT)}"
        options = definition if isinstance(definition, dict) else {}
        source = options.get("__source__", name)
        streams = fnmatch.filter(self.streams, source)
        if not streams:
            unknown = printable(source, NAME_LIMIT)
            yield f'{where}: unknown stream "{unknown}"{guess(source, self.streams)}'
            return
        if definition == {}:
            text = "%s: is an empty map. If it had nulls: Meltano drops them. Write %s instead"
            self.logger.warning(text, where, NULL_STRING)
        properties = {name for stream in streams for name in self.streams[stream]}
        for key, value in options.items():
            yield from self._wrong_key(
                f"{where}: {printable(key, NAME_LIMIT)}", key, value, properties
            )
        keys = {key for s in streams if s in catalog for key in catalog[s].key_properties or ()}
        for key in sorted(options.get("__key_properties__", keys)):
            if options.get(key, key) in _NULLS:
                yield (
                    f"{where}: {key}: is a key, and cannot be removed alone: name other keys in "
                    f'`__key_properties__`, or write "{NULL_STRING}" there for none'
                )
        names = [name] if "__source__" in options else []
        if "__alias__" in options:
            where = f"{where}: __alias__"
            names = [self._evaluated(options["__alias__"], stream) for stream in streams]
        for taken in self.streams:
            if taken in names and taken not in streams:
                yield f"{where}: {taken} is another stream of this tap: choose another name"
        if not all(isinstance(name, str) and _STREAM_NAME.fullmatch(name) for name in names):
            yield (
                f"{where}: must yield a stream name: letters, digits, `_`, `-`, `.`, and spaces "
                "between them; as an expression, text stands in quotes of its own, such as "
                "\"'croct_users'\""
            )

    def _wrong_key(self, here: str, name: str, value: Any, known: set[str]) -> Iterator[str]:
        if name in _OPTIONS:
            if name == "__filter__":
                yield from self._wrong_expression(here, value)
        elif re.fullmatch("__.*__", name) or (  # or with at least two underscores around it
            len(name) > len(name.strip("_")) + 1 and guess(name, _OPTIONS, MISSPELT)
        ):
            yield f"{here}: unknown option{guess(name, _OPTIONS, MISSPELT)}"
        elif value in _NULLS:
            if name not in known:
                text = "Maps act before flattening: a nested property is deselected in the catalog"
                yield f"{here}: cannot remove an unknown property{guess(name, known)} ({text})"
        else:
            if name not in known and (similar := guess(name, known, MISSPELT)):
                self.logger.warning("%s: this adds a column%s", here, similar)
            elif _NESTED.split(name)[0] in known - {name}:
                self.logger.warning(
                    "%s: this adds a column, and leaves the nested property as it is. To leave "
                    "that out, deselect it in the catalog",
                    here,
                )
            yield from self._wrong_expression(here, value)

    def _wrong_expression(self, here: str, text: str) -> Iterator[str]:
        try:
            nodes = [*ast.walk(ast.parse(text, mode="eval"))]
        except (SyntaxError, ValueError, RecursionError, MemoryError) as error:
            reason = printable(getattr(error, "msg", None) or error)
            yield f"{here}: `{printable(text, NAME_LIMIT)}` is not an expression: {reason}"
            return
        compared = [node.left for node in nodes if isinstance(node, ast.Compare)]
        known = {getattr(left, "value", None) for left in compared}  # as in `'salt' in config`
        given = self.config.get("stream_map_config") or {}
        known.update((k for k, v in given.items() if v is not None and str(v).strip()), dir(dict))
        for node in nodes:
            match node:
                case ast.Subscript(ast.Name("config"), ast.Constant(key)) | ast.Attribute(
                    ast.Name("config"), key
                ) if key not in known:
                    what = f"`config[{key!r}]` is not set: add it to `stream_map_config`"
                    yield f"{here}: {printable(what)}"
                case ast.Name("fake") if importlib.util.find_spec("faker") is None:
                    yield f"{here}: `fake` needs a package: install `tap-croct[faker]`"

    def _evaluated(self, alias: str, stream: str) -> Any:
        """Return what an alias yields, as the SDK evaluates it; None if it fails."""
        maps: dict[str, Any] = {"stream_maps": {stream: {"__alias__": alias}}}
        mapper = PluginMapper(maps, self.logger)
        try:
            mapper.register_raw_stream_schema(stream, {"properties": {}}, None)
        except Exception:  # noqa: BLE001 - an expression can raise anything
            return None
        return mapper.stream_maps[stream][0].stream_alias

"""Checks of stream maps before the first request: a misspelt one would let personal data pass."""

from __future__ import annotations

import ast
import builtins
import fnmatch
from functools import cached_property
from typing import TYPE_CHECKING, Any

import msgspec
from singer_sdk.mapper import (
    MAPPER_ALIAS_OPTION,
    MAPPER_ELSE_OPTION,
    MAPPER_FILTER_OPTION,
    MAPPER_KEY_PROPERTIES_OPTION,
    MAPPER_SOURCE_OPTION,
    NULL_STRING,
    CustomStreamMap,
)

from tap_croct.text import NAME_LIMIT, printable
from tap_croct.validation import MISSPELT, guess

if TYPE_CHECKING:
    from collections.abc import Container, Iterable, Iterator, Mapping

_OPTIONS = (
    MAPPER_ALIAS_OPTION,
    MAPPER_ELSE_OPTION,
    MAPPER_FILTER_OPTION,
    MAPPER_KEY_PROPERTIES_OPTION,
    MAPPER_SOURCE_OPTION,
)
_RECORD = ("record", "_")
_CONFIG = ("config",)
_NAMES = (*_RECORD, *_CONFIG, "__stream_name__", "__original_stream_name__")
_COMPREHENSIONS = (ast.ListComp, ast.GeneratorExp, ast.DictComp)


class Stream(msgspec.Struct, frozen=True):
    """What a stream map can name in a stream."""

    name: str
    properties: Mapping[str, Any]
    """JSON schemas of its properties, as they are before flattening."""

    deselected: frozenset[str] = frozenset()
    """Properties that the catalog deselects: expressions do not see them."""


class StreamMapCheck:
    """The check of one configuration."""

    def __init__(self, config: Mapping[str, Any], streams: Iterable[Stream]) -> None:
        """Prepare the check.

        Args:
            config: The settings of the tap, valid by their JSON schema.
            streams: The streams that there are.
        """
        self._config = config
        self._streams = {stream.name: stream for stream in streams}
        self.mistakes: list[str] = []
        """A line for each thing that does not exist, with the name probably meant."""
        self.warnings: list[str] = []
        """A line for each added column that may be a misspelt property."""

    def run(self) -> None:
        """Check all stream maps."""
        for name, definition in (self._config.get("stream_maps") or {}).items():
            if name == MAPPER_ELSE_OPTION:
                continue
            source = name
            if isinstance(definition, dict):
                source = definition.get(MAPPER_SOURCE_OPTION, name)
            where = f"stream_maps: {printable(name, NAME_LIMIT)}"
            streams = self._sources(str(source))
            if not streams:
                what = printable(source, NAME_LIMIT)
                self.mistakes.append(
                    f'{where}: unknown stream "{what}"{guess(str(source), self._streams)}'
                )
            elif isinstance(definition, dict):
                self._check_map(where, definition, streams)

    def _sources(self, pattern: str) -> list[Stream]:
        if pattern in self._streams:
            return [self._streams[pattern]]
        matching = fnmatch.filter(self._streams, pattern)
        return [self._streams[name] for name in matching]

    def _check_map(self, where: str, definition: dict[str, Any], streams: list[Stream]) -> None:
        properties = {name for stream in streams for name in stream.properties}
        for name, value in definition.items():
            here = f"{where}: {printable(name, NAME_LIMIT)}"
            if name in _OPTIONS:
                if name == MAPPER_FILTER_OPTION and value is not None:
                    self._check_expression(here, value, None, streams)
            elif name.startswith("__") and (option := guess(name, _OPTIONS, MISSPELT)):
                self.mistakes.append(f"{here}: unknown option{option}")
            elif value is None or value == NULL_STRING:
                if name not in properties:
                    self.mistakes.append(f"{here}: {self._no_property(name, streams)}")
            else:
                if name not in properties and (similar := guess(name, properties, MISSPELT)):
                    self.warnings.append(f"{here}: this adds a column{similar}")
                self._check_expression(here, value, name, streams)

    def _no_property(self, name: str, streams: list[Stream]) -> str:
        properties = [name for stream in streams for name in stream.properties]
        for separator in (".", self._config.get("flattening_separator") or "__"):
            if separator in name and name.partition(separator)[0] in properties:
                return (
                    "stream maps remove whole properties only, before flattening: to remove a "
                    "nested one, deselect it in the catalog"
                )
        return f"cannot remove an unknown property{guess(name, properties)}"

    # Expressions

    def _check_expression(
        self, where: str, text: object, column: str | None, streams: list[Stream]
    ) -> None:
        if not isinstance(text, str):
            self.mistakes.append(f"{where}: must be an expression (a string) or null")
            return
        try:
            tree = ast.parse(text.strip(), mode="eval")
        except (SyntaxError, ValueError, RecursionError, MemoryError) as error:
            reason = getattr(error, "msg", None) or error
            quoted = printable(text, NAME_LIMIT)
            self.mistakes.append(f"{where}: `{quoted}` is not an expression: {printable(reason)}")
            return
        found: dict[str, None] = {}
        for stream in streams:
            found |= dict.fromkeys(self._unknown_in(tree, column, stream))
        nodes = (type(node) for node in ast.walk(tree) if isinstance(node, ast.expr))
        for kind in dict.fromkeys(nodes):
            if kind not in self._evaluator.nodes and kind is not ast.Starred:
                found[f"expressions of stream maps cannot contain: {kind.__name__}"] = None
        self.mistakes += [f"{where}: {mistake}" for mistake in found]

    def _unknown_in(self, tree: ast.AST, column: str | None, stream: Stream) -> Iterator[str]:
        visible = stream.properties.keys() - stream.deselected
        names = {*visible, *self._functions, *_NAMES}
        if column in visible:
            names.add("self")
        bound = {
            target.id
            for node in ast.walk(tree)
            if isinstance(node, _COMPREHENSIONS)
            for generator in node.generators
            for target in ast.walk(generator.target)
            if isinstance(target, ast.Name)
        }
        called = {node.func for node in ast.walk(tree) if isinstance(node, ast.Call)}
        for node in ast.walk(tree):
            if isinstance(node, ast.Name) and node.id not in names | bound:
                yield self._no_name(node, stream, names, is_function=node in called)
            elif (key := _key_of(node, _RECORD)) is not None and key not in visible:
                yield self._no_name(ast.Name(key), stream, visible, is_function=False)
            elif (key := _key_of(node, _CONFIG)) is not None and key not in self._values:
                yield f'`stream_map_config` has no "{key}"{guess(key, self._values)}'

    def _no_name(
        self, node: ast.Name, stream: Stream, known: Iterable[str], *, is_function: bool
    ) -> str:
        name = printable(node.id, NAME_LIMIT)
        if is_function:
            known = [word for word in known if callable(self._functions.get(word))]
            return f'unknown function "{name}"{guess(node.id, known)}'
        if node.id in stream.deselected:
            return f'"{name}" of {stream.name} is deselected in the catalog'
        if node.id == "self":
            return "`self` is the value of a property, and this is a new column"
        hint = guess(node.id, known)
        if not hint and hasattr(builtins, node.id):
            hint = " (a function of Python that stream maps do not have)"
        return f'{stream.name} has no property "{name}"{hint}'

    @property
    def _values(self) -> Mapping[str, Any]:
        """What expressions can read as `config`."""
        return self._config.get("stream_map_config") or {}

    @cached_property
    def _stream_map(self) -> CustomStreamMap:
        """A map of nothing, to ask the SDK what expressions can use."""
        return CustomStreamMap(
            stream_alias="",
            map_config={},
            faker_config={},
            raw_schema={"properties": {}},
            key_properties=None,
            map_transform={},
            flattening_options=None,
        )

    @cached_property
    def _evaluator(self) -> Any:
        """The SDK's evaluator, a `simpleeval.EvalWithCompoundTypes`."""
        return self._stream_map.expr_evaluator

    @cached_property
    def _functions(self) -> dict[str, Any]:
        faker = {"fake": self._stream_map.fake} if self._stream_map.fake else {}
        return {**self._evaluator.functions, **faker}


def _key_of(node: ast.AST, names: Container[str]) -> str | None:
    """Return what an expression such as `record['email']` reads of something with such a name."""
    if (
        isinstance(node, ast.Subscript)
        and isinstance(node.value, ast.Name)
        and node.value.id in names
        and isinstance(node.slice, ast.Constant)
        and isinstance(node.slice.value, str)
    ):
        return node.slice.value
    return None

"""The tap: what it is given, its streams, and how a run ends."""

import contextlib
import dataclasses
import io
import json
import os
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from typing import IO, Any, ClassVar, cast

import click
from singer_sdk import Tap
from singer_sdk.mapper import RemoveRecordTransform
from singer_sdk.singerlib import Catalog
from singer_sdk.tap_base import CliTestOptionValue
from typing_extensions import override

from tap_croct import catalog, inputs, logs, settings, stream_maps
from tap_croct.bookmark import checked_state
from tap_croct.errors import InputError, OutputError
from tap_croct.export import EMPTY_PAGES, LIMIT_REACHED
from tap_croct.logs import counted, listed
from tap_croct.messages import MessageWriter
from tap_croct.stream_maps import StreamMaps
from tap_croct.streams import Events, Sessions, Users
from tap_croct.sync import CroctStream

STREAMS: dict[str, type[CroctStream]] = {
    str(stream.name): stream for stream in (Events, Sessions, Users)
}

_TEST_LIMITS = {"page_size": 1, "max_retries": 2, "request_timeout": 5}
"""The highest values that `--test` uses: it needs one record, and an early answer."""


class TapCroct(Tap):
    """Singer tap for Croct: events, sessions and users of a personalization platform."""

    name = "tap-croct"
    config_jsonschema: ClassVar[dict[str, Any]] = settings.SETTINGS
    message_writer_class = MessageWriter
    message_writer: MessageWriter

    @override
    def __init__(
        self,
        *,
        config: Mapping[str, Any] | None = None,
        parse_env_config: bool = False,
        validate_config: bool = True,
        testing: bool = False,
        **kwargs: Any,
    ) -> None:
        """Create a tap.

        Args:
            config: The settings.
            parse_env_config: Whether environment variables hold settings, too.
            validate_config: Whether wrong settings are an error; discovery does without them.
            testing: Whether it only tests the connection: little patience, and no batch files.
            kwargs: See `singer_sdk.Tap`.

        Raises:
            InputError: If settings, catalog, state or environment cannot be used.
        """
        logs.clean_records()
        self.unknown: set[str] = set()
        """Paths of what came from the API and is not in the schemas."""

        self._summed_up = False
        given = dict(config or {})
        if parse_env_config:
            given = inputs.merged([("the configuration", given), *_environment()])
        checked, mistakes = _checked(given, testing=testing)
        if mistakes and validate_config:
            raise InputError(*mistakes)
        if kwargs.get("catalog") is not None:
            kwargs["catalog"] = catalog.checked(kwargs["catalog"], STREAMS, self.logger)
        if isinstance(kwargs.get("state"), dict):
            kwargs["state"] = checked_state(kwargs["state"], STREAMS, self.logger)
        writer = kwargs.setdefault("message_writer", MessageWriter())
        with writer.handling_signals():
            super().__init__(config=checked, validate_config=validate_config, **kwargs)

    @override
    def discover_streams(self) -> list[CroctStream]:
        """Return the three streams."""
        return [stream(self) for stream in STREAMS.values()]

    @override
    def setup_mapper(self) -> None:
        """Prepare the stream maps, once the catalog and the maps are known to be good.

        Raises:
            InputError: If a stream map cannot be meant, or nothing is selected.
        """
        maps = StreamMaps(self.config, _properties(self.catalog), self.logger)
        self.mapper = maps.mapper(self.catalog)
        for stream in self.selected_streams():
            if all(isinstance(m, RemoveRecordTransform) for m in stream.stream_maps):
                self.logger.info("%s: all of its stream maps drop it: not exported", stream.name)
                stream.selected = False
        if not self.selected_streams():
            message = (
                "The catalog and `stream_maps` leave no stream selected, so nothing would be "
                "exported. Set `selected` to true in the metadata of a stream (with Meltano: "
                "`meltano select tap-croct '*' '*'`), or remove the map that drops it"
            )
            raise InputError(message)

    def selected_streams(self) -> list[CroctStream]:
        """Return the streams that are exported: selected, and not dropped by all their maps."""
        streams = cast("dict[str, CroctStream]", self.streams)
        return [stream for stream in streams.values() if stream.selected]

    @override
    @classmethod
    def get_singer_command(cls) -> click.Command:
        """Return the command; `--catalog` is read before `--test`, in whatever order they come."""
        command = super().get_singer_command()
        options = {str(option.name): option for option in command.params}
        options["catalog"].is_eager = True
        # The SDK takes any other word for a test that prints all records.
        options["test"].type = click.Choice([value.value for value in CliTestOptionValue])
        return command

    @override
    @classmethod
    def cb_config(cls, ctx: click.Context, param: click.Option, value: tuple[str, ...]) -> Any:
        """Read the configuration files, each of them once: later ones win, `ENV` wins over all."""
        try:
            files = [(inputs.config_name(path), path) for path in value if path != "ENV"]
            sources = [(name, inputs.read_object(path, name)) for name, path in files]
        except InputError as error:
            raise click.BadParameter(str(error), ctx, param) from None
        if "ENV" in value:
            sources += _environment()
        return dataclasses.replace(super().cb_config(ctx, param, ()), config=inputs.merged(sources))

    @override
    @classmethod
    def cb_test(cls, ctx: click.Context, param: click.Option, value: str) -> None:
        """Test the connection, quickly: one record of each selected stream, at most two retries."""
        if value != CliTestOptionValue.All.value:
            super().cb_test(ctx, param, value)
            return
        file = ctx.params.get("catalog")
        selection = inputs.read_object(file, f"--catalog {file.name}") if file else None
        ctx.close()  # the files that it opened: nothing else closes them after an error
        tap = cls(config=ctx.params["config"].config, catalog=selection, testing=True)
        streams = tap.selected_streams()
        for stream in streams:
            stream.longest_wait = _TEST_LIMITS["request_timeout"]
        # Nothing reads the messages, and a terminal or a CI log would show a person's data.
        with Path(os.devnull).open("w") as nowhere, contextlib.redirect_stdout(nowhere):
            tap.run_sync_dry_run(streams=streams)
        tap.logger.info("Connection OK: %s", ", ".join(stream.name for stream in streams))
        ctx.exit()

    @override
    @classmethod
    def invoke(
        cls, *, state: IO[str] | None = None, catalog: IO[str] | None = None, **kwargs: Any
    ) -> None:
        """Run the command line.

        Raises:
            InputError: If something that the run was given cannot be used.
        """
        given = {"state": state, "catalog": catalog}
        for option, file in given.items():
            if file is not None:
                read = inputs.read_object(file, f"--{option} {file.name}")
                given[option] = io.StringIO(json.dumps(read))
        super().invoke(state=given["state"], catalog=given["catalog"], **kwargs)

    @override
    def run_discovery(self) -> str:
        """Write the catalog to standard output, and return it."""
        text = self.catalog_json_text
        self.message_writer.write_lines(f"{text}\n".encode())
        return text

    def log_summary(self) -> None:
        """Warn of what came from the API and is not in the schemas, and sum up the run; once."""
        if self._summed_up:
            return
        self._summed_up = True
        if self.unknown:
            self.logger.warning(
                "The schemas do not know these; their values are exported all the same: %s",
                listed(self.unknown),
            )
        streams = self.selected_streams()
        left = [f"{s.name} ({s.end})" for s in streams if s.end in (LIMIT_REACHED, EMPTY_PAGES)]
        self.logger.info(
            "Done: %s, %s, %s, %s, %.1f s; %s",
            counted(len(streams), "stream"),
            counted(sum(s.records_written for s in streams), "record"),
            counted(sum(s.requests_sent for s in streams), "request"),
            counted(sum(s.retries for s in streams), "retry"),
            time.time() - self.initialized_at / 1000,
            f"left for the next run: {', '.join(left)}" if left else "nothing left",
        )


def _checked(given: Mapping[str, Any], *, testing: bool) -> tuple[dict[str, Any], list[str]]:
    """Return the settings with their defaults, or none of them and what is wrong."""
    # Not left to the SDK: its messages quote what is wrong, a key too.
    config = {name: value for name, value in given.items() if value is not None}
    if "batch_config" in config:
        config["batch_config"] = _without_nulls(config["batch_config"])
    logs.redact(str(config.get("api_key") or "").strip().strip("'\""))
    maps = config.get("stream_maps")
    mistakes = settings.validate(config)
    variable = os.environ.get(f"{inputs.PREFIX}STREAM_MAPS", "").strip()
    if isinstance(maps, dict):
        mistakes += stream_maps.differences(maps, os.environ.get(inputs.MELTANO_MAPS) or variable)
        if "MELTANO_EXTRACTOR_NAME" in os.environ and inputs.MELTANO_MAPS not in os.environ:
            text = "meltano.yml does not declare it with `kind: object`: nulls in it are dropped"
            TapCroct.logger.warning("stream_maps: %s", text)
    elif maps is None and variable not in ("", "null", "{}"):
        TapCroct.logger.warning("TAP_CROCT_STREAM_MAPS is set, but only `--config=ENV` reads it")
    misspelt, unknown = logs.unknown(config, settings.SETTINGS["properties"])
    mistakes += misspelt
    for line in (*unknown, *(() if mistakes else settings.warnings(config))):
        TapCroct.logger.warning(line)
    if mistakes:
        return {}, mistakes
    inputs.check_network(config["api_url"])
    config.setdefault("user_agent", f"{TapCroct.name}/{TapCroct.plugin_version}")
    if testing:
        config.pop("batch_config", None)
        for name, most in _TEST_LIMITS.items():
            config[name] = min(config[name], most)
    return config, []


def _without_nulls(value: object) -> object:
    """Return an object without the names whose value is null, at any depth: as if not written."""
    if not isinstance(value, dict):
        return value
    return {name: _without_nulls(part) for name, part in value.items() if part is not None}


def _properties(catalog: Catalog) -> dict[str, set[str]]:
    """Return the properties of each stream, the tap's own and those that a catalog adds."""
    names = {}
    for name, stream in STREAMS.items():
        own = cast("dict[str, Any]", stream.schema)["properties"]
        entry = catalog.get(name)
        names[name] = {*own, *((entry.schema.properties or ()) if entry else ())}
    return names


def _environment() -> list[tuple[str, dict[str, Any]]]:
    """Return the settings in `.env` and in the environment, with what to call them.

    Raises:
        InputError: If a variable is misspelt.
    """
    schema = settings.SETTINGS
    known = [f"{inputs.PREFIX}{name.upper()}" for name in (*schema["properties"], "loglevel")]
    sources = []
    for source, variables in inputs.variables().items():
        found, others = inputs.settings_in(variables, schema)
        misspelt, unknown = logs.unknown(others, known, inputs.PREFIX)
        for line in unknown:
            TapCroct.logger.warning(line)
        if misspelt:
            raise InputError(*misspelt)
        sources.append((source, found))
    return sources


def configured_command() -> click.Command:
    """Configure the log by what the environment says, and return the command.

    Raises:
        InputError: If that is not a configuration.
        OutputError: If standard output is closed.
    """
    if sys.stdout is None:
        message = "Standard output is closed, so there is nowhere to write to"
        raise OutputError(message)
    logs.clean_records()
    inputs.check_logging()
    try:
        command: click.Command = TapCroct.cli
    except Exception as error:
        file = os.environ.get("SINGER_SDK_LOG_CONFIG")
        message = f"The log cannot be configured as {file} says (SINGER_SDK_LOG_CONFIG): {error}"
        raise InputError(logs.printable(message)) from error
    logs.prepare(f"{TapCroct.name}.{stream}" for stream in STREAMS)
    return command

"""The tap: its settings, its streams, and its errors as a person reads them."""

from __future__ import annotations

import contextlib
import copy
import functools
import os
import signal
import sys
import time
import traceback
from io import StringIO
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any, ClassVar, cast

import click
from singer_sdk import Tap
from singer_sdk.exceptions import ConfigValidationError
from singer_sdk.mapper import PluginMapper
from singer_sdk.plugin_base import _ConfigInput  # what `cb_config` has to return
from singer_sdk.tap_base import CliTestOptionValue

from tap_croct import catalogs, environment, inputs, logs, settings, validation
from tap_croct.errors import InputError, OutputError, explain
from tap_croct.export import EMPTY_PAGES, LIMIT_REACHED
from tap_croct.messages import MessageWriter
from tap_croct.redaction import redact
from tap_croct.stream_maps import Stream, StreamMapCheck
from tap_croct.streams import Events, Sessions, Users
from tap_croct.text import counted, listed

if sys.version_info >= (3, 12):
    from typing import override
else:
    from typing_extensions import override

if TYPE_CHECKING:
    from collections.abc import Iterator
    from types import FrameType

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
    def __init__(self, *, testing: bool = False, **kwargs: Any) -> None:
        """Create a tap.

        Args:
            testing: Whether it is only to test the connection: it asks for one record of each
                stream, has little patience, and leaves no batch files behind.
            kwargs: See `singer_sdk.Tap`.

        Raises:
            ConfigValidationError: If a setting is wrong, or a stream map names what does not exist.
            InputError: If the state, the catalog or the environment cannot be used.
        """
        self.unknown: set[str] = set()
        """Paths of what came from the API and is not in the schemas."""
        self._testing = testing
        self._unknown_variables: list[str] = []
        logs.clean_records()
        self._summed_up = False
        super().__init__(**kwargs)

    @override
    @classmethod
    @functools.cache  # a search through the installed packages, and every stream asks
    def get_plugin_version(cls) -> str:
        """Return the tap's version."""
        return super().get_plugin_version()

    @override
    def discover_streams(self) -> list[CroctStream]:
        """Return the three streams."""
        streams = [stream(self) for stream in STREAMS.values()]
        if self._testing:
            for stream in streams:
                stream.longest_wait = _TEST_LIMITS["request_timeout"]
        return streams

    # What it is given

    @property
    @override
    def _env_var_config(self) -> dict[str, Any]:
        # The SDK looks for `.env` next to its own source, lets it win over the environment, and
        # leaves `number` settings as strings.
        self.append_builtin_config(self.config_jsonschema)
        prefix = self._env_var_prefix
        variables = environment.variables(prefix)
        found, self._unknown_variables = environment.settings(
            variables, self.config_jsonschema, prefix
        )
        return found

    @override
    def _validate_config(self, *, raise_errors: bool = True) -> list[str]:
        # The SDK's messages quote what is wrong, a key too, and do not say what it may be.
        schema = self.config_jsonschema
        self.append_builtin_config(schema)
        self._config = {name: value for name, value in self._config.items() if value is not None}
        redact(str(self._config.get("api_key") or "").strip())
        errors = validation.validate(self._config, schema)
        if "api_key" not in self._config and errors:
            errors += environment.forgotten(self._env_var_prefix)
        misspelt, unknown = self._unknown_names()
        warnings = unknown if errors else [*unknown, *validation.warnings(self._config)]
        for line in warnings:
            self.logger.warning(line)
        errors += misspelt
        if errors and raise_errors:
            raise _invalid(errors, schema)
        if not errors and self._config["api_url"].startswith("https:"):
            environment.check_certificates()
        if not errors and self._testing:
            self._config.pop("batch_config", None)
            for name, most in _TEST_LIMITS.items():
                self._config[name] = min(self._config[name], most)
        return errors

    def _unknown_names(self) -> tuple[list[str], list[str]]:
        names = self.config_jsonschema["properties"]
        in_files = validation.unknown(self._config, names)
        prefix = self._env_var_prefix
        variables = [f"{prefix}{name.upper()}" for name in (*names, "loglevel")]
        in_environment = validation.unknown(self._unknown_variables, variables, prefix)
        return in_files[0] + in_environment[0], in_files[1] + in_environment[1]

    @override
    def setup_mapper(self) -> None:
        """Prepare the stream maps, once the catalog and the maps are known to be good.

        Raises:
            ConfigValidationError: If a stream map names what does not exist.
            InputError: If the catalog cannot be used, or names of columns clash.
        """
        if self.input_catalog is not None:
            catalogs.complete(self.input_catalog, STREAMS, self.logger)
        if self.config.get("stream_maps"):
            self._check_stream_maps()
        # A copy: the mapper removes `__else__` from what it is given.
        self.mapper = PluginMapper(copy.deepcopy(dict(self.config)), self.logger)
        catalogs.register(self.catalog, self.mapper)

    def _check_stream_maps(self) -> None:
        check = StreamMapCheck(self.config, self._mappable())
        check.run()
        if check.mistakes:
            raise _invalid(check.mistakes, self.config_jsonschema)
        for line in check.warnings:
            self.logger.warning(line)

    def _mappable(self) -> Iterator[Stream]:
        """Yield the streams as stream maps see them: with the catalog's schemas and selection."""
        for name, stream in STREAMS.items():
            entry = self.catalog.get(name)
            declared = (entry.schema.properties or {}) if entry else {}
            own = cast("dict[str, Any]", stream.schema)["properties"]
            properties = {**own, **declared}
            deselected: frozenset[str] = frozenset()
            if entry and catalogs.is_selected(entry):
                mask = entry.metadata.resolve_selection()
                deselected = frozenset(n for n in properties if not mask["properties", n])
            yield Stream(name, properties, deselected)

    @override
    def load_state(self, state: dict[str, Any]) -> None:
        """Take the state of an earlier run.

        Args:
            state: The state, or a STATE message around it.

        Raises:
            InputError: If it is not a state.
        """
        super().load_state(inputs.checked_state(state, STREAMS, self.logger))

    # The command line

    @override
    @classmethod
    def cb_config(cls, ctx: click.Context, param: click.Option, value: tuple[str, ...]) -> Any:
        """Read the configuration files, each of them once: later ones win, `ENV` wins over all."""
        config: dict[str, Any] = {}
        try:
            for path in value:
                if path != "ENV":
                    config |= inputs.read_object(inputs.read_file(path), path)
        except InputError as error:
            raise click.BadParameter(str(error), ctx, param) from None
        return _ConfigInput(config=config, parse_env="ENV" in value)

    @override
    @classmethod
    def cb_test(cls, ctx: click.Context, param: click.Option, value: str) -> None:
        """Test the connection, quickly: one record of each stream, at most two retries."""
        with _explained():
            if value != CliTestOptionValue.All.value:
                super().cb_test(ctx, param, value)
                return
            ctx.close()  # the files that it opened: nothing else closes them after an error
            config = ctx.params.get("config", _ConfigInput())
            tap = cls(config=config.config, parse_env_config=config.parse_env, testing=True)
            # Nothing reads the messages, and a terminal or a CI log would show a person's data.
            with Path(os.devnull).open("w") as nowhere, contextlib.redirect_stdout(nowhere):
                tap.run_connection_test()
            tap.logger.info("Connection OK: %s", ", ".join(tap.streams))
        ctx.exit()

    @override
    @classmethod
    def invoke(
        cls,
        *,
        state: IO[str] | None = None,
        catalog: IO[str] | None = None,
        **kwargs: Any,
    ) -> None:
        """Run the command line.

        Raises:
            InputError: If something that the run was given cannot be used.
        """
        with _explained():
            if state is not None:
                state = _checked_file("--state", state)
            if catalog is not None:
                catalog = _checked_file("--catalog", catalog)
                catalogs.check(inputs.read_object(catalog.getvalue(), "--catalog"))
            super().invoke(state=state, catalog=catalog, **kwargs)

    @override
    def run_discovery(self) -> str:
        """Write the catalog to standard output, and return it."""
        text = self.catalog_json_text
        self.message_writer.write_text(f"{text}\n")
        return text

    # How it ends

    def log_summary(self) -> None:
        """Warn of what came from the API and is not in the schemas, and sum up the run; once."""
        if self._summed_up:
            return
        known = cast("dict[str, CroctStream]", self.streams)
        streams = [stream for stream in known.values() if stream.selected]
        self._summed_up = True
        if self.unknown:
            self.logger.warning(
                "The schemas do not know these; their values are exported all the same: %s",
                listed(self.unknown),
            )
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

    @override
    def _handle_termination(self, signum: int, frame: FrameType | None) -> None:
        # The SDK's handler writes a STATE message from wherever the signal strikes, be it in the
        # middle of a line, and exits with 0. What was written is bookmarked already.
        self.message_writer.terminate(signum)


@contextlib.contextmanager
def _explained() -> Iterator[None]:
    """Turn wrong settings into an `InputError`, for `main` to explain: the SDK logs them itself."""
    try:
        yield
    except ConfigValidationError as error:
        raise InputError(*error.errors) from None


def _invalid(errors: list[str], schema: dict[str, Any]) -> ConfigValidationError:
    return ConfigValidationError("Config validation failed", errors=errors, schema=schema)


def _checked_file(option: str, file: IO[str]) -> StringIO:
    source = f"{option} {file.name}"
    with file:
        text = inputs.read_stream(file, source)
    inputs.read_object(text, source)
    return StringIO(text)


def main() -> None:
    """Run the command line; end with a message, not with a traceback."""
    logger = TapCroct.logger
    try:
        if sys.stdout is None:
            message = "Standard output is closed, so there is nowhere to write to"
            raise OutputError(message)  # noqa: TRY301
        loggers = [f"{TapCroct.name}.{stream}" for stream in STREAMS]
        command = logs.prepare(lambda: TapCroct.cli, loggers)
        command()
    except Exception as error:  # noqa: BLE001 - the last resort
        logger.debug("%s", traceback.format_exc())
        logs.last_word(logger, explain(error))
        sys.exit(1)
    except SystemExit as end:
        if end.code in (128 + signal.SIGINT, 128 + signal.SIGTERM):
            name = signal.Signals(int(end.code) - 128).name
            logger.warning("Ended by %s: the next run resumes after the last state written", name)
        raise

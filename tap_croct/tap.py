"""The tap: its settings, its streams, and its errors as a person reads them."""

from __future__ import annotations

import sys
import traceback
from io import StringIO
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any, ClassVar

import click
from singer_sdk import Tap
from singer_sdk.exceptions import ConfigValidationError, FatalAPIError, SingerSDKError

from tap_croct import inputs, settings
from tap_croct.errors import InputError
from tap_croct.messages import MessageWriter
from tap_croct.progress import Run
from tap_croct.redaction import redact
from tap_croct.streams import Events, Sessions, Users

if sys.version_info >= (3, 12):
    from typing import override
else:
    from typing_extensions import override

if TYPE_CHECKING:
    from types import FrameType

    from tap_croct.sync import CroctStream

STREAMS: dict[str, type[CroctStream]] = {
    str(stream.name): stream for stream in (Events, Sessions, Users)
}


class TapCroct(Tap):
    """Singer tap for Croct: events, sessions and users of a personalization platform."""

    name = "tap-croct"
    config_jsonschema: ClassVar[dict[str, Any]] = settings.SETTINGS
    message_writer_class = MessageWriter
    message_writer: MessageWriter

    @override
    def __init__(self, **kwargs: Any) -> None:
        """Create a tap.

        Args:
            kwargs: See `singer_sdk.Tap`.

        Raises:
            ConfigValidationError: If a setting is wrong.
            InputError: If the state is none.
        """
        self.unknown: set[str] = set()
        """Paths of what came from the API and is not in the schemas."""
        self.run = Run(self.logger)
        """What the log tells of the run."""
        super().__init__(**kwargs)

    @override
    def discover_streams(self) -> list[CroctStream]:
        """Return the three streams."""
        return [stream(self) for stream in STREAMS.values()]

    # What it is given

    @property
    @override
    def _env_var_config(self) -> dict[str, Any]:
        # The SDK looks for `.env` beside its own source, lets it win over the environment, and
        # leaves `number` settings as strings.
        self.append_builtin_config(self.config_jsonschema)
        return settings.from_environment(self.config_jsonschema, self._env_var_prefix)

    @override
    def _validate_config(self, *, raise_errors: bool = True) -> list[str]:
        # The SDK's messages quote what is wrong, a key too, and do not say what it may be.
        schema = self.config_jsonschema
        self.append_builtin_config(schema)
        self._config = {name: value for name, value in self._config.items() if value is not None}
        errors = settings.validate(self._config, schema)
        if errors and raise_errors:
            message = "Config validation failed"
            raise ConfigValidationError(message, errors=errors, schema=schema)
        for line in settings.unknown(self._config, schema):
            self.logger.warning(line)
        if not errors:
            redact(self._config["api_key"])
        return errors

    @override
    def setup_mapper(self) -> None:
        """Prepare the stream maps, after the keys that no stream can do without."""
        if self.input_catalog is not None:
            inputs.keep_keys(self.input_catalog, STREAMS, self.logger)
        super().setup_mapper()

    @override
    def load_state(self, state: dict[str, Any]) -> None:
        """Take the state of an earlier run.

        Raises:
            InputError: If it is none.
        """
        super().load_state(inputs.checked_state(state, STREAMS, self.logger))

    @override
    @classmethod
    def cb_config(cls, ctx: click.Context, param: click.Option, value: tuple[str, ...]) -> Any:
        """Read the configuration files."""
        try:
            for path in value:
                if path != "ENV":
                    inputs.read_object(Path(path).read_text(encoding="utf-8"), path)
        except (OSError, UnicodeDecodeError, InputError) as error:
            raise click.BadParameter(str(error), ctx, param) from None
        return super().cb_config(ctx, param, value)

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
            InputError: If the state or the catalog is none.
        """
        if state is not None:
            state = StringIO(text := state.read())
            inputs.read_object(text, "--state")
        if catalog is not None:
            catalog = StringIO(text := catalog.read())
            inputs.check_catalog(inputs.read_object(text, "--catalog"))
        super().invoke(state=state, catalog=catalog, **kwargs)

    # How it ends

    def report_unknown(self) -> None:
        """Warn of what came from the API and is not in the schemas, once a run."""
        if self.unknown:
            names = ", ".join(sorted(self.unknown))
            self.logger.warning(
                "The schemas do not know these; their values are exported all the same: %s", names
            )
            self.unknown.clear()

    @override
    def _handle_termination(self, signum: int, frame: FrameType | None) -> None:
        # The SDK's handler writes a STATE message from wherever the signal strikes, be it in the
        # middle of a line, and exits with 0. All that is out is bookmarked as it is.
        self.message_writer.terminate(signum)


def main() -> None:
    """Run the command line; end with a message, not with a traceback."""
    logger = TapCroct.logger
    try:
        TapCroct.cli()
    except Exception as error:  # noqa: BLE001 - the last resort
        logger.debug("%s", traceback.format_exc())
        for line in _explain(error):
            logger.error(line)  # noqa: TRY400 - no traceback
        sys.exit(1)


def _explain(error: Exception) -> list[str]:
    """Say what went wrong, a line for each mistake."""
    if isinstance(error, ConfigValidationError) and error.errors:
        return error.errors
    if isinstance(error, (FatalAPIError, InputError)):
        return [str(error)]
    if isinstance(error, SingerSDKError):  # of a stream map, mostly
        return [f"{error} {error.__cause__ or ''}".strip()]
    hint = "with TAP_CROCT_LOGLEVEL=DEBUG, the log says where from"
    return [f"{type(error).__name__}: {error} ({hint})"]

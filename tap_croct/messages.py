"""Writing Singer messages to standard output."""

from __future__ import annotations

import select
import signal
import sys
from typing import TYPE_CHECKING, Any, BinaryIO

from singer_sdk.contrib.msgspec import MsgSpecWriter, encoder

from tap_croct.errors import OutputError

if sys.version_info >= (3, 12):
    from typing import override
else:
    from typing_extensions import override

if TYPE_CHECKING:
    from collections.abc import Iterable
    from datetime import datetime

    from singer_sdk.singerlib.messages import Message

_CHUNK = 1 << 18
"""Bytes that are written at once: a signal that arrives while a pipe is full waits for no more than
that. Each write lets the other thread run, so smaller ones take longer."""

_WAIT = 0.5  # seconds between two looks at whether a signal arrived while the output is full


class MessageWriter(MsgSpecWriter):
    """Writes whole lines, whatever interrupts it.

    A signal that arrives while a line is being written ends the process after that line, not in the
    middle of it.
    """

    def __init__(self) -> None:
        """Create a writer."""
        super().__init__()
        self._writing = False
        self._signal: int | None = None

    @override
    def write_message(self, message: Message) -> None:
        """Write one message."""
        self._write(bytes(self.format_message(message)))

    def write_records(
        self,
        stream: str,
        records: Iterable[dict[str, Any]],
        *,
        version: int | None,
        time_extracted: datetime,
    ) -> None:
        """Write a RECORD message for each of many records, all at once.

        Args:
            stream: Name of the stream.
            records: The records.
            version: Version of the table, if there is one.
            time_extracted: When the records were received.
        """
        more: dict[str, Any] = {} if version is None else {"version": version}
        more["time_extracted"] = time_extracted.isoformat()
        lines = [{"type": "RECORD", "stream": stream, "record": r, **more} for r in records]
        self._write(encoder.encode_lines(lines))

    def write_text(self, text: str) -> None:
        """Write lines that are not messages.

        Args:
            text: Whole lines.
        """
        self._write(text.encode())

    def terminate(self, signum: int) -> None:
        """End the process as a signal asks, at once or after the line that is being written.

        Args:
            signum: The signal's number.

        Raises:
            SystemExit: With 128 + `signum`, as a shell reports it.
        """
        if self._writing:
            self._signal = signum
        else:
            raise SystemExit(128 + signum)

    def _write(self, lines: bytes) -> None:
        output = _unbuffered_stdout()
        view = memoryview(lines)
        position, end = 0, len(lines)
        self._writing = True
        try:
            while position < end:
                count: int | None = output.write(view[position : min(position + _CHUNK, end)])
                if count is None:  # a non-blocking output that is full
                    select.select([], [output], [], _WAIT)
                else:
                    position += count
                if self._signal is not None:
                    end = _end_of_line(lines, position)
        except BrokenPipeError:
            # The reader is gone: nothing is left to do, and nothing to complain about.
            self._signal = self._signal or signal.SIGPIPE
        except OSError as error:
            message = f"Standard output cannot be written: {error.strerror or error}"
            raise OutputError(message) from error
        finally:
            self._writing = False
        if self._signal is not None:
            raise SystemExit(128 + self._signal)


def _unbuffered_stdout() -> BinaryIO:
    """Return the raw standard output: its `write` tells how much it wrote when interrupted."""
    buffer: BinaryIO = sys.stdout.buffer
    return getattr(buffer, "raw", buffer)


def _end_of_line(lines: bytes, position: int) -> int:
    """Return where the line ends that is partly written; the position itself, between two lines."""
    if position == 0 or lines[position - 1] == ord("\n"):
        return position
    return lines.index(b"\n", position) + 1

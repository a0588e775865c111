"""The command `tap-croct`."""

from __future__ import annotations

import gc
import signal
import sys
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from types import FrameType


def main() -> None:
    """Run the tap; from the first moment on, a signal ends it with 128 + its number."""
    for signum in (signal.SIGINT, signal.SIGTERM):
        signal.signal(signum, _terminate)
    gc.disable()  # what an import makes stays: looking for garbage meanwhile is a tenth of it
    from tap_croct import tap  # noqa: PLC0415 - takes half a second, in which signals arrive, too

    gc.freeze()
    gc.set_threshold(100_000)  # records make no cycles: looking for them is a fifth of an export
    gc.enable()
    tap.main()


def _terminate(signum: int, _frame: FrameType | None) -> None:
    sys.exit(128 + signum)


if __name__ == "__main__":
    main()

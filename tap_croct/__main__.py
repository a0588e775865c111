"""The command `tap-croct`."""

from __future__ import annotations

import gc
import os
import signal
import sys


def main() -> None:
    """Run the tap; from the first moment on, a signal ends it with 128 + its number."""
    for signum in (signal.SIGINT, signal.SIGTERM):
        signal.signal(signum, _terminate)
    gc.disable()  # what imports make stays: collecting garbage takes a tenth of their time
    from tap_croct.deferred import deferred  # noqa: PLC0415 - imports take time, ...

    with deferred():
        from tap_croct import tap  # noqa: PLC0415 - ... half a second, in which signals arrive, too

    gc.freeze()
    gc.set_threshold(100_000)  # records form no cycles: looking for any takes a fifth of an export
    gc.enable()
    tap.main()


def _terminate(signum: int, _frame: object) -> None:
    """End the process before there is a tap, which has a handler of its own.

    At once: an exception could be caught by a module that is being imported.
    """
    name = signal.Signals(signum).name
    if sys.stderr is not None:
        os.write(2, f"tap-croct: ended by {name} before the export began\n".encode())
    os._exit(128 + signum)


if __name__ == "__main__":
    main()

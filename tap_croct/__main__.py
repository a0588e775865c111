"""The command `tap-croct`."""

from __future__ import annotations

import atexit
import gc
import os
import signal
import sys
import threading


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
    try:
        tap.main()
    except SystemExit as end:
        if end.code is None or isinstance(end.code, int):
            _end(end.code or 0)
        raise


def _end(code: int) -> None:
    """End the process as Python does, but do not take all modules apart before.

    That would take a 30th of the time of an export of 100,000 events. Profilers, and threads that
    have to be waited for, get the ordinary end.
    """
    waited_for = [thread for thread in threading.enumerate() if not thread.daemon]
    if len(waited_for) > 1 or sys.getprofile() or sys.gettrace():
        return
    atexit._run_exitfuncs()  # noqa: SLF001 - there is no public way
    for stream in (sys.stdout, sys.stderr):
        if stream is not None:
            try:
                stream.flush()
            except (OSError, ValueError):  # Python says so, with its own exit code
                return
    os._exit(code)


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

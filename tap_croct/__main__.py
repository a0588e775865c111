"""The command `tap-croct`: signals first, errors as one line, exit codes."""

import gc
import os
import signal
import sys

from tap_croct import SIGNALS


def main() -> None:
    """Run the tap; end with a message, not with a traceback.

    Raises:
        SystemExit: With 1 after an error, 2 for a wrong command line, 128 + its number after a
            signal.
    """
    for signum in SIGNALS:
        if signum != signal.SIGHUP or signal.getsignal(signum) != signal.SIG_IGN:
            signal.signal(signum, _end_at_once)
    gc.disable()  # what imports make stays: collecting garbage takes a quarter of their time
    from tap_croct import errors, logs, tap  # noqa: PLC0415 - half a second, in which signals arrive

    gc.freeze()
    gc.set_threshold(100_000)  # records form no cycles: looking for any takes a fifth of an export
    gc.enable()
    logger = tap.TapCroct.logger
    try:
        command = tap.configured_command()
        command()
    except Exception as error:  # noqa: BLE001 - the last resort
        logger.debug("%s", errors.trace(error))
        logs.last_lines(logger, errors.explain(error))
        sys.exit(1)
    except SystemExit as end:
        if end.code in [128 + signum for signum in SIGNALS]:
            name = signal.Signals(int(end.code) - 128).name
            logger.warning("Ended by %s: the next run resumes after the last state written", name)
        raise


def _end_at_once(signum: int, _frame: object) -> None:
    """End the process before there is a tap, which has a handler of its own.

    At once: an exception could be caught by a module that is being imported.
    """
    name = signal.Signals(signum).name
    if sys.stderr is not None:
        os.write(2, f"tap-croct: ended by {name} before the export began\n".encode())
    os._exit(128 + signum)


if __name__ == "__main__":
    main()

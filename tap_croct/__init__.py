"""Singer tap for Croct."""

import signal

SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
"""What ends a run, with 128 + its number as exit code; SIGHUP unless it is ignored (`nohup`)."""

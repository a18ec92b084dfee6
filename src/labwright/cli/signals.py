"""The signals that end a verb."""

from __future__ import annotations

import signal


def stopping() -> tuple[signal.Signals, ...]:
    """Ctrl-C, SIGTERM and a lost terminal, except the signals that this process was started to ignore.

    ``nohup`` ignores a lost terminal, and a shell script the Ctrl-C of its background processes.
    """
    ends = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
    return tuple(one for one in ends if signal.getsignal(one) is not signal.SIG_IGN)

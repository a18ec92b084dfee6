"""The signals that end a verb."""

from __future__ import annotations

import signal


def stopping() -> tuple[signal.Signals, ...]:
    """Ctrl-C, SIGTERM and a lost terminal, less those that whoever began this process has it ignore.

    So does ``nohup`` with a lost terminal, and a shell script with the Ctrl-C of what it puts into the background.
    """
    ends = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
    return tuple(one for one in ends if signal.getsignal(one) is not signal.SIG_IGN)

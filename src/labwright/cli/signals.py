"""The process of a verb: the signals that end it, and what it leaves to others."""

from __future__ import annotations

import os
import signal

NICE = 10
"""How far a process that only watches stands back behind the controller that it watches."""

own_process = False
"""Whether this process runs one verb and nothing else; a test or a notebook may run verbs in its own."""


def give_way() -> None:
    """Let whatever else wants the processor have it first: watching is never in the way."""
    if own_process:
        os.nice(NICE)


def stopping() -> tuple[signal.Signals, ...]:
    """Ctrl-C, SIGTERM and a lost terminal, except the signals that this process was started to ignore.

    ``nohup`` ignores a lost terminal, and a shell script the Ctrl-C of its background processes.
    """
    ends = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
    return tuple(one for one in ends if signal.getsignal(one) is not signal.SIG_IGN)

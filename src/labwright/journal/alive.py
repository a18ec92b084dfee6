"""Whether a controller is alive, by what it has written: no lock is looked at, let alone taken."""

from __future__ import annotations

import os
import socket
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

BEAT_S = 5.0
"""Wall seconds after which a controller that has written nothing writes that it is there."""

STALE_S = 20.0
"""Wall seconds without a word after which a controller on another machine counts as gone."""

BEFORE_S = 2.0
"""So much later than its controller a process may seem to have started: clocks are set, and ticks are rounded."""


def is_alive(epoch: Mapping[str, Any], now_s: float | None = None) -> bool:
    """Whether a controller that has not recorded its end is alive.

    On its own machine its process says so, for it may hang; on another it has written something lately.

    Args:
        epoch: its row.
        now_s: wall time; that of now if None.
    """
    heard_s = epoch["heartbeat_s"] if epoch["heartbeat_s"] is not None else epoch["began_s"]
    fresh = (time.time() if now_s is None else now_s) - float(heard_s) < STALE_S
    if epoch["host"] != socket.gethostname():
        return fresh
    return _process_runs(int(epoch["pid"]), float(epoch["began_s"]) if not fresh else None)


def _process_runs(pid: int, since_s: float | None) -> bool:
    """Whether a process runs, and is not another one that has got its number since.

    Args:
        pid: its number.
        since_s: wall time at which it ran already; None if it is the same beyond doubt.
    """
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except (PermissionError, OverflowError):
        pass  # another user's
    try:
        # After the name, which may hold anything: state, and at the 22nd place when it began, in ticks since the boot.
        stat = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="replace")
        state, *fields = stat[stat.rindex(")") + 1 :].split()
        booted_s = next(
            float(line.split()[1]) for line in Path("/proc/stat").read_text().splitlines() if line.startswith("btime ")
        )
    except (OSError, ValueError, StopIteration):
        return True  # a system without it
    began_s = booted_s + float(fields[18]) / os.sysconf("SC_CLK_TCK")
    return state not in ("Z", "X") and (since_s is None or began_s <= since_s + BEFORE_S)

"""Room for many ports: how many descriptors (open files, lines, sockets) this process may have, and has.

Many systems allow a process 1,024 of them unless it asks for more; a lab of hundreds of lines needs more.
"""

from __future__ import annotations

import contextlib
import errno
import os
import resource
import threading
from collections.abc import Callable
from typing import TypeVar

from labwright.model.errors import ConfigError

SPARE = 64
"""Descriptors for everything that is no port: journal, data store, planner, report."""

FOR_A_PORT = 2
"""A line, and the lock on it."""

FOR_A_STATION = 3
"""The event loop of its RunEngine."""

FOR_A_SIMULATED_PORT = 2
"""Both ends of a pseudo-terminal, or a listening socket and its client."""

T = TypeVar("T")

_lock = threading.Lock()


def make_room(count: int, what: str) -> None:
    """See to it that `count` more descriptors can be opened; the soft limit is raised for it if need be.

    Args:
        count: how many are needed.
        what: needs them, for the message, as in ``"500 ports"``.

    Raises:
        ConfigError: the system does not allow this process so many; nothing was opened.
    """
    with _lock:  # two that raise the limit at once would lower each other's
        wanted = in_use() + count + SPARE
        soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
        if soft == resource.RLIM_INFINITY or wanted <= soft:
            return
        most = wanted if hard == resource.RLIM_INFINITY else min(wanted, hard)
        with contextlib.suppress(OSError, ValueError):  # a sandbox may forbid it
            resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, most), hard))
        allowed = resource.getrlimit(resource.RLIMIT_NOFILE)[0]
        if wanted > allowed:
            enough = _rounded(wanted)
            raise ConfigError(
                f"{what} need {count} open files, and with those of the rest of the process {wanted}; this process may "
                f"have {allowed}. Allow it more: `ulimit -n {enough}` in the shell before it is started, "
                f"LimitNOFILE={enough} for a systemd service, nofile in /etc/security/limits.conf for a user; or "
                "divide the lab among several processes"
            )


def with_room(open_it: Callable[[], T], count: int, what: str) -> T:
    """The result of `open_it`, which is tried again with room for `count` more descriptors if there were too few.

    Raises:
        ConfigError: there are too few, and the system allows no more.
    """
    try:
        return open_it()
    except OSError as error:
        if error.errno != errno.EMFILE:
            raise
    make_room(count, what)
    return open_it()


def in_use() -> int:
    """How many descriptors this process has open."""
    for place in ("/proc/self/fd", "/dev/fd"):
        try:
            return len(os.listdir(place))
        except FileNotFoundError:
            continue
        except OSError:  # looking takes one too
            break
    return resource.getrlimit(resource.RLIMIT_NOFILE)[0]


def _rounded(wanted: int) -> int:
    """A number people type."""
    return max(1024, 1 << (wanted - 1).bit_length())

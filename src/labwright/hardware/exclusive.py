"""One process, one line: a second controller is refused in words instead of corrupting frames."""

from __future__ import annotations

import fcntl
import hashlib
import os
import tempfile
from pathlib import Path


class ExclusiveLock:
    """An advisory lock for an address, held by this process until released or dead.

    pyserial's own lock covers serial lines only, and a TCP instrument such as an arm controller accepts a second
    client; so all lines take this one.
    """

    def __init__(self, address: str) -> None:
        self._address = address
        digest = hashlib.sha256(address.encode()).hexdigest()[:16]
        self._path = Path(tempfile.gettempdir()) / f"labwright-port-{digest}.lock"
        self._file: int | None = None

    def acquire(self) -> None:
        """Take the lock.

        Raises:
            OSError: another process, or another port of this one, has it.
        """
        handle = os.open(self._path, os.O_RDWR | os.O_CREAT, 0o666)
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            holder = os.read(handle, 32).decode("ascii", "replace").strip() or "unknown"
            os.close(handle)
            raise OSError(
                f"it is in use by process {holder}; stop that one first, two would garble each other"
            ) from None
        os.ftruncate(handle, 0)
        os.write(handle, str(os.getpid()).encode())
        self._file = handle

    def release(self) -> None:
        """Give the lock back; harmless if it is not held."""
        if self._file is not None:
            os.close(self._file)
            self._file = None

"""One process, one line: a second controller is refused in words instead of corrupting frames."""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import logging
import os
import stat
import threading
from pathlib import Path

_log = logging.getLogger(__name__)

FOLDERS = (Path("/run/lock"), Path("/var/lock"), Path("/tmp"))  # noqa: S108 - all users of a machine must meet in one
"""Where lock files lie: the first that every user may write to, so that all of them choose the same."""

LOOK_AFTER_S = 3600.0
"""Programs that clean /tmp by age remove what was not touched for days; a service runs for weeks."""

TRIES = 5
"""A file may be removed between its opening and its locking; not again and again."""


class ExclusiveLock:
    """An advisory lock for an address, held by this process until released or dead.

    pyserial's own lock covers serial lines only, and a TCP instrument such as an arm controller accepts a second
    client; so all lines take this one.

    Args:
        address: of the line.
        folder: of the lock file; the same for all users of the machine.
    """

    def __init__(self, address: str, folder: Path | None = None) -> None:
        self._address = address
        digest = hashlib.sha256(address.encode()).hexdigest()[:16]
        self.path = (folder or lock_folder()) / f"labwright-port-{digest}.lock"
        self._file: int | None = None

    def acquire(self) -> None:
        """Take the lock.

        Raises:
            OSError: another process, or another port of this one, has it.
        """
        self._file = self._taken()
        _keeper.add(self)

    def release(self) -> None:
        """Give the lock back; harmless if it is not held."""
        _keeper.remove(self)
        handle, self._file = self._file, None
        if handle is not None:
            os.close(handle)

    def look_after(self) -> None:
        """Show that the file is in use; where it was removed all the same, lock it again.

        Raises:
            OSError: another process has locked it before.
        """
        handle = self._file
        if handle is None:
            return
        if _still_at(self.path, handle):
            os.utime(handle)
            return
        self._file = self._taken()
        os.close(handle)

    def _taken(self) -> int:
        for _ in range(TRIES):
            handle = _opened(self.path)
            try:
                fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                holder = os.pread(handle, 32, 0).decode("ascii", "replace").strip() or "unknown"
                os.close(handle)
                raise OSError(
                    f"it is in use by process {holder}; stop that one first, two would garble each other"
                ) from None
            if _still_at(self.path, handle):
                with contextlib.suppress(OSError):  # another user's file that is not ours to write
                    os.ftruncate(handle, 0)
                    os.pwrite(handle, str(os.getpid()).encode(), 0)
                return handle
            os.close(handle)  # removed meanwhile: a lock on it would keep no process out
        raise OSError(f"its lock file {self.path} is removed again and again")


def lock_folder() -> Path:
    """The first of `FOLDERS` that every user may write to; the last if there is none."""
    for folder in FOLDERS:
        with contextlib.suppress(OSError):
            mode = folder.stat().st_mode
            if stat.S_ISDIR(mode) and mode & stat.S_IWOTH and mode & stat.S_ISVTX:
                return folder
    return FOLDERS[-1]


def _opened(path: Path) -> int:
    """The file, of whichever user; never what a link in a folder that all may write to leads to."""
    try:
        handle = os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o666)
    except FileExistsError:
        # Without O_CREAT: the kernel refuses that on another user's file in such a folder (fs.protected_regular).
        try:
            return os.open(path, os.O_RDWR | os.O_NOFOLLOW)
        except PermissionError:
            return os.open(path, os.O_RDONLY | os.O_NOFOLLOW)
    os.fchmod(handle, 0o666)  # whatever the umask: another user must be able to lock it later
    return handle


def _still_at(path: Path, handle: int) -> bool:
    """Whether the file that is open is the one that others will find there."""
    try:
        there, here = path.lstat(), os.fstat(handle)
    except FileNotFoundError:
        return False
    return (there.st_dev, there.st_ino) == (here.st_dev, here.st_ino)


class _Keeper:
    """Looks after all locks of this process, in a thread that ends with the last of them."""

    def __init__(self) -> None:
        self._locks: set[ExclusiveLock] = set()
        self._changed = threading.Condition()
        self._running = False

    def add(self, lock: ExclusiveLock) -> None:
        with self._changed:
            self._locks.add(lock)
            if not self._running:
                self._running = True
                threading.Thread(target=self._run, name="port locks", daemon=True).start()

    def remove(self, lock: ExclusiveLock) -> None:
        with self._changed:
            self._locks.discard(lock)
            self._changed.notify_all()

    def _run(self) -> None:
        while True:
            with self._changed:
                if self._changed.wait_for(lambda: not self._locks, LOOK_AFTER_S):
                    self._running = False
                    return
                locks = list(self._locks)
            for lock in locks:
                try:
                    lock.look_after()
                except OSError as error:
                    _log.error("another process may use the same line as this one (%s): %s", lock.path, error)


_keeper = _Keeper()

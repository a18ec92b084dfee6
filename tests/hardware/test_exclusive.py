"""Locks of lines: between processes and users, over weeks."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import pytest

from labwright.hardware import exclusive
from labwright.hardware.exclusive import ExclusiveLock, lock_folder

TRY = (
    "import sys; from pathlib import Path; from labwright.hardware.exclusive import ExclusiveLock\n"
    "try: ExclusiveLock(sys.argv[1], Path(sys.argv[2])).acquire()\n"
    "except OSError as error: print(error)\n"
    "else: print('free')"
)


def tried(address: str, folder: Path) -> str:
    done = subprocess.run([sys.executable, "-c", TRY, address, folder], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    place = tmp_path / "lock"
    place.mkdir()
    place.chmod(0o1777)
    return place


def test_another_process_is_refused_until_the_lock_is_given_back(folder: Path) -> None:
    lock = ExclusiveLock("serial:/dev/ttyS0", folder)
    lock.acquire()
    assert tried("serial:/dev/ttyS0", folder).startswith(f"it is in use by process {os.getpid()}")
    assert tried("serial:/dev/ttyS1", folder) == "free"
    with pytest.raises(OSError, match="in use"):
        ExclusiveLock("serial:/dev/ttyS0", folder).acquire()
    lock.release()
    lock.release()
    assert tried("serial:/dev/ttyS0", folder) == "free"


def test_all_users_choose_the_same_folder_that_nothing_cleans(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    private, shared = tmp_path / "private", tmp_path / "shared"
    for place, mode in ((private, 0o755), (shared, 0o1777)):
        place.mkdir()
        place.chmod(mode)
    monkeypatch.setattr(exclusive, "FOLDERS", (tmp_path / "none", private, shared))
    assert lock_folder() == shared
    monkeypatch.undo()
    monkeypatch.setenv("TMPDIR", str(private))
    assert lock_folder() != private, "a folder of one's own keeps nobody else out"


NOBODY = 65_534


def free_for_another_user(address: str, folder: Path) -> bool:
    """In a fork: another user need not be able to start this Python."""
    child = os.fork()
    if child == 0:
        os.setgroups([])
        os.setgid(NOBODY)
        os.setuid(NOBODY)
        try:
            ExclusiveLock(address, folder).acquire()
        except OSError as error:
            os._exit(0 if "in use by process" in str(error) else 2)
        os._exit(1)
    code = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    assert code in (0, 1)
    return code == 1


@pytest.mark.skipif(os.geteuid() != 0, reason="becoming another user needs root")
@pytest.mark.filterwarnings("ignore:.*fork:DeprecationWarning")
def test_another_user_is_refused_and_can_have_it_afterwards() -> None:
    with tempfile.TemporaryDirectory(dir="/tmp") as name:
        folder = Path(name)
        folder.chmod(0o1777)
        lock = ExclusiveLock("tcp:arm:10100", folder)
        old = os.umask(0o077)
        lock.acquire()
        os.umask(old)
        assert not free_for_another_user("tcp:arm:10100", folder)
        lock.release()
        assert free_for_another_user("tcp:arm:10100", folder), "a file that another user has left keeps nobody out"


def test_a_lock_outlives_programs_that_clean_by_age(folder: Path) -> None:
    lock = ExclusiveLock("serial:/dev/ttyS0", folder)
    lock.acquire()
    month_ago = time.time() - 30 * 86_400
    os.utime(lock.path, (month_ago, month_ago))
    lock.look_after()
    assert time.time() - lock.path.stat().st_mtime < 60
    lock.path.unlink()  # by whatever program
    lock.look_after()
    assert tried("serial:/dev/ttyS0", folder).startswith(f"it is in use by process {os.getpid()}")
    lock.path.unlink()
    other = ExclusiveLock("serial:/dev/ttyS0", folder)
    other.acquire()
    with pytest.raises(OSError, match="in use"):
        lock.look_after()
    other.release()
    lock.release()


def test_a_link_is_not_followed(folder: Path, tmp_path: Path) -> None:
    lock = ExclusiveLock("serial:/dev/ttyS0", folder)
    (tmp_path / "mine").write_text("precious")
    lock.path.symlink_to(tmp_path / "mine")
    with pytest.raises(OSError):  # noqa: PT011 - the system's own words
        lock.acquire()
    assert (tmp_path / "mine").read_text() == "precious"

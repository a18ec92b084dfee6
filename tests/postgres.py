"""A PostgreSQL of the tests' own: on loopback, in a temporary folder, killed and started again at will."""

from __future__ import annotations

import ctypes
import itertools
import os
import pwd
import random
import shutil
import signal
import socket
import subprocess
import tempfile
import threading
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psycopg
import pytest

__all__ = ["PostgresServer", "find_binaries", "postgres_or_skip"]

_READY_S = 60.0  # a start takes 0.1 s, one after a crash 0.2 s; the limit is for a busy machine
_PR_SET_CHILD_SUBREAPER = 36  # linux/prctl.h
_PORTS = range(20_000, 32_000)  # below the ports a system hands to outgoing connections: it stays ours over a restart


def find_binaries() -> Path | None:
    """The folder with initdb and postgres, from PATH or as Debian lays them; None if there is none."""
    on_path = shutil.which("initdb")
    found = [Path(on_path).resolve().parent] if on_path else []
    found += sorted(Path("/usr/lib/postgresql").glob("*/bin"), reverse=True)
    return next((folder for folder in found if (folder / "initdb").exists() and (folder / "postgres").exists()), None)


def postgres_or_skip() -> PostgresServer:
    """A running server; the test is skipped without PostgreSQL, and fails where it must be there."""
    binaries = find_binaries()
    if binaries is None:
        words = "PostgreSQL is not installed: no initdb on PATH or in /usr/lib/postgresql (apt-get install postgresql)"
        if os.environ.get("LABWRIGHT_REQUIRE_POSTGRES") == "1":
            pytest.fail(f"{words}; LABWRIGHT_REQUIRE_POSTGRES=1 asks for it")
        pytest.skip(words)
    return PostgresServer(binaries)


class PostgresServer:
    """A server that runs once made; `stop` it in the end.

    Durable as in real use (fsync is on), open to everybody on this machine's loopback, reachable from nowhere else.

    Args:
        binaries: folder with initdb and postgres.

    Attributes:
        port: TCP port on 127.0.0.1.
    """

    def __init__(self, binaries: Path) -> None:
        self._binaries = binaries
        # Not pytest's folder: another user must get in, and a socket's path may have no more than 107 bytes.
        self._folder = Path(tempfile.mkdtemp(prefix="lw-pg-", dir="/tmp"))
        self._user: str | None = None
        if os.geteuid() == 0:  # PostgreSQL refuses to run as root
            self._user = "postgres"
            entry = pwd.getpwnam(self._user)
            os.chown(self._folder, entry.pw_uid, entry.pw_gid)
        self._process: subprocess.Popen[str] | None = None
        self._numbers = itertools.count(1)
        self.port = 0
        # Not synced: only a power cut would tell, and then the folder is of no use. The server itself does sync.
        command = ["initdb", "-D", "data", "-U", "postgres", "-A", "trust", "-E", "UTF8", "--locale=C", "--no-sync"]
        with self._run(command) as made:
            said = made.stdout.read() if made.stdout else ""
        if made.returncode:
            shutil.rmtree(self._folder)
            raise RuntimeError(f"initdb ended with {made.returncode}: {said}")
        self.start()

    @property
    def url(self) -> str:
        """SQLAlchemy's address of the server's first database."""
        return self._url("postgres")

    def start(self) -> None:
        """Start it and wait until it accepts connections, recovery after a crash included; nothing if it runs.

        Raises:
            RuntimeError: it ended instead, with its last words.
        """
        if self._process is not None and self._process.poll() is None:
            return
        self.port = self.port or free_port()
        settings = {
            "listen_addresses": "127.0.0.1",
            "port": str(self.port),
            "unix_socket_directories": str(self._folder),
            "shared_buffers": "32MB",  # many servers may run side by side
            "max_connections": "50",
            "timezone": "UTC",
        }
        words = [word for name, value in settings.items() for word in ("-c", f"{name}={value}")]
        self._process = self._run(["postgres", "-D", "data", *words])
        log = _Log(self._process)
        if not log.said_ready.wait(_READY_S) or self._process.poll() is not None:
            self._process.kill()
            self._process.wait()
            raise RuntimeError(f"PostgreSQL on port {self.port} did not start in {_READY_S:g} s: {log.tail()}")

    def kill(self) -> None:
        """Kill the server and all its processes, as a crash would; what was committed must survive it."""
        process = self._process
        assert process is not None
        assert process.poll() is None, "it does not run"
        with _adopting():
            process.send_signal(signal.SIGSTOP)  # so that it makes no more children
            os.waitid(os.P_PID, process.pid, os.WSTOPPED)
            children = _children(process.pid)
            process.kill()
            process.wait()
            for child in children:
                os.kill(child, signal.SIGKILL)
            for child in children:
                os.waitpid(child, 0)  # the next start refuses beside a survivor

    def stop(self) -> None:
        """Stop it and delete its data."""
        if self._process is not None:
            self._process.send_signal(signal.SIGINT)  # "fast": waits for no client
            self._process.wait(_READY_S)
        shutil.rmtree(self._folder)

    def fresh_database(self) -> str:
        """Make an empty database and give its SQLAlchemy address; starts the server if a test left it killed."""
        self.start()
        name = f"fresh{next(self._numbers)}"
        with psycopg.connect(self.url.replace("+psycopg", ""), autocommit=True) as connection:
            connection.execute(f"CREATE DATABASE {name} TEMPLATE template0")
        return self._url(name)

    def _url(self, database: str) -> str:
        return f"postgresql+psycopg://postgres@127.0.0.1:{self.port}/{database}"

    def _run(self, command: list[str]) -> subprocess.Popen[str]:
        return subprocess.Popen(
            [str(self._binaries / command[0]), *command[1:]],
            cwd=self._folder,
            user=self._user,
            group=self._user,
            extra_groups=[] if self._user else None,
            env={"PATH": os.defpath, "LC_ALL": "C"},  # in English, and untouched by PG* variables
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,  # Ctrl-C is for pytest, which stops it
        )


class _Log:
    """Reads what the server says, so that its pipe never fills and a failure has words."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self.said_ready = threading.Event()
        self._lines: deque[str] = deque(maxlen=30)
        self._thread = threading.Thread(target=self._read, args=(process,), daemon=True)
        self._thread.start()

    def tail(self) -> str:
        self._thread.join(5.0)
        return "".join(self._lines)

    def _read(self, process: subprocess.Popen[str]) -> None:
        assert process.stdout is not None
        with process.stdout as lines:
            for line in lines:
                self._lines.append(line)
                if "ready to accept connections" in line:
                    self.said_ready.set()
        process.wait()
        self.said_ready.set()  # it ended: nobody needs to wait any longer


@contextmanager
def _adopting() -> Iterator[None]:
    """Be the parent of what its parent leaves behind, to wait for it; not every container's init does."""
    prctl = ctypes.CDLL(None, use_errno=True).prctl
    assert prctl(_PR_SET_CHILD_SUBREAPER, 1) == 0, os.strerror(ctypes.get_errno())
    try:
        yield
    finally:
        prctl(_PR_SET_CHILD_SUBREAPER, 0)


def _children(pid: int) -> list[int]:
    found = []
    for stat in Path("/proc").glob("[0-9]*/stat"):
        try:
            fields = stat.read_text().rpartition(")")[2].split()
        except (FileNotFoundError, ProcessLookupError):
            continue  # ended in between
        if int(fields[1]) == pid:
            found.append(int(stat.parent.name))
    return found


def free_port() -> int:
    for port in random.sample(_PORTS, 100):
        with socket.socket() as probe:
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
            return port
    raise RuntimeError(f"no free port among 100 of {_PORTS.start} to {_PORTS.stop}; something holds them all")
